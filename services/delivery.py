"""Deliveries: what is to be sent, what was, and what nobody can know."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from domains.delivery import Doubt, Progress, Ruling
from domains.digest import Digest
from domains.errors import NotFound, Refused, Unavailable, UsageError
from domains.ports import Receipt
from services import archive, audit, deadletter, run, work
from services.channel.target import shown
from services.schema import Delivery, Run, Subscription
from services.subscription import awake_at

# What a channel raises when it certainly did not take the parcel, so that another try cannot double it.
NOT_TAKEN: Final = (Unavailable, Refused)
TASK: Final = "delivery.send"
STATES: Final = ("due", "leased", "done", "dead", "unknown")
SERIES_CHARS: Final = 40
_UNPLAIN: Final = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Errand:
    """A claimed delivery: what to send, where, and what earlier tries have done.

    ``tried_at``: when a try began that did not say how it ended. ``probing``: it is a dead letter's replay, or an operator has just said to send it.
    ``parts`` are what earlier tries began to send, ``in_doubt`` is what the subscription wants then, if it said so.
    """

    id: int
    run: int
    channel: str
    target: str
    key: str
    series: str
    digest: Digest
    tried_at: datetime | None
    progress: Progress
    parts: tuple[str, ...] | None
    in_doubt: Doubt | None
    probing: bool


def errand(session: Session, lease: work.Lease) -> Errand:
    """Return what the lease is for."""
    row = session.get_one(Delivery, lease.id)
    of = run.get(session, row.run_id)
    subscription = session.get_one(Subscription, of.subscription_id)
    progress = progress_of(row)
    parts = archive.get(session, progress.parts) if progress.parts else None
    return Errand(
        id=row.id,
        run=row.run_id,
        channel=row.channel,
        target=row.target,
        key=f"run-{row.run_id}-{row.channel}",
        series=_series(subscription),
        digest=msgspec.json.decode(archive.get(session, of.digest_sha256 or ""), type=Digest),
        tried_at=row.sending_at,
        progress=progress,
        parts=None if parts is None else msgspec.json.decode(parts, type=tuple[str, ...]),
        in_doubt=subscription.settings.get("in_doubt"),
        probing=_just_settled(row, progress) or deadletter.of_row(session, TASK, row.id) is not None,
    )


def begin(
    session: Session, lease: work.Lease, progress: Progress, parts: Sequence[str], *, now: datetime
) -> Progress:
    """Note that a part goes out now, and return the progress; when there are several, what they are is kept first."""
    if len(parts) > 1 and progress.parts is None:
        progress = replace(progress, parts=archive.put(session, msgspec.json.encode(list(parts))))
    work.note(session, lease, sending_at=now, progress=msgspec.to_builtins(progress))
    return progress


def note(session: Session, lease: work.Lease, progress: Progress) -> None:
    """Note what has become of the parts; nothing is on its way any more."""
    work.note(session, lease, sending_at=None, progress=msgspec.to_builtins(progress))


def delivered(session: Session, lease: work.Lease, receipt: Receipt, *, now: datetime) -> None:
    """Settle a delivery as done."""
    work.settle(session, lease, "done", delivered_at=now, receipt=asdict(receipt))


def unknown(session: Session, lease: work.Lease) -> None:
    """Settle a delivery that may or may not have been sent: shown to the operator, never guessed."""
    work.settle(session, lease, "unknown")


def put_back(session: Session, lease: work.Lease, *, next_at: datetime) -> None:
    """Leave a delivery for later: its channel is used as fast as it may be, or does not answer."""
    work.settle(session, lease, "due", next_at=next_at)


def due(session: Session, *, now: datetime, limit: int) -> list[int]:
    """Return the deliveries that are due, or whose lease has run out, every target and every channel in turn.

    So a target that does not answer, with hundreds waiting for it, is asked once before any other has to wait.
    """
    ready = or_(
        and_(Delivery.state == "due", Delivery.next_at <= now),
        and_(Delivery.state == "leased", Delivery.lease_until <= now),
    )
    order = (Delivery.next_at, Delivery.id)
    one = func.row_number().over(partition_by=(Delivery.channel, Delivery.target), order_by=order)
    many = func.row_number().over(partition_by=Delivery.channel, order_by=order)
    rows = (
        select(Delivery.id, Delivery.next_at, one.label("of_target"), many.label("of_channel"))
        .where(ready, work.live(Delivery))
        .subquery()
    )
    query = select(rows.c.id).order_by(rows.c.of_target, rows.c.of_channel, rows.c.next_at, rows.c.id)
    return list(session.scalars(query.limit(limit)))


def state_of(session: Session, delivery_id: int) -> str:
    """Return a delivery's state."""
    return session.get_one(Delivery, delivery_id).state


@dataclass(frozen=True, slots=True)
class Told:
    """How a delivery stands; ``late``: how long after its window's close, or the end of quiet hours, it arrived.

    None for one that has not, and for a window that was caught up with.
    """

    channel: str
    state: str
    late: timedelta | None


def told(session: Session, delivery_id: int) -> Told:
    """Return how a delivery stands."""
    row = session.get_one(Delivery, delivery_id)
    if row.delivered_at is None:
        return Told(row.channel, row.state, None)
    of = run.get(session, row.run_id)
    subscription = session.get_one(Subscription, of.subscription_id)
    if of.window_end < subscription.active_since:
        return Told(row.channel, row.state, None)
    late = row.delivered_at - awake_at(subscription, of.window_end)
    return Told(row.channel, row.state, max(late, timedelta()))


