"""`svodka metrics`: this host's metrics on one port, for Prometheus."""

import signal
import sys
import threading
from typing import Any

import click
from rich.console import Console

from cli import frame
from domains.errors import Refused, Unavailable, UsageError
from monitoring.exporter import Exporter, serve
from monitoring.shelf import Shelf
from services import census, log, settings, stack
from services.clock import SystemClock
from services.database import Database
from services.settings import Settings

COMMAND = (sys.executable, "-c", "import cli; cli.main()", "metrics")


@click.command(cls=frame.Command)
def metrics() -> None:
    """Serve this host's metrics until Ctrl-C; `svodka up` does so by itself."""
    set_ = settings.load()
    log.configure(set_.log_level)
    if not set_.metrics_port:
        raise UsageError(
            "SVODKA_METRICS_PORT is 0, which means no metrics", remedy="set it to a port such as 9188"
        )
    urls = _urls(set_)
    database = Database(urls["database_url"], pool_size=1)
    servers = tuple(census.Server(name, urls[key]) for name, key in census.KEYS.items() if urls.get(key))
    counted = census.Census(database, SystemClock(), servers, set_.var)
    exporter = Exporter(Shelf(set_.counters), counted, census.known(set_))
    try:
        server, thread = serve(exporter, set_.metrics_address, set_.metrics_port)
    except OSError as error:
        raise Unavailable(
            f"metrics cannot be served on {set_.metrics_address}:{set_.metrics_port}: {error}",
            remedy="set SVODKA_METRICS_PORT to another port, or stop what holds it",
        ) from error
    value = {"url": address(set_), "counters": str(set_.counters.absolute())}

    def human(console: Console) -> None:
        console.print(f"Metrics: {value['url']}; Ctrl-C stops it.", markup=False)

    frame.show(value, human)
    sys.stdout.flush()
    _wait()
    server.shutdown()
    thread.join()
    database.dispose()


def children(set_: Settings) -> list[stack.Child]:
    """Return the exporter's command, or nothing when no port is set. It may fail without harm to the digests."""
    return [stack.Child("metrics", COMMAND, vital=False)] if set_.metrics_port else []


def address(set_: Settings) -> str:
    """Return where Prometheus reads."""
    host = f"[{set_.metrics_address}]" if ":" in set_.metrics_address else set_.metrics_address
    return f"http://{host}:{set_.metrics_port}/metrics"


def _wait() -> None:
    """Return at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: ended.set())
    ended.wait()


def _urls(set_: Settings) -> dict[str, Any]:
    """Return the URLs that are set, and the running stack's for what is not. Raises Refused without a database."""
    own = {name: getattr(set_, name, None) for name in ("database_url", "broker_url", "redis_url")}
    found = {name: value.get_secret_value() for name, value in own.items() if value}
    running = stack.attach(set_.var)
    if running is not None:
        there = {name: getattr(running, name) for name in own}
        found = {**there, **found}
    if "database_url" not in found:
        raise Refused(
            f"nothing runs in {set_.var.absolute()}", remedy="start `svodka up`, or set SVODKA_DATABASE_URL"
        )
    extra = {name: getattr(set_, name, None) for name in ("qdrant_url", "neo4j_url")}
    return {**found, **{name: str(value) for name, value in extra.items() if value}}
