"""What each alert must fire on, and what it must keep quiet about: series by the minute, in promtool's notation."""

from dataclasses import dataclass, field

from monitoring.metrics import BY_NAME


@dataclass(frozen=True)
class Case:
    """Series for one alert. ``firing`` has it firing ``at``; no one of ``quiet`` does."""

    firing: dict[str, str]
    quiet: tuple[dict[str, str], ...]
    at: str = "2h"
    labels: dict[str, str] = field(default_factory=dict)


def histogram(name, value, each_minute, labels="", minutes=130):
    """Return the buckets of a histogram that sees ``value`` so many times a minute."""
    metric, inner = BY_NAME[name], labels + ("," if labels else "")
    series = {}
    for edge in (*metric.edges, float("inf")):
        le = "+Inf" if edge == float("inf") else str(float(edge))
        speed = each_minute if value <= edge else 0
        series[f'{name}_bucket{{{inner}le="{le}"}}'] = f"0+{speed}x{minutes}"
    series[f"{name}_count{{{labels}}}"] = f"0+{each_minute}x{minutes}"
    series[f"{name}_sum{{{labels}}}"] = f"0+{each_minute * value:g}x{minutes}"
    return series


def mixed(name, values, labels=""):
    """Return the buckets of a histogram that sees several values, {value: times a minute}."""
    parts = [histogram(name, value, times, labels) for value, times in values.items()]
    speeds = {key: sum(float(part[key].split("+")[1].split("x")[0]) for part in parts) for key in parts[0]}
    return {key: f"0+{speed:g}x130" for key, speed in speeds.items()}


def grows(name, each_minute, start=0):
    """Return a counter that grows so much a minute."""
    return {name: f"{start}+{each_minute}x130"}


def level(name, value):
    """Return a gauge that stands still."""
    return {name: f"{value}x130"}


def used(values, scope="tenant_day", unit="money"):
    """Return the used share of a day's budget."""
    return {f'svodka_budget_used_ratio{{scope="{scope}",unit="{unit}"}}': values}


def caches(hits, misses, cache="router"):
    """Return a cache's hits and misses by the minute."""
    return grows(f'performance_cache_hits_total{{cache="{cache}"}}', hits) | grows(
        f'performance_cache_misses_total{{cache="{cache}"}}', misses
    )


def calls(ok, failed):
    """Return a model's calls by the minute."""
    name = 'svodka_llm_calls_total{provider="p",model="m",outcome="%s"}'
    return grows(name % "ok", ok) | grows(name % "failed", failed)


