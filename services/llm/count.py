"""What the ladder's attempts mean to the metrics."""

from domains.fault import UNSENT
from domains.llm import Attempt
from monitoring import metrics, tracing
from monitoring.meter import Counting
from services.llm.tools import Circuits


def attempt(meter: Counting, told: Attempt, circuits: Circuits | None = None) -> None:
    """Count an attempt: sent or refused by ourselves, what it took, and whether anybody knows its price."""
    provider, model = told.provider, told.model
    outcome = _outcome(told.outcome)
    meter.count(metrics.LLM_CALLS, provider=provider, model=model, outcome=outcome)
    if circuits is not None:
        meter.show(metrics.CIRCUIT_OPEN, circuits.is_open(provider), provider=provider)
    if outcome in {"hit", "refused"}:
        return
    seconds, usage = told.latency_ms / 1000, told.usage
    tracing.model_call(
        provider,
        model,
        seconds=seconds,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        outcome=told.outcome,
    )
    meter.observe(metrics.LLM_LATENCY, seconds, provider=provider)
    for direction, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
        meter.count(metrics.LLM_TOKENS, tokens, provider=provider, model=model, direction=direction)
    if told.cost_micros is None:
        meter.count(metrics.LLM_UNPRICED, provider=provider, model=model)


def cache(meter: Counting, name: str, *, hit: bool) -> None:
    """Count a question to the cache of that name."""
    meter.count(metrics.CACHE_HITS if hit else metrics.CACHE_MISSES, cache=name)


def _outcome(outcome: str) -> str:
    if outcome in {"ok", "hit"}:
        return outcome
    return "refused" if outcome in UNSENT else "failed"
