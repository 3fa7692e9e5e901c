"""What a person wants: routes, labelled examples, and a classifier trained on them.

The classifier is character n-grams weighted by TF-IDF under logistic regressions, one a route: on short questions in
three languages with typing errors, characters beat words. It is trained in the process at first use and is a function
of the examples alone, so every process has the same one.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from domains.errors import InputError
from domains.text import normalise

Route = Literal["digest", "trend", "search", "product", "follow_up", "small_talk", "unknown"]
Split = Literal["train", "held_out"]
ROUTES: Final[tuple[Route, ...]] = get_args(Route)
QUERY_CHARS: Final = 500
# Of the first, half is held out by a split that keeps translations of one question together; the second only trains.
_TABLES: Final = ("queries.tsv", "training.tsv")
_NGRAMS: Final = (2, 4)
# Inverse regularisation, chosen by cross-validation on the training queries.
_C: Final = 5.0


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


class Classifier:
    """Guesses the route of a query from how it is spelt."""

    def __init__(self, vectorizer: TfidfVectorizer, model: OneVsRestClassifier) -> None:
        self._vectorizer = vectorizer
        self._model = model

    def guess(self, query: str) -> Guess:
        """Return the most likely route and its probability; of equals the first in alphabetical order."""
        chances = self._model.predict_proba(self._vectorizer.transform([canonical(query)]))[0]
        best = int(np.argmax(chances))
        return Guess(_route(str(self._model.classes_[best])), round(float(chances[best]), 6))


def canonical(query: str) -> str:
    """Return ``query`` as it is compared: normalised, case folded, on one line, "ё" as "е", at most QUERY_CHARS."""
    line = " ".join(normalise(query).casefold().replace("ё", "е").split())
    return line[:QUERY_CHARS].strip()


def train(examples: Iterable[Example]) -> Classifier:
    """Return the classifier of ``examples``, whatever their order. Raises ValueError below two routes."""
    ordered = sorted({(canonical(one.query), one.route) for one in examples})
    routes = [route for _, route in ordered]
    if len(set(routes)) < 2:
        raise ValueError("a classifier needs examples of at least two routes")
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=_NGRAMS, sublinear_tf=True)
    matrix = vectorizer.fit_transform([query for query, _ in ordered])
    # liblinear works on one thread: seven small problems in .1 s, where lbfgs takes ten times that and all cores.
    one = LogisticRegression(C=_C, class_weight="balanced", solver="liblinear")
    model = OneVsRestClassifier(one)
    return Classifier(vectorizer, model.fit(matrix, routes))


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


@cache
def classifier() -> Classifier:
    """Return the classifier of the bundled training queries, trained when first asked for."""
    return train(one for one in bundled() if one.split == "train")


def _read(name: str) -> tuple[Example, ...]:
    table = files("domains").joinpath("queries", name)
    return parse(table.read_text(encoding="utf-8"), f"domains/queries/{name}")


def _example(row: Sequence[str], where: str) -> Example:
    if len(row) != 4 or not row[0].strip():
        raise InputError(f"{where}: expected four columns, found {len(row)}")
    query, lang, name, split = row
    try:
        route = _route(name)
    except ValueError as error:
        raise InputError(f"{where}: {error}", remedy=f"one of {', '.join(ROUTES)}") from error
    if split == "train":
        return Example(query, lang, route, "train")
    if split == "held_out":
        return Example(query, lang, route, "held_out")
    raise InputError(f"{where}: {split!r} is no split", remedy="train or held_out")


def _route(name: str) -> Route:
    for route in ROUTES:
        if route == name:
            return route
    raise ValueError(f"{name!r} is no route")
