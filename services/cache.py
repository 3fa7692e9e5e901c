"""Answers kept for a while, by everything that can change them: in this process, and in Valkey for all processes.

    get: in process ─▶ Valkey ─▶ compute, once for all who ask at the same time ─▶ put in both, unless it is not the truth

A Valkey that does not answer costs its time-out once, then it is left alone for a while: nothing depends on it.
"""

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Final, TypeVar

import redis

from services.breaker import Breaker
from services.valkey import ONCE

logger = logging.getLogger("svodka.cache")
ENTRIES: Final = 10_000
TTL_S: Final = 3_600.0
# A cache that takes longer than this is slower than what it saves.
TIMEOUT_S: Final = 0.2
# Longer than any answer takes: a leader that hangs must not hang its followers for ever.
FLIGHT_S: Final = 30.0
T = TypeVar("T")


def client(url: str | None) -> redis.Redis | None:
    """Return a client that gives up fast, or None without a URL."""
    if url is None:
        return None
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=ONCE)


class Cache:
    """Bytes by key, for `TTL_S`. Safe for threads; ``timer`` is monotonic seconds."""

    def __init__(
        self, shared: redis.Redis | None, timer: Callable[[], float], *, prefix: str, ttl_s: float = TTL_S
    ) -> None:
        self._shared, self._timer, self._prefix, self._ttl_s = shared, timer, prefix, ttl_s
        self._own: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._flights: dict[str, Future[bytes]] = {}
        self._lock = threading.Lock()
        self._breaker = Breaker(timer, TIMEOUT_S)

    def get(self, key: str, compute: Callable[[], tuple[bytes, bool]]) -> tuple[bytes, bool]:
        """Return (answer, whether it was kept); without one, compute it once for all who ask meanwhile.

        ``compute`` returns the answer and whether it may be kept. What it raises is its caller's alone: the next one
        who asks computes afresh.
        """
        kept = self._recall(key)
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
                self._remember(key, answer, self._ttl_s)
                self._share(key, answer)
            flight.set_result(answer)
        finally:
            with self._lock:
                self._flights.pop(key, None)
            # Does nothing to a flight that has landed.
            flight.cancel()
        return answer

    def _recall(self, key: str) -> bytes | None:
        with self._lock:
            expires, answer = self._own.get(key, (-math.inf, b""))
            if expires > self._timer():
                self._own.move_to_end(key)
                return answer
            self._own.pop(key, None)
        found = self._on_server(lambda server: _with_age(server, self._prefix + key))
        if found is None:
            return None
        self._remember(key, found[0], found[1])
        return found[0]

    def _remember(self, key: str, answer: bytes, ttl_s: float) -> None:
        with self._lock:
            self._own[key] = (self._timer() + ttl_s, answer)
            self._own.move_to_end(key)
            while len(self._own) > ENTRIES:
                self._own.popitem(last=False)

    def _share(self, key: str, answer: bytes) -> None:
        self._on_server(lambda server: server.set(self._prefix + key, answer, px=int(self._ttl_s * 1000)))

    def _on_server(self, ask: Callable[[redis.Redis], T]) -> T | None:
        if self._shared is None or not self._breaker.admits("valkey"):
            return None
        try:
            answer = ask(self._shared)
        except redis.RedisError as error:
            self._breaker.failed("valkey")
            logger.warning("the cache does not answer: %s", type(error).__name__)
            return None
        self._breaker.answered("valkey")
        return answer


def _with_age(server: redis.Redis, key: str) -> tuple[bytes, float] | None:
    """Return a kept answer and the seconds it is good for."""
    with server.pipeline(transaction=False) as both:
        both.get(key)
        both.pttl(key)
        answer, left_ms = both.execute()
    return (answer, left_ms / 1000) if isinstance(answer, bytes) and left_ms > 0 else None
