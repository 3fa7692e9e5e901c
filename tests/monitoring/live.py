"""`make monitoring`: plays a real run with faults under a real Prometheus and Alertmanager, and says what was seen of it.

python -m tests.monitoring.live [--pictures FOLDER]
"""

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from monitoring import baseline, plot
from monitoring.build import ROOT
from monitoring.metrics import METRICS, UP
from monitoring.panel import DASHBOARDS, WINDOW
from tests.monitoring.stage import MISSING, PROGRAMS, Line, Stage, bodies, reported
from tests.servers import wait_until

# What a run with these faults must have counted; the rest may stand at 0.
MOVED = (
    "fast_path_latency_seconds_count", "smart_path_latency_seconds_count", 'performance_cache_hits_total{cache="retrieval"}',
    'svodka_runs_total{domain="answer",state="ship"}', 'llm_calls_per_request_count{path="fast"}', 'tokens_per_request_sum{path="fast"}',
    'agent_steps_per_request_sum{path="fast"}', 'qos_level_requests_total{level="fast"}', "performance_cache_hits_total",
    'performance_cache_misses_total{cache="router"}', 'performance_cache_misses_total{cache="reply"}',
    'llm_tokens_used_total{direction="input"}', 'llm_tokens_used_total{direction="output"}',
    'svodka_llm_calls_total{outcome="ok"}', 'svodka_llm_calls_total{outcome="failed"}', "svodka_llm_latency_seconds_count",
    'svodka_runs_total{state="ship"}', 'svodka_work_total{outcome="done"}', "svodka_run_stage_seconds_count",
    'svodka_deliveries_total{channel="file",outcome="delivered"}', 'svodka_deliveries_total{outcome="unknown"}',
    'svodka_deliveries_total{outcome="failed"}', "svodka_delivery_delay_seconds_count",
    'svodka_source_fetches_total{outcome="failed"}', 'svodka_posts_total{outcome="new"}',
    'svodka_posts_total{outcome="bad"}', 'svodka_post_fates_total{fate="shown"}',
    'svodka_post_fates_total{fate="duplicate"}', 'svodka_claims_total{verdict="shipped"}', "svodka_verifier_score_count",
    "svodka_rung_total", "svodka_router_decisions_total", "svodka_sweeps_total", "svodka_budget_spent",
    "svodka_spend_today", "svodka_deliveries_unknown", 'svodka_dead_letters{state="permanent"}',
    'svodka_sources{health="failing"}',
)  # fmt: skip


def metrics_scraped(stage):
    """Every declared metric has a series in Prometheus; of dependencies those that are set up."""
    lost = [one.name for one in METRICS if not stage.ask(f'{{__name__=~"{one.name}(_count)?"}}')]
    return Line("every metric scraped", not lost, f"{len(METRICS)} metrics, missing: {lost or 'none'}")


def numbers_moved(stage):
    still = [one for one in MOVED if not stage.number(f"sum({one})") > 0]
    return Line(
        "what the load does is counted", not still, f"{len(MOVED)} series, still at 0: {still or 'none'}"
    )


def panels_filled(stage):
    """Every query of every panel, over the time that the stage has run."""
    end = datetime.now(UTC)
    prometheus, empty, count = baseline.Prometheus(stage.url, 30), [], 0
    for one in DASHBOARDS:
        for panel in one.panels:
            for query in panel.queries:
                count += 1
                expr = query.expr.replace(WINDOW, "30s")
                found = prometheus.span(expr, end - timedelta(minutes=2), end, 2)
                if not any(series["values"] for series in found):
                    empty.append(f"{one.uid}: {panel.title}: {query.legend}")
    return Line("every panel returns data", not empty, f"{count} queries, empty: {empty or 'none'}")


def dependencies_up(stage):
    down = [one["metric"]["dependency"] for one in stage.ask(f"{UP.name} == 0")]
    return Line("dependencies are up", not down, f"down: {down or 'none'}")


def alert_fires(stage):
    names = lambda: {one["metric"]["alertname"] for one in stage.ask('ALERTS{alertstate="firing"}')}
    wait_until(lambda: any(name.startswith("Budget") for name in names()), timeout_s=60)
    return Line("a budget alert fires in Prometheus", ok=True, found=", ".join(sorted(names())))


