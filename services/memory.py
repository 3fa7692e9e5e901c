"""Episodic memory in Postgres: what happened to a tenant's runs, for 90 days.

note ─▶ episode ─▶ recent ─▶ domains.memory.lessons ─▶ the next run's settings;   nightly purge
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from domains import limits
from domains import memory as domain
from domains.digest import Plan, Verdict
from domains.memory import EventKind, Lesson
from domains.ports import Clock
from services import log
from services.database import Database
from services.diary import Episode
from services.purge import BATCH, SPELL, Purged, in_batches, oldest
from services.schema import DeadLetter, Delivery, Run
from services.work import Lease

CAUSE_CHARS: Final = 200


def note(
    session: Session,
    kind: EventKind,
    *,
    tenant_id: int,
    at: datetime,
    cause: str = "",
    run_id: int | None = None,
    payload: Mapping[str, Any] | None = None,
) -> int:
    """Remember an event and return its row. Secrets are masked, the payload is cut to `limits.MEMORY_PAYLOAD_BYTES`."""
    # Masked before it is cut, so that no cut leaves half a secret that is not known as one.
    masked = log.mask_event(None, "", {log.mask(str(key)): value for key, value in (payload or {}).items()})
    kept = domain.fitted(masked)
    subscription = None if run_id is None else select(Run.subscription_id).where(Run.id == run_id)
    values = {
        "tenant_id": tenant_id,
        "subscription_id": None if subscription is None else subscription.scalar_subquery(),
        "run_id": run_id,
        "kind": kind,
        "cause": domain.plain_text(log.mask(cause))[:CAUSE_CHARS],
        "payload": kept,
        "at": at,
    }
    return session.execute(insert(Episode).values(values).returning(Episode.id)).scalar_one()


def note_digest(
    session: Session, run_id: int, plan: Plan, verdicts: Sequence[Verdict], *, at: datetime, held: str = ""
) -> None:
    """Remember how a run went: that it was completed, or why it was ``held``, and each check it failed on the way.

    ``verdicts`` are those on the drafts before cutting, the best first. Call it in the transaction that finishes the
    run, so that a run that is made twice is remembered by what was kept.
    """
    tenant_id = session.execute(select(Run.tenant_id).where(Run.id == run_id)).scalar_one()
    best = verdicts[0] if verdicts else None
    done: dict[str, Any] = {"stories": len(plan.stories), "score": best.score if best else None}
    if held:
        done["why"] = held
    kind: EventKind = "quality_low" if held else "run_completed"
    note(
        session,
        kind,
        tenant_id=tenant_id,
        at=at,
        cause="held" if held else "digest",
        run_id=run_id,
        payload=done,
    )
    for fault in domain.faults(plan, verdicts):
        note(
            session,
            "quality_low",
            tenant_id=tenant_id,
            at=at,
            cause=fault.check,
            run_id=run_id,
            payload={"expected": fault.expected, "found": fault.found, "detail": fault.detail},
        )


def note_failure(session: Session, task: str, lease: Lease, letter: DeadLetter, *, at: datetime) -> None:
    """Remember that work on a run failed: a retry when its letter will be tried again by itself, else an error."""
    if lease.model not in {Run, Delivery}:
        return
    run_id = lease.id if lease.model is Run else session.get_one(Delivery, lease.id).run_id
    payload = {
        "task": task,
        "row": lease.id,
        "kind": letter.kind,
        "attempt": letter.attempt,
        "next_at": letter.next_at.isoformat() if letter.next_at else None,
    }
    kind: EventKind = "retry" if letter.state == "scheduled" else "error"
    note(session, kind, tenant_id=letter.tenant_id, at=at, cause=letter.error, run_id=run_id, payload=payload)


def recent(
    session: Session,
    tenant_id: int,
    *,
    now: datetime,
    subscription_id: int | None = None,
    run_id: int | None = None,
    kinds: Sequence[EventKind] = (),
    limit: int = limits.MEMORY_EVENTS,
) -> list[domain.Episode]:
    """Return a tenant's newest events, the newest first, at most `limits.MEMORY_EVENTS`, none older than 90 days."""
    query = select(Episode).where(
        Episode.tenant_id == tenant_id, Episode.at > now - limits.MEMORY, Episode.at <= now
    )
    if subscription_id is not None:
        query = query.where(Episode.subscription_id == subscription_id)
    if run_id is not None:
        query = query.where(Episode.run_id == run_id)
    if kinds:
        query = query.where(Episode.kind.in_(kinds))
    most = max(0, min(limit, limits.MEMORY_EVENTS))
    rows = session.scalars(query.order_by(Episode.at.desc(), Episode.id.desc()).limit(most))
    return [_read(row) for row in rows]


def lessons(session: Session, run_id: int, *, now: datetime) -> tuple[Lesson, ...]:
    """Return what a run should do differently, by what happened to its subscription's earlier runs."""
    run = session.get_one(Run, run_id)
    known = recent(session, run.tenant_id, now=now, subscription_id=run.subscription_id)
    return domain.lessons(one for one in known if one.run != run_id)


def purge(database: Database, clock: Clock, *, batch: int = BATCH, spell: timedelta = SPELL) -> Purged:
    """Delete events older than `limits.MEMORY`, the oldest first, in batches, for at most ``spell``."""
    before = clock.now() - limits.MEMORY

    def some(session: Session, most: int) -> int:
        return oldest(session, Episode, before, most)

    return in_batches(database, clock, some, batch=batch, spell=spell)


def _read(row: Episode) -> domain.Episode:
    # The column holds what `note` wrote; a kind of a newer version of the program is passed on as it is.
    kind: Any = row.kind
    return domain.Episode(row.id, kind, row.at, row.cause, row.run_id, row.subscription_id, row.payload)
