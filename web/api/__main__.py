"""`python -m web.api`: the HTTP API on the settings' address, until it is stopped."""

import random
import sys
from typing import Final

import uvicorn

from domains.errors import SvodkaError, Unavailable
from services import database, log, settings, wiring
from services.clock import SystemClock
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
        uvicorn.Server(config(world)).run()
    finally:
        world.close()


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
