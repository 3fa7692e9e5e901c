"""Declarations: whole, bounded, without people in labels, and equal to the values that the product knows."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

import celeryconfig
from agents.gate import Decision
from agents.quality import Path as Path_
from domains import budget, dlq, intent, lifecycle, objective
from domains.digest import REASONS, Rung
from monitoring import metrics
from monitoring.metrics import BY_NAME, METRICS, OPEN
from services.channel.factory import channels
from services.clock import StoppedClock
from services.settings import load
from tasks import job
from tests.rows import DAY

ROOT = Path(__file__).parent.parent.parent
PERSONAL = {
    "tenant",
    "user",
    "subscriber",
    "post",
    "author",
    "chat",
    "run",
    "run_id",
    "id",
    "name",
    "url",
    "target",
}
CUSTOMERS = {
    "fast_path_latency_seconds": "histogram", "smart_path_latency_seconds": "histogram",
    "llm_calls_per_request": "histogram", "tokens_per_request": "histogram", "agent_steps_per_request": "histogram",
    "request_budget_exceeded_total": "counter", "qos_level_requests_total": "counter",
    "performance_cache_hits_total": "counter", "performance_cache_misses_total": "counter",
    "vision_requests_total": "counter", "vision_confidence": "histogram", "vision_latency_seconds": "histogram",
    "vision_tokens_used_total": "counter", "llm_tokens_used_total": "counter", "escalations_total": "counter",
}  # fmt: skip
KNOWN = {"provider": tuple(f"p{n}" for n in range(10)), "model": tuple(f"m{n}" for n in range(20))}
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def test_the_customers_metrics_have_their_names_and_kinds():
    assert {name: BY_NAME[name].kind for name in CUSTOMERS} == CUSTOMERS
    assert BY_NAME["request_budget_exceeded_total"].names == ("kind",)
    assert BY_NAME["qos_level_requests_total"].names == ("level",)
    assert BY_NAME["performance_cache_hits_total"].names == ("cache",)
    assert BY_NAME["llm_tokens_used_total"].names == ("provider", "model", "direction")


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("fast_path_latency_seconds", objective.FAST_P95_HIGH_S),
        ("fast_path_latency_seconds", objective.FAST_P95_CRITICAL_S),
        ("llm_calls_per_request", objective.FAST_CALLS),
        ("tokens_per_request", objective.FAST_TOKENS),
        ("agent_steps_per_request", objective.FAST_STEPS),
        ("vision_confidence", objective.VISION_CONFIDENCE),
        ("vision_latency_seconds", objective.VISION_S),
        ("svodka_verifier_score", objective.SCORE_LOW),
        ("svodka_delivery_delay_seconds", objective.DELIVERED_WITHIN_S),
    ],
)
def test_a_limit_is_an_edge_and_not_the_last(name, limit):
    edges = BY_NAME[name].edges
    assert limit in edges
    assert max(edges) > limit


@each
def test_no_label_tells_of_people_and_series_are_few(metric):
    assert not PERSONAL & set(metric.names), metric.name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.edges) == (metric.kind == "histogram")
    assert tuple(sorted(metric.edges)) == metric.edges
    opened = [name for name, values in metric.labels.items() if values is OPEN]
    assert set(opened) <= {"provider", "model"}
    assert len(metric.series(KNOWN)) * max(1, len(metric.edges)) <= 1_000


def test_all_series_of_a_large_installation_are_a_few_thousand():
    total = sum(len(metric.series(KNOWN)) * (len(metric.edges) + 3) for metric in METRICS)
    assert total < 8_000


def test_names_are_unique():
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize(
    ("declared", "known"),
    [
        (metrics.TASKS, tuple(kind.name for kind in job.KINDS)),
        (metrics.REASONS, tuple(REASONS)),
        (metrics.ROUTES, intent.ROUTES),
        (metrics.TREND_STATES, lifecycle.STATES),
        (metrics.SCOPES, get_args(budget.ScopeKind)),
        (metrics.LETTER_KINDS, get_args(dlq.Kind)),
        (metrics.LETTER_STATES, dlq.OPEN),
        (metrics.RUNGS, get_args(Rung)),
        (metrics.PATHS, get_args(Path_)),
        (metrics.RUNS.labels["state"], get_args(Decision)),
        (metrics.CHANNELS, tuple(channels(load(), None, StoppedClock(DAY)))),
    ],
    ids=["tasks", "reasons", "routes", "trend states", "scopes", "letter kinds", "letter states", "rungs", "paths", "ends", "channels"],
)  # fmt: skip
def test_labels_take_the_values_that_the_product_has(declared, known):
    assert set(declared) == set(known)


def test_every_sweep_of_beat_is_counted():
    sweeps = {
        name for name, entry in celeryconfig.beat_schedule.items() if isinstance(entry["schedule"], float)
    }
    assert set(metrics.SWEEPS) == sweeps


def test_every_declared_metric_is_written_somewhere():
    """By name in product code: a metric that nothing writes is a panel that lies."""
    used = set()
    for room in ("services", "tasks", "agents", "web", "cli", "monitoring"):
        for path in (ROOT / room).rglob("*.py"):
            if path.name in {"metrics.py", "alert.py"} or path.parent.name == "dashboards":
                continue
            tree = ast.parse(path.read_text("utf-8"))
            used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names = {name for name, value in vars(metrics).items() if isinstance(value, metrics.Metric)}
    assert names - used == set()
