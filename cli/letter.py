"""`svodka dlq`: failures, and the operator's buttons."""

from typing import Any

import click
from rich.console import Console

from cli import frame
from domains import dlq as law
from services import deadletter
from services.schema import DeadLetter
from tasks import job

STATES = ("scheduled", "replaying", "permanent", "resolved", "discarded")


@click.group(cls=frame.Group)
def dlq() -> None:
    """List, show, replay and discard dead letters."""


@dlq.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="[default: all that are open]"
)
def list_(states: tuple[str, ...]) -> None:
    """List dead letters, newest first."""
    with frame.world() as world:
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            letters = deadletter.letters(session, tenant_id=tenant_id, states=states or law.OPEN)
        rows = [_row(letter) for letter in letters]
        names = ("id", "task", "row", "state", "attempt", "next_at", "error", "message")
        table = frame.columns(None, names, [[str(row[name] or "")[:80] for name in names] for row in rows])
        frame.show(rows, table if rows else lambda console: console.print("No dead letters."))


@dlq.command()
@click.argument("number")
def show(number: str) -> None:
    """Show one dead letter with its traceback and history."""
    with frame.world() as world:
        with world.database.transaction() as session:
            letter = deadletter.get(session, frame.number(number, "dead letter"))
        value = _row(letter) | {"traceback": letter.traceback, "history": letter.history}

        def human(console: Console) -> None:
            for name, cell in value.items():
                if name not in {"traceback", "history"}:
                    console.print(f"{name:12} {cell if cell is not None else '-'}", markup=False)
            for event in letter.history:
                console.print(f"  {event['at']} {event['what']} (attempt {event['attempt']})", markup=False)
            console.print(letter.traceback, markup=False)

        frame.show(value, human)


@dlq.command()
@click.argument("numbers", nargs=-1, required=True)
def replay(numbers: tuple[str, ...]) -> None:
    """Try the work of dead letters again, here and now."""
    with frame.world() as world:
        rows = []
        for text in numbers:
            number = frame.number(text, "dead letter")
            errand = job.replay(world, number, by="operator")
            frame.drive(world, [errand] if errand else [])
            with world.database.transaction() as session:
                rows.append(_row(deadletter.get(session, number)))
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
            job.discard(world, number, by="operator")
    frame.show({"discarded": ids}, lambda console: console.print(f"discarded: {', '.join(map(str, ids))}"))


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "task": letter.task,
        "row": letter.row_id,
        "kind": letter.kind,
        "state": letter.state,
        "attempt": letter.attempt,
        "next_at": letter.next_at.isoformat() if letter.next_at else None,
        "error": letter.error,
        "message": letter.message,
        "fingerprint": letter.fingerprint,
        "created_at": letter.created_at.isoformat(),
        "updated_at": letter.updated_at.isoformat(),
    }
