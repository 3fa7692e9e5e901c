"""Counts of any number of things in bounded memory: `Counts`, a count-min sketch that fades, and `Doorkeeper`."""

import hashlib
from array import array
from datetime import datetime, timedelta
from typing import Final, Self

import msgspec
import numpy as np

_ROWS: Final = 4
_SEEDS: Final = (0x9E37, 0x85EB, 0xC2B2, 0x27D4)
# Growth of new counts against old ones after which all are scaled down, lest floats overflow.
_SCALE_AT: Final = 2.0**40


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

    def add(self, key: int, at: datetime, amount: float = 1.0) -> None:
        """Count ``amount`` of ``key`` (a `code`) at ``at``; times may come in any order."""
        growth = self._growth(at)
        if growth > _SCALE_AT:
            self._rows /= np.float32(growth)
            self._origin = at
            growth = 1.0
        cells = self._cells(key)
        least = float(self._rows[range(_ROWS), cells].min()) + amount * growth
        self._rows[range(_ROWS), cells] = np.maximum(self._rows[range(_ROWS), cells], np.float32(least))

    def get(self, key: int, at: datetime) -> float:
        """Return the count of ``key`` as of ``at``: what was counted a half-life earlier counts half."""
        return float(self._rows[range(_ROWS), self._cells(key)].min()) / self._growth(at)

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

    def _growth(self, at: datetime) -> float:
        return float(2.0 ** ((at - self._origin).total_seconds() / self._half_life_s))

    def _cells(self, key: int) -> list[int]:
        mask = self._width - 1
        high, low = key >> 32, key & 0xFFFFFFFF
        return [
            ((high + seed * low + row) * 0x9E3779B97F4A7C15 >> 40) & mask for row, seed in enumerate(_SEEDS)
        ]


class Doorkeeper:
    """Remembers where a thing was seen first, in a table of fixed size: most terms are never seen again.

    Two things may fall on one place, and the later then takes it: what was seen once may be forgotten, never invented.
    """

    def __init__(self, width: int = 1 << 18) -> None:
        self._mask = width - 1
        self._keys = array("Q", bytes(8 * width))
        self._values = array("q", bytes(8 * width))

    def swap(self, key: int, value: int) -> int | None:
        """Remember ``value`` for ``key`` (a `code`) and return the one before, or None when there is none."""
        place = (key ^ key >> 29) & self._mask
        before = self._values[place] if self._keys[place] == key else None
        self._keys[place] = key
        self._values[place] = value
        return before