def alert_reaches_alertmanager(stage):
    url = f"http://127.0.0.1:{stage.ports['alertmanager']}/api/v2/alerts"
    names = lambda: {one["labels"]["alertname"] for one in httpx.get(url, trust_env=False).json()}
    wait_until(lambda: any(name.startswith("Budget") for name in names()), timeout_s=60)
    return Line("it reaches Alertmanager", ok=True, found=", ".join(sorted(names())))


def alert_reaches_webhook(stage):
    wait_until(lambda: any(name.startswith("Budget") for name in bodies(stage.webhook)), timeout_s=60)
    return Line("it reaches a loopback webhook", ok=True, found=", ".join(sorted(bodies(stage.webhook))))


def alert_reaches_bot(stage):
    texts = lambda: [text for text in stage.bot.chats[-100_123].texts if "Budget" in str(text)]
    wait_until(texts, timeout_s=60)
    return Line("it reaches a loopback Bot API", ok=True, found=str(texts()[0]).splitlines()[0])


def watchdog_reaches_webhook(stage):
    return Line(
        "the dead-man's switch is fed", "Watchdog" in bodies(stage.webhook), "Watchdog at the webhook"
    )


def checks_are_green(stage):
    """promtool on rules, configuration and the text of metrics; amtool on Alertmanager's configuration."""
    text = httpx.get(f"http://127.0.0.1:{stage.ports['metrics']}/metrics", trust_env=False).text
    tools = (
        ([PROGRAMS["promtool"], "check", "rules", *sorted((ROOT / "alerts").glob("*.yml"))], None),
        ([PROGRAMS["promtool"], "check", "config", ROOT / "prometheus.yml"], None),
        ([PROGRAMS["promtool"], "check", "metrics"], text),
        ([PROGRAMS["amtool"], "check-config", stage.alertmanager], None),
    )
    said = []
    for command, given in tools:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            said.append((done.stdout + done.stderr).strip())
    # The customer's vision_confidence has no unit, and promtool asks nothing else of names.
    return Line(
        "promtool and amtool are green", not said, f"{len(tools)} checks, complaints: {said or 'none'}"
    )


def baselines_compared(stage):
    command = [
        sys.executable,
        "-c",
        "import cli; cli.main()",
        "baseline",
        "compare",
        *map(str, stage.baselines),
    ]
    picture = stage.folder / "deltas.png"
    done = subprocess.run(
        [*command, "--plot", str(picture)], env=stage.environment, capture_output=True, text=True, check=False
    )
    ok = stage.exported == [0, 0] and done.returncode == 0 and picture.exists()
    return Line(
        "a baseline is exported and compared", ok, (done.stdout or done.stderr).strip().splitlines()[-1]
    )


def files_do_not_pile_up(stage):
    """Worker children were killed: what they counted is folded, and their files are gone."""
    text = httpx.get(f"http://127.0.0.1:{stage.ports['metrics']}/metrics", trust_env=False).text
    count = next(
        float(line.split()[1]) for line in text.splitlines() if line.startswith("svodka_metric_files")
    )
    return Line("files of dead processes are folded", count <= 14, f"{count:.0f} files")


CHECKS = (
    dependencies_up, metrics_scraped, numbers_moved, panels_filled, alert_fires, alert_reaches_alertmanager,
    alert_reaches_webhook, alert_reaches_bot, watchdog_reaches_webhook, checks_are_green, baselines_compared,
    files_do_not_pile_up,
)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="draw the dashboards into this folder")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    options = parser.parse_args()
    if MISSING:
        print(f"skipped: {', '.join(MISSING)} not installed (Debian: prometheus, prometheus-alertmanager)")  # noqa: T201
        return
    with (
        tempfile.TemporaryDirectory(prefix="svodka-live-") as folder,
        Stage(options.keep or Path(folder)) as stage,
    ):
        began = datetime.now(UTC)
        stage.play()
        lines = [check(stage) for check in CHECKS]
        print(reported(lines))  # noqa: T201
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            end = datetime.now(UTC)
            prometheus = baseline.Prometheus(stage.url, 30)
            for one in DASHBOARDS:
                picture = options.pictures / f"{one.uid}.png"
                plot.draw_panels(one, prometheus, began, end).savefig(picture, dpi=80)
    sys.exit(0 if all(line.ok for line in lines) else 1)


if __name__ == "__main__":
    main()
