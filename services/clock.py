"""The time: real, or stopped for tests and backtests."""

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


class StoppedClock:
    """A clock that moves only when told to; replays and backtests run on it."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._at = at

    def now(self) -> datetime:
        """Return the moment at which the clock stands."""
        return self._at

    def move_to(self, at: datetime) -> None:
        """Set the clock to ``at``. Raises ValueError for a naive one."""
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._at = at

    def advance(self, **delta: float) -> None:
        """Move the clock by ``timedelta(**delta)``."""
        self._at += timedelta(**delta)
