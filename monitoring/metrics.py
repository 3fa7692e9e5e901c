"""Every metric there is: name, kind, meaning, labels and the values that a label can take. Nothing else declares one.

A label's values are known here, so that each series stands at 0 before it first counts (`increase()` does not see a
counter that is born at 1), except those marked `OPEN`, which an installation's settings know: providers and models.
No label names a tenant, a post or a person. The edges of a histogram hold the limit that an alert guards, and edges
above it, since a quantile is never told to be above the last edge.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
OPEN: Final[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A declared metric. ``labels`` maps a label to its values, `OPEN` where the installation decides.

    ``live`` gauges are written by workers and go with them; other gauges are measured when somebody asks.
    """

    name: str
    kind: Kind
    help: str
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    edges: tuple[float, ...] = ()
    live: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The labels in their order."""
        return tuple(self.labels)

    def series(self, known: dict[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return the label values of every series that can be told beforehand; ``known`` gives those of `OPEN` labels."""
        values = (
            self.labels[name] if self.labels[name] is not OPEN else known.get(name, ()) for name in self.names
        )
        return list(product(*values))


PATHS: Final = ("fast", "smart", "extractive")
RUNGS: Final = ("model", "cheaper_model", "extractive")
DOMAINS: Final = ("digest", "trend", "answer")
TASKS: Final = ("source.fetch", "index.posts", "digest.make", "delivery.send", "trend.detect", "trend.make")
CHANNELS: Final = ("file", "stdout", "telegram", "mail", "webhook", "apprise", "atom", "page")
CACHES: Final = ("reply", "router", "retrieval", "product", "vision", "session")
STAGES: Final = (
    "begin", "brief", "taste", "plan", "retrieve", "draft", "write", "verify", "correct", "rank", "gate",
)  # fmt: skip
REASONS: Final = (
    "duplicate", "cooled_down", "below_floor", "budget", "boilerplate", "out_of_persona", "covered",
)  # fmt: skip
ROUTES: Final = ("digest", "trend", "search", "product", "follow_up", "small_talk", "unknown")
SWEEPS: Final = (
    "source.due",
    "index.due",
    "digest.due",
    "delivery.due",
    "trend.due",
    "dlq.sweep",
    "budget.expire",
)
TREND_STATES: Final = ("emerging", "rising", "peaking", "fading", "over")
SCOPES: Final = ("request", "run", "tenant_day", "provider_day")
UNITS: Final = ("calls", "tokens", "money")
LETTER_KINDS: Final = ("transient", "permanent", "poison", "budget", "bug")
LETTER_STATES: Final = ("pending", "leased", "scheduled", "permanent")

# The customer's metrics, by the customer's names.
FAST_LATENCY: Final = Metric(
    "fast_path_latency_seconds", "histogram", "Time a request took on the fast path.",
    edges=(0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60),
)  # fmt: skip
SMART_LATENCY: Final = Metric(
    "smart_path_latency_seconds", "histogram", "Time a request took on the smart path.",
    edges=(0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300),
)  # fmt: skip
CALLS_PER_REQUEST: Final = Metric(
    "llm_calls_per_request", "histogram", "Model calls that a request took.",
    {"path": PATHS}, edges=(0, 1, 2, 3, 4, 5, 6, 8, 12, 20),
)  # fmt: skip
TOKENS_PER_REQUEST: Final = Metric(
    "tokens_per_request", "histogram", "Tokens, in and out, that a request took.",
    {"path": PATHS}, edges=(0, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 16_000, 32_000, 64_000),
)  # fmt: skip
STEPS_PER_REQUEST: Final = Metric(
    "agent_steps_per_request", "histogram", "Steps of an agent's plan, with corrections, that a request took.",
    {"path": PATHS}, edges=(0, 1, 2, 3, 4, 5, 6, 8, 12),
)  # fmt: skip
BUDGET_EXCEEDED: Final = Metric(
    "request_budget_exceeded_total", "counter", "Requests that went over the fast path's budget, by which.",
    {"kind": ("llm_calls", "tokens", "agent_steps")},
)  # fmt: skip
QOS_LEVEL: Final = Metric(
    "qos_level_requests_total", "counter", "Requests by the level of service they were given.", {"level": PATHS}
)  # fmt: skip
# Each question to a model bears a mark of its own, so that its reply is in no cache says nothing of caches.
JUDGED_CACHES: Final = '{cache!="reply"}'
CACHE_HITS: Final = Metric(
    "performance_cache_hits_total", "counter", "Questions that a cache answered.", {"cache": CACHES}
)
CACHE_MISSES: Final = Metric(
    "performance_cache_misses_total", "counter", "Questions that a cache could not answer.", {"cache": CACHES}
)  # fmt: skip
VISION_REQUESTS: Final = Metric(
    "vision_requests_total", "counter", "Pictures looked at, by how that went.", {"outcome": ("ok", "failed")}
)  # fmt: skip
VISION_CONFIDENCE: Final = Metric(
    "vision_confidence", "histogram", "How sure the reading of a picture was, 0 to 1.",
    edges=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)  # fmt: skip
