"""`svodka dlq`: failures, and the operator's buttons."""

import getpass
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console

from cli import frame
from domains import dlq as law
from domains.errors import UsageError
from services import audit as audits
from services import letter as letters
from services import retention
from services.letter import Filter, Plan
from services.wiring import World
from tasks import job

F = TypeVar("F", bound=Callable[..., Any])
COLUMNS: Final = ("id", "task", "row", "kind", "state", "attempt", "next_at", "error", "message")
PER: Final = {"s": 1, "m": 60, "h": 3600}
MILLION: Final = 1_000_000


def filters(command: F) -> F:
    """Add the options that say which letters are meant."""
    for option in reversed(
        (
            click.option(
                "--state", "states", multiple=True, type=click.Choice(law.STATES), help="[default: open ones]"
            ),
            click.option("--class", "kinds", multiple=True, type=click.Choice(law.KINDS)),
            click.option("--task", "tasks", multiple=True, help="Such as delivery.send."),
            click.option("--fingerprint", help="16 hex digits that equal failures share."),
            click.option("--since", callback=frame.moment, help="Failed at this time or later (ISO 8601)."),
            click.option("--until", callback=frame.moment, help="Failed before this time (ISO 8601)."),
            click.option("--text", help="Words of the message."),
        )
    ):
        command = option(command)
    return command


@click.group(cls=frame.Group)
def dlq() -> None:
    """List, show, replay, discard and export dead letters."""


