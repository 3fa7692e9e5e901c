"""Pure extractive summarisation: which of some candidate sentences to take, by two methods with one LexRank prior.

`submodular` is Lin & Bilmes 2011 (coverage + diversity, greedy); `mmr` is Carbonell & Goldstein 1998. Both are
deterministic: candidates are worked on in the order (at, post, span), whatever order they came in, values are
compared after rounding, and the earlier candidate wins a tie.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domains.post import Span

Floats = NDArray[np.float64]

DAMPING: Final = 0.85
# LexRank's edges: a cosine below it says "written in the same language", not "about the same thing".
EDGE: Final = 0.08
ITERATIONS: Final = 100
CONVERGED: Final = 1e-10
# Lin & Bilmes: a sentence is covered once a share ALPHA of what all candidates could cover is reached; the diversity
# terms reward drawing on another topic, and a little on another publisher, against coverage.
ALPHA: Final = 0.35
TOPICS: Final = 0.9
GROUPS: Final = 0.3
# A sentence this similar (cosine) to the first of a topic belongs to it.
SAME_TOPIC: Final = 0.35
# Gain is divided by length ** COST, so that a long sentence must say more than a short one.
COST: Final = 0.25
# Carbonell & Goldstein: relevance against novelty.
RELEVANCE: Final = 0.5
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be taken.

    ``terms`` are its content lemmas; ``weight`` in [0, 1] joins all that is known of it besides its words (fitness,
    position in its post, recency); ``group`` is what diversity is counted over (the publisher's family).
    """

    post: int
    span: Span
    at: datetime
    terms: tuple[str, ...]
    weight: float
    group: str

    @property
    def key(self) -> tuple[datetime, int, Span]:
        """The order in which ties are broken."""
        return (self.at, self.post, self.span)


def similarity(terms: Sequence[tuple[str, ...]]) -> Floats:
    """Return the tf-idf cosine of each pair: float64 [n, n], symmetric, in [0, 1], diagonal 1 (0 without terms).

    idf is log(1 + n / df), so that a term of every sentence still counts a little.
    """
    count = len(terms)
    index = {term: column for column, term in enumerate(sorted({term for row in terms for term in row}))}
    matrix = np.zeros((count, max(len(index), 1)))
    for row, bag in enumerate(terms):
        for term, times in Counter(bag).items():
            matrix[row, index[term]] = 1.0 + np.log(times)
    df = np.maximum((matrix > 0).sum(axis=0), 1)
    matrix *= np.log1p(count / df)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
    cosine: Floats = np.clip(matrix @ matrix.T, 0.0, 1.0)
    return cosine


def lexrank(similar: Floats, prior: Floats) -> Floats:
    """Return the stationary weight of each sentence: float64 [n], sum 1 (Erkan & Radev 2004, continuous LexRank).

    similar: float64 [n, n]; prior: float64 [n], non-negative, where the walker restarts (all zero: anywhere).
    """
    count = len(prior)
    if count == 0:
        return np.zeros(0)
    total = prior.sum()
    restart = prior / total if total > 0 else np.full(count, 1.0 / count)
    edges = np.where(similar >= EDGE, similar, 0.0)
    np.fill_diagonal(edges, 0.0)
    out = edges.sum(axis=1, keepdims=True)
    # A sentence like no other sends its walker back to the prior.
    walk = np.where(out > 0, edges / np.where(out > 0, out, 1.0), restart)
    rank = restart.copy()
    for _ in range(ITERATIONS):
        new = DAMPING * (rank @ walk) + (1.0 - DAMPING) * restart
        moved = np.abs(new - rank).sum()
        rank = new
        if moved < CONVERGED:
            break
    ranked: Floats = rank / rank.sum()
    return ranked


def centrality(candidates: Sequence[Candidate]) -> Floats:
    """Return LexRank with the weights as prior, scaled so that the highest is 1: float64 [n]."""
    order = _order(candidates)
    rank = lexrank(*_graph([candidates[index] for index in order]))
    scaled = np.zeros(len(candidates))
    scaled[order] = rank / max(rank.max(initial=0.0), 1e-12)
    return np.round(scaled, _DIGITS)


