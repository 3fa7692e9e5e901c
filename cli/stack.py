"""`svodka demo`, `up`, `doctor` and `migrate`: the processes a digest needs."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import digest, flower, frame, metrics, web
from domains.errors import Unavailable
from services import (
    database,
    deadletter,
    delivery,
    post,
    run,
    settings,
    stack,
    subscription,
    wiring,
)
from services import doctor as checkup
from services.clock import SystemClock
from services.settings import Settings
from tasks import demo as example

DEMO_S = 170.0
CELERY = (sys.executable, "-m", "celery", "-A", "tasks")


def children(set_: Settings) -> list[stack.Child]:
    """Return the commands of a worker and beat, as on any machine with the same settings."""
    level = set_.log_level.upper()
    # Gossip and mingle tell workers of each other: rows do that here, and starting is seconds faster without.
    worker = (
        *CELERY,
        "worker",
        "--loglevel",
        level,
        "--without-gossip",
        "--without-mingle",
        "-n",
        "svodka@%h",
    )
    return [stack.Child("worker", worker), stack.Child("beat", (*CELERY, "beat", "--loglevel", level))]


@click.command(cls=frame.Command)
def up() -> None:
    """Keep servers, worker, beat, Flower, metrics and the HTTP API running until Ctrl-C."""
    set_ = settings.load()
    kids = [*children(set_), *metrics.children(set_), *flower.children(set_), *web.children(set_)]
    with stack.Stack(set_, SystemClock(), kids) as supervisor:
        running = stack.attach(set_.var)
        value = {"pid": running.pid if running else None, "var": str(set_.var.absolute()),
                 "processes": {one.name: one.pid for one in running.processes} if running else {},
                 "flower": flower.entrance(set_) if set_.flower_port else None,
                 "metrics": metrics.address(set_) if set_.metrics_port else None,
                 "web": web.address(set_) if set_.web_port else None}  # fmt: skip

        def human(console: Console) -> None:
            console.print(f"Svodka is up in {value['var']}; Ctrl-C stops it.")
            for name, pid in value["processes"].items():  # type: ignore[union-attr]  # a dict by construction
                console.print(f"  {name:10} pid {pid:<8} {set_.var / 'log' / name}.log", markup=False)
            if set_.flower_port:
                flower.describe(flower.entrance(set_), console)
            if set_.metrics_port:
                console.print(f"Metrics: {value['metrics']}", markup=False)
            if set_.web_port:
                web.describe(set_, console)
            console.print("Another terminal: svodka source add URL, svodka subscribe, svodka digest run")

        frame.show(value, human)
        sys.stdout.flush()
        supervisor.watch()
    frame.err().print("Stopped.")


@click.command(cls=frame.Command)
@click.option(
    "--var", type=click.Path(file_okay=False, path_type=Path), help="Its own folder [default: VAR/demo]."
)
def demo(var: Path | None) -> None:
    """Start everything, import the example stream, print yesterday's digest, stop everything."""
    began = time.monotonic()
    var = var or settings.load().var / "demo"
    set_ = settings.load(var=var, tenant=example.NAME, digest_dir=var / "digests", sweep_s=1.0)
    env = settings.variables(sweep_s="1", digest_dir=str(set_.digests.absolute()))
    kids = [stack.Child(child.name, child.argv, env) for child in children(set_)]
    for old in set_.digests.glob("*_run-*"):
        # Those of an earlier demo, whose posts are gone: the numbers of its runs mean nothing any more.
        old.unlink()
    with _bar() as bar, stack.Stack(set_, SystemClock(), kids) as supervisor:
        running = stack.attach(var)
        if running is None:
            raise Unavailable("the stack that was just started is gone", remedy=f"see {var / 'log'}")
        with frame.world(
            var=var, tenant=example.NAME, digest_dir=set_.digests, database_url=running.database_url
        ) as world:
            run_id = _make(world, supervisor, bar)
            bar.stop()
            digest.show_run(world, run_id)
            digest.complain(world, run_id)
    console = frame.err()
    console.print(f"Done in {time.monotonic() - began:.0f} s; everything it started has stopped.")
    console.print(
        f"Ask it more: SVODKA_VAR={var} svodka why solvych_live/48214, digest list, replay {run_id}",
        markup=False,
    )


def _make(world: wiring.World, supervisor: stack.Stack, bar: Progress) -> int:
    """Import the stream, let the worker make the digests of its days, and return the last day's run."""
    stream = example.stream(world.clock.now())
    tenant_id, subscription_id = example.prepare(world, stream)
    reading = bar.add_task("reading the example stream", total=None)
    count = 0
    for count in example.load(world, tenant_id, stream):
        bar.update(reading, completed=count)
    bar.update(reading, total=count)
    analysing = bar.add_task("the worker analyses posts", total=count)
    writing = bar.add_task("the worker writes digests", total=stream.days)

    def analysed() -> bool:
        with world.database.transaction() as session:
            waiting = post.pending(session, tenant_id, world.clock.now())
        bar.update(analysing, completed=count - waiting)
        return not waiting or _failed(world, tenant_id)

    def written() -> bool:
        with world.database.transaction() as session:
            runs = [row for row, _ in run.listing(session, tenant_id)]
            sent = delivery.settled(session, tenant_id)
        bar.update(writing, completed=min(sum(row.state == "done" for row in runs), sent))
        return (len(runs) >= stream.days and sent >= stream.days) or _failed(world, tenant_id)

    _await(supervisor, analysed)
    with world.database.transaction() as session:
        subscription.resume(session, subscription_id)
    _await(supervisor, written)
    with world.database.transaction() as session:
        letters = deadletter.letters(session, tenant_id=tenant_id)
        if letters:
            first = letters[-1]
            raise Unavailable(
                f"{first.task} {first.row_id} failed: {first.error}: {first.message}",
                remedy=f"SVODKA_VAR={world.settings.var} svodka dlq show {first.id}",
            )
        return run.listing(session, tenant_id)[0][0].id


def _await(supervisor: stack.Stack, predicate: Callable[[], bool]) -> None:
    supervisor.ready(predicate, timeout_s=DEMO_S)


def _failed(world: wiring.World, tenant_id: int) -> bool:
    with world.database.transaction() as session:
        return bool(deadletter.letters(session, tenant_id=tenant_id))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=frame.err(), transient=True,
    )  # fmt: skip


@click.command(cls=frame.Command)
def doctor() -> None:
    """Check everything Svodka needs, with versions, latencies and what to do."""
    set_ = settings.load()
    found = checkup.checks(set_, SystemClock())
    rows = [asdict(one) for one in found]

    def human(console: Console) -> None:
        for one in found:
            mark = "[green]ok[/]  " if one.ok else "[red]FAIL[/]"
            latency = f"{one.latency_ms:.0f} ms"
            console.print(f"{mark} {one.name:14} {one.version or '':14} {latency:>8}  ", end="")
            console.print(one.detail or "", markup=False)
            if not one.ok and one.remedy:
                console.print(f"     → {one.remedy}", markup=False)

    frame.show(rows, human)
    if not all(one.ok for one in found):
        raise click.exceptions.Exit(1)


@click.command(cls=frame.Command)
@click.argument("revision", default="head")
def migrate(revision: str) -> None:
    """Bring the database's schema to REVISION (the newest by default), upwards or downwards."""
    with frame.database_url() as url:
        base = database.Database(url)
        try:
            before = base.revision()
            base.migrate(revision)
            after = base.revision()
        finally:
            base.dispose()
    frame.show(
        {"from": before, "to": after},
        lambda console: console.print(f"schema: {before or 'nothing'} → {after or 'nothing'}"),
    )
