"""Baselines: what Prometheus says now, kept to be compared with what it says later; and the dashboards as they are.

    python -m monitoring.baseline --prometheus-url URL --output FILE --timeout S      (= svodka baseline export)

A query that fails is an entry with its error; only when every one fails is the export a failure.
"""

import json
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import httpx

from monitoring import metrics as m
from monitoring.metrics import Metric

DEFAULT_URL: Final = "http://localhost:9090"
VARIABLE: Final = "PROMETHEUS_BASE_URL"
DASHBOARDS: Final = Path(__file__).parent / "dashboards"
REPORTS: Final = Path("reports") / "grafana-baseline"
LABEL: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
WINDOW: Final = "1h"
PERIOD: Final = re.compile(r"[1-9]\d{0,3}[mhdw]")
SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Probe:
    """A number worth keeping: its name, how to ask for it, and whether less (-1) or more (1) of it is better; 0: neither."""

    metric: str
    query: str
    better: int = 0


def _quantile(share: float, metric: Metric) -> str:
    return f"histogram_quantile({share:g}, sum by (le) (rate({metric.name}_bucket[{WINDOW}])))"


def _mean(metric: Metric) -> str:
    return f"sum(rate({metric.name}_sum[{WINDOW}])) / sum(rate({metric.name}_count[{WINDOW}]))"


def _grown(metric: Metric, where: str = "") -> str:
    return f"sum(increase({metric.name}{where}[{WINDOW}]))"


VISION: Final = (
    Probe("vision_requests_total", _grown(m.VISION_REQUESTS)),
    Probe("vision_requests_failed", _grown(m.VISION_REQUESTS, '{outcome="failed"}'), -1),
    Probe("vision_confidence_mean", _mean(m.VISION_CONFIDENCE), 1),
    Probe("vision_latency_seconds_p95", _quantile(0.95, m.VISION_LATENCY), -1),
    Probe("vision_tokens_used_total", _grown(m.VISION_TOKENS), -1),
    Probe("llm_tokens_used_total", _grown(m.LLM_TOKENS), -1),
    Probe("escalations_total", _grown(m.ESCALATIONS), -1),
)
PERFORMANCE: Final = (
    Probe("fast_path_latency_seconds_p50", _quantile(0.5, m.FAST_LATENCY), -1),
    Probe("fast_path_latency_seconds_p95", _quantile(0.95, m.FAST_LATENCY), -1),
    Probe("smart_path_latency_seconds_p95", _quantile(0.95, m.SMART_LATENCY), -1),
    Probe("llm_calls_per_request_mean", _mean(m.CALLS_PER_REQUEST), -1),
    Probe("tokens_per_request_p95", _quantile(0.95, m.TOKENS_PER_REQUEST), -1),
    Probe("agent_steps_per_request_p95", _quantile(0.95, m.STEPS_PER_REQUEST), -1),
    Probe("request_budget_exceeded_total", _grown(m.BUDGET_EXCEEDED), -1),
    Probe("qos_level_requests_total", _grown(m.QOS_LEVEL)),
    Probe("performance_cache_hits_total", _grown(m.CACHE_HITS), 1),
    Probe("performance_cache_misses_total", _grown(m.CACHE_MISSES), -1),
)
PROBES: Final = (*VISION, *PERFORMANCE)
COUNTERS: Final = (
    m.VISION_REQUESTS, m.VISION_TOKENS, m.LLM_TOKENS, m.ESCALATIONS, m.BUDGET_EXCEEDED, m.QOS_LEVEL, m.CACHE_HITS,
    m.CACHE_MISSES, m.RUNS, m.DELIVERIES, m.POSTS_IN,
)  # fmt: skip


class Prometheus:
    """A Prometheus that is asked; each question takes at most ``timeout_s``."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s

    def instant(self, query: str) -> Any:
        """Return the result of a query now. Raises ValueError or httpx.HTTPError when there is none."""
        return self._ask("query", {"query": query})

    def span(self, query: str, start: datetime, end: datetime, step_s: int) -> Any:
        """Return the result of a query over a span of time."""
        asked = {"query": query, "start": start.timestamp(), "end": end.timestamp(), "step": step_s}
        return self._ask("query_range", asked)

    def _ask(self, path: str, asked: dict[str, Any]) -> Any:
        url = f"{self.url}/api/v1/{path}"
        answer = httpx.post(url, data=asked, timeout=self._timeout_s, trust_env=False)
        value = answer.json()
        if value.get("status") != "success":
            raise ValueError(value.get("error") or f"HTTP {answer.status_code}")
        return value["data"]["result"]


def export(prometheus: Prometheus, now: datetime, probes: Iterable[Probe] = PROBES) -> dict[str, Any]:
    """Return the baseline of ``probes``: each with its value and what Prometheus answered, or with its error."""
    return _document(prometheus, now, [_measured(prometheus, probe) for probe in probes])


def increases(prometheus: Prometheus, now: datetime, period: str, days: int) -> dict[str, Any]:
    """Return how much each counter grew in each ``period`` (such as 1d) of the last ``days``, oldest first."""
    step_s = int(period[:-1]) * SECONDS[period[-1]]
    start = now - timedelta(days=days) + timedelta(seconds=step_s)
    found: list[dict[str, Any]] = []
    for metric in COUNTERS:
        query = f"sum(increase({metric.name}[{period}]))"
        try:
            raw = prometheus.span(query, start, now, step_s)
            rows = [(_moment(float(at)), float(value)) for at, value in raw[0]["values"]]
        except (httpx.HTTPError, ValueError, LookupError) as error:
            found.append({"metric": metric.name, "query": query, "error": _words(error)})
            continue
        total = sum(value for _, value in rows)
        periods = [{"at": at, "value": value} for at, value in rows]
        found.append({"metric": metric.name, "query": query, "value": total, "raw": raw, "periods": periods})
    return _document(prometheus, now, found) | {"increase": period, "days": days}


def failed(document: dict[str, Any]) -> bool:
    """Return whether nothing at all could be measured."""
    return all("error" in one for one in document["metrics"])


def snapshot(folder: Path, label: str, now: datetime, source: Path = DASHBOARDS) -> list[Path]:
    """Copy every dashboard as it stands into ``folder``; return the copies. Raises ValueError for an odd label."""
    return [
        _kept(folder, path.stem, label, now, path.read_text(encoding="utf-8"))
        for path in sorted(source.glob("*.json"))
    ]


def snapshot_live(
    folder: Path, label: str, now: datetime, *, url: str, token: str, timeout_s: float
) -> list[Path]:
    """Copy every dashboard of a Grafana into ``folder``; return the copies. Raises httpx.HTTPError, ValueError."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False) as client:
        found = client.get("/api/search", params={"type": "dash-db"}).raise_for_status().json()
        kept = []
        for one in found:
            body = client.get(f"/api/dashboards/uid/{one['uid']}").raise_for_status().json()["dashboard"]
            kept.append(_kept(folder, str(one["uid"]), label, now, json.dumps(body, indent=2) + "\n"))
    return kept


