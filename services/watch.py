"""Watching streams: `Watcher` catches a tenant's detection up with its posts.

    claim a watch ─▶ settled ticks since last time ─▶ record ─▶ a copy reads the last hour ─▶ record as draft

What a watcher remembers is derived from posts alone: two processes that take turns find the same.
"""

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains.ports import Clock
from domains.tally import TICK, Mention, end_of, tick_of
from domains.trend import Change, Detector
from monitoring import metrics
from monitoring.meter import Counting, Meter
from services import kinship, trend, work
from services.almanac import Watch
from services.database import Database
from services.schema import Post, Tenant

# Posts that come later than this after their time change no trend any more.
LATENESS: Final = timedelta(hours=1)
# What a process that knows nothing reads first: two weekdays of each kind and more.
HISTORY: Final = timedelta(days=21)
STEP: Final = timedelta(days=1)
# How often a watch is due.
EVERY: Final = TICK
# How soon again when posts of before wait to be analysed: a new installation's first hour.
BEHIND: Final = timedelta(minutes=1)


@dataclass(slots=True)
class _Memory:
    """A detector that has read all ticks before ``until``."""

    detector: Detector
    until: datetime
    # Who is whose kin, as of each day's beginning in UTC, so that it does not matter when a day is read.
    kin: dict[date, Mapping[str, str]] = field(default_factory=dict)


class Watcher:
    """Detects trends; one per process, not safe for threads."""

    def __init__(
        self, database: Database, clock: Clock, lease_s: float, meter: Counting | None = None
    ) -> None:
        self._database, self._clock, self._lease_s = database, clock, lease_s
        self._meter = meter or Meter(None)
        self._memories: dict[int, _Memory] = {}

    def catch_up(self, lease: work.Lease) -> tuple[int, datetime | None]:
        """Read a claimed watch's posts up to now; return its tenant and the begin of the draft, None without posts.

        Raises LeaseLostError when another worker took over; what is written by then stands.
        """
        now = self._clock.now()
        with self._database.transaction() as session:
            tenant_id = session.execute(select(Watch.tenant_id).where(Watch.id == lease.id)).scalar_one()
            first = trend.first_at(session, tenant_id)
            waiting = trend.unread_at(session, tenant_id)
        if first is None:
            return tenant_id, None
        known = min(now, waiting) if waiting is not None else now
        settled = _whole(known - LATENESS)
        # While it is worked on, a memory is out of the cupboard: a failure leaves none that is half changed.
        memory = self._memories.pop(tenant_id, None)
        if memory is None or memory.until > max(settled, _whole(first)):
            memory = _Memory(Detector(), _whole(max(first, now - HISTORY)))
        while memory.until < settled:
            self._settle(lease, tenant_id, memory, min(memory.until + STEP, settled))
        self._draft(lease, tenant_id, memory, known)
        self._memories[tenant_id] = memory
        return tenant_id, memory.until - LATENESS

    def _settle(self, lease: work.Lease, tenant_id: int, memory: _Memory, until: datetime) -> None:
        with self._database.transaction() as session:
            read = _read(session, tenant_id, memory, until)
        memory.detector.take(read)
        changes = memory.detector.advance(until)
        with self._database.transaction() as session:
            work.extend(session, lease, now=self._clock.now(), lease_s=self._lease_s)
            trend.take_back(session, tenant_id)
            trend.record(session, tenant_id, changes, settled=True)
            work.note(session, lease, settled_until=until)
        _count(self._meter, changes)
        memory.until = until

    def _draft(self, lease: work.Lease, tenant_id: int, memory: _Memory, until: datetime) -> None:
        with self._database.transaction() as session:
            read = _read(session, tenant_id, memory, until)
        # The bytes are our own and never leave the process; a deep copy takes ten times as long.
        draft: Detector = pickle.loads(pickle.dumps(memory.detector))  # noqa: S301
        draft.take(read)
        changes = draft.advance(until)
        with self._database.transaction() as session:
            work.extend(session, lease, now=self._clock.now(), lease_s=self._lease_s)
            trend.take_back(session, tenant_id)
            trend.record(session, tenant_id, changes, settled=False)
            trend.sweep(session, tenant_id)


def _read(session: Session, tenant_id: int, memory: _Memory, until: datetime) -> list[Mention]:
    """Return the mentions that the memory has not read, up to ``until``."""
    day, last = memory.until.date(), until.date()
    memory.kin = {known: kin for known, kin in memory.kin.items() if known >= day}
    while day <= last:
        if day not in memory.kin:
            memory.kin[day] = kinship.learned(session, tenant_id, datetime.combine(day, time.min, UTC))
        day += timedelta(days=1)
    return trend.mentions(session, tenant_id, memory.until, until, memory.kin)


def wake(database: Database, *, now: datetime) -> None:
    """Begin to watch the live tenants that have posts and are not watched yet."""
    posted = exists().where(Post.tenant_id == Tenant.id)
    unwatched = ~exists().where(Watch.tenant_id == Tenant.id)
    with database.transaction() as session:
        for tenant_id in session.scalars(select(Tenant.id).where(Tenant.live, posted, unwatched)).all():
            session.execute(insert(Watch).values(tenant_id=tenant_id, next_at=now).on_conflict_do_nothing())


def of(database: Database, tenant_id: int, *, now: datetime) -> int:
    """Return the watch over a tenant, begun if need be and due now."""
    row = insert(Watch).values(tenant_id=tenant_id, next_at=now)
    again = row.on_conflict_do_update(index_elements=["tenant_id"], set_={"next_at": now})
    with database.transaction() as session:
        return session.execute(again.returning(Watch.id)).scalar_one()


def _count(meter: Counting, changes: Iterable[Change]) -> None:
    for change in changes:
        if change.why:
            meter.count(metrics.TREND_HELD, why=change.why.split(" ")[0].rstrip(":"))
        else:
            meter.count(metrics.TREND_CHANGES, state=change.state)


def _whole(at: datetime) -> datetime:
    """Return the begin of the tick of ``at``."""
    return end_of(tick_of(at)) - TICK
