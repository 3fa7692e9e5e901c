"""What is known of any number of things in bounded memory: how often (`Counts`), when (`Days`), once (`Doorkeeper`)."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Generic, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

_SEEDS: Final = tuple(
    np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD)
)
# Half-lives after which all counts are scaled down, lest floats overflow.
_SCALE_AT: Final = 40.0
_ROWS: Final = len(_SEEDS)
T = TypeVar("T")


def code(key: str) -> int:
    """Return 64 bits that stand for ``key``, the same in every process."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


class Counts:
    """A count-min sketch (Cormode and Muthukrishnan, 2005) with conservative update and exponential fading.

    It never says less than the true faded count, and more by at most e/width of all counts with probability 1 - e^-4.
    Memory: 4 rows of ``width`` floats of 4 bytes, whatever is counted.
    """

    def __init__(self, origin: datetime, half_life: timedelta, width: int = 1 << 16) -> None:
        if width & (width - 1):
            raise ValueError("width must be a power of two")
        self._origin = origin
        self._half_life_s = half_life.total_seconds()
        self._width = width
        self._rows = np.zeros((_ROWS, width), dtype=np.float32)

    def add(self, keys: Sequence[int] | NDArray[np.uint64], at: datetime) -> None:
        """Count each of ``keys`` (`code`s, repeats count) at ``at``; times may come in any order."""
        if not len(keys):
            return
        if self._halves(at) > _SCALE_AT:
            self._rows *= np.float32(2.0 ** -self._halves(at))
            self._origin = at
        growth = 2.0 ** self._halves(at)
        unique, amounts = np.unique(np.asarray(keys, dtype=np.uint64), return_counts=True)
        cells = [row + at * self._width for at, row in enumerate(_places(unique, self._width))]
        flat = self._rows.ravel()
        least = np.min([flat[row] for row in cells], axis=0) + (amounts * growth).astype(np.float32)
        # Each cell grows only as far as its neediest key asks, which keeps the error of others small.
        for row in cells:
            np.maximum.at(flat, row, least)

    def get(self, key: int, at: datetime) -> float:
        """Return the count of ``key`` as of ``at``: what was counted a half-life earlier counts half."""
        return float(self.many([key], at)[0])

    def many(self, keys: Sequence[int] | NDArray[np.uint64], at: datetime) -> NDArray[np.float64]:
        """Return the counts of ``keys`` as `get` would, as float64 [len(keys)]."""
        places = _places(np.asarray(keys, dtype=np.uint64), self._width)
        least = np.min([self._rows[row][cells] for row, cells in enumerate(places)], axis=0)
        return np.asarray(least * 2.0 ** -self._halves(at), dtype=np.float64)

    def state(self) -> bytes:
        """Return everything, for `load`."""
        cells = np.flatnonzero(self._rows).astype(np.uint32)
        values = self._rows.ravel()[cells]
        parts = (self._origin, self._half_life_s, self._width, cells.tobytes(), values.tobytes())
        return msgspec.msgpack.encode(parts)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return the sketch whose `state` this is."""
        origin, half_life_s, width, cells, values = msgspec.msgpack.decode(
            data, type=tuple[datetime, float, int, bytes, bytes]
        )
        made = cls(origin, timedelta(seconds=half_life_s), width)
        made._rows.ravel()[np.frombuffer(cells, np.uint32)] = np.frombuffer(values, np.float32)
        return made

    def _halves(self, at: datetime) -> float:
        """Return how many half-lives ``at`` lies after the origin."""
        return (at - self._origin).total_seconds() / self._half_life_s


class Days:
    """Which of the last 32 days a thing was seen on, in a table of fixed size; may say a day too many, never too few."""

    def __init__(self, width: int = 1 << 16) -> None:
        self._width = width
        self._rows = np.zeros((2, width), dtype=np.uint32)
        self._day = 0

    def add(self, keys: Sequence[int] | NDArray[np.uint64], day: int) -> None:
        """Note that ``keys`` (`code`s) were seen on ``day``, a running number; days older than a month are forgotten."""
        if not len(keys):
            return
        self._turn(day)
        back = self._day - day
        if back >= 32:
            return
        for row, cells in zip(
            self._rows, _places(np.asarray(keys, dtype=np.uint64), self._width), strict=False
        ):
            row[cells] |= np.uint32(1 << back)

    def count(self, keys: Sequence[int] | NDArray[np.uint64], day: int, days: int) -> NDArray[np.int64]:
        """Return on how many of the ``days`` days before ``day`` each of ``keys`` was seen, as int64 [len(keys)]."""
        if not len(keys):
            return np.zeros(0, dtype=np.int64)
        places = _places(np.asarray(keys, dtype=np.uint64), self._width)
        seen = self._rows[0][places[0]] & self._rows[1][places[1]]
        ahead = self._day - day + 1
        wanted = ((1 << days) - 1) << ahead if ahead >= 0 else ((1 << days) - 1) >> -ahead
        return np.asarray(np.bitwise_count(seen & np.uint32(wanted & 0xFFFFFFFF)), dtype=np.int64)

    def state(self) -> bytes:
        """Return everything, for `load`."""
        cells = np.flatnonzero(self._rows).astype(np.uint32)
        parts = (self._day, self._width, cells.tobytes(), self._rows.ravel()[cells].tobytes())
        return msgspec.msgpack.encode(parts)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return the days whose `state` this is."""
        day, width, cells, values = msgspec.msgpack.decode(data, type=tuple[int, int, bytes, bytes])
        made = cls(width)
        made._day = day
        made._rows.ravel()[np.frombuffer(cells, np.uint32)] = np.frombuffer(values, np.uint32)
        return made

    def _turn(self, day: int) -> None:
        ahead = day - self._day
        if ahead > 0:
            self._rows = self._rows << np.uint32(ahead) if ahead < 32 else np.zeros_like(self._rows)
            self._day = day


class Doorkeeper(Generic[T]):
    """Remembers what was said of a thing that was seen once, in a table of fixed size: most terms never come again.

    Two things may fall on one place, and the later then takes it: what was seen once may be forgotten, never invented.
    """

    def __init__(self, width: int = 1 << 16) -> None:
        self._kept: list[tuple[int, T] | None] = [None] * width

    def swap(self, key: int, value: T) -> T | None:
        """Remember ``value`` for ``key`` (a `code`) and return the one before, or None when there is none."""
        place = (key ^ key >> 29) % len(self._kept)
        before = self._kept[place]
        self._kept[place] = (key, value)
        return before[1] if before is not None and before[0] == key else None

    def state(self) -> list[tuple[int, int, T]]:
        """Return place, key and value of all that is remembered, for `restore`."""
        return [(place, *kept) for place, kept in enumerate(self._kept) if kept is not None]

    def restore(self, state: Iterable[tuple[int, int, T]]) -> None:
        """Bring back a `state` of a doorkeeper of the same width."""
        for place, key, value in state:
            self._kept[place] = (key, value)


def _places(keys: NDArray[np.uint64], width: int) -> list[NDArray[np.uint64]]:
    """Return where each key stands in each row (multiply-shift hashing, Dietzfelbinger et al., 1997)."""
    bits = np.uint64(64 - width.bit_length() + 1)
    return [(keys * seed) >> bits for seed in _SEEDS]
