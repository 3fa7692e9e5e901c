"""`svodka ask`: a question answered from the posts, every sentence with its source; `svodka key`: who may ask over HTTP."""

import re
from datetime import datetime
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from cli import frame
from domains.answer import Path, Told
from domains.retrieval import Filters
from services import apikey
from services import source as sources
from tasks.ask import Asker, Asking

LANG: Final = re.compile(r"[a-z]{2,3}")


def _codes(_: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        if not LANG.fullmatch(one):
            raise click.BadParameter(f"{one!r} is no ISO 639-1 code such as ru", param=param)
    return value


@click.command(cls=frame.Command)
@click.argument("question")
@click.option("--source", multiple=True, help="Only posts of this source; can be repeated.")
@click.option(
    "--lang",
    multiple=True,
    callback=_codes,
    help="Only posts in this language, such as ru; can be repeated.",
)
@click.option("--since", callback=frame.moment, help="Only posts from this time on.")
@click.option("--until", callback=frame.moment, help="Only posts before this time.")
@click.option("--path", type=click.Choice(["auto", "fast", "smart"]), default="auto", show_default=True)
@click.option("--session", help="A name under which follow-ups find what was asked before, for half an hour.")
def ask(
    question: str,
    source: tuple[str, ...],
    lang: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    path: Path,
    session: str | None,
) -> None:
    """Answer QUESTION from the posts, with sources; says so when they do not answer it."""
    with frame.world() as world:
        with world.database.transaction() as rows:
            tenant_id = frame.tenant(rows, world.settings.tenant)
            # A misspelt name would only look as if nobody had written of it.
            sources.check_names(rows, tenant_id, source)
        asking = Asking(question, Filters(source, lang, since, until), path, session)
        told = Asker(world).ask(tenant_id, asking)
    frame.show(msgspec.to_builtins(told), lambda console: _show(console, told))


def _show(console: Console, told: Told) -> None:
    if not told.known:
        console.print(f"I don't know: {told.why}.", markup=False)
    numbers = {one.post: number for number, one in enumerate(told.sources, 1)}
    for sentence in told.sentences:
        marks = "".join(f"[{numbers[one.post]}]" for one in sentence.citations)
        console.print(f"{sentence.text} {marks}", markup=False)
    for one in told.sources:
        where = f" {one.url}" if one.url else ""
        line = f"[dim]{escape(f'[{numbers[one.post]}]')} {escape(one.post)}, {one.at:%Y-%m-%d %H:%M}{escape(where)}[/]"
        console.print(line)
    for gone in told.missing:
        console.print(f"degraded: {gone.store} {gone.why}", markup=False)
    console.print(f"[dim]{told.path}, {told.timing['total']:.2f} s, support {told.support:.2f}[/]")


@click.group(cls=frame.Group)
def key() -> None:
    """Make, list and revoke the keys of the HTTP API."""


@key.command()
@click.argument("label")
@click.option(
    "--scope", type=click.Choice(apikey.SCOPES), multiple=True, default=("ask", "read"), show_default=True
)
@click.option("--per-minute", type=click.IntRange(1, 100_000), default=60, show_default=True)
@click.option("--expires", callback=frame.moment, help="When it ends by itself.")
def add(label: str, scope: tuple[str, ...], per_minute: int, expires: datetime | None) -> None:
    """Make a key for LABEL and print it, this once: only a hash of it is kept."""
    with frame.world() as world, world.database.transaction() as session:
        made = apikey.issue(
            session,
            frame.tenant(session, world.settings.tenant),
            label,
            now=world.clock.now(),
            scopes=scope,
            per_minute=per_minute,
            expires_at=expires,
        )
    value = made.get_secret_value()
    frame.show(
        {"key": value, "label": label, "scopes": [*scope]}, lambda console: console.print(value, markup=False)
    )


@key.command("list")
def list_() -> None:
    """List the keys by what is not secret of them."""
    with frame.world() as world, world.database.transaction() as session:
        rows = apikey.listing(session, frame.tenant(session, world.settings.tenant))
    names = ["key", "label", "scopes", "per_minute", "created_at", "expires_at", "revoked_at"]
    shown = [[", ".join(row[name]) if name == "scopes" else row[name] for name in names] for row in rows]
    frame.show(rows, frame.columns(None, names, shown, whole=["key"]))


@key.command()
@click.argument("name")
def revoke(name: str) -> None:
    """End the key NAME (the twelve letters after svk_) at once."""
    with frame.world() as world, world.database.transaction() as session:
        apikey.revoke(session, frame.tenant(session, world.settings.tenant), name, now=world.clock.now())
    frame.show({"revoked": name}, lambda console: console.print(f"{name} is revoked", markup=False))
