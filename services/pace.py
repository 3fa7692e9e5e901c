"""How fast channels are used, shared by every process: a row a lane, in Postgres.

A lane is a limit of a channel, of a server or of a chat. Its row says when its next slot is, by the generic cell rate
algorithm (ITU-T I.371): a lane of ``burst`` n lets n through at once, then one each ``interval_s``. A lane whose other
end does not answer is closed for a while, so that what waits for it costs nobody a timeout.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Integer, delete, select
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from domains.ports import Lane
from services.schema import Base

# A wait up to this is waited out by the worker; its slot is taken already.
PATIENCE_S: Final = 1.0
CLOSED_S: Final = 15.0
CLOSED_CAP_S: Final = 900.0
KEPT: Final = timedelta(days=1)


class Pace(Base):
    """A lane: when its next slot is, until when it is closed, and after how many failures in a row."""

    __tablename__ = "pace"
    lane: Mapped[str] = mapped_column(primary_key=True)
    next_at: Mapped[datetime]
    closed_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(Integer, server_default=sql("0"))


def take(session: Session, lanes: Sequence[Lane], *, now: datetime, probing: bool = False) -> float:
    """Take a slot of every lane and return the seconds until it comes, at most `PATIENCE_S`.

    A longer wait is returned too, and then no slot is taken: come back after it. ``probing`` passes closed lanes: a
    dead letter's replay has waited long enough, or an operator wants to see.
    """
    if not lanes:
        return 0.0
    rows = _locked(session, lanes, now)
    slots = {lane.key: max(rows[lane.key].next_at, now) for lane in lanes}
    waits = [slots[lane.key] - now - timedelta(seconds=lane.interval_s * (lane.burst - 1)) for lane in lanes]
    if not probing:
        waits += [row.closed_until - now for row in rows.values() if row.closed_until is not None]
    wait_s = max(0.0, max(waits).total_seconds())
    if wait_s <= PATIENCE_S:
        for lane in lanes:
            rows[lane.key].next_at = slots[lane.key] + timedelta(seconds=lane.interval_s)
    return wait_s


def close(session: Session, lane: Lane, *, now: datetime, for_s: float | None = None) -> None:
    """Let nobody through for ``for_s`` seconds, by default longer after each failure: 15, 30, 60 … at most 900."""
    row = _locked(session, [lane], now)[lane.key]
    if for_s is None:
        row.failures += 1
        for_s = min(CLOSED_S * 2.0 ** min(row.failures - 1, 30), CLOSED_CAP_S)
    until = now + timedelta(seconds=for_s)
    row.closed_until = max(row.closed_until or until, until)


def reopen(session: Session, lanes: Sequence[Lane]) -> None:
    """Note that the other end answers."""
    keys = [lane.key for lane in lanes]
    query = select(Pace).where(Pace.lane.in_(keys), Pace.failures > 0).order_by(Pace.lane).with_for_update()
    for row in session.scalars(query):
        row.closed_until, row.failures = None, 0


def purge(session: Session, *, now: datetime) -> int:
    """Forget the lanes that nobody has used for a day; return how many."""
    old = (Pace.next_at < now - KEPT) & ((Pace.closed_until.is_(None)) | (Pace.closed_until < now - KEPT))
    return len(session.execute(delete(Pace).where(old).returning(Pace.lane)).all())


def _locked(session: Session, lanes: Sequence[Lane], now: datetime) -> dict[str, Pace]:
    """Return the lanes' rows, locked in the order of their keys, so that two takers never wait for each other."""
    keys = sorted({lane.key for lane in lanes})
    session.execute(
        insert(Pace).values([{"lane": key, "next_at": now} for key in keys]).on_conflict_do_nothing()
    )
    query = select(Pace).where(Pace.lane.in_(keys)).order_by(Pace.lane).with_for_update()
    rows = session.scalars(query.execution_options(populate_existing=True))
    return {row.lane: row for row in rows}