def submodular(candidates: Sequence[Candidate], count: int, taken: Sequence[int] = ()) -> tuple[int, ...]:
    """Return up to ``count`` indices of ``candidates``, best first, by greedy coverage and diversity.

    F(S) = sum_i r_i min(sum_{j in S} w_ij, ALPHA sum_k w_ik) / ALPHA sum_k w_ik
         + DIVERSITY sum_groups sqrt(sum_{j in S in group} r_j)
    with w the cosine and r LexRank times weight. ``taken`` are indices already said elsewhere (a headline): they
    cover, and are not returned.
    """
    order = _order(candidates)
    ordered = [candidates[index] for index in order]
    similar, weights = _graph(ordered)
    reward = lexrank(similar, weights) * weights
    caps = np.maximum(ALPHA * similar.sum(axis=1), 1e-12)
    topics = _topics(similar)
    groups = [item.group for item in ordered]

    def value(chosen: list[int]) -> float:
        covered = np.minimum(similar[:, chosen].sum(axis=1), caps) / caps
        spread = TOPICS * _concave(topics, chosen, reward) + GROUPS * _concave(groups, chosen, reward)
        return float(reward @ covered) + spread

    def gain(chosen: list[int], base: float, index: int) -> float:
        length = ordered[index].span[1] - ordered[index].span[0]
        return float((value([*chosen, index]) - base) * weights[index] / max(length, 1) ** COST)

    start = [order.index(index) for index in taken]
    chosen = _greedy(len(ordered), count, start, lambda now, index: gain(now, value(now), index))
    return tuple(order[index] for index in chosen)


def mmr(candidates: Sequence[Candidate], count: int, taken: Sequence[int] = ()) -> tuple[int, ...]:
    """Return up to ``count`` indices of ``candidates``, best first, by maximal marginal relevance.

    RELEVANCE * r_i - (1 - RELEVANCE) * max_{j in S} w_ij, r being LexRank times weight scaled to a maximum of 1.
    """
    order = _order(candidates)
    ordered = [candidates[index] for index in order]
    similar, weights = _graph(ordered)
    rank = lexrank(similar, weights)
    relevance = weights * rank / max(rank.max(initial=0.0), 1e-12)

    def marginal(chosen: list[int], index: int) -> float:
        nearest = float(similar[index, chosen].max()) if chosen else 0.0
        return float(RELEVANCE * relevance[index] - (1.0 - RELEVANCE) * nearest)

    start = [order.index(index) for index in taken]
    return tuple(order[index] for index in _greedy(len(ordered), count, start, marginal))


def _order(candidates: Sequence[Candidate]) -> list[int]:
    return sorted(range(len(candidates)), key=lambda index: candidates[index].key)


def _graph(ordered: Sequence[Candidate]) -> tuple[Floats, Floats]:
    weights = np.array([item.weight for item in ordered], dtype=np.float64)
    return similarity([item.terms for item in ordered]), weights


def _topics(similar: Floats) -> list[int]:
    """Return for each sentence the first one it is like: leaders in order, as an online clustering has them."""
    leaders: list[int] = []
    topics: list[int] = []
    for index in range(len(similar)):
        leader = next((one for one in leaders if similar[index, one] >= SAME_TOPIC), index)
        if leader == index:
            leaders.append(index)
        topics.append(leader)
    return topics


def _concave(parts: Sequence[Hashable], chosen: Sequence[int], reward: Floats) -> float:
    """Return the sum over parts of the root of the reward chosen from each: the second of a part earns less."""
    heaps: dict[Hashable, float] = {}
    for index in chosen:
        heaps[parts[index]] = heaps.get(parts[index], 0.0) + float(reward[index])
    return float(np.sqrt(list(heaps.values())).sum())


def _greedy(size: int, count: int, start: list[int], gain: Callable[[list[int], int], float]) -> list[int]:
    chosen = list(start)
    left = [index for index in range(size) if index not in start]
    while left and len(chosen) - len(start) < count:
        gains = [round(gain(chosen, index), _DIGITS) for index in left]
        # max() keeps the first of equals, and `left` ascends.
        chosen.append(left.pop(gains.index(max(gains))))
    return chosen[len(start) :]
