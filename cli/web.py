"""`svodka web`: the HTTP API."""

import os
import sys

import click
from rich.console import Console

from cli import frame
from domains.errors import Refused, UsageError
from services import settings, stack
from services.settings import Settings

API = (sys.executable, "-m", "web.api")


@click.command(cls=frame.Command)
def web() -> None:
    """Serve the HTTP API until Ctrl-C, as `svodka up` does by itself: questions, digests, trends, feeds, health, metrics."""
    set_ = settings.load()
    if not set_.web_port:
        raise UsageError("SVODKA_WEB_PORT is 0, which means no API", remedy="set it to a port such as 8188")
    urls = _urls(set_)
    value = {"url": address(set_), "openapi": "/openapi.json"}

    def human(console: Console) -> None:
        describe(set_, console)
        console.print("Ctrl-C stops it.")

    frame.show(value, human)
    sys.stdout.flush()
    os.execve(API[0], API, settings.child_environment(**urls))  # noqa: S606  a list, never a shell


def children(set_: Settings) -> list[stack.Child]:
    """Return the API's command, or nothing when no port is set. It may fail without harm to the digests."""
    return [stack.Child("web", API, vital=False)] if set_.web_port else []


def address(set_: Settings) -> str:
    """Return where the API answers."""
    host = f"[{set_.web_address}]" if ":" in set_.web_address else set_.web_address
    return f"http://{host}:{set_.web_port}"


def describe(set_: Settings, console: Console) -> None:
    """Print where the API answers in one line."""
    line = f"API: {address(set_)} (`svodka key add LABEL` makes a key, /openapi.json describes it)"
    console.print(line, markup=False)


def _urls(set_: Settings) -> dict[str, str]:
    """Return the URLs of the running stack for what is not set. Raises Refused when nothing runs."""
    if set_.database_url:
        return {}
    running = stack.attach(set_.var)
    if running is None:
        raise Refused(
            f"nothing runs in {set_.var.absolute()}", remedy="start `svodka up`, or set SVODKA_DATABASE_URL"
        )
    urls = {"database_url": running.database_url, "var": str(set_.var.absolute())}
    urls |= {"neo4j_url": running.neo4j_url} if running.neo4j_url and not set_.neo4j_url else {}
    return urls if set_.redis_url else {**urls, "redis_url": running.redis_url}
