"""What wall clocks show: the moments of a local time, where clocks change, and the hours in which nobody is disturbed.

Where clocks go forward some local times never come; where they go back some come twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domains.errors import UsageError

# Since 1990 no zone has put its clocks back by more (Antarctica/Vostok, 7 h in 1994; tzdata 2026).
FOLD: Final = timedelta(hours=8)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
HOURS: Final = re.compile(r"\s*(\d{1,2})(?::(\d{2}))?\s*[-–—]\s*(\d{1,2})(?::(\d{2}))?\s*", re.ASCII)


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name. Raises UsageError for a name that is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"unknown time zone {name!r}", remedy="use an IANA name such as Europe/Kyiv"
        ) from error


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks in ``zone`` show at a moment, naive."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def moments(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the moments, aware UTC and ascending, at which clocks show ``wall`` (naive): none, one or two."""
    found = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(sorted(at for at in found if shown(at, zone) == wall))


def earliest(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment of a local time; of one that never comes, the moment at which clocks skip it."""
    return _nearest(wall, zone)[0]


def latest(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the last moment of a local time; of one that never comes, the moment at which clocks skip it."""
    return _nearest(wall, zone)[-1]


def _nearest(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    # Clocks skip whole minutes, so the end of a gap is found by walking to it.
    while not (found := moments(wall, zone)):
        wall = wall.replace(second=0, microsecond=0) + MINUTE
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """At ``at`` (aware UTC) a zone's distance from UTC changes from ``before`` to ``after``."""

    at: datetime
    before: timedelta
    after: timedelta

    def __str__(self) -> str:
        old, new = ((self.at + offset).replace(tzinfo=None) for offset in (self.before, self.after))
        way = "forward" if self.after > self.before else "back"
        day = f"{old:%Y-%m-%d}" if old.date() == new.date() else f"{old:%Y-%m-%d}/{new:%Y-%m-%d}"
        return f"clocks go {way} on {day}, {old:%H:%M} → {new:%H:%M}"


def changes(zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Change]:
    """Yield the changes of a zone's clocks in (after, until], ascending; two on one day may be seen as one or none."""
    while after < until:
        ahead = min(after + DAY, until)
        if _offset(after, zone) != _offset(ahead, zone):
            yield _change(zone, after, ahead)
        after = ahead


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> Change:
    before, after = _offset(low, zone), _offset(high, zone)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return Change(high.replace(microsecond=0), before, after)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` until ``end``, local times, nothing is delivered; past midnight when ``end`` is the earlier.

    An ambiguous start is its first moment and an ambiguous end its last, so that clocks set back never cut a night
    short; one that clocks skip is the moment at which they do.
    """

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise UsageError(
                "quiet hours that begin when they end leave no time to deliver",
                remedy="such as 22:00-07:00, or pause the subscription",
            )

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    @classmethod
    def of(cls, text: str) -> "QuietHours":
        """Return the hours that a text such as 22:00-07:00 or 22-7 names. Raises UsageError for a text that is none."""
        parts = HOURS.fullmatch(text)
        numbers = [int(part or 0) for part in parts.groups()] if parts else []
        if not numbers or max(numbers[::2]) > 23 or max(numbers[1::2]) > 59:
            raise UsageError(
                f"cannot read the quiet hours {text!r}", remedy="expected HH:MM-HH:MM, such as 22:00-07:00"
            )
        return cls(time(numbers[0], numbers[1]), time(numbers[2], numbers[3]))

    def over(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the first moment from ``at`` on at which somebody in ``zone`` may be disturbed; aware UTC."""
        # Twice only where clocks skip the time between two nights.
        while (end := self._end(at, zone)) is not None:
            at = end
        return at

    def _end(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        today = shown(at, zone).date()
        for day in (today - DAY, today):
            start, end = self._night(day, zone)
            if start <= at < end:
                return end
        return None

    def _night(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        until = day if self.start < self.end else day + DAY
        start = datetime.combine(day, self.start)
        end = datetime.combine(until, self.end)
        return earliest(start, zone), latest(end, zone)
