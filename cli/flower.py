"""`svodka flower`: Celery's monitor with the dead letters, for operators."""

import os
import sys
from typing import Any

import click
from rich.console import Console

from cli import frame
from domains.errors import Refused, UsageError
from services import password, settings, stack
from services.settings import Settings

FLOWER = (sys.executable, "-m", "web.flower")


@click.command(cls=frame.Command)
def flower() -> None:
    """Serve Flower with the dead letters' page until Ctrl-C; `svodka up` does so by itself."""
    set_ = settings.load()
    if not set_.flower_port:
        raise UsageError(
            "SVODKA_FLOWER_PORT is 0, which means no Flower", remedy="set it to a port such as 5555"
        )
    urls = _urls(set_)
    value = entrance(set_)
    frame.show(value, lambda console: describe(value, console))
    sys.stdout.flush()
    os.execve(FLOWER[0], FLOWER, settings.child_environment(**urls))  # noqa: S606  a list, never a shell


def children(set_: Settings) -> list[stack.Child]:
    """Return Flower's command, or nothing when no port is set. It may fail without harm to the digests."""
    return [stack.Child("flower", FLOWER, vital=False)] if set_.flower_port else []


def entrance(set_: Settings) -> dict[str, Any]:
    """Return where operators enter, and where the password is kept unless it was set."""
    kept = None if set_.flower_password else str(set_.var.absolute() / password.FLOWER)
    host = f"[{set_.flower_address}]" if ":" in set_.flower_address else set_.flower_address
    return {
        "url": f"http://{host}:{set_.flower_port}/dead-letters",
        "user": set_.flower_user,
        "password_file": kept,
    }


def describe(value: dict[str, Any], console: Console) -> None:
    """Print the entrance in one line."""
    where = (
        f"password in {value['password_file']}" if value["password_file"] else "with the password that is set"
    )
    console.print(f"Flower: {value['url']} (user {value['user']}, {where})", markup=False)


def _urls(set_: Settings) -> dict[str, str]:
    """Return the URLs of the running stack for what is not set. Raises Refused when nothing runs."""
    if set_.database_url and set_.broker_url:
        return {}
    running = stack.attach(set_.var)
    if running is None:
        raise Refused(
            f"nothing runs in {set_.var.absolute()}",
            remedy="start `svodka up`, or set SVODKA_DATABASE_URL and SVODKA_BROKER_URL",
        )
    return {
        "database_url": running.database_url, "broker_url": running.broker_url, "redis_url": running.redis_url,
        "var": str(set_.var.absolute()),
    }  # fmt: skip
