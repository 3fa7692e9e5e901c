"""What a person wants: routes, turns, and labelled examples, which `domains.classifier` is trained on."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

from domains.errors import InputError
from domains.text import normalise

Route = Literal["digest", "trend", "search", "product", "follow_up", "small_talk", "unknown"]
Split = Literal["train", "held_out"]
ROUTES: Final[tuple[Route, ...]] = get_args(Route)
QUERY_CHARS: Final = 500
# Of the first, half is held out by a split that keeps translations of one question together; the second only trains.
_TABLES: Final = ("queries.tsv", "training.tsv")


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier request of the same person, as episodic memory keeps it; ``at`` is aware."""

    query: str
    route: Route
    at: datetime


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled query. ``split`` is recorded with it, so that nothing is ever trained on what it is judged by."""

    query: str
    lang: str
    route: Route
    split: Split


@dataclass(frozen=True, slots=True)
class Guess:
    """A route and how sure the guesser is, in [0, 1]."""

    route: Route
    confidence: float


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a query goes, who said so, how sure, and why in words.

    ``follows`` is the turn that a follow-up leans on: its query and route say what to do again.
    """

    route: Route
    by: Literal["rule", "model", "classifier"]
    confidence: float
    why: str
    follows: Turn | None = None


def canonical(query: str) -> str:
    """Return ``query`` as it is compared: normalised, case folded, on one line, "ё" as "е", at most QUERY_CHARS."""
    line = " ".join(normalise(query).casefold().replace("ё", "е").split())
    return line[:QUERY_CHARS].strip()


def parse(text: str, where: str) -> tuple[Example, ...]:
    """Return the examples of a tab-separated table with the columns query, lang, route, split.

    Raises InputError that names ``where`` and the line when a line is not what it should be.
    """
    rows = csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    if header != ["query", "lang", "route", "split"]:
        raise InputError(f"{where}, line 1: expected query, lang, route, split; found {', '.join(header)}")
    return tuple(_example(row, f"{where}, line {number}") for number, row in enumerate(rows, 2))


@cache
def bundled() -> tuple[Example, ...]:
    """Return the labelled queries that come with the product: both halves of the judged set, and more to train on."""
    return tuple(one for name in _TABLES for one in _read(name))


def _read(name: str) -> tuple[Example, ...]:
    table = files("domains").joinpath("queries", name)
    return parse(table.read_text(encoding="utf-8"), f"domains/queries/{name}")


def _example(row: Sequence[str], where: str) -> Example:
    if len(row) != 4 or not row[0].strip():
        raise InputError(f"{where}: expected four columns, found {len(row)}")
    query, lang, name, split = row
    try:
        route = known(name)
    except ValueError as error:
        raise InputError(f"{where}: {error}", remedy=f"one of {', '.join(ROUTES)}") from error
    if split == "train":
        return Example(query, lang, route, "train")
    if split == "held_out":
        return Example(query, lang, route, "held_out")
    raise InputError(f"{where}: {split!r} is no split", remedy="train or held_out")


def known(name: str) -> Route:
    """Return the route of that name. Raises ValueError when there is none."""
    for route in ROUTES:
        if route == name:
            return route
    raise ValueError(f"{name!r} is no route")
