"""Making a finished run's digest again from what it recorded, as it was or with changed settings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import msgspec

from agents import loop
from agents.interview import Silent
from domains.difference import difference
from domains.digest import Briefing, Digest, Settings, settings_help
from domains.domain import DIGEST
from domains.errors import NotFound, UsageError
from domains.ports import Deps
from services import archive, run
from services.wiring import World


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay's outcome: whether the bytes are those of the run, and in words what differs."""

    run: int
    identical: bool
    recorded_sha256: str
    digest: Digest
    lines: tuple[str, ...]


def replay(world: World, run_id: int, changes: Mapping[str, str]) -> Replayed:
    """Make the digest of ``run_id`` again from its frozen window; nothing is written or sent.

    Raises NotFound for a run that has no digest, UsageError for a change that is none.
    """
    with world.database.transaction() as session:
        row = run.get(session, run_id)
        if row.digest_sha256 is None:
            raise NotFound(f"run {run_id} has no digest to compare with", remedy="see `svodka digest list`")
        recorded = archive.get(session, row.digest_sha256)
        briefing = run.recorded(session, run_id, "brief", Briefing)
        answers = run.recorded_steps(session, run_id, "write.")
    briefing = replace(briefing, settings=changed(briefing.settings, changes))
    outcome = loop.run(DIGEST, briefing, _deps(world, answers))
    body = msgspec.json.encode(outcome.digest)
    old = msgspec.json.decode(recorded, type=Digest)
    lines = (
        () if body == recorded else difference(old, outcome.digest) or ("~ bytes differ, contents do not",)
    )
    return Replayed(run_id, body == recorded, row.digest_sha256, outcome.digest, lines)


def _deps(world: World, answers: Mapping[str, bytes]) -> Deps:
    """Return what agents are given in a replay: what models said stands in the journal, and nobody is asked again."""
    journal = run.MemoryJournal(answers)
    if not answers:
        return Deps(world.language, journal)
    return Deps(world.language, journal, gateway=Silent(), randomness=partial(bytes, 16))


def changed(settings: Settings, changes: Mapping[str, str]) -> Settings:
    """Return ``settings`` with ``changes`` given as text. Raises UsageError that names what is wrong."""
    values = asdict(settings)
    for name, text in changes.items():
        if name not in values:
            raise UsageError(f"unknown setting {name!r}", remedy=f"one of: {', '.join(values)}")
        many = isinstance(values[name], tuple)
        values[name] = [part for part in text.split(",") if part] if many else text
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        wrong = ", ".join(f"{name}={text}" for name, text in changes.items())
        raise UsageError(f"cannot set {wrong}", remedy=settings_help()) from error


def changes_only(changes: Mapping[str, str]) -> dict[str, Any]:
    """Return the changed settings alone, typed and JSON-able, as a subscription keeps them."""
    values = asdict(changed(Settings(), changes))
    return {name: list(value) if isinstance(value := values[name], tuple) else value for name in changes}
