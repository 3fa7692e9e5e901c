"""Conversations with a Bolt server that end in time, whatever the server does: by itself the driver waits for ever.

ask ─▶ a thread ─▶ session ─▶ answer | error | too late: the driver is given up with its sockets, the next is fresh
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from neo4j import Driver, GraphDatabase, Session
from neo4j.exceptions import DriverError, Neo4jError

from domains.errors import Unavailable

logger = logging.getLogger("svodka.bolt")
CONNECT_S: Final = 5.0
# A conflict of two writers is over by then; a server that is away is the backlog's matter.
RETRY_S: Final = 2.0
# Conversations at once; the HTTP API answers as many questions.
THREADS: Final = 40
REMEDY: Final = "start it; rows wait, and searches go on without it"
T = TypeVar("T")


class Bolt:
    """One process's way to one server; connects when first asked. Safe for threads."""

    def __init__(self, url: str) -> None:
        """Take a URL such as bolt://user:password@host:7687/database."""
        self._url = url
        parts = urlsplit(url)
        self._name = parts.path.strip("/") or None
        self._place = f"{parts.hostname}:{parts.port or 7687}"
        self._lock, self._closed = threading.Lock(), False
        self._driver = self._open()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bolt")

    def ask(self, work: Callable[[Session], T], within_s: float) -> T:
        """Return what ``work`` returns. Raises Unavailable when the server is away or takes longer than ``within_s``."""
        driver = self._driver
        asked = self._threads.submit(self._talk, driver, work)
        try:
            return asked.result(within_s)
        except TimeoutError as error:
            # What was never begun says nothing of the server.
            if not asked.cancel():
                self._give_up(driver)
            raise Unavailable(
                f"the graph at {self._place} does not answer within {within_s:g} s", remedy=REMEDY
            ) from error
        except (DriverError, Neo4jError) as error:
            # The server's own words may quote posts; its code says enough.
            what = getattr(error, "code", None) or type(error).__name__
            raise Unavailable(f"the graph at {self._place} does not answer: {what}", remedy=REMEDY) from error

    def close(self) -> None:
        """Close every connection."""
        self._closed = True
        self._driver.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _talk(self, driver: Driver, work: Callable[[Session], T]) -> T:
        try:
            with driver.session(database=self._name) as session:
                return work(session)
        finally:
            if self._closed or driver is not self._driver:
                # A connection that was being opened when the driver was closed comes into its pool afterwards, and the
                # driver closes only once.
                driver._pool.close()  # noqa: SLF001

    def _give_up(self, driver: Driver) -> None:
        """Close ``driver``, which wakes every thread that waits for a reply of it, and open another."""
        with self._lock:
            if self._driver is not driver:
                return
            self._driver = self._open()
        logger.warning("the graph at %s is silent: its connections are closed", self._place)
        driver.close()

    def _open(self) -> Driver:
        parts = urlsplit(self._url)
        return GraphDatabase.driver(
            f"{parts.scheme}://{self._place}",
            auth=(unquote(parts.username or "neo4j"), unquote(parts.password or "")),
            connection_timeout=CONNECT_S,
            connection_acquisition_timeout=CONNECT_S,
            connection_write_timeout=CONNECT_S,
            max_transaction_retry_time=RETRY_S,
            notifications_min_severity="OFF",
            # Neither the server nor the driver's maker is told how we use it.
            telemetry_disabled=True,
        )
