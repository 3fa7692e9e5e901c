"""What is asked of retrieval and what it answers: values only.

`Query` ─▶ legs (vectors, full text, graph) ─▶ fusion ─▶ rerank ─▶ diversity ─▶ `Found`
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

from domains import limits

Leg = Literal["vectors", "dense", "fulltext", "graph"]
LEGS: Final[tuple[Leg, ...]] = ("vectors", "dense", "fulltext", "graph")
# Characters of a question that are read: what is longer is a document, not a question.
QUERY_CHARS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Reading:
    """How many documents a domain may read, and how deep it may look into the graph."""

    documents: int
    graph_depth: int


READING: Final[Mapping[str, Reading]] = MappingProxyType(
    {
        "digest": Reading(limits.DIGEST_DOCUMENTS, limits.DIGEST_GRAPH_DEPTH),
        "trend": Reading(limits.TREND_DOCUMENTS, limits.TREND_GRAPH_DEPTH),
        "answer": Reading(limits.DIGEST_DOCUMENTS, limits.DIGEST_GRAPH_DEPTH),
    }
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which posts may answer: of these sources (by name) and languages, from ``since`` until before ``until``."""

    sources: tuple[str, ...] = ()
    langs: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for at in (self.since, self.until):
            if at is not None and at.tzinfo is None:
                raise ValueError("a filter's time has no zone")


@dataclass(frozen=True, slots=True)
class Query:
    """A question of one tenant. ``limit`` is how many posts are wanted, at most the domain's documents (0: those)."""

    tenant_id: int
    text: str
    filters: Filters = Filters()
    limit: int = 0
    domain: str = "answer"

    @property
    def reading(self) -> Reading:
        """How much the query's domain may read; an unknown domain reads as an answer does."""
        return READING.get(self.domain, READING["answer"])

    @property
    def size(self) -> int:
        """How many posts are returned at most."""
        return min(self.limit, self.reading.documents) if self.limit > 0 else self.reading.documents


@dataclass(frozen=True, slots=True)
class Hit:
    """A post that may answer. ``score`` in [0, 1], best first; ``why`` names what found it and what it was worth."""

    post_id: int
    score: float
    why: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """A leg that could not answer, and why."""

    leg: Leg
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, what is missing from it, and how many seconds each stage took."""

    hits: tuple[Hit, ...]
    missing: tuple[Missing, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict)
    cached: bool = False

    @property
    def degraded(self) -> bool:
        """Whether a leg could not answer."""
        return bool(self.missing)
