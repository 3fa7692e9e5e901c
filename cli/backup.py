"""`svodka backup` and `svodka restore`: everything in Postgres, in one file."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli import frame
from services import backup as archive
from services.clock import SystemClock

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.command(cls=frame.Command)
@FILE
def backup(file: Path) -> None:
    """Write everything of the database to FILE, and what that is to FILE.json; workers may go on."""
    with frame.database_url() as url:
        made = archive.backup(url, file, SystemClock())
    _show(file, made, "saved")


@click.command(cls=frame.Command)
@FILE
@click.option("--force", is_flag=True, help="Replace what is in the database.")
def restore(file: Path, force: bool) -> None:
    """Replace the database's content by that of FILE, whole or not at all; stop the workers first."""
    with frame.database_url() as url:
        held = archive.restore(url, file, force=force)
    _show(file, held, "restored")


def _show(file: Path, held: archive.Manifest, done: str) -> None:
    rows = sum(held.tables.values())
    value: dict[str, Any] = {
        "file": str(file),
        "made_at": held.made_at.isoformat(),
        "schema": held.schema,
        "bytes": held.bytes,
        "sha256": held.sha256,
        "rows": rows,
        "tables": dict(held.tables),
    }

    def human(console: Console) -> None:
        console.print(
            f"{done}: {rows} rows of {len(held.tables)} tables, schema {held.schema}, "
            f"{held.bytes / 1024**2:.1f} MB, {file}",
            markup=False,
        )

    frame.show(value, human)
