"""`svodka index`: the stores that are derived from posts, rebuilt and switched without a pause."""

import time
from dataclasses import asdict

import click
from rich.console import Console

from cli import frame
from domains.errors import Busy
from domains.point import COLLECTIONS, Collection
from services.graph import Graph
from services.vectors import Vectors

# What another worker holds is done or given back by then.
WAIT_S = 150.0
POLL_S = 0.5

_COLLECTION = click.option(
    "--collection", type=click.Choice(COLLECTIONS), multiple=True, help="Only this one; can be repeated."
)


@click.group(cls=frame.Group)
def index() -> None:
    """Rebuild what is derived from posts."""


@index.command()
@_COLLECTION
@click.option("--to", type=click.IntRange(1), help="Fill this generation and leave the switch to you.")
def rebuild(collection: tuple[Collection, ...], to: int | None) -> None:
    """Fill a new generation of each collection from PostgreSQL, then switch to it.

    Searches go on in the old generation until the new one is complete. With --to nothing is switched:
    `svodka index switch` does that.
    """
    with frame.world() as world:
        rows: list[dict[str, object]] = []
        for one in collection or COLLECTIONS:
            began = time.monotonic()
            shelf = world.vectors.rebuild(one, to)
            due = world.vectors.waiting(one, shelf.generation)
            _fill(world.vectors, one, shelf.generation)
            if to is None:
                world.vectors.switch(one, shelf.generation)
            rows.append(
                {
                    "collection": one,
                    "generation": shelf.generation,
                    "rows": due,
                    "switched": to is None,
                    "seconds": round(time.monotonic() - began, 1),
                }
            )
        if not collection and to is None and isinstance(world.graph, Graph):
            rows.append(_redraw(world.graph))
    frame.show(rows, lambda console: _told(console, rows))


@index.command()
@click.argument("generation", type=click.IntRange(1))
@_COLLECTION
def switch(generation: int, collection: tuple[Collection, ...]) -> None:
    """Let GENERATION answer from now on, and drop the others."""
    with frame.world() as world:
        for one in collection or COLLECTIONS:
            world.vectors.switch(one, generation)
    chosen = [*(collection or COLLECTIONS)]
    frame.show(
        {"generation": generation, "collections": chosen},
        lambda console: console.print(f"generation {generation} answers: {', '.join(chosen)}"),
    )


@index.command()
def status() -> None:
    """Show every generation, what made it and what it waits for."""
    with frame.world() as world:
        rows = [{**asdict(one), **asdict(one.shelf)} for one in world.vectors.status()]
    for row in rows:
        del row["shelf"]
    frame.show(rows, lambda console: _generations(console, rows))


def _redraw(graph: Graph) -> dict[str, object]:
    """Empty the graph and draw it anew; there is one of it, so searches go on without what is not drawn yet."""
    began = time.monotonic()
    due = graph.rebuild()
    until = time.monotonic() + WAIT_S
    while graph.waiting():
        if graph.fill().put:
            until = time.monotonic() + WAIT_S
        elif time.monotonic() > until:
            raise Busy(
                "the graph is drawn by a worker that does not finish", remedy="try again in some minutes"
            )
        else:
            time.sleep(POLL_S)
    seconds = round(time.monotonic() - began, 1)
    return {"collection": "graph", "generation": 1, "rows": due, "switched": True, "seconds": seconds}


def _fill(vectors: Vectors, collection: Collection, generation: int) -> None:
    """Fill until nothing is due; what workers hold is waited for."""
    until = time.monotonic() + WAIT_S
    while vectors.waiting(collection, generation):
        if vectors.fill().put:
            until = time.monotonic() + WAIT_S
        elif time.monotonic() > until:
            raise Busy(
                f"generation {generation} of {collection} is held by a worker that does not finish",
                remedy="try again in some minutes: what is done stays done",
            )
        else:
            time.sleep(POLL_S)


def _told(console: Console, rows: list[dict[str, object]]) -> None:
    for row in rows:
        end = "it answers now" if row["switched"] else "not switched yet"
        console.print(f"{row['collection']}: generation {row['generation']}, {row['rows']} rows, {end}")


def _generations(console: Console, rows: list[dict[str, object]]) -> None:
    for row in rows:
        other = "" if row["usable"] else " (made by other settings: rebuild)"
        console.print(
            f"{row['collection']} {row['generation']}: {row['state']}, {row['due']} due, {row['maker']}{other}",
            markup=False,
        )
