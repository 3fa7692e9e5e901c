"""`svodka backtest`: what would it have sent?"""

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import frame
from cli.digest import pairs
from cli.schedule import duration
from cli.source import read_families
from domains.errors import GateClosed, UsageError
from domains.window import Schedule
from services.table import Mapping
from tasks import backtest as backtests
from tasks import replay as replays


@click.command(cls=frame.Command)
@click.option(
    "--input", "input_", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results."
)
@click.option(
    "--from", "start", callback=frame.moment, help="First window's begin [default: the first post]."
)
@click.option("--to", "end", callback=frame.moment, help="Last window's end [default: the last post].")
@click.option("--every", metavar="DURATION", help="Length of a window [default: 24h].")
@click.option("--cron", help="A schedule instead of --every, read in --zone.")
@click.option("--zone", default="UTC", show_default=True, help="IANA time zone.")
@click.option(
    "--map",
    "fields",
    multiple=True,
    metavar="FIELD=NAME",
    help="at=date, source=channel, id={channel}/{message_id}",
)
@click.option(
    "--families",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON of source → family.",
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A digest setting, such as max_stories=8."
)
def backtest(
    input_: Path, out: Path, start: datetime | None, end: datetime | None, every: str | None, cron: str | None,
    zone: str, fields: tuple[str, ...], families: Path | None, changes: tuple[str, ...],
) -> None:  # fmt: skip
    """Replay a stream through the real pipeline in event time and write what it would have sent."""
    if cron and every:
        raise UsageError("choose one of --cron and --every")
    schedule = (
        Schedule(zone=zone, cron=cron) if cron else Schedule(zone=zone, period=duration(every or "24h"))
    )
    wish = backtests.Wish(
        input=input_,
        out=out,
        schedule=schedule,
        start=start,
        end=end,
        mapping=Mapping.of(fields) if fields else None,
        families=read_families(families),
        settings=replays.changes_only(pairs(changes)),
    )
    with frame.world() as world, _bar() as bar:
        tasks = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, count="")
            bar.update(
                tasks[what],
                completed=done,
                total=total or None,
                count=f"{done}/{total}" if total else str(done),
            )

        summary = backtests.backtest(world, wish, progress)
    frame.show(summary, lambda console: _print(console, summary, out))
    failed = [one["run"] for one in summary["windows"] if one["state"] != "done"]
    if failed:
        raise GateClosed(
            f"{len(failed)} of {len(summary['windows'])} windows have no digest: runs {failed}",
            remedy="`svodka dlq list` with SVODKA_TENANT set to the backtest's tenant says why",
        )


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[count]}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip


def _print(console: Console, summary: dict[str, Any], out: Path) -> None:
    dropped = ", ".join(f"{count} {reason}" for reason, count in summary["dropped"].items())
    console.print(
        f"{summary['digests']} digests in {summary['elapsed_s']} s: {summary['posts']} posts = "
        f"{summary['shown']} shown + {sum(summary['dropped'].values())} dropped ({dropped})"
    )
    if summary["input"]["bad"]:
        console.print(f"{summary['input']['bad']} lines could not be read:")
        for line in summary["input"]["bad_first"]:
            console.print(f"  {line}", markup=False)
    console.print(f"{summary['trends']} trends began")
    console.print(f"{out}/digests, stories.jsonl, trends.jsonl, drops.jsonl, summary.json", markup=False)