@dlq.command("list")
@filters
@click.option("--group", is_flag=True, help="A line for equal failures instead of one for each letter.")
@click.option("--after", type=int, help="Only letters older than this number.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 200))
def list_(group: bool, after: int | None, limit: int, **asked: Any) -> None:
    """List dead letters, newest first."""
    with frame.world() as world, world.database.transaction() as session:
        filter_ = _filter(world, session, asked)
        if group:
            found = [asdict(one) for one in letters.groups(session, filter_)]
            names: tuple[str, ...] = ("count", "fingerprint", "task", "kind", "error", "last_at", "message")
        else:
            found, names = letters.page(session, filter_, after, limit), COLUMNS
        table = frame.columns(None, names, [[str(row[name] or "")[:80] for name in names] for row in found])
        frame.show(found, table if found else lambda console: console.print("No dead letters."))


@dlq.command()
@click.argument("number")
def show(number: str) -> None:
    """Show one dead letter: its traceback, payload, steps, history and audit."""
    with frame.world() as world, world.database.transaction() as session:
        value = letters.detail(
            session,
            frame.number(number, "dead letter"),
            job.LETTERS,
            tenant_id=frame.tenant(session, world.settings.tenant),
        )
        frame.show(value, partial(_tell, value))


@dlq.command()
@click.argument("numbers", nargs=-1)
@filters
@click.option("--all", "every", is_flag=True, help="All that the options find; only told, without --yes.")
@click.option("--rate", default="60/m", show_default=True, help="With --all: how fast, such as 5/s or 60/m.")
@click.option("--yes", is_flag=True, help="With --all: do it.")
@click.option("--edit", "edit", metavar="JSON|@FILE", help="What to change of the payload first.")
def replay(
    numbers: tuple[str, ...], every: bool, rate: str, yes: bool, edit: str | None, **asked: Any
) -> None:
    """Try the work of dead letters again: named ones here and now, with --all by the sweep at a rate."""
    if every == bool(numbers):
        raise UsageError("nothing to replay", remedy="name letters by their numbers, or say --all")
    wanted = _edit(edit)
    with frame.world() as world:
        if every:
            _replay_all(world, asked, _rate(rate), wanted, yes)
            return
        rows = [_replay_one(world, frame.number(text, "dead letter"), wanted) for text in numbers]
        failed = [row for row in rows if row["state"] in {"scheduled", "permanent"}]

        def human(console: Console) -> None:
            for row in rows:
                again = f": {row['error']}: {row['message']}" if row in failed else ""
                console.print(f"dead letter {row['id']}: {row['state']}{again}", markup=False)

        frame.show(rows, human)
    if failed:
        raise click.exceptions.Exit(1)


@dlq.command()
@click.argument("numbers", nargs=-1, required=True)
def discard(numbers: tuple[str, ...]) -> None:
    """Close dead letters without trying again."""
    ids = [frame.number(text, "dead letter") for text in numbers]
    with frame.world() as world:
        for number in ids:
            with world.database.transaction() as session:
                tenant_id = frame.tenant(session, world.settings.tenant)
                letters.discard(
                    session, number, job.LETTERS, now=world.clock.now(), by=getpass.getuser(), tenant_id=tenant_id
                )  # fmt: skip
        frame.show({"discarded": ids}, lambda console: console.print(f"Discarded: {len(ids)}"))


@dlq.command()
@filters
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A new file.")
def export(output: Path, **asked: Any) -> None:
    """Write letters with all that is known of them, one JSON object a line; of every state unless some are named."""
    if output.exists():
        raise UsageError(f"{output} exists", remedy="name a new file")
    asked["states"] = asked["states"] or law.STATES
    with frame.world() as world:
        with world.database.transaction() as session:
            filter_ = _filter(world, session, asked)
        count = last = 0
        while True:
            with world.database.transaction() as session:
                found = retention.lines(session, filter_, after=last)
            retention.append(output, found)
            if not found:
                break
            count, last = count + len(found), found[-1]["id"]
        with world.database.transaction() as session:
            audits.note(
                session, "export", tenant_id=filter_.tenant_id, by=getpass.getuser(), at=world.clock.now(),
                after={"letters": count, "file": output.name},
            )  # fmt: skip
        frame.show(
            {"exported": count, "file": str(output)}, lambda console: console.print(f"Exported: {count}")
        )


@dlq.command()
@click.option("--letter", type=int, help="Of this letter only.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 1000))
def audit(letter: int | None, limit: int) -> None:
    """List who did what, newest first."""
    with frame.world() as world, world.database.transaction() as session:
        tenant_id = frame.tenant(session, world.settings.tenant)
        found = audits.listing(session, tenant_id=tenant_id, letter_id=letter, limit=limit)
        names = ("at", "who", "what", "letter", "task", "row", "before", "after")
        cells = [[_cell(row[name]) for name in names] for row in found]
        frame.show(
            found,
            frame.columns(None, names, cells)
            if found
            else lambda console: console.print("Nothing was done."),
        )


def _filter(world: World, session: Any, asked: dict[str, Any]) -> Filter:
    tenant_id = frame.tenant(session, world.settings.tenant)
    return Filter(tenant_id, **{**asked, "states": asked["states"] or law.OPEN})


def _replay_one(world: World, number: int, edit: dict[str, Any]) -> dict[str, Any]:
    with world.database.transaction() as session:
        errand = letters.edit_and_replay(
            session, number, job.LETTERS, edit, world.channels, now=world.clock.now(), by=getpass.getuser(),
            tenant_id=frame.tenant(session, world.settings.tenant),
        )  # fmt: skip
    frame.drive(world, [errand] if errand else [])
    with world.database.transaction() as session:
        job.settle_finished(session, world.clock.now())
        return letters.row(letters.get(session, number), world.settings.tenant)


def _replay_all(world: World, asked: dict[str, Any], rate_s: float, edit: dict[str, Any], yes: bool) -> None:
    with world.database.transaction() as session:
        plan = letters.bulk(
            session, _filter(world, session, asked), job.LETTERS, rate_s=rate_s, dry_run=not yes,
            now=world.clock.now(), by=getpass.getuser(), edit=edit, channels=world.channels,
        )  # fmt: skip
    value = asdict(plan) | {"begins_at": plan.begins_at.isoformat(), "ends_at": plan.ends_at.isoformat()}
    frame.show(value | {"dry_run": not yes}, partial(_tell_plan, plan, world.settings.budget_currency, yes))


def _tell_plan(plan: Plan, currency: str, yes: bool, console: Console) -> None:
    tasks = ", ".join(f"{count} {task}" for task, count in plan.by_task.items()) or "nothing"
    console.print(f"{'Replaying' if yes else 'Would replay'} {plan.letters} letters: {tasks}")
    cost = plan.cost
    console.print(
        f"Cost: about {cost.tokens} tokens, {cost.micros / MILLION:.4f} {currency} for {cost.known}; "
        f"{cost.free} ask no model; of {cost.unknown} nobody knows"
        + (f"; {cost.unpriced} had calls without a price" if cost.unpriced else "")
    )
    console.print(f"{plan.rate_s:g} a second: from {_time(plan.begins_at)} to {_time(plan.ends_at)}")
    console.print(
        "The sweep carries it out (`svodka up`)." if yes else "Nothing was done; say --yes to do it."
    )


def _tell(value: dict[str, Any], console: Console) -> None:
    apart = {"traceback", "history", "audit", "steps", "schema", "payload", "failed_with"}
    for name, cell in value.items():
        if name not in apart:
            console.print(f"{name:12} {cell if cell is not None else '-'}", markup=False)
    console.print(f"{'payload':12} {json.dumps(value['payload'], ensure_ascii=False)}", markup=False)
    if value["steps"]:
        console.print(f"{'steps':12} {', '.join(step['name'] for step in value['steps'])}", markup=False)
    for event in value["history"]:
        console.print(f"  {event['at']} {event['what']} (attempt {event['attempt']})", markup=False)
    for act in value["audit"]:
        console.print(f"  {act['at']} {act['who']}: {act['what']}", markup=False)
    console.print(value["traceback"], markup=False)


def _edit(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        read = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        value = json.loads(read)
    except (OSError, ValueError) as error:
        raise UsageError(f"--edit: {error}", remedy='such as \'{"target": "elsewhere"}\' or @file') from error
    if not isinstance(value, dict):
        raise UsageError("--edit: $: a payload is an object", remedy="see `svodka dlq show N`")
    return value


def _rate(text: str) -> float:
    number, _, unit = text.partition("/")
    try:
        return float(number) / PER[unit or "s"]
    except (ValueError, KeyError) as error:
        raise UsageError(f"--rate {text!r}", remedy="such as 5/s, 60/m or 1000/h") from error


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _cell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value or "")
