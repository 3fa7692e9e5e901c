"""Letters that have ended leave the database through a file: one JSON object a line, with history and audit.

    ended long ago ─▶ a batch, locked ─▶ PATH grows by it, flushed to the disk ─▶ deleted, committed

A crash between the last two writes a letter twice, and loses none: a line is known by its ``id``.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from domains import limits
from domains.dlq import Filter
from domains.ports import Clock
from services import audit, disk, letter, purge
from services.audit import Audit
from services.bulk import matching
from services.database import Database
from services.schema import DeadLetter, Tenant

BATCH: Final = 500
# What a letter ends in when nobody has to do anything about it any more.
CLOSED: Final = ("resolved", "discarded")


def lines(session: Session, filter_: Filter, *, after: int = 0, limit: int = BATCH) -> list[dict[str, Any]]:
    """Return up to ``limit`` letters that the filter finds with all that is known of them, oldest first, from ``after`` on."""
    query = (
        select(DeadLetter)
        .where(*matching(filter_), DeadLetter.id > after)
        .order_by(DeadLetter.id)
        .limit(limit)
    )
    return _whole(session, session.scalars(query).all())


def retain(database: Database, clock: Clock, folder: Path, keep: timedelta) -> int:
    """Move letters that ended more than ``keep`` ago into a file of this day in ``folder``; return how many.

    Old rows of the audit are deleted then. Raises Unavailable when the file cannot be written; then nothing is deleted.
    """
    now = clock.now()
    path = folder / f"letters-{now:%Y-%m-%d}.jsonl"
    moved = 0
    while True:
        with database.transaction() as session:
            count = _move(session, path, now - keep, now)
        moved += count
        if count < BATCH:
            break
    purge.in_batches(
        database, clock, lambda session, most: purge.oldest(session, Audit, now - limits.AUDIT, most)
    )
    return moved


def _move(session: Session, path: Path, before: datetime, now: datetime) -> int:
    query = (
        select(DeadLetter)
        .where(DeadLetter.state.in_(CLOSED), DeadLetter.updated_at < before)
        .order_by(DeadLetter.updated_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    letters = session.scalars(query).all()
    if not letters:
        return 0
    append(path, _whole(session, letters))
    session.execute(delete(DeadLetter).where(DeadLetter.id.in_([one.id for one in letters])))
    audit.note(
        session, "retain", tenant_id=None, by="dlq.retain", at=now, after={"letters": len(letters), "file": path.name}
    )  # fmt: skip
    return len(letters)


def append(path: Path, values: Iterable[dict[str, Any]]) -> None:
    """Add a line for each value to a file that its owner alone can read, and see it on the disk. Raises Unavailable."""
    text = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    with disk.named(path):
        disk.make(path.parent, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _whole(session: Session, letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    names = {number: name for number, name in session.execute(select(Tenant.id, Tenant.name))}  # noqa: C416  dict() of Rows is not typed
    acts: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    query = select(Audit).where(Audit.letter_id.in_([one.id for one in letters])).order_by(Audit.id)
    for row in session.scalars(query):
        acts[row.letter_id].append(audit.told(row))
    return [
        letter.row(one, names.get(one.tenant_id, ""))
        | {
            "traceback": one.traceback,
            "payload": one.payload,
            "history": one.history,
            "audit": acts[one.id],
        }
        for one in letters
    ]
