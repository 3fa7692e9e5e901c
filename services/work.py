"""Claims on rows that are work: a state, a lease, a next time (law 1).

A worker claims a row with ``FOR UPDATE SKIP LOCKED`` and a lease; it keeps the lease alive by each checkpoint; what it
writes at the end is fenced by its name on the lease, so a worker that slept through its lease can change nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, and_, exists, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from domains import dlq
from domains.errors import SvodkaError
from services.almanac import TrendCard, Watch
from services.schema import Delivery, Post, Run, Source, Tenant

POISON_EXPIRIES: Final = 3
CLAIM: Final = f"""
WITH found AS (
    SELECT id, state, set_config('synchronous_commit', 'off', true) FROM {{table}}
    WHERE id = %(id)s AND (state = 'due' AND next_at <= %(now)s OR state = 'leased' AND lease_until <= %(now)s)
    FOR UPDATE SKIP LOCKED
)
UPDATE {{table}} AS work
SET state = 'leased', lease_until = %(until)s, lease_owner = %(owner)s,
    expiries = work.expiries + (found.state = 'leased')::int
FROM found WHERE work.id = found.id
RETURNING work.expiries, found.state = 'leased', %(task)s::text IS NULL OR EXISTS (
    SELECT FROM dead_letter WHERE task = %(task)s::text AND row_id = work.id
    AND state IN ({", ".join(f"'{state}'" for state in dlq.OPEN)})
)
"""
Model = type[Run] | type[Source] | type[Tenant] | type[Delivery] | type[Watch] | type[TrendCard]


class LeaseLostError(SvodkaError):
    """Another worker has taken this work over; what was done since is not kept."""


class PoisonError(SvodkaError):
    """The workers that tried this work died; it is set aside so that the queue goes on."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A row that is ours until ``until``; ``owner`` is this worker's name, new for each claim.

    ``expired``: it was taken from a worker whose lease had run out. ``lettered``: the row has an open dead letter, or
    nobody has looked; while the lease is ours nobody else can make one.
    """

    model: Model
    id: int
    owner: str
    until: datetime
    expiries: int
    expired: bool = False
    lettered: bool = True


def claim(
    session: Session,
    model: Model,
    row_id: int,
    *,
    owner: str,
    now: datetime,
    lease_s: float,
    task: str | None = None,
) -> Lease | None:
    """Take the row if it is due or its lease has run out; None if there is nothing to take. It is one statement.

    An expired lease is counted: after `POISON_EXPIRIES` of them the caller is expected to ask `is_poison`. With a
    ``task`` the lease also says whether that task's dead letter for this row is open.

    The commit does not wait for the disk (synchronous_commit): a server that crashes in that moment forgets the claim,
    which then costs what a lost lease costs, since all that is written later is fenced by it.
    """
    until = now + timedelta(seconds=lease_s)
    # Text, since building this statement anew took more time than running it, once for every message of every queue.
    row = (
        session.connection()
        .exec_driver_sql(
            CLAIM.format(table=model.__tablename__),
            {"id": row_id, "now": now, "until": until, "owner": owner, "task": task},
        )
        .one_or_none()
    )
    if row is None:
        return None
    expiries, expired, lettered = row
    return Lease(model, row_id, owner, until, expiries, expired=expired, lettered=lettered)


def is_poison(lease: Lease) -> bool:
    """Return whether so many workers died over this row that it must not be tried again by itself."""
    return lease.expiries >= POISON_EXPIRIES


def extend(session: Session, lease: Lease, *, now: datetime, lease_s: float) -> None:
    """Keep the lease for another ``lease_s``. Raises LeaseLostError when it is no longer ours."""
    _fenced(session, lease, lease_until=now + timedelta(seconds=lease_s))


def note(session: Session, lease: Lease, **values: Any) -> None:
    """Write columns of a row that is ours. Raises LeaseLostError when it no longer is."""
    _fenced(session, lease, **values)


def settle(
    session: Session, lease: Lease, state: str, *, next_at: datetime | None = None, **values: Any
) -> None:
    """Give the row up in ``state``. Raises LeaseLostError when the lease is no longer ours."""
    if next_at is not None:
        values["next_at"] = next_at
    if state != "leased":
        values |= {"lease_until": None, "lease_owner": None}
    if state in {"done", "held"}:
        values["expiries"] = 0
    _fenced(session, lease, state=state, **values)


def due(session: Session, model: Model, *, now: datetime, limit: int = 500) -> list[int]:
    """Return the rows that are due, or whose lease has run out, oldest first. Dead backtests are not swept."""
    free = and_(model.state == "due", model.next_at <= now)
    expired = and_(model.state == "leased", model.lease_until <= now)
    query = (
        select(model.id).where(or_(free, expired), live(model)).order_by(model.next_at, model.id).limit(limit)
    )
    return list(session.scalars(query))


def live(model: Model) -> ColumnElement[bool]:
    """Return the condition that a row belongs to a live tenant, not to a backtest."""
    key = Tenant.id if model is Tenant else model.tenant_id  # type: ignore[union-attr]  # all but Tenant have it
    return key.in_(select(Tenant.id).where(Tenant.live))


def wake_indexing(session: Session, *, now: datetime, tenant_id: int | None = None) -> None:
    """Make indexing due for the tenants (or the one) that have posts to be analysed and nobody at it."""
    waiting = exists().where(Post.tenant_id == Tenant.id, Post.indexed_at.is_(None))
    query = update(Tenant).where(Tenant.state == "done", waiting).values(state="due", next_at=now)
    session.execute(query if tenant_id is None else query.where(Tenant.id == tenant_id))


def revive(session: Session, model: Model, row_id: int, *, now: datetime) -> None:
    """Make a dead, held or unknown row due again, its counted deaths forgiven."""
    session.execute(
        update(model)
        .where(model.id == row_id, model.state.in_(("dead", "held", "unknown")))
        .values(state="due", next_at=now, expiries=0, lease_until=None, lease_owner=None)
    )


def _fenced(session: Session, lease: Lease, **values: Any) -> None:
    # The table's own statement: the mapped class's takes twice as long to build. What the session holds is written
    # before it and read anew after it.
    session.flush()
    table = lease.model.__table__
    done = session.connection().execute(
        update(cast("Table", table))
        .where(table.c.id == lease.id, table.c.state == "leased", table.c.lease_owner == lease.owner)
        .values(**values)
        .returning(table.c.id)
    )
    if done.one_or_none() is None:
        raise LeaseLostError(f"{lease.model.__tablename__} {lease.id} was taken over by another worker")
    held = session.identity_map.get(identity_key(lease.model, lease.id))
    if held is not None:
        session.expire(held)
