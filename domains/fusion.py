"""Putting ranked lists together and making the result varied. Pure; ties are broken by id, so the order is stable."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

# Cormack, Clarke and Buettcher (2009): how much the first ranks of a list stand out.
RRF_K: Final = 60.0

Ranked = Sequence[tuple[int, float]]


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


def varied(
    relevance: Mapping[int, float], likeness: Callable[[int, int], float], limit: int, weight: float
) -> list[int]:
    """Return up to ``limit`` ids by maximal marginal relevance (Carbonell and Goldstein, 1998), best first.

    Each next one has the largest weight · relevance - (1 - weight) · likeness to the likest before it, so the first
    is the most relevant. ``likeness`` is in [0, 1]; what is 1 alike is the same and never follows.
    """
    left = sorted(relevance, key=lambda one: (-relevance[one], one))
    nearest = dict.fromkeys(left, 0.0)
    chosen: list[int] = []
    while left and len(chosen) < limit:
        best = max(
            left,
            key=lambda one: (weight * relevance[one] - (1.0 - weight) * nearest[one], relevance[one], -one),
        )
        chosen.append(best)
        left.remove(best)
        for one in left:
            nearest[one] = max(nearest[one], likeness(best, one))
        left = [one for one in left if nearest[one] < 1.0]
    return chosen