def waiting(session: Session, run_id: int) -> list[int]:
    """Return the rows of a run's deliveries that are to be sent."""
    return list(
        session.scalars(select(Delivery.id).where(Delivery.run_id == run_id, Delivery.state == "due"))
    )


def settled(session: Session, tenant_id: int) -> int:
    """Return how many of a tenant's deliveries are done or unknown."""
    query = select(func.count()).where(
        Delivery.tenant_id == tenant_id, Delivery.state.in_(("done", "unknown"))
    )
    return session.scalar(query) or 0


def of_run(session: Session, run_id: int) -> list[dict[str, Any]]:
    """Return a run's deliveries with where they went."""
    rows = session.scalars(select(Delivery).where(Delivery.run_id == run_id).order_by(Delivery.id))
    return [
        {
            "delivery": row.id,
            "channel": row.channel,
            "target": shown(row.channel, row.target),
            "state": row.state,
            "delivered_at": row.delivered_at.isoformat() if row.delivered_at else None,
            "where": list((row.receipt or {}).get("where", [])),
        }
        for row in rows
    ]


def listing(
    session: Session, tenant_id: int, *, states: Sequence[str] = STATES, limit: int = 200
) -> list[dict[str, Any]]:
    """Return a tenant's deliveries in these states, newest first, with what became of their parts."""
    query = (
        select(Delivery, Subscription.name)
        .join(Run, Run.id == Delivery.run_id)
        .join(Subscription, Subscription.id == Run.subscription_id)
        .where(Delivery.tenant_id == tenant_id, Delivery.state.in_(states))
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    return [_told(row, name) for row, name in session.execute(query)]


def unknowns(session: Session, tenant_id: int) -> list[dict[str, Any]]:
    """Return the tenant's deliveries of which nobody knows whether they were taken, newest first."""
    return listing(session, tenant_id, states=("unknown",))


def settle_unknown(
    session: Session, tenant_id: int, delivery_id: int, *, ruling: Ruling, by: str, now: datetime
) -> str:
    """Settle what is in doubt as an operator says, and return the delivery's new state.

    "delivered": it has arrived; what comes after it is sent. "again": it is sent again. Two operators who say so at
    once settle it once. Raises NotFound, and UsageError when it is not in doubt.
    """
    row = session.scalar(
        select(Delivery).where(Delivery.id == delivery_id, Delivery.tenant_id == tenant_id).with_for_update()
    )
    if row is None:
        raise NotFound(f"no delivery {delivery_id}", remedy="see `svodka delivery list`")
    if row.state != "unknown":
        raise UsageError(
            f"delivery {delivery_id} is {row.state}, not unknown; there is nothing to settle",
            remedy="see `svodka delivery list --state unknown`",
        )
    doubtful = progress_of(row).doubt()
    progress = doubtful.rule(ruling, by=audit.name(by), at=now)
    row.progress, row.sending_at = msgspec.to_builtins(progress), None
    if progress.complete:
        row.state, row.delivered_at, row.expiries = "done", now, 0
        row.receipt = asdict(progress.receipt())
    else:
        row.state, row.next_at, row.expiries = "due", now, 0
    session.flush()
    audit.note(
        session, "settle", tenant_id=tenant_id, by=by, at=now, task=TASK, row_id=row.id,
        before={"state": "unknown", "in_doubt": [part + 1 for part in doubtful.doubtful]},
        after={"state": row.state, "as": ruling},
    )  # fmt: skip
    return row.state


def progress_of(row: Delivery) -> Progress:
    """Return what became of the row's parts; one that an older version began to send is on its way."""
    progress = msgspec.convert(row.progress, Progress)
    if progress.sending is None and row.sending_at is not None:
        return progress.begin(0)
    if row.state == "unknown" and not progress.doubtful:
        return progress.begin(0)
    return progress


def _just_settled(row: Delivery, progress: Progress) -> bool:
    """Return whether an operator's word was the last that happened to the row."""
    return bool(progress.history) and progress.history[-1].at == row.next_at


def _told(row: Delivery, subscription: str) -> dict[str, Any]:
    progress = progress_of(row)
    return {
        "delivery": row.id,
        "run": row.run_id,
        "subscription": subscription,
        "channel": row.channel,
        "target": shown(row.channel, row.target),
        "state": row.state,
        "parts": progress.of,
        "sent": [one.part + 1 for one in progress.sent],
        "in_doubt": [
            part + 1 for part in (progress.doubt() if row.state == "unknown" else progress).doubtful
        ],
        "next_at": row.next_at.isoformat() if row.state == "due" else None,
        "delivered_at": row.delivered_at.isoformat() if row.delivered_at else None,
        "where": list(progress.receipt().where) or list((row.receipt or {}).get("where", [])),
        "history": [msgspec.to_builtins(one) for one in progress.history],
    }


def _series(row: Subscription) -> str:
    """Return a plain file name that is the subscription's alone, for good."""
    name = _UNPLAIN.sub("-", row.name).strip("-._")[:SERIES_CHARS]
    return f"{name}-{row.id}" if name else f"subscription-{row.id}"
