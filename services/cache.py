"""Answers kept for a while, by everything that can change them: in this process, and in Valkey for all processes.

get: in process ─▶ Valkey ─▶ compute, once for all who ask at the same time ─▶ put in both, unless it is not the truth
"""

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Final

from domains.ports import Clock
from monitoring import metrics
from monitoring.meter import Counting, Meter
from services.memo import Memo

ENTRIES: Final = 10_000
TTL_S: Final = 3_600.0
# Longer than any answer takes: a leader that hangs must not hang its followers for ever.
FLIGHT_S: Final = 30.0
# In Valkey an answer begins with the time at which it expires: what was kept there for a while is not kept as long here.
_EXPIRES: Final = struct.Struct("<d")


class Cache:
    """Bytes by key, for ``ttl_s``. Safe for threads."""

    def __init__(
        self, memo: Memo, clock: Clock, *, ttl_s: float = TTL_S, meter: Counting | None = None
    ) -> None:
        self._memo, self._clock, self._ttl_s = memo, clock, ttl_s
        self._meter = meter or Meter(None)
        self._own: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._flights: dict[str, Future[bytes]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, compute: Callable[[], tuple[bytes, bool]]) -> tuple[bytes, bool]:
        """Return (answer, whether it was kept); without one, compute it once for all who ask meanwhile.

        ``compute`` returns the answer and whether it may be kept. What it raises is its caller's alone: the next one
        who asks computes afresh.
        """
        kept = self._recall(key)
        self._meter.count(metrics.CACHE_MISSES if kept is None else metrics.CACHE_HITS, cache="retrieval")
        if kept is not None:
            return kept, True
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if leads:
            return self._lead(key, flight, compute), False
        try:
            return flight.result(FLIGHT_S), False
        except (CancelledError, TimeoutError):
            return compute()[0], False

    def _lead(self, key: str, flight: Future[bytes], compute: Callable[[], tuple[bytes, bool]]) -> bytes:
        try:
            answer, true = compute()
            if true:
                expires = self._now() + self._ttl_s
                self._remember(key, expires, answer)
                self._memo.put(key, _EXPIRES.pack(expires) + answer, self._ttl_s)
            flight.set_result(answer)
        finally:
            with self._lock:
                self._flights.pop(key, None)
            # Does nothing to a flight that has landed.
            flight.cancel()
        return answer

    def _recall(self, key: str) -> bytes | None:
        with self._lock:
            expires, answer = self._own.get(key, (0.0, b""))
            if expires > self._now():
                self._own.move_to_end(key)
                return answer
            self._own.pop(key, None)
        shared = self._memo.get(key)
        if shared is None or len(shared) < _EXPIRES.size:
            return None
        (expires,) = _EXPIRES.unpack_from(shared)
        if expires <= self._now():
            return None
        self._remember(key, expires, shared[_EXPIRES.size :])
        return shared[_EXPIRES.size :]

    def _remember(self, key: str, expires: float, answer: bytes) -> None:
        with self._lock:
            self._own[key] = (expires, answer)
            self._own.move_to_end(key)
            while len(self._own) > ENTRIES:
                self._own.popitem(last=False)

    def _now(self) -> float:
        return self._clock.now().timestamp()
