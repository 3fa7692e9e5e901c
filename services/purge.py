"""Deleting what has aged, a batch a transaction, for a bounded time: what is left is deleted by the next call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from domains.ports import Clock
from services.database import Database
from services.schema import Base

BATCH: Final = 5_000
SPELL: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows are gone, and whether none that should go is left."""

    rows: int
    finished: bool


def oldest(session: Session, model: type[Base], before: datetime, most: int, condition: str = "true") -> int:
    """Delete at most ``most`` rows whose ``at`` lies before ``before``, the oldest first; return how many.

    Rows that somebody else is deleting are left to them. By place (ctid), since by key PostgreSQL would rather read the
    whole of a table of 100,000 rows than look up a thousand; the locks keep each row in its place.
    """
    table = model.__tablename__
    statement = sql(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM {table} WHERE at < :before AND {condition} "
        "ORDER BY at LIMIT :most FOR UPDATE SKIP LOCKED)) RETURNING at"
    )
    return len(session.scalars(statement, {"before": before, "most": most}).all())


def in_batches(
    database: Database,
    clock: Clock,
    delete: Callable[[Session, int], int],
    *,
    batch: int = BATCH,
    spell: timedelta = SPELL,
) -> Purged:
    """Call ``delete`` (session, at most so many rows), which returns how many it deleted, until nothing is left.

    Stops after ``spell``, at a batch's end. What was deleted by then stays deleted, whatever happens.
    """
    until = clock.now() + spell
    rows = 0
    while True:
        with database.transaction() as session:
            gone = delete(session, batch)
        rows += gone
        if gone < batch:
            return Purged(rows, finished=True)
        if clock.now() >= until:
            return Purged(rows, finished=False)
