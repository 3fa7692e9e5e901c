"""What work means to the metrics: how long it took, how it ended, what a digest needed and what became of posts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from msgspec import UNSET

from agents.loop import Outcome
from domains import limits
from domains.intent import Routed
from domains.ports import Cache, Journal
from monitoring import metrics, tracing
from monitoring.meter import Counting
from services import delivery, work
from services.wiring import World

T = TypeVar("T")
# A window that closed longer ago was made up for, as after a long standstill: its delay says nothing of our speed.
RECENT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Watch:
    """The time that the work on one row takes."""

    meter: Counting
    task: str
    began_s: float = field(default_factory=time.monotonic)

    def ended(self, outcome: str) -> None:
        """Count how it ended."""
        self.meter.count(metrics.WORK, task=self.task, outcome=outcome)
        self.meter.observe(metrics.WORK_SECONDS, time.monotonic() - self.began_s, task=self.task)


def begun(meter: Counting, task: str, lease: work.Lease) -> Watch:
    """Begin to time the work that ``lease`` is for; a lease that somebody let run out is counted."""
    if lease.expired:
        meter.count(metrics.LEASE_EXPIRIES, task=task)
    return Watch(meter, task)


@dataclass(frozen=True, slots=True)
class TimedJournal:
    """A journal whose stages are timed when they are computed, not when they are read."""

    journal: Journal
    meter: Counting

    def step(self, name: str, kind: type[T], compute: Callable[[], T]) -> T:
        """Return the step's recorded result, or compute, time and record it."""

        def timed() -> T:
            began_s = time.monotonic()
            with tracing.span(f"stage {name}"):
                value = compute()
            if name in metrics.STAGES:
                self.meter.observe(metrics.STAGE_SECONDS, time.monotonic() - began_s, stage=name)
            if name == "verify":
                _cut(self.meter, value)
            return value

        return self.journal.step(name, kind, timed)


@dataclass(frozen=True, slots=True)
class CountedCache:
    """A cache whose hits and misses are counted under ``name``."""

    cache: Cache
    meter: Counting
    name: str

    def get(self, key: str) -> bytes | None:
        """Return what the cache has."""
        value = self.cache.get(key)
        self.meter.count(metrics.CACHE_MISSES if value is None else metrics.CACHE_HITS, cache=self.name)
        return value

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Put it there."""
        self.cache.put(key, value, ttl_s)


def routed(meter: Counting, found: Routed) -> None:
    """Count where a query was sent."""
    meter.count(metrics.ROUTER, route=found.route, by=found.by)


def request(
    meter: Counting,
    path: str,
    *,
    seconds: float,
    calls: int,
    tokens: int,
    steps: int,
    over: bool = False,
    level: str | None = None,
    lifted: bool | None = None,
) -> None:
    """Count a request by the path it took and what it needed; ``over``: a budget refused it a call.

    ``level`` is the path whose result was given, where the one taken led to less; ``lifted`` says whether the request
    began on the fast path, where not every request on the smart one did.
    """
    meter.count(metrics.QOS_LEVEL, level=level or path)
    if path == "fast":
        meter.observe(metrics.FAST_LATENCY, seconds)
    elif path == "smart":
        meter.observe(metrics.SMART_LATENCY, seconds)
        if lifted is not False:
            meter.count(metrics.ESCALATIONS)
    meter.observe(metrics.CALLS_PER_REQUEST, calls, path=path)
    meter.observe(metrics.TOKENS_PER_REQUEST, tokens, path=path)
    meter.observe(metrics.STEPS_PER_REQUEST, steps, path=path)
    bounded = path == "fast"
    exceeded = {
        "llm_calls": bounded and calls > limits.FAST_CALLS,
        "tokens": over or (bounded and tokens > limits.FAST_TOKENS),
        "agent_steps": bounded and steps > limits.FAST_STEPS,
    }
    for kind, is_over in exceeded.items():
        if is_over:
            meter.count(metrics.BUDGET_EXCEEDED, kind=kind)


def looked(
    meter: Counting, *, ok: bool, seconds: float, tokens: int = 0, confidence: float | None = None
) -> None:
    """Count a picture that was looked at: whether it could be read, how sure, how fast and for how many tokens."""
    meter.count(metrics.VISION_REQUESTS, outcome="ok" if ok else "failed")
    meter.observe(metrics.VISION_LATENCY, seconds)
    meter.count(metrics.VISION_TOKENS, tokens)
    if confidence is not None:
        meter.observe(metrics.VISION_CONFIDENCE, confidence)


def digest(meter: Counting, outcome: Outcome, seconds: float) -> None:
    """Count a digest that came to its end, shipped or held."""
    prose = None if outcome.prose is UNSET else outcome.prose
    request(
        meter,
        prose.path if prose else "extractive",
        seconds=seconds,
        calls=prose.calls if prose else 0,
        tokens=prose.tokens if prose else 0,
        steps=len(outcome.plan.steps) + (prose is not None and prose.corrected is not None),
        over=prose is not None and prose.over_budget,
    )
    meter.count(metrics.RUNS, domain="digest", state=outcome.decision)
    if not outcome.delivered:
        return
    made = outcome.digest
    meter.count(metrics.RUNG, rung=made.rung)
    meter.observe(metrics.VERIFIER_SCORE, outcome.verdict.score)
    meter.count(metrics.CLAIMS, sum(1 + len(story.sentences) for story in made.stories), verdict="shipped")
    meter.count(metrics.POST_FATES, len(made.shown), fate="shown")
    for drop in made.drops:
        meter.count(metrics.POST_FATES, fate=drop.reason)


def _cut(meter: Counting, verdicts: Any) -> None:
    """Count the sentences of the draft that is to be shipped which the verifier does not let pass."""
    for verdict in verdicts[:1]:
        meter.count(metrics.CLAIMS, len({finding.path for finding in verdict.findings}), verdict="cut")


@contextmanager
def delivered(world: World, lease: work.Lease) -> Iterator[None]:
    """Count how the delivery ended that is sent inside the block, and how late it was when it arrived."""
    try:
        yield
    finally:
        with world.database.transaction() as session:
            told = delivery.told(session, lease.id)
        outcomes = {"done": "delivered", "due": "put_back", "unknown": "unknown"}
        outcome = outcomes.get(told.state, "failed")
        if told.channel in metrics.CHANNELS:
            world.meter.count(metrics.DELIVERIES, channel=told.channel, outcome=outcome)
        if outcome == "delivered" and told.late is not None and told.late < RECENT:
            world.meter.observe(metrics.DELIVERY_DELAY, told.late.total_seconds())