VISION_LATENCY: Final = Metric(
    "vision_latency_seconds", "histogram", "Time one picture took.",
    edges=(0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 10, 12, 15, 20, 30, 60),
)  # fmt: skip
VISION_TOKENS: Final = Metric(
    "vision_tokens_used_total", "counter", "Tokens that reading pictures took, in and out."
)
LLM_TOKENS: Final = Metric(
    "llm_tokens_used_total", "counter", "Tokens used, by provider, model and direction.",
    {"provider": OPEN, "model": OPEN, "direction": ("input", "output")},
)  # fmt: skip
ESCALATIONS: Final = Metric(
    "escalations_total", "counter", "Requests that were lifted from the fast path to the smart one."
)

# Models.
LLM_CALLS: Final = Metric(
    "svodka_llm_calls_total", "counter", "Attempts to ask a model, by outcome: ok, hit, refused or failed.",
    {"provider": OPEN, "model": OPEN, "outcome": ("ok", "hit", "refused", "failed")},
)  # fmt: skip
LLM_LATENCY: Final = Metric(
    "svodka_llm_latency_seconds", "histogram", "Time one attempt took.",
    {"provider": OPEN}, edges=(0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120),
)  # fmt: skip
LLM_UNPRICED: Final = Metric(
    "svodka_llm_unpriced_calls_total", "counter", "Calls whose price nobody knows.",
    {"provider": OPEN, "model": OPEN},
)  # fmt: skip
CIRCUIT_OPEN: Final = Metric(
    "svodka_llm_circuit_open", "gauge", "1 while some worker leaves the provider alone, since it failed too often.",
    {"provider": OPEN}, live=True,
)  # fmt: skip

# Work.
WORK: Final = Metric(
    "svodka_work_total", "counter", "Rows worked on, by how that ended.",
    {"task": TASKS, "outcome": ("done", "put_back", "failed", "poison", "lost")},
)  # fmt: skip
WORK_SECONDS: Final = Metric(
    "svodka_work_seconds", "histogram", "Time the work on a row took.",
    {"task": TASKS}, edges=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)  # fmt: skip