FAST = 'path="fast"'
SMART = 'path="smart"'
LATENCY, TOKENS, STEPS, CALLS = (
    "fast_path_latency_seconds", "tokens_per_request", "agent_steps_per_request", "llm_calls_per_request",
)  # fmt: skip
DELAY, SCORE, SEEN = "svodka_delivery_delay_seconds", "svodka_verifier_score", "vision_confidence"
LETTERS = 'svodka_dead_letters{kind="%s",state="%s"}'
EXCEEDED = 'request_budget_exceeded_total{kind="%s"}'
# A rise of 0.002 a minute from 0.3 passes 1 long before the day of promtool's clock, which begins at midnight, ends.
CASES = {
    "FastPathP95LatencyHigh": Case(
        histogram(LATENCY, 5.5, 10),
        (histogram(LATENCY, 5, 10), histogram(LATENCY, 9, 1), mixed(LATENCY, {1: 96, 30: 4})),
    ),
    "FastPathP95LatencyCritical": Case(
        histogram(LATENCY, 11, 10),
        (histogram(LATENCY, 9.5, 10), histogram(LATENCY, 50, 1)),
    ),
    "FastPathLLMCallsHigh": Case(
        mixed(CALLS, {3: 5, 4: 5}, FAST),
        (histogram(CALLS, 3, 10, FAST), histogram(CALLS, 7, 10, SMART), {f"{k}": v.replace("+10", "+0").replace("+80", "+0") for k, v in histogram(CALLS, 8, 10, FAST).items()}),
    ),
    "FastPathTokensHigh": Case(
        mixed(TOKENS, {3_000: 9, 9_000: 1}, FAST),
        (mixed(TOKENS, {3_000: 96, 9_000: 4}, FAST), histogram(TOKENS, 30_000, 10, SMART)),
    ),
    "FastPathAgentStepsHigh": Case(
        mixed(STEPS, {3: 9, 5: 1}, FAST),
        (histogram(STEPS, 4, 10, FAST), histogram(STEPS, 6, 10, SMART)),
    ),
    "RequestBudgetLLMCallsExceeded": Case(
        grows(EXCEEDED % "llm_calls", 1), (level(EXCEEDED % "llm_calls", 50), grows(EXCEEDED % "tokens", 1))
    ),
    "RequestBudgetTokensExceeded": Case(
        grows(EXCEEDED % "tokens", 1), (level(EXCEEDED % "tokens", 50), grows(EXCEEDED % "agent_steps", 1))
    ),
    "RequestBudgetAgentStepsExceeded": Case(
        grows(EXCEEDED % "agent_steps", 1),
        (level(EXCEEDED % "agent_steps", 50), grows(EXCEEDED % "llm_calls", 1)),
    ),
    "ContextRouterCacheHitRateLow": Case(
        caches(4, 6), (caches(6, 4), caches(0, 0.2), caches(0, 10, cache="vision"))
    ),
    "PerformanceCacheHitRateLow": Case(
        caches(2, 8, "retrieval"),
        # A question to a model bears a mark of its own: that its reply is in no cache is no trouble.
        (caches(4, 6, "retrieval"), caches(0, 0.2, "retrieval"), caches(0, 10, "reply")),
    ),
    "BudgetGoneBeforeMidnight": Case(
        used("0.3+0.002x130"),
        (used("0.3x130"), used("0.02+0.001x130"), used("0.3+0.002x60 0.42x70"), used("0.3+0.002x130", "run")),
        labels={"scope": "tenant_day", "unit": "money"},
    ),
    "BudgetSpent80": Case(
        used("0.81x130"), (used("0.79x130"), used("0.95x130", "request")),
        labels={"scope": "tenant_day", "unit": "money"},
    ),
    "BudgetGone": Case(
        used("0.9x130") | grows('svodka_llm_calls_total{provider="p",model="m",outcome="refused"}', 1),
        (used("0.99x130"), used("0.5x130") | grows('svodka_llm_calls_total{provider="p",model="m",outcome="refused"}', 1)),
        labels={"scope": "tenant_day", "unit": "money"},
    ),
    "UnpricedUsage": Case(level("svodka_unpriced_calls_today", 1), (level("svodka_unpriced_calls_today", 0),)),
    "ModelErrorRateHigh": Case(calls(9, 1), (calls(99, 1), calls(0, 0.1))),
    "ModelProviderLeftAlone": Case(
        level('svodka_llm_circuit_open{provider="p"}', 1), (level('svodka_llm_circuit_open{provider="p"}', 0),),
        labels={"provider": "p"},
    ),
    "VisionConfidenceLow": Case(
        mixed(SEEN, {0.4: 3, 0.9: 7}), (mixed(SEEN, {0.4: 1, 0.9: 9}), histogram(SEEN, 0.2, 0.2))
    ),
    "VisionLatencyHigh": Case(
        histogram("vision_latency_seconds", 16, 10),
        (histogram("vision_latency_seconds", 15, 10), histogram("vision_latency_seconds", 40, 0.2)),
    ),
    "VisionErrorRateHigh": Case(
        grows('vision_requests_total{outcome="ok"}', 9) | grows('vision_requests_total{outcome="failed"}', 1),
        (
            grows('vision_requests_total{outcome="ok"}', 99) | grows('vision_requests_total{outcome="failed"}', 1),
            grows('vision_requests_total{outcome="ok"}', 0) | grows('vision_requests_total{outcome="failed"}', 0.1),
        ),
    ),
    "DigestSloFastBurn": Case(
        mixed(DELAY, {30: 9, 1_000: 1}), (mixed(DELAY, {30: 95, 1_000: 5}), histogram(DELAY, 5_000, 0.2))
    ),
    "DigestSloSlowBurn": Case(
        mixed(DELAY, {30: 95, 1_000: 5}), (mixed(DELAY, {30: 98, 1_000: 2}), histogram(DELAY, 5_000, 0.1))
    ),
    "DigestsOverdue": Case(level("svodka_digests_overdue", 1), (level("svodka_digests_overdue", 0),)),
    "OldestDueAgeHigh": Case(
        level('svodka_oldest_due_age_seconds{task="digest.make"}', 901),
        (level('svodka_oldest_due_age_seconds{task="digest.make"}', 899),),
        labels={"task": "digest.make"},
    ),
    "DeadLettersGrowing": Case(
        {LETTERS % ("transient", "scheduled"): "0x90 6x40"},
        ({LETTERS % ("transient", "scheduled"): "0x90 4x40"}, level(LETTERS % ("transient", "scheduled"), 90)),
    ),
    "PermanentLetters": Case(
        level(LETTERS % ("bug", "permanent"), 1),
        (level(LETTERS % ("bug", "permanent"), 0), level(LETTERS % ("bug", "scheduled"), 3)),
        labels={"kind": "bug"},
    ),
    "UnknownDeliveries": Case(level("svodka_deliveries_unknown", 1), (level("svodka_deliveries_unknown", 0),)),
    "SourceSilent": Case(
        level('svodka_sources{health="silent"}', 1),
        (level('svodka_sources{health="silent"}', 0), level('svodka_sources{health="failing"}', 1)),
    ),
    "IndexLagHigh": Case(level("svodka_index_lag_seconds", 1_801), (level("svodka_index_lag_seconds", 1_799),)),
    "LeasesExpiring": Case(
        grows('svodka_lease_expiries_total{task="digest.make"}', 0.2),
        (grows('svodka_lease_expiries_total{task="digest.make"}', 0.05),),
        labels={"task": "digest.make"},
    ),
    "VerifierScoreDrop": Case(
        histogram(SCORE, 0.55, 1), (histogram(SCORE, 0.9, 1), histogram(SCORE, 0.3, 0.1))
    ),
    "BeatDead": Case(
        level('svodka_sweeps_total{sweep="digest.due"}', 40), (grows('svodka_sweeps_total{sweep="digest.due"}', 1),)
    ),
    "Watchdog": Case({}, ()),
    "MetricsMissing": Case(level("svodka_up", 1), (level("svodka_census_seconds", 0.01),)),
    "DependencyDown": Case(
        level('svodka_up{dependency="postgres"}', 0), (level('svodka_up{dependency="postgres"}', 1),),
        labels={"dependency": "postgres"},
    ),
    "DiskLow": Case(
        level('svodka_disk_free_ratio{instance="a"}', 0.09), (level('svodka_disk_free_ratio{instance="a"}', 0.11),),
        labels={"instance": "a"},
    ),
    "DiskFull": Case(
        level('svodka_disk_free_ratio{instance="a"}', 0.02), (level('svodka_disk_free_ratio{instance="a"}', 0.04),),
        labels={"instance": "a"},
    ),
}  # fmt: skip
