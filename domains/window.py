"""Windows that tile time: the next begins where the last ended, whatever the delay, the zone or DST.

A schedule is a cron expression read in an IANA zone (semantics of Debian's cron for DST, as `cronsim` has
them), or a fixed period anchored at a moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

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


@dataclass(frozen=True, slots=True)
class Schedule:
    """When windows close: ``cron`` in ``zone``, or every ``period`` counted from ``anchor``."""

    zone: str = "UTC"
    cron: str | None = None
    period: timedelta | None = None
    anchor: datetime | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UsageError(
                f"unknown time zone {self.zone!r}", remedy="use an IANA name such as Europe/Kyiv"
            ) from error
        if (self.cron is None) == (self.period is None):
            raise UsageError("a schedule is either a cron expression or a period")
        if self.period is not None and self.period < timedelta(minutes=1):
            raise UsageError("a schedule's period is at least one minute")
        if self.cron is not None:
            try:
                CronSim(self.cron, datetime(2026, 1, 1, tzinfo=UTC))
            except CronSimError as error:
                raise UsageError(
                    f"cannot read the cron expression {self.cron!r}: {error}",
                    remedy='five fields, for example "0 8 * * *"',
                ) from error

    def ends(self, after: datetime) -> Iterator[datetime]:
        """Yield the closing times strictly after ``after``, ascending, aware UTC, without end."""
        if self.period is not None:
            anchor = self.anchor or datetime(1970, 1, 1, tzinfo=UTC)
            step = (after - anchor) // self.period + 1
            while True:
                yield anchor + step * self.period
                step += 1
        # The constructor has checked that a schedule without a period has a cron expression.
        for local in CronSim(self.cron or "", after.astimezone(ZoneInfo(self.zone))):
            yield local.astimezone(UTC)

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
