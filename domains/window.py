"""Windows that tile time: the next begins where the last ended, whatever the delay, the zone or DST.

A schedule is one or more cron expressions read in an IANA zone, or a fixed period anchored at a moment. Where clocks
change, expressions mean what they mean to Debian's cron: a job at fixed times runs once, at the first moment of a time
that comes twice and at once when its time is skipped; one whose minute or hour begins with ``*`` goes by elapsed time.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from domains import wall
from domains.errors import UsageError

CatchUp = Literal["one", "each"]
AT_ONCE: Final = 1_000
# How far back the latest closing time is looked for, step by step.
LOOK_BACK: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=40), timedelta(days=40_000))


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The half-open interval [start, end) of event time; both aware UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window's ends must be aware datetimes")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts: {self.start} .. {self.end}")

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """A closing time: the moment, aware UTC, and the local time that was asked for, naive; None for a period."""

    at: datetime
    wall: datetime | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When windows close: ``cron`` in ``zone``, or every ``period`` counted from ``anchor``.

    ``cron`` is one expression of five fields, or several with ";" between them.
    """

    zone: str = "UTC"
    cron: str | None = None
    period: timedelta | None = None
    anchor: datetime | None = None

    def __post_init__(self) -> None:
        wall.zone_of(self.zone)
        if (self.cron is None) == (self.period is None):
            raise UsageError("a schedule is either a cron expression or a period")
        if self.period is not None and self.period < timedelta(minutes=1):
            raise UsageError("a schedule's period is at least one minute")
        if self.cron is not None:
            for expression in self.cron.split(";"):
                _check(expression.strip())

    def ends(self, after: datetime) -> Iterator[datetime]:
        """Yield the closing times strictly after ``after``, ascending, aware UTC, without end."""
        return (tick.at for tick in self.ticks(after))

    def ticks(self, after: datetime) -> Iterator[Tick]:
        """Yield the closing times strictly after ``after``, ascending, each once, with what was asked for."""
        if self.period is not None:
            anchor = self.anchor or datetime(1970, 1, 1, tzinfo=UTC)
            step = (after - anchor) // self.period + 1
            while True:
                yield Tick(anchor + step * self.period)
                step += 1
        zone = ZoneInfo(self.zone)
        # The constructor has checked that a schedule without a period has a cron expression.
        lists = [_ticks(expression, zone, after) for expression in (self.cron or "").split(";")]
        last = after
        for tick in heapq.merge(*lists):
            if tick.at > last:
                last = tick.at
                yield tick

    def last_end(self, after: datetime, now: datetime) -> datetime | None:
        """Return the latest closing time in (after, now], or None; without walking through years of them."""
        for back in LOOK_BACK:
            start = max(after, now - back)
            last = None
            for end in takewhile(lambda end: end <= now, self.ends(start)):
                last = end
            if last is not None or start == after:
                return last
        return None


@dataclass(frozen=True, slots=True)
class Coming:
    """A closing time as a subscriber sees it: local, with what is odd about it, and when it may be delivered."""

    local: datetime
    deliverable: datetime
    notes: tuple[str, ...]


def coming(schedule: Schedule, after: datetime, quiet: wall.QuietHours | None = None) -> Iterator[Coming]:
    """Yield the closing times after ``after`` in the schedule's zone, and what its clocks do in between."""
    zone = ZoneInfo(schedule.zone)
    for tick in schedule.ticks(after):
        awake = quiet.over(tick.at, zone) if quiet else tick.at
        changes = tuple(str(change) for change in wall.changes(zone, after, tick.at))
        yield Coming(tick.at.astimezone(zone), awake.astimezone(zone), (*changes, *_oddness(tick, zone)))
        after = tick.at


def _oddness(tick: Tick, zone: ZoneInfo) -> Iterator[str]:
    if tick.wall is None:
        return
    found = wall.moments(tick.wall, zone)
    if not found:
        yield f"{tick.wall:%H:%M} does not come that day: at once when clocks skip it"
    elif len(found) > 1:
        yield f"{tick.wall:%H:%M} comes twice: the {'first' if tick.at == found[0] else 'second'} time"


def closed_windows(
    schedule: Schedule, covered_until: datetime, now: datetime, catch_up: CatchUp = "each"
) -> list[Window]:
    """Return the windows that have closed since ``covered_until``, ascending and without a gap.

    With ``catch_up="one"`` missed windows are joined into one that covers them all; otherwise there are at most
    `AT_ONCE` of them, and a subscription that begins years ago is caught up call by call.
    """
    if catch_up == "one":
        end = schedule.last_end(covered_until, now)
        return [] if end is None else [Window(covered_until, end)]
    ends = list(islice(takewhile(lambda end: end <= now, schedule.ends(covered_until)), AT_ONCE))
    return [Window(start, end) for start, end in zip([covered_until, *ends], ends, strict=False)]


def _check(expression: str) -> None:
    remedy = 'five fields, for example "0 8 * * *"'
    if len(expression.split()) != 5:
        raise UsageError(
            f"cannot read the cron expression {expression!r}: it has not five fields", remedy=remedy
        )
    try:
        comes = next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        raise UsageError(f"cannot read the cron expression {expression!r}: {error}", remedy=remedy) from error
    if comes is None:
        raise UsageError(f"the cron expression {expression!r} names a time that never comes", remedy=remedy)


def _ticks(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[Tick]:
    """Yield one expression's ticks from ``after`` or shortly before, ascending.

    Local times are walked through without a zone and each is placed by itself, so that what comes next does not depend
    on the moment from which somebody looks, not even in an hour that comes twice.
    """
    minute, hour, *_ = expression.split()
    elapsed = minute.startswith("*") or hour.startswith("*")
    waiting: list[Tick] = []
    for local in CronSim(expression, _start(after, zone)):
        found = wall.moments(local, zone) if elapsed else (wall.earliest(local, zone),)
        for at in found:
            heapq.heappush(waiting, Tick(at, local))
        # No later local time has a first moment before this one's.
        while waiting and found and waiting[0].at <= found[0]:
            yield heapq.heappop(waiting)
    yield from sorted(waiting)


def _start(after: datetime, zone: ZoneInfo) -> datetime:
    """Return a local time (naive) from which every moment after ``after`` is come by."""
    distances = {
        (after + shift).astimezone(zone).utcoffset() for shift in (-wall.FOLD, timedelta(), wall.FOLD)
    }
    local = wall.shown(after, zone) - timedelta(seconds=1)
    return local if len(distances) == 1 else local - wall.FOLD
