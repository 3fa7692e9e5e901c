"""Ranking candidates: how relevant each is by all that is known of it, then variety. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from domains.fingerprint import SKETCH_HASHES, Sketch
from domains.fusion import Floats, Ranked, shares, varied
from domains.retrieval import Hit, Leg

# What a candidate's relevance is made of; each part is a share of the best candidate's. Recency breaks near ties.
LEXICAL: Final = 0.85
FUSED: Final = 0.10
RECENT: Final = 0.05
# With dense vectors, they and the lexical ones share LEXICAL in these parts.
DENSE_PART: Final = 0.5
HALF_LIFE: Final = timedelta(days=7)
# What relevance weighs beside variety.
RELEVANCE: Final = 0.85
SAME_STORY: Final = 0.6
SAME_FAMILY: Final = 0.3
# Sketches alone never say that two posts are the same.
ALMOST: Final = 0.99


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post as far as ranking needs it; ``sketch`` is its fingerprint (`domains.fingerprint.Sketch`)."""

    id: int
    family: str
    at: datetime
    story: int | None
    duplicate_of: int | None
    sketch: bytes | None


def reranked(
    candidates: Mapping[int, Candidate],
    lists: Mapping[Leg, Ranked],
    ranks: Mapping[int, float],
    limit: int,
) -> list[Hit]:
    """Return up to ``limit`` of the candidates, best first; of posts that repeat one another the most relevant."""
    if not candidates:
        return []
    relevance, why = _relevance(candidates, lists, ranks)
    order = sorted(candidates, key=lambda one: (-relevance[one], one))
    places = varied(
        np.array([relevance[one] for one in order]),
        _likeness([candidates[one] for one in order]),
        limit,
        RELEVANCE,
    )
    chosen = [order[place] for place in places]
    return [Hit(one, round(relevance[one], 6), why[one]) for one in chosen]


def _relevance(
    candidates: Mapping[int, Candidate], lists: Mapping[Leg, Ranked], ranks: Mapping[int, float]
) -> tuple[dict[int, float], dict[int, dict[str, float]]]:
    scores = {leg: {one: score for one, score in found if one in candidates} for leg, found in lists.items()}
    parts = {leg: shares(own) for leg, own in scores.items()}
    together = shares({one: ranks.get(one, 0.0) for one in candidates})
    newest = max(candidate.at for candidate in candidates.values())
    # Without vectors full text says best what a post has of the question.
    lexical = parts.get("vectors") or parts.get("fulltext") or {}
    dense = parts.get("dense")
    relevance: dict[int, float] = {}
    why: dict[int, dict[str, float]] = {}
    for one, candidate in candidates.items():
        worth = lexical.get(one, 0.0)
        if dense:
            worth = (1.0 - DENSE_PART) * worth + DENSE_PART * dense.get(one, 0.0)
        recent = 0.5 ** ((newest - candidate.at) / HALF_LIFE)
        relevance[one] = LEXICAL * worth + FUSED * together[one] + RECENT * recent
        why[one] = {leg: round(own[one], 6) for leg, own in scores.items() if one in own}
    return relevance, why


def _likeness(candidates: Sequence[Candidate]) -> Floats:
    """Return how alike each two candidates are, float64 [n, n] in [0, 1]; 1 where one repeats the other."""
    shared = np.zeros((len(candidates), len(candidates)))
    holders: dict[int, list[int]] = {}
    for place, candidate in enumerate(candidates):
        for mark in Sketch.from_bytes(candidate.sketch).hashes if candidate.sketch else ():
            holders.setdefault(mark, []).append(place)
    for places in holders.values():
        if len(places) > 1:
            shared[np.ix_(places, places)] += 1.0 / SKETCH_HASHES
    alike = np.minimum(shared, ALMOST)
    alike = np.maximum(alike, SAME_FAMILY * _same([candidate.family for candidate in candidates]))
    alike = np.maximum(
        alike, SAME_STORY * _same([candidate.story or -candidate.id for candidate in candidates])
    )
    return np.maximum(alike, _same([candidate.duplicate_of or candidate.id for candidate in candidates]))


def _same(keys: Sequence[Hashable]) -> Floats:
    """Return 1 where two keys are equal, else 0."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of = np.array([numbers[key] for key in keys])
    same: Floats = (of[:, None] == of[None, :]).astype(np.float64)
    return same
