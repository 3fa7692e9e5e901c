"""Sources in Postgres: who they are, how they are doing, when they are fetched next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import dlq, limits
from domains.errors import NotFound, UsageError
from services import work
from services.log import storable
from services.schema import Post, Source

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
    """Return the row of the source with this name, made if it is not there; a known one is left as it is."""
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
    row = session.scalar(select(Source).where(Source.tenant_id == tenant_id, Source.name == name))
    if row is None:
        raise NotFound(f"no source {name!r}", remedy="see `svodka source list`")
    return row


def get(session: Session, source_id: int) -> Source:
    """Return a source by row."""
    return session.get_one(Source, source_id)


def listing(session: Session, tenant_id: int) -> list[dict[str, Any]]:
    """Return every source with its health and how many posts it brought, by name."""
    rows = session.execute(
        select(Source, func.count(Post.id), func.max(Post.at))
        .join(Post, Post.source_id == Source.id, isouter=True)
        .where(Source.tenant_id == tenant_id)
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
            "last_success_at": row.last_success_at.isoformat() if row.last_success_at else None,
            "failures": row.failures,
            "last_error": row.last_error,
            "next_at": row.next_at.isoformat() if row.polled else None,
        }
        for row, posts, newest in rows
    ]


def check_names(session: Session, tenant_id: int, names: Sequence[str]) -> None:
    """Raise NotFound that lists the names which are no source of this tenant."""
    known = set(session.scalars(select(Source.name).where(Source.tenant_id == tenant_id)))
    missing = sorted(set(names) - known)
    if missing:
        raise NotFound(f"no source {', '.join(map(repr, missing))}", remedy="see `svodka source list`")


def hasten(session: Session, tenant_id: int, names: Sequence[str], *, now: datetime) -> list[int]:
    """Make polled sources due at once (all when ``names`` is empty) and return their rows, by name."""
    query = (
        update(Source)
        .where(Source.tenant_id == tenant_id, Source.polled, Source.state.in_(("due", "dead")))
        .values(state="due", next_at=now)
        .returning(Source.name, Source.id)
    )
    rows = session.execute(query.where(Source.name.in_(names)) if names else query).all()
    return [row.id for row in sorted(rows)]


def succeeded(session: Session, lease: work.Lease, *, now: datetime, **cursor: Any) -> None:
    """Settle a fetch that worked: healthy again, next time after its interval."""
    row = get(session, lease.id)
    values = {"failures": 0, "expiries": 0, "last_success_at": now, "last_error": None, **cursor}
    work.settle(session, lease, "due", next_at=now + timedelta(seconds=row.interval_s), **values)


def failed(
    session: Session, lease: work.Lease, error: Exception, *, now: datetime, wait_s: float = 0.0
) -> None:
    """Settle a fetch that an outage stopped: noted in the source's health, tried again with backoff.

    The wait is the longest of the backoff (60 s · 2^(n-1), at most an hour), the source's own interval after many
    failures, and what the server asked for (``wait_s``).
    """
    row = get(session, lease.id)
    failures = row.failures + 1
    remedy = getattr(error, "remedy", None)
    pause_s = dlq.backoff_s(failures, base_s=BACKOFF_BASE_S, luck=0.5)
    if failures > limits.DLQ_ATTEMPTS:
        pause_s = max(pause_s, row.interval_s)
    work.settle(
        session,
        lease,
        "due",
        next_at=now + timedelta(seconds=max(pause_s, wait_s)),
        failures=failures,
        expiries=0,
        last_error=storable(f"{error}: {remedy}" if remedy else str(error))[:ERROR_CHARS],
        last_error_at=now,
    )
