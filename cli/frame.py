"""What every command shares: `--json`, the way to the database, and how a result or an error is shown."""

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib import import_module
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from domains.errors import NotFound, SvodkaError, Unavailable, UsageError
from services import database, embedded, settings, stack, subscription, wiring
from services.clock import SystemClock
from services.settings import Settings
from tasks import job


class Command(click.Command):
    """A command that also answers in JSON, and says what is wrong in one sentence with a remedy."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not any(param.name == "as_json" for param in self.params):
            self.params.append(
                click.Option(
                    ["--json", "as_json"],
                    is_flag=True,
                    expose_value=False,
                    callback=note_json,
                    help="Print JSON.",
                )
            )


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type


class Root(Group):
    """A group whose commands are loaded when they are asked for: ``places`` says where each is, as module:name."""

    def __init__(self, *args: Any, places: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*self._places, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded now, or None when there is none of that name."""
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in self._places:
            module, _, name = self._places[cmd_name].partition(":")
            found = getattr(import_module(module), name)
            self.add_command(found, cmd_name)
        return found


def note_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().meta["json"] = True


def is_json() -> bool:
    """Return whether the person asked for JSON."""
    return bool(click.get_current_context().find_root().meta.get("json"))


def fail(error: SvodkaError, as_json: bool) -> int:
    """Say what is wrong, where, and what to do; return the exit code."""
    if as_json:
        print(
            json.dumps(
                {"error": type(error).__name__, "message": str(error), "remedy": error.remedy},
                ensure_ascii=False,
            ),
            file=sys.stderr,
        )
    else:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print("[bold red]error:[/] ", end="")
        console.print(str(error), markup=False)
        if error.remedy:
            console.print(f"  → {error.remedy}", markup=False)
    return 2 if isinstance(error, UsageError) else 1


def out() -> Console:
    """Return the console that results go to."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Return the console that progress and remarks go to."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show(value: Any, human: Callable[[Console], None]) -> None:
    """Print ``value`` as JSON when that was asked for, else what ``human`` prints."""
    if is_json():
        print(json.dumps(value, ensure_ascii=False, indent=2, default=str))
    else:
        human(out())


def columns(
    title: str | None, names: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: Sequence[str] = ()
) -> Callable[[Console], None]:
    """Return a printer of a plain table. Where it is too wide, columns not in ``whole`` are folded."""

    def human(console: Console) -> None:
        table = Table(title=title, box=None, pad_edge=False, header_style="bold", title_justify="left")
        for name in names:
            table.add_column(name, overflow="fold", no_wrap=name in whole)
        for row in rows:
            table.add_row(*("" if cell is None else _escape(str(cell)) for cell in row))
        console.print(table)

    return human


def _escape(text: str) -> str:
    return text.replace("[", "\\[")


@contextmanager
def database_url(set_: Settings | None = None) -> Iterator[str]:
    """Yield the URL of the configured database, the running stack's, or an embedded one while the block runs."""
    set_ = set_ or settings.load()
    if set_.database_url is not None:
        yield set_.database_url.get_secret_value()
        return
    running = stack.attach(set_.var)
    if running is not None:
        yield running.database_url
        return
    with embedded.borrowed(set_.var) as url:
        yield url


@contextmanager
def world(**overrides: Any) -> Iterator[wiring.World]:
    """Yield a `World` on that database; our own embedded one is brought to the newest schema first."""
    with ExitStack() as closing:
        set_ = settings.load(**overrides)
        url = closing.enter_context(database_url(set_))
        if set_.database_url is None:
            _migrate(url)
        running = stack.attach(set_.var)
        if set_.redis_url is None and running is not None:
            overrides = {"redis_url": running.redis_url, **overrides}
        if set_.neo4j_url is None and running is not None and running.neo4j_url:
            overrides = {"neo4j_url": running.neo4j_url, **overrides}
        luck = random.Random()  # noqa: S311  jitter of retries
        built = wiring.build(settings.load(**{**overrides, "database_url": url}), SystemClock(), luck)
        closing.callback(built.close)
        _check_schema(built.database)
        yield built


def _migrate(url: str) -> None:
    base = database.Database(url)
    try:
        if base.revision() != database.head():
            base.migrate()
    finally:
        base.dispose()


def _check_schema(base: database.Database) -> None:
    found = base.revision()
    if found != database.head():
        raise Unavailable(
            f"the database's schema is at {found or 'nothing'}, this program needs {database.head()}",
            remedy="run `svodka migrate`",
        )


def tenant(session: Session, name: str) -> int:
    """Return the tenant's row, made if it is not there."""
    return subscription.tenant(session, name)


def drive(built: wiring.World, errands: job.Errands) -> None:
    """Do work here and now, and whatever follows from it; what a worker holds already is left to it."""
    waiting = list(errands)
    while waiting:
        task, row_id = waiting.pop(0)
        waiting += job.perform(built, job.kind_of(task), row_id)


def moment(_: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return an aware datetime from ISO 8601 text; a time without a zone is refused, since it has no one meaning."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter("expected ISO 8601, such as 2026-11-18T00:00:00Z", param=param) from error
    if at.tzinfo is None:
        raise click.BadParameter("name the zone too, such as 2026-11-18T00:00:00Z", param=param)
    return at


def number(text: str, what: str) -> int:
    """Return a row's number. Raises NotFound for text that is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise NotFound(f"no {what} {text!r}", remedy=f"a {what} is named by its number")
    return int(text)
