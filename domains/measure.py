"""How good a ranking is, given what should be found. Every measure is in [0, 1]; an id that is ranked twice counts once."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import log2


def _once(ranked: Sequence[Hashable]) -> list[Hashable]:
    return list(dict.fromkeys(ranked))


def recall(ranked: Sequence[Hashable], wanted: AbstractSet[Hashable], at: int) -> float:
    """Return the share of ``wanted`` among the first ``at``; 0 when nothing is wanted."""
    return len(wanted & set(_once(ranked)[:at])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranked: Sequence[Hashable], wanted: AbstractSet[Hashable]) -> float:
    """Return 1 / the rank of the first that is wanted, 0 when there is none. Its mean over questions is MRR."""
    return next((1.0 / rank for rank, one in enumerate(_once(ranked), 1) if one in wanted), 0.0)


def ndcg(ranked: Sequence[Hashable], gains: Mapping[Hashable, float], at: int) -> float:
    """Return normalised discounted cumulative gain (Jarvelin and Kekalainen, 2002); gains of 0 or less count nothing."""
    ideal = sorted((gain for gain in gains.values() if gain > 0.0), reverse=True)[:at]
    best = sum(gain / log2(rank + 1) for rank, gain in enumerate(ideal, 1))
    if not best:
        return 0.0
    own = (max(gains.get(one, 0.0), 0.0) for one in _once(ranked)[:at])
    return min(1.0, sum(gain / log2(rank + 1) for rank, gain in enumerate(own, 1)) / best)
