"""A classifier of queries by how they are spelt: which route a person wants.

It is character n-grams weighted by TF-IDF under logistic regressions, one a route: on short questions in three languages
with typing errors, characters beat words. It is trained in the process at first use and is a function of the examples
alone, so every process has the same one.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from domains.intent import Example, Guess, bundled, canonical, known

_NGRAMS: Final = (2, 4)
# Inverse regularisation, chosen by cross-validation on the training queries.
_C: Final = 5.0


class Classifier:
    """Guesses the route of a query from how it is spelt."""

    def __init__(self, vectorizer: TfidfVectorizer, model: OneVsRestClassifier) -> None:
        self._vectorizer = vectorizer
        self._model = model

    def guess(self, query: str) -> Guess:
        """Return the most likely route and its probability; of equals the first in alphabetical order."""
        chances = self._model.predict_proba(self._vectorizer.transform([canonical(query)]))[0]
        best = int(np.argmax(chances))
        return Guess(known(str(self._model.classes_[best])), round(float(chances[best]), 6))


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


@cache
def classifier() -> Classifier:
    """Return the classifier of the bundled training queries, trained when first asked for."""
    return train(one for one in bundled() if one.split == "train")
