"""What a term did before today: how often in all, at this time of day, on this weekday. `Season`, in bounded memory.

Words that come every morning or every Friday are no news when they come; how much of a unit's past falls on such hours
says how many of its mentions to expect in them. Little past means little season: the factor shrinks to 1.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.sketch import Counts

HALF_LIFE: Final = timedelta(days=14)
# Mentions that a unit must have had for half of what its hours say to be believed, and the largest factor.
_DOUBT: Final = 3.0
_MOST: Final = 24.0
_WEEKS: Final = 2
_HOURS: Final = 24
_SLOTS: Final = _HOURS + 7
# What turns a term's code into that of the term in one slot: slot 0 is all hours.
_ALL_SLOTS: Final = np.arange(1 + _SLOTS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


class Season:
    """Fading counts of terms by hour and weekday (UTC), and of the stream. Times must not go back by much."""

    def __init__(self, width: int = 1 << 16) -> None:
        self._counts = Counts(datetime.fromtimestamp(0, UTC), HALF_LIFE, width)
        self._stream = np.zeros(1 + _SLOTS)
        self._at: datetime | None = None
        self.since: datetime | None = None

    def add(self, codes: Sequence[int], posts: int, at: datetime) -> None:
        """Count the terms of ``posts`` posts of the moment ``at``."""
        self.since = self.since or at
        self._fade(at)
        slots = (0, 1 + at.hour, 1 + _HOURS + at.weekday())
        self._stream[list(slots)] += posts
        keys = np.asarray(codes, dtype=np.uint64)
        self._counts.add(np.concatenate([keys ^ _ALL_SLOTS[slot] for slot in slots]), at)

    def past(self, key: int, at: datetime) -> float:
        """Return the faded count of a term as of ``at``."""
        return self._counts.get(key, at)

    def volume(self, at: datetime) -> float:
        """Return the faded number of posts of the stream as of ``at``."""
        return float(self._stream[0]) * self._faded(at)

    def factor(self, key: int, after: datetime, until: datetime, recent: Iterable[datetime]) -> float:
        """Return how much more than on average a term comes in the hours of (after, until], at least 1.

        ``recent`` are the mentions of the last day, which are what is judged and so no evidence. Who is never heard at
        this hour gets no credit for it: silence in a short history proves little.
        """
        hours, days = _covered(after, until)
        now_hours, now_days, count = np.zeros(_HOURS), np.zeros(7), 0
        for at in recent:
            now_hours[at.hour] += 1
            now_days[at.weekday()] += 1
            count += 1
        seen = self._counts.many(_ALL_SLOTS ^ np.uint64(key), until)
        total = max(float(seen[0]) - count, 0.0)
        factor = 1.0
        if len(hours) < _HOURS:
            factor *= _ratio(seen[1 : 1 + _HOURS] - now_hours, self._stream[1 : 1 + _HOURS], hours, total)
        if self.since is not None and until - self.since >= timedelta(weeks=_WEEKS):
            factor *= _ratio(seen[1 + _HOURS :] - now_days, self._stream[1 + _HOURS :], days, total)
        return min(max(factor, 1.0), _MOST)

    def state(self) -> bytes:
        """Return everything, for `load`."""
        return msgspec.msgpack.encode((self._counts.state(), self._stream.tolist(), self._at, self.since))

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return the season whose `state` this is."""
        counts, stream, at, since = msgspec.msgpack.decode(
            data, type=tuple[bytes, list[float], datetime | None, datetime | None]
        )
        made = cls(2)
        made._counts, made._stream, made._at, made.since = Counts.load(counts), np.array(stream), at, since
        return made

    def _fade(self, at: datetime) -> None:
        self._stream *= self._faded(at)
        self._at = at

    def _faded(self, at: datetime) -> float:
        return float(2.0 ** (-((at - self._at) / HALF_LIFE))) if self._at is not None else 1.0


def _covered(after: datetime, until: datetime) -> tuple[list[int], list[int]]:
    """Return the hours and the weekdays that (after, until] touches."""
    at, hours, days = after.astimezone(UTC), set[int](), set[int]()
    while at < until and len(hours) < _HOURS:
        hours.add(at.hour)
        days.add(at.weekday())
        at = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return sorted(hours), sorted(days)


def _ratio(seen: NDArray[np.float64], stream: NDArray[np.float64], slots: list[int], total: float) -> float:
    share = float(stream[slots].sum()) / max(float(stream.sum()), 1.0)
    here = float(np.maximum(seen[slots], 0.0).sum())
    return (here + _DOUBT * share) / max((total + _DOUBT) * share, 1e-9)
