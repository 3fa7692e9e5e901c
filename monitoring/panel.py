"""Every panel of every dashboard, once: what it shows, in which unit, and the line that it should stay under.

    DASHBOARDS ─▶ monitoring.dashboard (Grafana's JSON), monitoring.plot (pictures), tests (each query on a live Prometheus)

Queries add up hosts: counters by sum, what is read from the one ledger by max.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from monitoring import metrics as m
from monitoring.metrics import Metric

Kind = Literal["lines", "number", "bars"]
# Grafana chooses it to fit the screen and the scrape interval; elsewhere it is put in as text.
WINDOW: Final = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """A query and what its lines are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; ``limit`` is drawn as a line, named by the number of `domains.objective` that it must equal."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "lines"
    about: str = ""
    limit: float | None = None
    promise: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard: its uid and file name, its title and its panels in reading order."""

    uid: str
    title: str
    about: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)


def rate(metric: Metric, by: str = "", where: str = "") -> str:
    """Return how fast a counter grows, per second."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric.name}{where}[{WINDOW}]))"


def grown(metric: Metric, by: str = "", where: str = "") -> str:
    """Return by how much a counter has grown in the window."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (increase({metric.name}{where}[{WINDOW}]))"


def quantile(share: float, metric: Metric, by: str = "", where: str = "") -> str:
    """Return a quantile of a histogram; 0 while nothing was observed."""
    grouped = f"le, {by}" if by else "le"
    found = f"histogram_quantile({share:g}, sum by ({grouped}) (rate({metric.name}_bucket{where}[{WINDOW}])))"
    return f"({found} >= 0) or on () vector(0)"


def mean(metric: Metric, by: str = "", where: str = "") -> str:
    """Return the mean of a histogram; 0 while nothing was observed."""
    grouped = f" by ({by})" if by else ""
    total, count = (
        f"sum{grouped} (rate({metric.name}_{part}{where}[{WINDOW}]))" for part in ("sum", "count")
    )
    return f"({total} / {count} >= 0) or on () vector(0)"


def share(part: str, whole: str) -> str:
    """Return part of whole; 0 while there is nothing."""
    return f"({part} / ({whole}) >= 0) or on () vector(0)"


def latest(metric: Metric, by: str = "", where: str = "") -> str:
    """Return a gauge that every host reads from the same ledger."""
    grouped = f" by ({by})" if by else ""
    return f"max{grouped} ({metric.name}{where})"


def _spread(metric: Metric, where: str = "") -> tuple[Query, ...]:
    return (
        Query(quantile(0.5, metric, where=where), "P50"),
        Query(quantile(0.95, metric, where=where), "P95"),
        Query(quantile(0.99, metric, where=where), "P99"),
    )


_HITS, _MISSES = (grown(one, where=m.JUDGED_CACHES) for one in (m.CACHE_HITS, m.CACHE_MISSES))
_ROUTER: Final = '{cache="router"}'
_MONEY: Final = '{scope="tenant_day",unit="money"}'
_LEFT: Final = "(86400 - time() % 86400)"

PERFORMANCE: Final = Dashboard(
    "svodka-performance", "Svodka: performance", "The fast and the smart path against their budgets.",
    (
        Panel("Fast path latency", "s", _spread(m.FAST_LATENCY), limit=5, promise="FAST_P95_HIGH_S",
              about="P95 stays under 5 s; a page goes out at 10 s."),
        Panel("Model calls per request", "short",
              (Query(mean(m.CALLS_PER_REQUEST, where='{path="fast"}'), "fast, mean"),
               Query(mean(m.CALLS_PER_REQUEST, where='{path="smart"}'), "smart, mean")),
              limit=3, promise="FAST_CALLS", about="The fast path takes at most 3 on average."),
        Panel("Tokens per request", "short",
              (Query(quantile(0.95, m.TOKENS_PER_REQUEST, where='{path="fast"}'), "fast, P95"),
               Query(quantile(0.95, m.TOKENS_PER_REQUEST, where='{path="smart"}'), "smart, P95")),
              limit=8_000, promise="FAST_TOKENS", about="The fast path's P95 stays under 8k."),
        Panel("Agent steps per request", "short",
              (Query(quantile(0.95, m.STEPS_PER_REQUEST, where='{path="fast"}'), "fast, P95"),
               Query(quantile(0.95, m.STEPS_PER_REQUEST, where='{path="smart"}'), "smart, P95")),
              limit=4, promise="FAST_STEPS", about="The fast path's P95 is at most 4."),
        Panel("Smart path latency", "s", _spread(m.SMART_LATENCY)),
        Panel("Request budget exceeded", "short", (Query(grown(m.BUDGET_EXCEEDED, "kind"), "{{kind}}"),), "bars",
              about="Requests that took more than the fast path may, by what they took too much of."),
        Panel("Level of service", "short",
              (Query(grown(m.QOS_LEVEL, "level"), "{{level}}"), Query(grown(m.ESCALATIONS), "escalations")), "bars"),
        Panel("Cache hit rate", "percentunit",
              (Query(share(_HITS, f"{_HITS} + {_MISSES}"), "all but replies"),
               Query(share(grown(m.CACHE_HITS, where=_ROUTER),
                           f"{grown(m.CACHE_HITS, where=_ROUTER)} + {grown(m.CACHE_MISSES, where=_ROUTER)}"), "router")),
              limit=0.3, promise="CACHE_RATE", about="All but models' replies at least 30 %, the router's at least 50 %."),
    ),
)  # fmt: skip
BUDGETS: Final = Dashboard(
    "svodka-budgets", "Svodka: budgets", "What models cost, by the ledger that also enforces the stop.",
    (
        Panel("Spent of the day's budget", "percentunit", (Query(latest(m.BUDGET_USED, "scope, unit"), "{{scope}} {{unit}}"),),
              limit=0.8, promise="BUDGET_WARN_RATE"),
        Panel("Forecast to midnight UTC", "percentunit",
              (Query(f"max(clamp_min({m.BUDGET_USED.name}{_MONEY} + deriv({m.BUDGET_USED.name}{_MONEY}[1h]) * {_LEFT}, 0))"
                     " or on () vector(0)", "at the last hour's pace"),
               Query(f"{latest(m.BUDGET_USED, where=_MONEY)} or on () vector(0)", "so far")),
              limit=1, promise="BUDGET_GONE_RATE"),
        Panel("Money spent today", "short", (Query(latest(m.BUDGET_SPENT, "scope", '{unit="money"}'), "{{scope}}"),)),
        Panel("Money left today", "short", (Query(latest(m.BUDGET_LEFT, "scope", '{unit="money"}') + " or on () vector(0)", "{{scope}}"),)),
        Panel("Spend by provider and model", "short",
              (Query(latest(m.SPEND_TODAY, "provider, model") + " or on () vector(0)", "{{provider}} {{model}}"),), "bars"),
        Panel("Burn", "short", (Query(f"sum(max by (provider, model) (clamp_min(deriv({m.SPEND_TODAY.name}[15m]), 0))) * 3600 or on () vector(0)",
                                      "money an hour"),)),
        Panel("Tokens", "short", (Query(rate(m.LLM_TOKENS, "provider, model, direction"), "{{provider}} {{model}} {{direction}}"),)),
        Panel("Saved by caches today", "short", (Query(latest(m.SAVED_TODAY, "unit"), "{{unit}}"),)),
        Panel("Calls to models", "short", (Query(grown(m.LLM_CALLS, "provider, outcome"), "{{provider}} {{outcome}}"),), "bars"),
        Panel("Latency of a call, P95", "s", (Query(quantile(0.95, m.LLM_LATENCY), "all providers"),)),
        Panel("Calls without a known price", "short",
              (Query(latest(m.UNPRICED_TODAY), "today"), Query(grown(m.LLM_UNPRICED), "in the window"))),
        Panel("Providers left alone", "short", (Query(latest(m.CIRCUIT_OPEN, "provider") + " or on () vector(0)", "{{provider}}"),)),
    ),
)  # fmt: skip
PIPELINE: Final = Dashboard(
    "svodka-pipeline", "Svodka: pipeline", "From sources to deliveries: what waits, what fails, what is late.",
    (
        Panel("Waiting work", "short", (Query(latest(m.DUE, "task"), "{{task}}"),)),
        Panel("Oldest waiting", "s", (Query(latest(m.DUE_AGE, "task"), "{{task}}"),), limit=900, promise="DUE_AGE_S"),
        Panel("Work done", "short", (Query(grown(m.WORK, "task, outcome"), "{{task}} {{outcome}}"),), "bars"),
        Panel("Work, P95", "s", (Query(quantile(0.95, m.WORK_SECONDS, "task"), "{{task}}"),)),
        Panel("Deliveries", "short", (Query(grown(m.DELIVERIES, "channel, outcome"), "{{channel}} {{outcome}}"),), "bars"),
        Panel("Delay of deliveries, P95", "s", (Query(quantile(0.95, m.DELIVERY_DELAY), "after the window's close"),),
              limit=600, promise="DELIVERED_WITHIN_S"),
        Panel("Overdue digests, unknown deliveries", "short",
              (Query(latest(m.OVERDUE), "overdue"), Query(latest(m.UNKNOWN), "unknown"))),
        Panel("Dead letters", "short", (Query(latest(m.LETTERS, "kind, state"), "{{kind}} {{state}}"),)),
        Panel("Runs", "short", (Query(grown(m.RUNS, "domain, state"), "{{domain}} {{state}}"),), "bars"),
        Panel("Stages of a run, P95", "s", (Query(quantile(0.95, m.STAGE_SECONDS, "stage"), "{{stage}}"),)),
        Panel("Posts in", "short", (Query(grown(m.POSTS_IN, "outcome"), "{{outcome}}"),), "bars"),
        Panel("Waiting for analysis", "short",
              (Query(latest(m.INDEX_PENDING), "posts"), Query(latest(m.INDEX_LAG), "seconds of the oldest")),
              limit=1_800, promise="INDEX_LAG_S"),
        Panel("Sources", "short", (Query(latest(m.SOURCES, "health"), "{{health}}"),)),
        Panel("Longest silence of a source", "s", (Query(latest(m.SOURCE_LAG), "since it last answered"),)),
        Panel("Fetches", "short", (Query(grown(m.FETCHES, "outcome"), "{{outcome}}"),), "bars"),
        Panel("Sweeps", "short", (Query(grown(m.SWEEPS_DONE, "sweep"), "{{sweep}}"),), "bars", about="None for ten minutes: beat is dead."),
        Panel("Leases that ran out", "short", (Query(grown(m.LEASE_EXPIRIES, "task"), "{{task}}"),), "bars"),
        Panel("Dependencies", "short", (Query(f"min by (dependency) ({m.UP.name})", "{{dependency}}"),)),
        Panel("Free disk", "percentunit", (Query(f"min by (instance) ({m.DISK_FREE.name})", "{{instance}}"),),
              limit=0.1, promise="DISK_FREE_RATE"),
        Panel("The watch itself", "short",
              (Query(latest(m.CENSUS_SECONDS), "seconds to read the ledger"), Query(f"sum({m.WRITERS.name})", "files of counters"))),
    ),
)  # fmt: skip
QUALITY: Final = Dashboard(
    "svodka-quality", "Svodka: quality", "What digests are worth: scores, cuts, rungs, drops, routes.",
    (
        Panel("Verifier's score", "percentunit",
              (Query(mean(m.VERIFIER_SCORE), "mean"), Query(quantile(0.1, m.VERIFIER_SCORE), "worst tenth")),
              limit=0.6, promise="SCORE_LOW"),
        Panel("Sentences", "short", (Query(grown(m.CLAIMS, "verdict"), "{{verdict}}"),), "bars"),
        Panel("Rungs", "short", (Query(grown(m.RUNG, "rung"), "{{rung}}"),), "bars"),
        Panel("Posts, shown or dropped", "short", (Query(grown(m.POST_FATES, "fate"), "{{fate}}"),), "bars"),
        Panel("Router's decisions", "short", (Query(grown(m.ROUTER, "route, by"), "{{route}} by {{by}}"),), "bars"),
        Panel("How runs ended", "short", (Query(grown(m.RUNS, "state"), "{{state}}"),), "bars"),
    ),
)  # fmt: skip
TRENDS: Final = Dashboard(
    "svodka-trends", "Svodka: trends", "What rises, and what the guardrails held back.",
    (
        Panel("Trends that live", "short", (Query(latest(m.TRENDS, "state"), "{{state}}"),)),
        Panel("Changes of state", "short", (Query(grown(m.TREND_CHANGES, "state"), "{{state}}"),), "bars"),
        Panel("Held back", "short", (Query(grown(m.TREND_HELD, "why"), "{{why}}"),), "bars"),
        Panel("Detection, P95", "s", (Query(quantile(0.95, m.WORK_SECONDS, where='{task="trend.detect"}'), "a tenant"),)),
        Panel("Detections", "short", (Query(grown(m.WORK, "outcome", '{task="trend.detect"}'), "{{outcome}}"),), "bars"),
    ),
)  # fmt: skip
VISION: Final = Dashboard(
    "svodka-vision", "Svodka: vision", "Pictures: how many, how sure, how fast, for how much.",
    (
        Panel("Pictures", "short", (Query(grown(m.VISION_REQUESTS, "outcome"), "{{outcome}}"),), "bars"),
        Panel("Failed share", "percentunit",
              (Query(share(grown(m.VISION_REQUESTS, where='{outcome="failed"}'), grown(m.VISION_REQUESTS)), "failed"),),
              limit=0.05, promise="VISION_ERROR_RATE"),
        Panel("Confidence", "percentunit",
              (Query(quantile(0.5, m.VISION_CONFIDENCE), "P50"), Query(quantile(0.2, m.VISION_CONFIDENCE), "P20")),
              limit=0.5, promise="VISION_CONFIDENCE"),
        Panel("Latency", "s", _spread(m.VISION_LATENCY), limit=15, promise="VISION_S"),
        Panel("Tokens", "short", (Query(rate(m.VISION_TOKENS), "a second"),)),
        Panel("Cache of pictures", "short",
              (Query(grown(m.CACHE_HITS, where='{cache="vision"}'), "hits"),
               Query(grown(m.CACHE_MISSES, where='{cache="vision"}'), "misses")), "bars"),
    ),
)  # fmt: skip
DASHBOARDS: Final = (PERFORMANCE, BUDGETS, PIPELINE, QUALITY, TRENDS, VISION)
