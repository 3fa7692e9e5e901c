"""What is worth remembering for a while, in Redis or Valkey: shared by all processes, and nobody's loss when it is gone.

A memo that is down remembers nothing and says so once in the log; whoever asks computes afresh.
"""

import logging
from typing import Final

import redis

from services.valkey import ONCE

logger = logging.getLogger("svodka.memo")
# A cache that takes longer than this costs more than it saves.
PATIENCE_S: Final = 0.2


def connect(url: str | None) -> "Memo":
    """Return a memo on the server at ``url``, which is not asked yet; without one a memo that forgets."""
    if not url:
        return Memo(None)
    client = redis.Redis.from_url(
        url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=ONCE
    )
    return Memo(client, "svodka:")


class Memo:
    """Keys below ``prefix`` on one server; without a client nothing is remembered."""

    def __init__(self, client: redis.Redis | None, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._down = False

    def below(self, prefix: str) -> "Memo":
        """Return the same server's keys below a longer prefix."""
        return Memo(self._client, self._prefix + prefix)

    def get(self, key: str) -> bytes | None:
        """Return what was put under ``key`` and has not expired; None when the server is down, too."""
        if self._client is None:
            return None
        try:
            value = self._client.get(self._prefix + key)
        except redis.RedisError as error:
            self._missed(error)
            return None
        self._down = False
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Remember ``value`` for ``ttl_s`` seconds, as far as the server lets us."""
        if self._client is None:
            return
        try:
            self._client.set(self._prefix + key, value, px=max(1, round(ttl_s * 1000)))
        except redis.RedisError as error:
            self._missed(error)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _missed(self, error: redis.RedisError) -> None:
        if not self._down:
            logger.warning("the cache is down, going on without: %s", type(error).__name__)
        self._down = True