def keep(folder: Path, label: str, now: datetime, url: str, timeout_s: float = 10.0) -> list[Path]:
    """Keep the dashboards and, where ``url`` names a Prometheus, its numbers under ``label``; return the files."""
    made = snapshot(folder, label, now)
    if url:
        text = json.dumps(export(Prometheus(url, timeout_s), now), ensure_ascii=False, indent=2) + "\n"
        made.append(_kept(folder, "metrics", label, now, text))
    return made


@dataclass(frozen=True, slots=True)
class Delta:
    """How one number of a baseline compares with another's; ``change`` is relative, None where it cannot be told."""

    metric: str
    before: float | None
    after: float | None
    change: float | None
    verdict: str


def compare(before: dict[str, Any], after: dict[str, Any], tolerance: float = 0.05) -> list[Delta]:
    """Return each number of either baseline with its verdict: better, worse, same, changed, or missing."""
    wishes = {probe.metric: probe.better for probe in PROBES}
    old, new = ({one["metric"]: one.get("value") for one in each["metrics"]} for each in (before, after))
    return [
        _delta(name, old.get(name), new.get(name), wishes.get(name, 0), tolerance) for name in {**old, **new}
    ]


def _delta(name: str, old: float | None, new: float | None, better: int, tolerance: float) -> Delta:
    if old is None or new is None:
        return Delta(name, old, new, None, "missing")
    if old == new:
        return Delta(name, old, new, 0.0, "same")
    change = (new - old) / abs(old) if old else None
    if change is not None and abs(change) <= tolerance:
        return Delta(name, old, new, change, "same")
    if not better:
        return Delta(name, old, new, change, "changed")
    return Delta(name, old, new, change, "better" if (new > old) == (better > 0) else "worse")


def _measured(prometheus: Prometheus, probe: Probe) -> dict[str, Any]:
    entry: dict[str, Any] = {"metric": probe.metric, "query": probe.query}
    try:
        raw = prometheus.instant(probe.query)
        value = float(raw[0]["value"][1])
    except (httpx.HTTPError, ValueError, LookupError) as error:
        return entry | {"error": _words(error)}
    if not math.isfinite(value):
        return entry | {"error": "nothing was observed in the window"}
    return entry | {"value": value, "raw": raw}


def _words(error: Exception) -> str:
    return "no data" if isinstance(error, LookupError) else f"{type(error).__name__}: {error}"


def _document(prometheus: Prometheus, now: datetime, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "timestamp": now.astimezone(UTC).isoformat(timespec="seconds"),
        "prometheus_url": prometheus.url,
        "metrics": found,
    }


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")


def _kept(folder: Path, name: str, label: str, now: datetime, text: str) -> Path:
    if not LABEL.fullmatch(label):
        raise ValueError(f"label {label!r}: letters, digits, dots, dashes and underscores, such as pre-waveA")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{now.astimezone(UTC):%Y%m%dT%H%M%SZ}_{label}.json"
    path.write_text(text, encoding="utf-8")
    return path


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--prometheus-url",
    envvar=VARIABLE,
    default=DEFAULT_URL,
    show_default=True,
    show_envvar=True,
    help="Where to ask.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write [default: stdout]."
)
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.1, 600),
    help="Seconds a query may take.",
)
@click.option("--increase", default="", help="Aggregate increase() over such periods instead: 1d, 6h.")
@click.option(
    "--days",
    default=30,
    show_default=True,
    type=click.IntRange(1, 366),
    help="How far back, with --increase.",
)
def main(prometheus_url: str, output: Path | None, timeout: float, increase: str, days: int) -> None:
    """Export what Prometheus says of performance and vision, as JSON."""
    if increase and not PERIOD.fullmatch(increase):
        raise click.BadParameter("a number and one of m, h, d, w, such as 1d", param_hint="--increase")
    asked, now = Prometheus(prometheus_url, timeout), datetime.now(UTC)
    document = increases(asked, now, increase, days) if increase else export(asked, now)
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    if output is None:
        click.echo(text)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
    if failed(document):
        click.echo(f"nothing could be measured at {asked.url}: {document['metrics'][0]['error']}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
