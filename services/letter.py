"""The operator's desk: equal failures as one line, pages of letters, and one letter with all that is known of it.

The buttons are named here too: `replay`, `edit_and_replay` and `discard` (`services.replay`), `bulk` (`services.bulk`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from domains import limits
from domains.dlq import STATES, Filter
from services import audit, payload
from services.bulk import Plan, bulk, matching
from services.deadletter import Job, get
from services.replay import discard, edit_and_replay, replay, sweep
from services.schema import DeadLetter, Delivery, RunStep, Tenant

__all__ = (
    "Filter",
    "Group",
    "Plan",
    "bulk",
    "detail",
    "discard",
    "edit_and_replay",
    "get",
    "groups",
    "page",
    "replay",
    "row",
    "sweep",
    "total",
)
GROUPS: Final = 200
HEAVY: Final = (DeadLetter.traceback, DeadLetter.history, DeadLetter.payload)


@dataclass(frozen=True, slots=True)
class Group:
    """Equal failures as one line: how many, since when, in which states, and the newest of them by number."""

    fingerprint: str
    task: str
    kind: str
    error: str
    place: str
    message: str
    count: int
    tenants: int
    states: dict[str, int]
    first_at: datetime
    last_at: datetime
    newest: int


def groups(session: Session, filter_: Filter, *, limit: int = GROUPS) -> list[Group]:
    """Return the failures that the filter finds by fingerprint, the most numerous first."""
    states = [
        func.count().filter(DeadLetter.state == state).label(f"is_{state}") for state in filter_.states or STATES
    ]  # fmt: skip
    counts = (
        select(
            func.max(DeadLetter.id).label("newest"),
            func.count().label("count"),
            func.count(DeadLetter.tenant_id.distinct()).label("tenants"),
            func.min(DeadLetter.created_at).label("first_at"),
            func.max(DeadLetter.failed_at).label("last_at"),
            *states,
        )
        .where(*matching(filter_))
        .group_by(DeadLetter.fingerprint)
        .order_by(func.count().desc(), func.max(DeadLetter.id).desc())
        .limit(limit)
        .subquery()
    )
    newest = (
        DeadLetter.fingerprint, DeadLetter.task, DeadLetter.kind, DeadLetter.error, DeadLetter.place, DeadLetter.message,
    )  # fmt: skip
    query = (
        select(*newest, *counts.c)
        .join(counts, DeadLetter.id == counts.c.newest)
        .order_by(counts.c.count.desc(), counts.c.newest.desc())
    )
    return [_group(found) for found in session.execute(query).mappings()]


def total(session: Session, filter_: Filter) -> int:
    """Return how many letters the filter finds."""
    return session.scalar(select(func.count()).select_from(DeadLetter).where(*matching(filter_))) or 0


def page(
    session: Session, filter_: Filter, after: int | None = None, limit: int = limits.DLQ_PAGE
) -> list[dict[str, Any]]:
    """Return up to ``limit`` letters that the filter finds, newest first, those older than number ``after`` if given."""
    conditions = matching(filter_)
    if after is not None:
        conditions.append(DeadLetter.id < after)
    query = (
        select(DeadLetter, Tenant.name)
        .join(Tenant, Tenant.id == DeadLetter.tenant_id)
        .where(*conditions)
        .order_by(DeadLetter.id.desc())
        .limit(min(limit, limits.DLQ_PAGE))
        .options(*(defer(column, raiseload=True) for column in HEAVY))
    )
    return [row(letter, tenant) for letter, tenant in session.execute(query)]


def detail(
    session: Session, letter_id: int, jobs: Sequence[Job] = (), *, tenant_id: int | None = None
) -> dict[str, Any]:
    """Return a letter with its traceback, payload, schema, manifest step, history and audit. Raises NotFound.

    ``payload`` is what its work is given now (what it was given when it failed, once the row is gone), ``schema`` what may
    be changed of it; ``steps`` are a digest's recorded steps in order, ``step`` the last of them, after which it failed.
    ``replayable`` and ``discardable`` say which buttons there are.
    """
    letter = get(session, letter_id, tenant_id=tenant_id)
    session.refresh(letter, [column.key for column in HEAVY])
    job = next((one for one in jobs if one.name == letter.task), None)
    now_given = payload.of(session, job.model, letter.row_id) if job else {}
    schema = payload.schema(session, job.model, letter.row_id) if job else {}
    steps = _steps(session, letter)
    return row(letter, session.get_one(Tenant, letter.tenant_id).name) | {
        "traceback": letter.traceback,
        "payload": now_given or letter.payload,
        "failed_with": letter.payload,
        "schema": schema if schema.get("properties") else None,
        "editable": bool(schema.get("properties")) and letter.state not in {"pending", "leased"},
        "run": _run_of(session, letter),
        "steps": steps,
        "step": steps[-1]["name"] if steps else None,
        "history": letter.history,
        "audit": audit.listing(session, letter_id=letter.id),
        "replayable": letter.state not in {"pending", "leased"},
        "discardable": letter.state in {"pending", "scheduled", "permanent"},
    }


def row(letter: DeadLetter, tenant: str = "") -> dict[str, Any]:
    """Return a letter as lists show it; times in ISO 8601."""
    return {
        "id": letter.id,
        "tenant": tenant,
        "task": letter.task,
        "row": letter.row_id,
        "kind": letter.kind,
        "state": letter.state,
        "attempt": letter.attempt,
        "next_at": letter.next_at.isoformat() if letter.next_at else None,
        "bulk": letter.bulk_id,
        "error": letter.error,
        "place": letter.place,
        "message": letter.message,
        "fingerprint": letter.fingerprint,
        "created_at": letter.created_at.isoformat(),
        "failed_at": letter.failed_at.isoformat(),
        "updated_at": letter.updated_at.isoformat(),
    }


def _group(found: Any) -> Group:
    states = {key[3:]: count for key, count in found.items() if key.startswith("is_") and count}
    names = Group.__dataclass_fields__
    return Group(**{key: value for key, value in found.items() if key in names}, states=states)


def _run_of(session: Session, letter: DeadLetter) -> int | None:
    """Return the run that the letter's work is part of, if it is of one."""
    if letter.task == "digest.make":
        return letter.row_id
    if letter.task == "delivery.send":
        return session.scalar(select(Delivery.run_id).where(Delivery.id == letter.row_id))
    return None


def _steps(session: Session, letter: DeadLetter) -> list[dict[str, Any]]:
    run_id = _run_of(session, letter)
    if run_id is None:
        return []
    query = (
        select(RunStep.name, RunStep.sha256, RunStep.at, RunStep.elapsed_ms)
        .where(RunStep.run_id == run_id)
        .order_by(RunStep.seq)
    )
    return [
        {"name": name, "sha256": sha256, "at": at.isoformat(), "elapsed_ms": elapsed_ms}
        for name, sha256, at, elapsed_ms in session.execute(query)
    ]
