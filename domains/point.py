"""What a vector store holds and how it is asked; the port that every store implements.

It stands beside `domains.ports` because vectors are made of terms, which need those ports themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from domains.vector import Vector

Dense = NDArray[np.float32]
Collection = Literal["posts", "stories", "products", "personas"]
COLLECTIONS: Final[tuple[Collection, ...]] = ("posts", "stories", "products", "personas")


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A row (``id``) of a tenant as vectors: ``lexical`` always, ``dense`` float32 [d] of unit length where there is one."""

    id: int
    tenant_id: int
    lexical: Vector
    source: int
    lang: str
    at: datetime
    dense: Dense | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which points may be found: always one tenant's. None and empty filters let everything through.

    ``sources`` are rows; an empty set lets nothing through. ``only`` restricts to these ids.
    """

    tenant_id: int
    sources: frozenset[int] | None = None
    langs: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    only: frozenset[int] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of the tenant's points may be found."""
        return self == Scope(self.tenant_id)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One generation of one collection. ``width`` is the dense vectors' dimension, 0 where there are none."""

    collection: Collection
    generation: int
    width: int = 0

    @property
    def name(self) -> str:
        """Its name where names are needed."""
        return f"svodka_{self.collection}_{self.generation}"


class Store(Protocol):
    """Keeps points by shelf and finds the nearest. Every method raises Unavailable when the store does not answer.

    Rarity is counted among the tenant's own points; ``name`` says which kind of store it is.
    """

    name: str

    def prepare(self, shelf: Shelf) -> None:
        """Make the shelf and its payload indexes, unless they are there."""
        ...

    def put(self, shelf: Shelf, points: Sequence[Point]) -> None:
        """Store points; one that is there with the same id is replaced. Doing it twice changes nothing."""
        ...

    def remove(self, shelf: Shelf, tenant_id: int, ids: Sequence[int]) -> None:
        """Delete a tenant's points; those that are not there do not matter."""
        ...

    def search(self, shelf: Shelf, question: Vector, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, BM25 > 0) of the scope, best first."""
        ...

    def nearest(self, shelf: Shelf, direction: Dense, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, cosine > 0) of the scope, best first."""
        ...

    def count(self, shelf: Shelf, tenant_id: int) -> int:
        """Return how many points a tenant has; 0 when the shelf is not there."""
        ...

    def drop(self, shelf: Shelf) -> None:
        """Forget the shelf; one that is not there does not matter."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class Embedder(Protocol):
    """Turns texts into dense vectors. ``name`` changes whenever its vectors do."""

    name: str
    width: int

    def embed(self, texts: Sequence[str], *, questions: bool = False) -> Dense:
        """Return float32 [n, width], rows of unit length. Raises Unavailable, Refused or InputError."""
        ...
