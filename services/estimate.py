"""What replaying letters would cost, from what the same subscriptions' digests cost before; honest where nobody knows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.llm.table import Usage
from services.schema import Run

BASIS: Final = timedelta(days=90)
FREE: Final = frozenset({"source.fetch", "delivery.send"})
_TOKENS: Final = Usage.input_tokens + Usage.output_tokens


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate: tokens, and money in millionths of the budgets' currency, of the letters it is ``known`` for.

    ``free`` letters ask no model. ``unknown`` are those with nothing to go by; ``unpriced`` have tokens, but calls of
    theirs had no known price, so that ``micros`` is too low.
    """

    tokens: int = 0
    micros: int = 0
    known: int = 0
    free: int = 0
    unknown: int = 0
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class _Mean:
    """What a digest cost in the mean, and whether every call of it had a price."""

    tokens: float
    micros: float
    priced: bool


def of(session: Session, letters: Sequence[Any], *, now: datetime) -> Cost:
    """Return what replaying ``letters`` (with task, row_id, tenant_id) would cost.

    A digest is taken to cost the mean of its subscription's digests of the last 90 days, less what it has paid for
    already: recorded steps are not paid twice. Analysing posts is free where a tenant has paid for nothing but digests.
    """
    runs = {one.row_id for one in letters if one.task == "digest.make"}
    spent = _spent(session, runs)
    subscriptions: dict[int, tuple[int, str]] = {
        row_id: (subscription, state)
        for row_id, subscription, state in session.execute(
            select(Run.id, Run.subscription_id, Run.state).where(Run.id.in_(runs))
        )
    }
    means = _means(session, {subscription for subscription, _ in subscriptions.values()}, now)
    paying = _paying(session, {one.tenant_id for one in letters if one.task == "index.posts"}, now)
    tokens, micros, counts = 0.0, 0.0, {"known": 0, "free": 0, "unknown": 0, "unpriced": 0}
    for one in letters:
        subscription, state = subscriptions.get(one.row_id, (0, "")) if one.task == "digest.make" else (0, "")
        mean = means.get(subscription)
        if one.task in FREE or state == "done" or (one.task == "index.posts" and one.tenant_id not in paying):
            counts["free"] += 1
        elif mean is None:
            counts["unknown"] += 1
        else:
            paid_tokens, paid_micros = spent.get(one.row_id, (0, 0))
            tokens += max(mean.tokens - paid_tokens, 0)
            micros += max(mean.micros - paid_micros, 0)
            counts["known"] += 1
            counts["unpriced"] += not mean.priced
    return Cost(round(tokens), round(micros), **counts)


def _spent(session: Session, runs: Iterable[int]) -> Mapping[int, tuple[int, int]]:
    """Return the tokens and the money that runs have cost so far."""
    query = (
        select(
            Usage.run_id, func.coalesce(func.sum(_TOKENS), 0), func.coalesce(func.sum(Usage.cost_micros), 0)
        )
        .where(Usage.run_id.in_(list(runs)))
        .group_by(Usage.run_id)
    )
    return {
        run: (int(tokens or 0), int(micros or 0))
        for run, tokens, micros in session.execute(query)
        if run is not None
    }


def _means(session: Session, subscriptions: Iterable[int], now: datetime) -> dict[int, _Mean]:
    """Return what a finished digest of each subscription cost in the mean; none for one that has finished none."""
    query = (
        select(
            Run.subscription_id,
            func.count(Run.id.distinct()),
            func.coalesce(func.sum(_TOKENS), 0),
            func.coalesce(func.sum(Usage.cost_micros), 0),
            func.count(Usage.id).filter(Usage.cost_micros.is_(None)),
        )
        .outerjoin(Usage, Usage.run_id == Run.id)
        .where(Run.subscription_id.in_(list(subscriptions)), Run.state == "done", Run.ended_at > now - BASIS)
        .group_by(Run.subscription_id)
    )
    return {
        subscription: _Mean(int(tokens or 0) / runs, int(micros or 0) / runs, not unpriced)
        for subscription, runs, tokens, micros, unpriced in session.execute(query)
    }


def _paying(session: Session, tenants: Iterable[int], now: datetime) -> set[int]:
    """Return the tenants that have paid for something that was part of no run."""
    query = (
        select(Usage.tenant_id)
        .distinct()
        .where(Usage.tenant_id.in_(list(tenants)), Usage.run_id.is_(None), Usage.at > now - BASIS)
    )
    return set(session.scalars(query))
