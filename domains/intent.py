"""What a person wants: routes, labelled examples, and a classifier trained on them.

The classifier is character n-grams weighted by TF-IDF under a multinomial logistic regression: on short questions in
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

from domains.errors import InputError
from domains.text import normalise

Route = Literal["digest", "trend", "search", "product", "follow_up", "small_talk", "unknown"]
Split = Literal["train", "held_out"]
ROUTES: Final[tuple[Route, ...]] = get_args(Route)
QUERY_CHARS: Final = 500
_NGRAMS: Final = (1, 5)
# Inverse regularisation, chosen by cross-validation on the training half.
_C: Final = 20.0


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

    def __init__(self, vectorizer: TfidfVectorizer, model: LogisticRegression) -> None:
        self._vectorizer = vectorizer
        self._model = model

    def guess(self, query: str) -> Guess:
        """Return the most likely route and its probability; of equals the first in alphabetical order."""
        chances = self._model.predict_proba(self._vectorizer.transform([canonical(query)]))[0]
        best = int(np.argmax(chances))
        return Guess(self._model.classes_[best], round(float(chances[best]), 6))


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
    model = LogisticRegression(C=_C, class_weight="balanced", max_iter=500)
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
    """Return the labelled queries that come with the product, both halves."""
    table = files("domains").joinpath("queries", "queries.tsv")
    return parse(table.read_text(encoding="utf-8"), "domains/queries/queries.tsv")


@cache
def classifier() -> Classifier:
    """Return the classifier of the bundled training half, trained when first asked for."""
    return train(one for one in bundled() if one.split == "train")


def _example(row: Sequence[str], where: str) -> Example:
    if len(row) != 4 or not row[0].strip():
        raise InputError(f"{where}: expected four columns, found {len(row)}")
    query, lang, name, split = row
    route = next((one for one in ROUTES if one == name), None)
    if route is None:
        raise InputError(f"{where}: {name!r} is no route", remedy=f"one of {', '.join(ROUTES)}")
    if split == "train":
        return Example(query, lang, route, "train")
    if split == "held_out":
        return Example(query, lang, route, "held_out")
    raise InputError(f"{where}: {split!r} is no split", remedy="train or held_out")
