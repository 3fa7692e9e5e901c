"""Sources in Postgres: who they are, how they are doing, when they are fetched next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import dlq, limits
from domains.errors import Busy, NotFound, UsageError
from services import work
from services.log import storable
from services.schema import Claim, Post, Source, Story, Subscription, Tenant

ERROR_CHARS: Final = 500
BACKOFF_BASE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Known:
    """A source as it is registered. ``polled`` sources are fetched or scanned on their own."""

    name: str
    kind: str
    family: str
    url: str | None = None
    polled: bool = False
    interval_s: float = 900.0


def register(session: Session, tenant_id: int, known: Known, *, now: datetime) -> int:
    """Return the row of the source with this name, made if it is not there; a known one is left as it is.

    One that had been removed is there again, with its posts, as it is registered now.
    """
    kept = session.scalar(
        select(Source).where(
            Source.tenant_id == tenant_id, Source.name == known.name, Source.removed_at.is_not(None)
        )
    )
    if kept is not None:
        _revive(kept, known, now)
    session.execute(
        insert(Source)
        .values(
            tenant_id=tenant_id,
            name=known.name,
            kind=known.kind,
            url=known.url,
            family=known.family,
            polled=known.polled,
            interval_s=known.interval_s,
            state="due" if known.polled else "done",
            next_at=now,
        )
        .on_conflict_do_nothing()
    )
    return session.execute(
        select(Source.id).where(Source.tenant_id == tenant_id, Source.name == known.name)
    ).scalar_one()


def add(session: Session, tenant_id: int, known: Known, *, now: datetime) -> int:
    """Register a new source and return its row. Raises UsageError when its name or address is taken."""
    taken = session.execute(
        select(Source.name, Source.url).where(
            Source.tenant_id == tenant_id,
            Source.removed_at.is_(None),
            (Source.name == known.name) | (Source.url.is_not(None) & (Source.url == known.url)),
        )
    ).first()
    if taken is not None:
        raise UsageError(
            f"there is a source {taken.name!r} already" + (f" for {taken.url}" if taken.url else ""),
            remedy="choose another --name, or see `svodka source list`",
        )
    return register(session, tenant_id, known, now=now)


def find(session: Session, tenant_id: int, name: str) -> Source:
    """Return a source by name. Raises NotFound."""
    row = session.scalar(
        select(Source).where(Source.tenant_id == tenant_id, Source.name == name, Source.removed_at.is_(None))
    )
    if row is None:
        raise NotFound(f"no source {name!r}", remedy="see `svodka source list`")
    return row


def get(session: Session, source_id: int) -> Source:
    """Return a source by row."""
    return session.get_one(Source, source_id)


def listing(session: Session, tenant_id: int) -> list[dict[str, Any]]:
    """Return every source with its health and how many posts it brought, by name; removed ones are not among them."""
    rows = session.execute(
        select(Source, func.count(Post.id), func.max(Post.at))
        .join(Post, Post.source_id == Source.id, isouter=True)
        .where(Source.tenant_id == tenant_id, Source.removed_at.is_(None))
        .group_by(Source.id)
        .order_by(Source.name)
    )
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "family": row.family,
            "url": row.url,
            "posts": posts,
            "newest": newest.isoformat() if posts else None,
            "state": row.state,
            "paused": row.paused,
            "last_success_at": row.last_success_at.isoformat() if row.last_success_at else None,
            "failures": row.failures,
            "last_error": row.last_error,
            "next_at": row.next_at.isoformat() if row.polled and not row.paused else None,
        }
        for row, posts, newest in rows
    ]


def check_names(session: Session, tenant_id: int, names: Sequence[str]) -> None:
    """Raise NotFound that lists the names which are no source of this tenant."""
    known = set(
        session.scalars(select(Source.name).where(Source.tenant_id == tenant_id, Source.removed_at.is_(None)))
    )
    missing = sorted(set(names) - known)
    if missing:
        raise NotFound(f"no source {', '.join(map(repr, missing))}", remedy="see `svodka source list`")


def hasten(session: Session, tenant_id: int, names: Sequence[str], *, now: datetime) -> list[int]:
    """Make polled sources due at once (all that are not paused when ``names`` is empty) and return their rows, by name.

    Raises UsageError when one of ``names`` is paused.
    """
    paused = session.scalars(
        select(Source.name).where(Source.tenant_id == tenant_id, Source.paused, Source.name.in_(names))
    ).first()
    if paused is not None:
        raise UsageError(f"source {paused!r} is paused", remedy=f"svodka source resume {paused}")
    query = (
        update(Source)
        .where(
            Source.tenant_id == tenant_id,
            Source.polled,
            ~Source.paused,
            Source.removed_at.is_(None),
            Source.state.in_(("due", "dead")),
        )
        .values(state="due", next_at=now)
        .returning(Source.name, Source.id)
    )
    rows = session.execute(query.where(Source.name.in_(names)) if names else query).all()
    return [row.id for row in sorted(rows)]


def pause(session: Session, row: Source) -> None:
    """Fetch a source no more until `resume`; a fetch that is under way ends first. Raises UsageError for an import."""
    session.refresh(row, with_for_update=True)
    if not row.polled:
        raise UsageError(
            f"{row.name!r} was imported: nothing is fetched for it", remedy="see `svodka source list`"
        )
    row.paused = True
    if row.state == "due":
        row.state = "held"


def resume(session: Session, row: Source, *, now: datetime) -> None:
    """Fetch a paused source again, at once; what it still offers of the time between comes in by its own times."""
    session.refresh(row, with_for_update=True)
    if not row.paused:
        return
    row.paused = False
    if row.state in {"held", "dead"}:
        row.state, row.next_at = "due", now


def readers(session: Session, row: Source) -> list[str]:
    """Return the subscriptions that name this source, by name."""
    query = select(Subscription.name).where(
        Subscription.tenant_id == row.tenant_id,
        Subscription.removed_at.is_(None),
        Subscription.sources.contains([row.name]),
    )
    return list(session.scalars(query.order_by(Subscription.name)))


def belongings(session: Session, row: Source) -> dict[str, int]:
    """Return how much goes with a source that is purged: its posts, and the sentences of digests that cite them."""
    posts = select(func.count()).where(Post.source_id == row.id)
    cited = select(func.count()).select_from(Claim).join(Post).where(Post.source_id == row.id)
    return {"posts": session.scalar(posts) or 0, "citations": session.scalar(cited) or 0}


def remove(session: Session, row: Source, *, now: datetime) -> None:
    """Fetch and list a source no more; its posts stay, in the digests that are still to come too."""
    session.refresh(row, with_for_update=True)
    row.removed_at, row.polled, row.paused = now, False, False
    if row.state != "leased":
        row.state = "done"


def purge(session: Session, row: Source) -> None:
    """Delete a source with its posts, and what was drawn from them: stories of them alone, citations, fates.

    Raises Busy while it is fetched or posts are analysed, since those would be written again.
    """
    session.refresh(row, with_for_update=True)
    tenant = session.get_one(Tenant, row.tenant_id, with_for_update=True)
    if "leased" in {row.state, tenant.state}:
        raise Busy(
            f"{row.name!r} is being fetched, or posts are being analysed", remedy="try again in a minute"
        )
    stories = set(
        session.scalars(
            select(Post.story_id).where(Post.source_id == row.id, Post.story_id.is_not(None)).distinct()
        )
    )
    session.execute(delete(Source).where(Source.id == row.id))
    rest = (
        select(Post.story_id, func.min(Post.at).label("first"), func.max(Post.at).label("last"))
        .where(Post.story_id.in_(stories))
        .group_by(Post.story_id)
        .subquery()
    )
    session.execute(
        update(Story)
        .where(Story.id == rest.c.story_id)
        .values(first_at=rest.c.first, last_at=rest.c.last)
        .execution_options(synchronize_session=False)
    )
    left = select(rest.c.story_id)
    session.execute(
        delete(Story)
        .where(Story.id.in_(stories), Story.id.not_in(left))
        .execution_options(synchronize_session=False)
    )
    # Whoever keeps this tenant's stories in memory reads them anew.
    tenant.generation += 1


def succeeded(session: Session, lease: work.Lease, *, now: datetime, **cursor: Any) -> None:
    """Settle a fetch that worked: healthy again, next time after its interval."""
    row = session.get_one(Source, lease.id, with_for_update=True, populate_existing=True)
    values = {"failures": 0, "expiries": 0, "last_success_at": now, "last_error": None, **cursor}
    work.settle(session, lease, _rest(row), next_at=now + timedelta(seconds=row.interval_s), **values)


def failed(
    session: Session, lease: work.Lease, error: Exception, *, now: datetime, wait_s: float = 0.0
) -> None:
    """Settle a fetch that an outage stopped: noted in the source's health, tried again with backoff.

    The wait is the longest of the backoff (60 s · 2^(n-1), at most an hour), the source's own interval after many
    failures, and what the server asked for (``wait_s``).
    """
    row = session.get_one(Source, lease.id, with_for_update=True, populate_existing=True)
    failures = row.failures + 1
    remedy = getattr(error, "remedy", None)
    pause_s = dlq.backoff_s(failures, base_s=BACKOFF_BASE_S, luck=1.0)
    if failures > limits.DLQ_ATTEMPTS:
        pause_s = max(pause_s, row.interval_s)
    work.settle(
        session,
        lease,
        _rest(row),
        next_at=now + timedelta(seconds=max(pause_s, wait_s)),
        failures=failures,
        expiries=0,
        last_error=storable(f"{error}: {remedy}" if remedy else str(error))[:ERROR_CHARS],
        last_error_at=now,
    )


def _rest(row: Source) -> str:
    """Return the state in which a source waits between two fetches, if there is to be another one."""
    if row.removed_at is not None:
        return "done"
    return "held" if row.paused else "due"


def _revive(row: Source, known: Known, now: datetime) -> None:
    row.removed_at = None
    row.kind, row.url, row.family = known.kind, known.url, known.family
    row.polled, row.interval_s = known.polled, known.interval_s
    # What the server said of another fetch is no answer to the first of these.
    row.etag, row.last_modified, row.failures, row.last_error = None, None, 0, None
    if row.state != "leased":
        row.state, row.next_at = "due" if known.polled else "done", now
