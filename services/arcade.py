"""A graph server from a wheel, under a guard: ArcadeDB, which speaks Bolt and openCypher to the neo4j driver.

It runs its own Java in a process of its own (`services.arcadeserver`), holds up to half a gigabyte, and is started only
where `SVODKA_GRAPH` asks for it.
"""

import os
import secrets
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from domains.errors import Refused, Unavailable
from services import disk, guard, lock
from services.settings import Settings
from services.valkey import free_port

# Java starts slowly on a busy machine.
START_S: Final = 120.0
POLL_S: Final = 0.1
ANSWER_S: Final = 5.0
DATABASE: Final = "svodka"


def of(settings: Settings, var: Path, log: Path) -> "Arcade | None":
    """Return the embedded server where the settings ask for one, else None."""
    wanted = settings.graph == "embedded" and settings.neo4j_url is None
    return Arcade(var / "graph", log=log) if wanted else None


class Arcade:
    """ArcadeDB with its data in ``directory``, on free ports of 127.0.0.1 with a password of its own."""

    def __init__(self, directory: Path, *, log: Path) -> None:
        self.directory = directory.absolute()
        self.log = log
        self.port: int | None = None
        self._password = ""
        self._ward: guard.Ward | None = None

    def start(self, timeout_s: float = START_S) -> None:
        """Start the server; return when it answers. Raises Refused without its wheel, Unavailable when it fails."""
        if not installed():
            raise Refused(
                "the embedded graph is not installed", remedy="install svodka[graph], or set SVODKA_NEO4J_URL"
            )
        deadline = time.monotonic() + timeout_s
        self.port = self.port or free_port()
        self._launch(deadline)
        while not self.answers():
            if not self.alive() or time.monotonic() > deadline:
                self.stop()
                raise Unavailable(
                    f"the graph in {self.directory} does not start: {disk.last_line(self.log)}",
                    remedy=f"see {self.log}",
                )
            time.sleep(POLL_S)

    def revive(self) -> None:
        """Start the server again after it died, at the same URL; what it is needed for waits until it answers."""
        self.stop()
        self._launch(time.monotonic() + ANSWER_S)

    def stop(self) -> None:
        """Stop the server, its data saved."""
        if self._ward is not None:
            self._ward.stop()
            self._ward = None

    def url(self) -> str:
        """Return the server's URL with its password and database."""
        return f"bolt://root:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def answers(self) -> bool:
        """Return whether the server does what it is asked."""
        try:
            with GraphDatabase.driver(
                f"bolt://127.0.0.1:{self.port}",
                auth=("root", self._password),
                connection_timeout=ANSWER_S,
                connection_acquisition_timeout=ANSWER_S,
                max_transaction_retry_time=0.0,
            ) as driver:
                driver.execute_query("RETURN 1", database_=DATABASE)
        except (DriverError, Neo4jError):
            return False
        return True

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
        with disk.named(self.directory), disk.log_file(self.log) as log:
            disk.make(self.directory, mode=0o700)
            # The server keeps the password it was made with.
            secret = self.directory / "password"
            if not secret.exists():
                disk.write(secret, secrets.token_urlsafe(24))
            self._password = secret.read_text(encoding="utf-8")
            held = lock.exclusive(self.directory.with_name(f"{self.directory.name}.run"), deadline)
            module = [sys.executable, "-m", "services.arcadeserver"]
            argv = [*module, str(self.directory), str(self.port), str(free_port()), DATABASE]
            try:
                self._ward = guard.Ward(
                    guard.Orders(argv, keep=[held], grace_s=20.0), log, cwd=self.directory
                )
            finally:
                os.close(held)


def installed() -> bool:
    """Return whether the server's wheel is here."""
    return find_spec("arcadedb_embedded") is not None
