"""Every alert, once: what it looks for, how long, how bad, and the promise it guards. Files are made from this table.

    ALERTS ─▶ monitoring.rules ─▶ alerts/*.yml (Prometheus), grafana/provisioning/alerting/*.yml (Grafana)

Each share of cases asks for `LEAST` cases in its window, so that one slow request at night wakes nobody; what is too
rare for shares is watched by its age instead. A test holds ``threshold`` to the number of the same name in
`domains.objective`. A critical alert silences the warning with the same ``about``.
"""

from dataclasses import dataclass
from typing import Final, Literal

from monitoring import metrics as m
from monitoring.metrics import Metric

Severity = Literal["critical", "warning", "none"]
LEAST: Final = 20
DAY_LEFT: Final = "(86400 - time() % 86400)"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. ``limit`` names the number of `domains.objective` that ``threshold`` must equal; "" where there is none.

    ``about`` groups alerts of one trouble; ``summary`` and ``remedy`` may use Prometheus's templates.
    """

    name: str
    group: str
    expr: str
    lasts: str
    severity: Severity
    about: str
    summary: str
    remedy: str
    limit: str = ""
    threshold: float | None = None

    @property
    def runbook(self) -> str:
        """Where to read what to do, in the repository."""
        return f"docs/runbooks/{self.name}.md"


def _p95(metric: Metric, window: str, threshold: float, where: str = "") -> str:
    buckets = f"sum by (le) (rate({metric.name}_bucket{where}[{window}]))"
    return f"histogram_quantile(0.95, {buckets}) > {threshold:g} and {_enough(f'{metric.name}_count{where}', window)}"


def _mean(metric: Metric, window: str, where: str = "") -> str:
    return f"sum(rate({metric.name}_sum{where}[{window}])) / sum(rate({metric.name}_count{where}[{window}]))"


def _enough(series: str, window: str) -> str:
    return f"sum(increase({series}[{window}])) >= {LEAST}"


def _hit_rate(window: str, threshold: float, where: str = "") -> str:
    hits, misses = (f"sum(increase({one.name}{where}[{window}]))" for one in (m.CACHE_HITS, m.CACHE_MISSES))
    return f"{hits} / ({hits} + {misses}) < {threshold:g} and {hits} + {misses} >= {LEAST}"


def _share(metric: Metric, bad: str, all_: str, window: str, threshold: float) -> str:
    part, whole = (f"sum(increase({metric.name}{where}[{window}]))" for where in (bad, all_))
    return f"{part} / {whole} > {threshold:g} and {whole} >= {LEAST}"


def _late(window: str) -> str:
    name = m.DELIVERY_DELAY.name
    return f'1 - sum(rate({name}_bucket{{le="600.0"}}[{window}])) / sum(rate({name}_count[{window}]))'


def _burn(long: str, short: str, speed: float) -> str:
    allowed = f"{speed:g} * (1 - {SLO:g})"
    return f"{_late(long)} > {allowed} and {_late(short)} > {allowed} and {_enough(f'{m.DELIVERY_DELAY.name}_count', long)}"


def _forecast(window: str) -> str:
    used = f'{m.BUDGET_USED.name}{{scope=~"tenant_day|provider_day"}}'
    return f"max by (scope, unit) ({used} + deriv({used}[{window}]) * {DAY_LEFT}) > 1"


def _letters(when: str = "") -> str:
    # Every host tells the same ledger.
    return f"sum(max by (kind, state) ({m.LETTERS.name}{when}))"


SLO: Final = 0.995
_FAST: Final = '{path="fast"}'
_DAYS: Final = f'max by (scope, unit) ({m.BUDGET_USED.name}{{scope=~"tenant_day|provider_day"}})'
_REFUSED: Final = f'sum(increase({m.LLM_CALLS.name}{{outcome="refused"}}[15m]))'


def _exceeded(name: str, kind: str, words: str) -> Alert:
    return Alert(
        name, "performance", f'sum(increase({m.BUDGET_EXCEEDED.name}{{kind="{kind}"}}[30m])) >= 3', "5m", "warning",
        f"budget_{kind}", f"{{{{ $value | humanize }}}} requests in half an hour went over their budget of {words}",
        "see which questions they were, and whether a prompt or a plan has grown", "LEAST_EXCEEDED", 3,
    )  # fmt: skip


ALERTS: Final = (
    Alert(
        "FastPathP95LatencyHigh", "performance", _p95(m.FAST_LATENCY, "10m", 5), "5m", "warning", "fast_latency",
        "The fast path's P95 is {{ $value | humanizeDuration }}, over 5 s",
        "see which stage grew, and whether the model's provider is slow", "FAST_P95_HIGH_S", 5,
    ),
    Alert(
        "FastPathP95LatencyCritical", "performance", _p95(m.FAST_LATENCY, "10m", 10), "5m", "critical", "fast_latency",
        "The fast path's P95 is {{ $value | humanizeDuration }}, over 10 s",
        "switch to the cheaper model or to extraction until it is fast again", "FAST_P95_CRITICAL_S", 10,
    ),
    Alert(
        "FastPathLLMCallsHigh", "performance",
        f"{_mean(m.CALLS_PER_REQUEST, '30m', _FAST)} > 3 and {_enough(m.CALLS_PER_REQUEST.name + '_count' + _FAST, '30m')}",
        "5m", "warning", "fast_calls", "The fast path takes {{ $value | humanize }} model calls on average, over 3",
        "see whether answers are repaired or retried", "FAST_CALLS", 3,
    ),
    Alert(
        "FastPathTokensHigh", "performance", _p95(m.TOKENS_PER_REQUEST, "30m", 8_000, _FAST), "5m", "warning",
        "fast_tokens", "The fast path's P95 is {{ $value | humanize }} tokens, over 8k",
        "see whether windows or prompts have grown", "FAST_TOKENS", 8_000,
    ),
    Alert(
        "FastPathAgentStepsHigh", "performance", _p95(m.STEPS_PER_REQUEST, "30m", 4, _FAST), "5m", "warning",
        "fast_steps", "The fast path's P95 is {{ $value | humanize }} steps, over 4",
        "see which check forces plans to grow", "FAST_STEPS", 4,
    ),
    _exceeded("RequestBudgetLLMCallsExceeded", "llm_calls", "model calls"),
    _exceeded("RequestBudgetTokensExceeded", "tokens", "tokens"),
    _exceeded("RequestBudgetAgentStepsExceeded", "agent_steps", "agent steps"),
    Alert(
        "ContextRouterCacheHitRateLow", "performance", _hit_rate("1h", 0.5, '{cache="router"}'), "15m", "warning",
        "router_cache", "The router's cache answers {{ $value | humanizePercentage }} of questions, under 50 %",
        "see whether Redis answers and whether its memory is full", "ROUTER_CACHE_RATE", 0.5,
    ),
    Alert(
        "PerformanceCacheHitRateLow", "performance", _hit_rate("1h", 0.3, m.JUDGED_CACHES), "15m", "warning", "cache",
        "Caches answer {{ $value | humanizePercentage }} of questions, under 30 %",
        "see which cache misses, and whether its time to live is too short", "CACHE_RATE", 0.3,
    ),
    Alert(
        "BudgetGoneBeforeMidnight", "budget",
        f"({_forecast('1h')}) and ({_forecast('15m')}) and {_DAYS} > 0.25 and {_DAYS} < 1", "5m", "warning", "budget",
        "At this pace the {{ $labels.scope }} budget of {{ $labels.unit }} will be {{ $value | printf `%.1f` }}"
        " times its limit at midnight UTC",
        "see who spends it; raise the limit or lower the pace", "BUDGET_FORECAST_FROM_RATE", 0.25,
    ),
    Alert(
        "BudgetSpent80", "budget", f"{_DAYS} >= 0.8", "1m", "warning", "budget",
        "{{ $value | humanizePercentage }} of the {{ $labels.scope }} budget of {{ $labels.unit }} is spent",
        "decide whether to raise it before digests are written without a model", "BUDGET_WARN_RATE", 0.8,
    ),
    Alert(
        "BudgetGone", "budget", f"{_DAYS} >= 1 or {_DAYS} >= 0.8 and on () {_REFUSED} > 0", "1m", "critical", "budget",
        "The {{ $labels.scope }} budget of {{ $labels.unit }} is gone ({{ $value | humanizePercentage }}): models are"
        " not asked any more", "raise the limit, or wait for midnight UTC; digests go on without a model",
        "BUDGET_GONE_RATE", 1,
    ),
    Alert(
        "UnpricedUsage", "budget", f"max({m.UNPRICED_TODAY.name}) > 0", "5m", "warning", "unpriced",
        "{{ $value | humanize }} calls today have no known price: money budgets do not see them",
        "add the model's price to the file of SVODKA_MODEL_PRICES", "UNPRICED_CALLS", 0,
    ),
    Alert(
        "ModelErrorRateHigh", "budget",
        _share(m.LLM_CALLS, '{outcome="failed"}', '{outcome=~"ok|failed"}', "30m", 0.05), "10m", "warning", "model",
        "{{ $value | humanizePercentage }} of model calls fail", "see which kind of failure, and the provider's status",
        "ERROR_RATE", 0.05,
    ),
    Alert(
        "ModelProviderLeftAlone", "budget", f"max by (provider) ({m.CIRCUIT_OPEN.name}) > 0", "10m", "warning",
        "model", "{{ $labels.provider }} failed too often and is not asked", "see the provider's status and the key",
    ),
    Alert(
        "VisionConfidenceLow", "vision",
        f'sum(increase({m.VISION_CONFIDENCE.name}_bucket{{le="0.5"}}[1h])) /'
        f" sum(increase({m.VISION_CONFIDENCE.name}_count[1h])) > 0.2 and"
        f" {_enough(m.VISION_CONFIDENCE.name + '_count', '1h')}", "15m", "warning", "vision_confidence",
        "{{ $value | humanizePercentage }} of pictures are read with a confidence of at most 0.5",
        "look at the pictures: a new kind, or a new model?", "VISION_UNSURE_RATE", 0.2,
    ),
    Alert(
        "VisionLatencyHigh", "vision", _p95(m.VISION_LATENCY, "30m", 15), "10m", "warning", "vision_latency",
        "A picture's P95 is {{ $value | humanizeDuration }}, over 15 s", "see the provider, and the size of pictures",
        "VISION_S", 15,
    ),
    Alert(
        "VisionErrorRateHigh", "vision", _share(m.VISION_REQUESTS, '{outcome="failed"}', "", "30m", 0.05), "10m",
        "warning", "vision_errors", "{{ $value | humanizePercentage }} of pictures cannot be read",
        "see which pictures fail and with what", "VISION_ERROR_RATE", 0.05,
    ),
    Alert(
        "DigestSloFastBurn", "pipeline", _burn("1h", "5m", 14.4), "2m", "critical", "digest_slo",
        "{{ $value | humanizePercentage }} of digests of the last hour came more than 10 minutes late",
        "see what waits: runs, the model, or a channel", "FAST_BURN", 14.4,
    ),
    Alert(
        "DigestSloSlowBurn", "pipeline", _burn("6h", "30m", 6), "15m", "warning", "digest_slo",
        "{{ $value | humanizePercentage }} of digests of the last six hours came more than 10 minutes late",
        "see which stage or channel is slow", "SLOW_BURN", 6,
    ),
    Alert(
        "DigestsOverdue", "pipeline", f"max({m.OVERDUE.name}) > 0", "5m", "critical", "digest_slo",
        "{{ $value | humanize }} digests should have been delivered and are not",
        "see `svodka dlq list` and the channel's health", "OVERDUE_DIGESTS", 0,
    ),
    Alert(
        "OldestDueAgeHigh", "pipeline", f"max by (task) ({m.DUE_AGE.name}) > 900", "5m", "critical", "due_age",
        "The oldest row for {{ $labels.task }} has waited {{ $value | humanizeDuration }}",
        "see whether workers live, and add some", "DUE_AGE_S", 900,
    ),
    Alert(
        "DeadLettersGrowing", "pipeline", f"{_letters()} - {_letters(' offset 30m')} >= 5", "5m",
        "warning", "letters", "{{ $value | humanize }} more dead letters than half an hour ago",
        "see what they have in common: `svodka dlq list`", "LETTERS_GROWTH", 5,
    ),
    Alert(
        "PermanentLetters", "pipeline", f'max by (kind) ({m.LETTERS.name}{{state="permanent"}}) > 0', "5m", "warning",
        "letters_permanent", "{{ $value | humanize }} {{ $labels.kind }} letters wait for an operator",
        "replay or discard them: `svodka dlq list`", "PERMANENT_LETTERS", 0,
    ),
    Alert(
        "UnknownDeliveries", "pipeline", f"max({m.UNKNOWN.name}) > 0", "5m", "warning", "unknown",
        "Of {{ $value | humanize }} deliveries nobody knows whether they arrived", "look, and say so: `svodka delivery`",
        "UNKNOWN_DELIVERIES", 0,
    ),
    Alert(
        "SourceSilent", "pipeline", f'max({m.SOURCES.name}{{health="silent"}}) > 0', "15m", "warning", "sources",
        "{{ $value | humanize }} sources have not answered for three of their intervals",
        "see `svodka source list`", "SILENT_SOURCES", 0,
    ),
    Alert(
        "IndexLagHigh", "pipeline", f"max({m.INDEX_LAG.name}) > 1800", "10m", "warning", "index",
        "Posts wait {{ $value | humanizeDuration }} to be analysed", "see the index queue's worker and its letters",
        "INDEX_LAG_S", 1_800,
    ),
    Alert(
        "LeasesExpiring", "pipeline", f"sum by (task) (increase({m.LEASE_EXPIRIES.name}[30m])) >= 3", "5m", "warning",
        "leases", "{{ $value | humanize }} leases of {{ $labels.task }} ran out: workers die or sleep",
        "see the kernel's log for killed workers, and memory", "LEAST_EXPIRIES", 3,
    ),
    Alert(
        "VerifierScoreDrop", "quality",
        f"({_mean(m.VERIFIER_SCORE, '1d')} < 0.6 or {_mean(m.VERIFIER_SCORE, '1d')} < {_mean(m.VERIFIER_SCORE, '7d')} - 0.1)"
        f" and {_enough(m.VERIFIER_SCORE.name + '_count', '1d')}", "30m", "warning", "score",
        "The verifier's score of a day's digests is {{ $value | humanize }}",
        "see which checks fail, and whether a model or a prompt changed", "SCORE_LOW", 0.6,
    ),
    Alert(
        "BeatDead", "host", f"sum(increase({m.SWEEPS_DONE.name}[10m])) == 0", "2m", "critical", "beat",
        "No sweep ran for 10 minutes: nothing new is begun", "see beat, the broker and the workers", "BEAT_SILENT_S",
        600,
    ),
    Alert(
        "Watchdog", "host", "vector(1)", "0s", "none", "watchdog",
        "This alert always fires: when its messages stop, alerting itself is broken",
        "point the webhook at a dead-man's switch that misses it",
    ),
    Alert(
        "MetricsMissing", "host", f"absent({m.CENSUS_SECONDS.name})", "5m", "critical", "metrics",
        "Nobody serves Svodka's metrics", "see `svodka metrics` on each host",
    ),
    Alert(
        "DependencyDown", "host", f"min by (dependency) ({m.UP.name}) == 0", "2m", "critical", "dependency",
        "{{ $labels.dependency }} does not answer", "see `svodka doctor`",
    ),
    Alert(
        "DiskLow", "host", f"min by (instance) ({m.DISK_FREE.name}) < 0.1", "10m", "warning", "disk",
        "{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is free", "make room, or a bigger disk",
        "DISK_FREE_RATE", 0.1,
    ),
    Alert(
        "DiskFull", "host", f"min by (instance) ({m.DISK_FREE.name}) < 0.03", "2m", "critical", "disk",
        "{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is free: PostgreSQL will stop",
        "make room now", "DISK_FULL_RATE", 0.03,
    ),
)  # fmt: skip
GROUPS: Final = tuple(dict.fromkeys(alert.group for alert in ALERTS))
