"""`svodka follow`, `mute`, `rate` and `persona`: what a reader wants more of, less of, and what was understood."""

from typing import Any, Literal

import click
from rich.console import Console

from cli import frame
from domains.errors import UsageError
from domains.persona import Persona, TargetKind
from domains.signal import SENTENCES
from services import persona as personas
from services.wiring import World

VERDICTS = {"up": 1.0, "down": -1.0, "none": 0.0}


@click.command(cls=frame.Command)
@click.argument("target", metavar="WORD|SOURCE", required=False)
@click.option("--language", metavar="CODE", help="A language instead, such as uk.")
@click.option(
    "--length", type=click.IntRange(1, SENTENCES), help="How many sentences a story may have instead."
)
@click.option("--subscriber", default="me", show_default=True, help="Whose interests these are.")
@click.option("--undo", is_flag=True, help="Take it back.")
def follow(target: str | None, language: str | None, length: int | None, subscriber: str, undo: bool) -> None:
    """Want more of a word, a source or a language."""
    _wish("follow", subscriber, target, language=language, length=length, undo=undo)


@click.command(cls=frame.Command)
@click.argument("target", metavar="WORD|SOURCE", required=False)
@click.option("--language", metavar="CODE", help="A language instead, such as uk.")
@click.option("--subscriber", default="me", show_default=True, help="Whose interests these are.")
@click.option("--undo", is_flag=True, help="Take it back.")
def mute(target: str | None, language: str | None, subscriber: str, undo: bool) -> None:
    """Want nothing of a word, a source or a language, but for what everyone should know."""
    _wish("mute", subscriber, target, language=language, length=None, undo=undo)


@click.command(cls=frame.Command)
@click.argument("run")
@click.argument("story")
@click.argument("verdict", type=click.Choice([*VERDICTS]))
def rate(run: str, story: str, verdict: str) -> None:
    """Say that a run's story, counted from the top, was worth it (up) or not (down)."""
    run_id, place = frame.number(run, "run"), frame.number(story, "story")
    with frame.world() as world:
        with world.database.transaction() as session:
            me = personas.rate(session, run_id, place, VERDICTS[verdict], at=world.clock.now())
        _show(world, me)


@click.command(cls=frame.Command)
@click.option("--subscriber", default="me", show_default=True, help="Whose interests these are.")
def persona(subscriber: str) -> None:
    """Show what is known of a subscriber's interests, and from what."""
    with frame.world() as world:
        _show(world, _find(world, subscriber))


def _wish(
    kind: Literal["follow", "mute"],
    subscriber: str,
    target: str | None,
    *,
    language: str | None,
    length: int | None,
    undo: bool,
) -> None:
    if sum(one is not None for one in (target, language, length)) != 1:
        raise UsageError(f"say what to {kind}", remedy=f"a word or a source: svodka {kind} budget")
    with frame.world() as world:
        me = _find(world, subscriber)
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            what: tuple[TargetKind, str]
            if target is not None:
                what = personas.target_kind(session, tenant_id, target), target
            elif language is not None:
                what = "language", _code(language)
            else:
                what = "length", str(length)
            personas.wish(session, me, kind, *what, at=world.clock.now(), undo=undo)
        _show(world, me)


def _code(language: str) -> str:
    code = language.casefold()
    if not (code.isascii() and code.isalpha() and len(code) in {2, 3}):
        raise UsageError(f"{language!r} is no language's code", remedy="two letters of ISO 639-1, such as uk")
    return code


def _find(world: World, subscriber: str) -> int:
    with world.database.transaction() as session:
        tenant_id = frame.tenant(session, world.settings.tenant)
        return personas.subscriber(session, tenant_id, subscriber)


def _show(world: World, subscriber_id: int) -> None:
    """Compute the persona now, so that the next digest knows what was just said, and show it."""
    found = personas.compute(world.database, world.clock, world.language, subscriber_id)

    def human(console: Console) -> None:
        console.print(found.summary or f"Nothing is known of what {found.subscriber} wants.", markup=False)

    frame.show(_value(found), human)


def _value(found: Persona) -> dict[str, Any]:
    return {
        "subscriber": found.subscriber,
        "version": found.version,
        "summary": found.summary,
        "follows": [{"kind": one.target_kind, "target": one.target} for one in found.follows],
        "mutes": [{"kind": one.target_kind, "target": one.target} for one in found.mutes],
        "terms": {one.name: one.weight for one in found.terms[:20]},
        "sources": {one.name: one.weight for one in found.sources},
        "languages": {one.name: one.weight for one in found.languages},
        "confidence": found.confidence,
        "sentences": found.sentences,
        "evidence": list(found.evidence),
    }
