"""Ranking candidates: how relevant each is by all that is known of it, then variety. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from domains.fingerprint import Sketch
from domains.fusion import Ranked, shares, varied
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
    alike = _Likeness(candidates)
    return [
        Hit(one, round(relevance[one], 6), why[one]) for one in varied(relevance, alike, limit, RELEVANCE)
    ]


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


class _Likeness:
    """How alike two candidates are, in [0, 1]; 1 when one repeats the other."""

    def __init__(self, candidates: Mapping[int, Candidate]) -> None:
        self._candidates = candidates
        self._sketch = cache(self._sketch_of)

    def __call__(self, a: int, b: int) -> float:
        one, other = self._candidates[a], self._candidates[b]
        if (one.duplicate_of or one.id) == (other.duplicate_of or other.id):
            return 1.0
        alike = SAME_FAMILY if one.family == other.family else 0.0
        if one.story is not None and one.story == other.story:
            alike = max(alike, SAME_STORY)
        return max(alike, min(0.99, self._shared(a, b)))

    def _shared(self, a: int, b: int) -> float:
        """Return the share of hashes that two sketches have in common."""
        one, other = self._sketch(a), self._sketch(b)
        return len(one & other) / max(len(one | other), 1)

    def _sketch_of(self, one: int) -> frozenset[int]:
        sketch = self._candidates[one].sketch
        return frozenset(Sketch.from_bytes(sketch).hashes) if sketch else frozenset()
