"""Putting ranked lists together and making the result varied. Pure; ties are broken by id, so the order is stable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Cormack, Clarke and Buettcher (2009): how much the first ranks of a list stand out.
RRF_K: Final = 60.0

Ranked = Sequence[tuple[int, float]]
Floats = NDArray[np.float64]


def ranking(found: Iterable[tuple[int, float]]) -> list[int]:
    """Return the ids with positive scores, best first, each once, by its best score; equal scores by id."""
    best: dict[int, float] = {}
    for one, score in found:
        if score > best.get(one, 0.0):
            best[one] = score
    return sorted(best, key=lambda one: (-best[one], one))


def fused(lists: Iterable[Ranked], k: float = RRF_K) -> list[tuple[int, float]]:
    """Return reciprocal rank fusion: each id's sum of 1 / (k + rank) over the lists in which it scores above 0.

    Ids that a list only names with a score of 0 or less were not found by it, and get nothing for being named.
    """
    total: dict[int, float] = {}
    for found in lists:
        for rank, one in enumerate(ranking(found), 1):
            total[one] = total.get(one, 0.0) + 1.0 / (k + rank)
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def shares(scores: Mapping[int, float]) -> dict[int, float]:
    """Return each score as a share of the largest, in [0, 1]; negative ones are 0."""
    largest = max(scores.values(), default=0.0)
    if largest <= 0.0:
        return dict.fromkeys(scores, 0.0)
    return {one: max(score, 0.0) / largest for one, score in scores.items()}


def varied(relevance: Floats, likeness: Floats, limit: int, weight: float) -> list[int]:
    """Return up to ``limit`` places by maximal marginal relevance (Carbonell and Goldstein, 1998), best first.

    Each next one has the largest weight · relevance - (1 - weight) · likeness to the likest before it, so the first
    is the most relevant; of equals the earlier place. ``relevance`` is [n], ``likeness`` [n, n] in [0, 1]; what is 1
    alike is the same and never follows.
    """
    worth = weight * relevance
    nearest = np.zeros(relevance.size)
    left = np.ones(relevance.size, np.bool_)
    chosen: list[int] = []
    while len(chosen) < limit and left.any():
        best = int(np.argmax(np.where(left, worth - (1.0 - weight) * nearest, -np.inf)))
        chosen.append(best)
        nearest = np.maximum(nearest, likeness[best])
        left &= nearest < 1.0
        left[best] = False
    return chosen