LEASE_EXPIRIES: Final = Metric(
    "svodka_lease_expiries_total", "counter", "Leases that ran out before their work ended: a worker died or slept.",
    {"task": TASKS},
)  # fmt: skip
SWEEPS_DONE: Final = Metric(
    "svodka_sweeps_total", "counter", "Sweeps that beat asked for and a worker did.", {"sweep": SWEEPS}
)
RUNS: Final = Metric(
    "svodka_runs_total", "counter", "Runs that ended, by domain and end.",
    {"domain": DOMAINS, "state": ("ship", "degraded", "hold", "retry")},
)  # fmt: skip
STAGE_SECONDS: Final = Metric(
    "svodka_run_stage_seconds", "histogram", "Time a stage of a run took.",
    {"stage": STAGES}, edges=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip
DELIVERIES: Final = Metric(
    "svodka_deliveries_total", "counter", "Deliveries by channel and how they ended.",
    {"channel": CHANNELS, "outcome": ("delivered", "put_back", "unknown", "failed")},
)  # fmt: skip
DELIVERY_DELAY: Final = Metric(
    "svodka_delivery_delay_seconds", "histogram",
    "Time from a window's close, or the end of quiet hours, to the delivery of its digest.",
    edges=(10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400),
)  # fmt: skip

# Posts and quality.
FETCHES: Final = Metric(
    "svodka_source_fetches_total", "counter", "Fetches of sources by how they ended.",
    {"outcome": ("ok", "failed")},
)  # fmt: skip
POSTS_IN: Final = Metric(
    "svodka_posts_total", "counter", "Entries read, by what became of them.",
    {"outcome": ("new", "edited", "same", "bad")},
)  # fmt: skip
POST_FATES: Final = Metric(
    "svodka_post_fates_total", "counter", "Posts of windows: shown, or dropped and why.",
    {"fate": ("shown", *REASONS)},
)  # fmt: skip
CLAIMS: Final = Metric(
    "svodka_claims_total", "counter", "Sentences of drafts: shipped, or cut by the verifier.",
    {"verdict": ("shipped", "cut")},
)  # fmt: skip
VERIFIER_SCORE: Final = Metric(
    "svodka_verifier_score", "histogram", "The verifier's score of what was shipped, 0 to 1.",
    edges=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
)  # fmt: skip
RUNG: Final = Metric("svodka_rung_total", "counter", "Digests by the rung that wrote them.", {"rung": RUNGS})
ROUTER: Final = Metric(
    "svodka_router_decisions_total", "counter", "Where queries were sent, and what decided it.",
    {"route": ROUTES, "by": ("rule", "model", "classifier")},
)  # fmt: skip
TREND_CHANGES: Final = Metric(
    "svodka_trend_changes_total", "counter", "Trends that entered a state.", {"state": TREND_STATES}
)
TREND_HELD: Final = Metric(
    "svodka_trend_suppressed_total", "counter", "Would-be alarms that a guardrail held back, and which.",
    {"why": ("routine", "covered", "scattered")},
)  # fmt: skip

# Measured when somebody asks: the ledger in Postgres, and whether what we need answers.
UP: Final = Metric(
    "svodka_up", "gauge", "1 when a dependency answers.",
    {"dependency": ("postgres", "broker", "cache", "qdrant", "neo4j")},
)  # fmt: skip
BUDGET_SPENT: Final = Metric(
    "svodka_budget_spent", "gauge", "Spent since midnight UTC, all budgets of a scope together (money in the budget's"
    " currency).", {"scope": SCOPES, "unit": UNITS},
)  # fmt: skip
BUDGET_LEFT: Final = Metric(
    "svodka_budget_left", "gauge", "What the scope's tightest budget of today has left; absent without a limit.",
    {"scope": SCOPES, "unit": UNITS},
)  # fmt: skip
BUDGET_USED: Final = Metric(
    "svodka_budget_used_ratio", "gauge", "The largest share of a limit that a budget of the scope has spent today.",
    {"scope": SCOPES, "unit": UNITS},
)  # fmt: skip
SPEND_TODAY: Final = Metric(
    "svodka_spend_today", "gauge", "Money spent since midnight UTC, in the budget's currency.",
    {"provider": OPEN, "model": OPEN},
)  # fmt: skip
SAVED_TODAY: Final = Metric(
    "svodka_saved_today", "gauge", "What answers from caches saved since midnight UTC.", {"unit": ("tokens", "money")}
)  # fmt: skip
UNPRICED_TODAY: Final = Metric(
    "svodka_unpriced_calls_today", "gauge", "Calls since midnight UTC whose price nobody knows."
)
DUE: Final = Metric("svodka_work_due", "gauge", "Rows that wait to be worked on.", {"task": TASKS})
DUE_AGE: Final = Metric(
    "svodka_oldest_due_age_seconds", "gauge", "How long the oldest row that waits has waited.", {"task": TASKS}
)  # fmt: skip
LETTERS: Final = Metric(
    "svodka_dead_letters", "gauge", "Open dead letters.", {"kind": LETTER_KINDS, "state": LETTER_STATES}
)
UNKNOWN: Final = Metric(
    "svodka_deliveries_unknown", "gauge", "Deliveries of which nobody knows whether they arrived."
)
OVERDUE: Final = Metric(
    "svodka_digests_overdue",
    "gauge",
    "Digests of the last day that are neither delivered nor settled in time.",
)
INDEX_PENDING: Final = Metric("svodka_index_pending_posts", "gauge", "Posts that wait to be analysed.")
INDEX_LAG: Final = Metric(
    "svodka_index_lag_seconds", "gauge", "How long the longest waiting post has waited to be analysed."
)
SOURCES: Final = Metric(
    "svodka_sources", "gauge", "Sources by health: silent ones have answered nothing for three intervals.",
    {"health": ("ok", "failing", "silent", "paused")},
)  # fmt: skip
SOURCE_LAG: Final = Metric(
    "svodka_source_lag_seconds", "gauge", "Time since the least recently fetched live source last answered."
)
TRENDS: Final = Metric("svodka_trends", "gauge", "Trends that live, by state.", {"state": TREND_STATES})
DISK_FREE: Final = Metric("svodka_disk_free_ratio", "gauge", "Free share of the disk that holds var.")
CENSUS_SECONDS: Final = Metric(
    "svodka_census_seconds", "gauge", "Time the reading of the ledger took for this answer."
)
WRITERS: Final = Metric(
    "svodka_metric_files", "gauge", "Files of counters on this host, of processes that live or died."
)

METRICS: Final = tuple(value for value in tuple(vars().values()) if isinstance(value, Metric))
BY_NAME: Final = {metric.name: metric for metric in METRICS}
