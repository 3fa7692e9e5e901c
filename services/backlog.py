"""The work of filling collections: rows of ``vector_due``, made due, leased, and forgotten when done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, delete, exists, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains.point import Shelf
from services.item import ORIGINS, Item
from services.schema import Tenant
from services.shelving import VectorDue, VectorShelf

BATCH: Final = 256
# How long a batch may take before another worker does it again.
LEASE: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of one tenant that are ours to put: for which state each was ``queued``, and those there are as ``items``.

    ``untried`` are those that nobody tried to put before.
    """

    shelf: Shelf
    tenant_id: int
    queued: dict[int, datetime] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    untried: set[int] = field(default_factory=set)


def enqueue(session: Session, collection: str, tenant_id: int, ids: Sequence[int], now: datetime) -> None:
    """Make rows due for every generation there is; call it in the transaction that changed or deleted them."""
    if not ids:
        return
    # Shared locks: a generation is not dropped between this look and the commit.
    shelves = session.scalars(
        select(VectorShelf.generation).where(VectorShelf.collection == collection).with_for_update(read=True)
    ).all()
    values = [
        {
            "collection": collection,
            "generation": generation,
            "item_id": item,
            "tenant_id": tenant_id,
            "queued_at": now,
            "next_at": now,
        }
        for generation in shelves
        for item in sorted(ids)
    ]
    if values:
        fresh = insert(VectorDue)
        # A row that is being put keeps its lease; that it was queued again makes it due when the lease ends.
        session.execute(
            fresh.on_conflict_do_update(
                index_elements=["collection", "generation", "item_id"],
                set_={"queued_at": fresh.excluded.queued_at},
            ),
            values,
        )


def note(
    session: Session, tenant_id: int, posts: Sequence[int], stories: Sequence[int], now: datetime
) -> None:
    """Make analysed posts and their stories due; nothing when the tenant is a backtest's."""
    if session.scalar(select(Tenant.live).where(Tenant.id == tenant_id)):
        enqueue(session, "posts", tenant_id, posts, now)
        enqueue(session, "stories", tenant_id, stories, now)
        # What fills it is `services.graph`; nobody else takes these rows.
        enqueue(session, "graph", tenant_id, posts, now)


def wake(session: Session, now: datetime) -> None:
    """Make indexing due for live tenants that have rows to be put and nobody at it."""
    waiting = exists().where(VectorDue.tenant_id == Tenant.id, VectorDue.next_at <= now)
    session.execute(
        update(Tenant).where(Tenant.state == "done", Tenant.live, waiting).values(state="due", next_at=now)
    )


def take(session: Session, maker: str, now: datetime, tenant_id: int | None = None) -> list[Claim]:
    """Lease the next rows that are due for ``maker``'s generations, with their texts as they are now."""
    query = (
        select(VectorDue, VectorShelf)
        .join(
            VectorShelf,
            (VectorShelf.collection == VectorDue.collection)
            & (VectorShelf.generation == VectorDue.generation),
        )
        .where(VectorDue.next_at <= now, VectorShelf.maker == maker)
        .order_by(VectorDue.tenant_id, VectorDue.next_at, VectorDue.item_id)
        .limit(BATCH)
        .with_for_update(of=VectorDue, skip_locked=True)
    )
    if tenant_id is not None:
        query = query.where(VectorDue.tenant_id == tenant_id)
    claims: dict[tuple[Shelf, int], Claim] = {}
    for due, row in session.execute(query):
        shelf = row.shelf
        claim = claims.setdefault((shelf, due.tenant_id), Claim(shelf, due.tenant_id))
        claim.queued[due.item_id] = due.queued_at
        if due.next_at <= due.queued_at:
            claim.untried.add(due.item_id)
    postpone(session, claims.values(), now + LEASE)
    for claim in claims.values():
        origin = ORIGINS.get(claim.shelf.collection)
        claim.items.extend(origin.load(session, [*claim.queued]) if origin else ())
    return [*claims.values()]


def settle(session: Session, claims: Sequence[Claim]) -> None:
    """Forget what is done; what was queued again meanwhile is due at once, as if it had never been tried."""
    for claim in claims:
        session.execute(
            delete(VectorDue).where(
                *_of(claim), tuple_(VectorDue.item_id, VectorDue.queued_at).in_([*claim.queued.items()])
            )
        )
        session.execute(
            update(VectorDue)
            .where(*_of(claim), VectorDue.item_id.in_([*claim.queued]))
            .values(next_at=VectorDue.queued_at)
        )


def postpone(session: Session, claims: Iterable[Claim], until: datetime) -> None:
    """Leave rows alone until a moment."""
    for claim in claims:
        session.execute(
            update(VectorDue).where(*_of(claim), VectorDue.item_id.in_([*claim.queued])).values(next_at=until)
        )


def _of(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        VectorDue.collection == claim.shelf.collection,
        VectorDue.generation == claim.shelf.generation,
    )


def size(collection: str, generation: int) -> Select[int]:
    """Return the query that counts what a generation waits for."""
    return select(func.count()).where(VectorDue.collection == collection, VectorDue.generation == generation)
