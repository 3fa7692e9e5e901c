"""`python -m web.flower`: Flower with the settings' address, user and password, until it is stopped."""

import logging
import os
import signal
import sys

from domains.errors import SvodkaError, Unavailable
from services import log, password, settings
from services.settings import Settings
from tasks import celery
from web.flower import application
from web.flower.desk import Desk
from web.flower.gate import Gate


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    set_ = settings.load()
    log.configure(set_.log_level)
    # Every page refreshes itself; what was refused is worth a line, what was served is not.
    logging.getLogger("tornado.access").setLevel(logging.WARNING)
    flower = application.build(set_, gate(set_), Desk(celery.process.world, celery.nudge), celery.app)
    try:
        flower.start_http_server()
    except OSError as error:
        where = f"{set_.flower_address}:{set_.flower_port}"
        raise Unavailable(
            f"Flower cannot listen on {where}: {os.strerror(error.errno or 0)}",
            remedy="set SVODKA_FLOWER_PORT",
        ) from error
    for ending in (signal.SIGTERM, signal.SIGINT):
        flower.io_loop.asyncio_loop.add_signal_handler(ending, flower.stop)
    flower.start()
    celery.process.close()


def gate(set_: Settings) -> Gate:
    """Return the gate with the password that is set, or else with the one that is kept under ``var``."""
    return Gate(set_.flower_user, set_.flower_password or password.kept(set_.var / password.FLOWER))


if __name__ == "__main__":
    try:
        main()
    except SvodkaError as error:
        sys.exit(f"error: {error}\n  → {error.remedy}")
