"""`python -m web.api`: the HTTP API on the settings' address, until it is stopped."""

import random
import socket
import sys
from typing import Final

import uvicorn

from domains.errors import SvodkaError, Unavailable
from services import database, log, settings, wiring
from services.clock import SystemClock
from services.settings import Settings
from web.api import application

# Requests at once; who comes next is told 503 by the server itself.
CONNECTIONS: Final = 200
KEEP_ALIVE_S: Final = 5
GRACE_S: Final = 10


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    set_ = settings.load()
    log.configure(set_.log_level)
    world = wiring.build(set_, SystemClock(), random.Random())  # noqa: S311  jitter of retries
    try:
        if world.database.revision() != database.head():
            raise Unavailable("the database's schema is not this program's", remedy="run `svodka migrate`")
        with listening(set_) as door:
            uvicorn.Server(config(world)).run(sockets=[door])
    finally:
        world.close()


def listening(set_: Settings) -> socket.socket:
    """Return a socket that listens where the settings say. Raises Unavailable when something else does."""
    family = socket.AF_INET6 if ":" in set_.web_address else socket.AF_INET
    try:
        return socket.create_server((set_.web_address, set_.web_port), family=family, backlog=CONNECTIONS)
    except OSError as error:
        raise Unavailable(
            f"the API cannot be served on {set_.web_address}:{set_.web_port}: {error.strerror}",
            remedy="set SVODKA_WEB_PORT to another port, or stop what holds it",
        ) from error


def config(world: wiring.World) -> uvicorn.Config:
    """Return how the server is run."""
    return uvicorn.Config(
        application.build(world),
        host=world.settings.web_address,
        port=world.settings.web_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


if __name__ == "__main__":
    try:
        main()
    except SvodkaError as error:
        sys.exit(f"error: {error}\n  → {error.remedy}")
