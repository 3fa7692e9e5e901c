"""The vector store on Qdrant: a server by URL, or its local mode in this process (one process at a time may open a path).

One collection for each shelf holds all tenants; rarity is counted among the tenant's own points.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from domains.errors import Unavailable
from domains.point import Dense, Point, Scope, Shelf
from domains.vector import Vector

LEXICAL: Final = "lexical"
DENSE: Final = "dense"
# Long enough for a batch of points; a search that takes as long is answered without vectors.
TIMEOUT_S: Final = 5
BATCH: Final = 256
T = TypeVar("T")


def open_server(url: str, key: str | None) -> QdrantClient:
    """Return a client of a server; nothing is connected before it is asked."""
    return QdrantClient(url=url, api_key=key, timeout=TIMEOUT_S, check_compatibility=False)


def at(url: str, key: str | None) -> "Qdrant":
    """Return the store on a server."""
    return Qdrant(open_server(url, key))


class Qdrant:
    """`domains.point.Store` on a Qdrant client."""

    name = "qdrant"

    def __init__(self, client: QdrantClient) -> None:
        self._client = client
        # Shelves whose indexes this process has seen to; a generation of each collection answers, another may be built.
        self._indexed: set[str] = set()

    def prepare(self, shelf: Shelf) -> None:
        """Make the collection and the indexes of its payload, unless they are there.

        Who made the collection may have died before its indexes: each process asks for them once, which changes nothing
        where they are.
        """
        if not self._ask(lambda: self._client.collection_exists(shelf.name)):
            self._make(shelf)
            self._indexed.discard(shelf.name)
        if shelf.name not in self._indexed:
            self._index_all(shelf)
            self._indexed.add(shelf.name)

    def _make(self, shelf: Shelf) -> None:
        dense = models.VectorParams(size=shelf.width, distance=models.Distance.COSINE)
        try:
            self._ask(
                lambda: self._client.create_collection(
                    shelf.name,
                    vectors_config={DENSE: dense} if shelf.width else {},
                    sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                )
            )
        except _ConflictError:
            return

    def _index_all(self, shelf: Shelf) -> None:
        for field, kind in (
            (
                "tenant",
                models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False),
            ),
            (
                "source",
                models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False),
            ),
            ("lang", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)),
            ("at", models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=False, range=True)),
        ):
            self._index(shelf, field, kind)

    def put(self, shelf: Shelf, points: Sequence[Point]) -> None:
        """Store points; a point with the same id is replaced."""
        for at in range(0, len(points), BATCH):
            structs = [_struct(point) for point in points[at : at + BATCH]]
            self._ask(lambda structs=structs: self._client.upsert(shelf.name, structs, wait=True))  # type: ignore[misc]

    def remove(self, shelf: Shelf, tenant_id: int, ids: Sequence[int]) -> None:
        """Delete a tenant's points."""
        if ids:
            own = _filter(Scope(tenant_id, only=frozenset(ids)))
            self._ask(lambda: self._client.delete(shelf.name, models.FilterSelector(filter=own), wait=True))

    def search(self, shelf: Shelf, question: Vector, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, BM25), best first."""
        if not len(question) or limit <= 0:
            return []
        asked = models.SparseVector(indices=question.indices.tolist(), values=question.values.tolist())
        corpus = models.SearchParams(idf=models.IdfCorpusParams(corpus=_filter(Scope(scope.tenant_id))))
        return self._query(shelf, asked, LEXICAL, scope, limit, corpus)

    def nearest(self, shelf: Shelf, direction: Dense, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, cosine), best first."""
        if not shelf.width or limit <= 0:
            return []
        return self._query(shelf, direction.tolist(), DENSE, scope, limit, None)

    def count(self, shelf: Shelf, tenant_id: int) -> int:
        """Return how many points a tenant has; 0 when the collection is not there."""
        if not self._ask(lambda: self._client.collection_exists(shelf.name)):
            return 0
        return self._ask(
            lambda: self._client.count(shelf.name, count_filter=_filter(Scope(tenant_id)), exact=True)
        ).count

    def drop(self, shelf: Shelf) -> None:
        """Delete the collection."""
        self._ask(lambda: self._client.delete_collection(shelf.name))
        self._indexed.discard(shelf.name)

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _index(
        self,
        shelf: Shelf,
        field: str,
        kind: models.PayloadSchemaType | models.IntegerIndexParams | models.KeywordIndexParams,
    ) -> None:
        self._ask(lambda: self._client.create_payload_index(shelf.name, field, kind, wait=True))

    def _query(
        self,
        shelf: Shelf,
        asked: models.SparseVector | list[float],
        using: str,
        scope: Scope,
        limit: int,
        params: models.SearchParams | None,
    ) -> list[tuple[int, float]]:
        answer = self._ask(
            lambda: self._client.query_points(
                shelf.name,
                query=asked,
                using=using,
                query_filter=_filter(scope),
                search_params=params,
                limit=limit,
                with_payload=False,
            )
        )
        found = [(int(point.id), float(point.score)) for point in answer.points if point.score > 0.0]
        return sorted(found, key=lambda one: (-one[1], one[0]))

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except UnexpectedResponse as error:
            if error.status_code == 409:
                raise _ConflictError("somebody else made it first") from error
            raise _away(f"answers {error.status_code}") from error
        except (ApiException, QdrantException, httpx.HTTPError, OSError, RuntimeError) as error:
            raise _away(f"does not answer: {type(error).__name__}") from error
        except ValueError as error:
            # The local mode says so when a collection is not there.
            raise _away(f"refuses: {error}") from error


class _ConflictError(Unavailable):
    """It is there already."""


def _away(what: str) -> Unavailable:
    return Unavailable(
        f"Qdrant {what}", remedy="start it, or leave SVODKA_QDRANT_URL empty and rebuild the index"
    )


def _struct(point: Point) -> models.PointStruct:
    vector: dict[str, Any] = {
        LEXICAL: models.SparseVector(
            indices=point.lexical.indices.tolist(), values=point.lexical.values.tolist()
        )
    }
    if point.dense is not None:
        vector[DENSE] = point.dense.tolist()
    payload = {
        "tenant": point.tenant_id,
        "source": point.source,
        "lang": point.lang,
        "at": int(point.at.timestamp()),
    }
    return models.PointStruct(id=point.id, vector=vector, payload=payload)


def _filter(scope: Scope) -> models.Filter:
    """Return the filter of a scope; the tenant's condition is always the first."""
    must: list[models.Condition] = [
        models.FieldCondition(key="tenant", match=models.MatchValue(value=scope.tenant_id))
    ]
    if scope.sources is not None:
        must.append(models.FieldCondition(key="source", match=models.MatchAny(any=sorted(scope.sources))))
    if scope.langs:
        must.append(models.FieldCondition(key="lang", match=models.MatchAny(any=sorted(scope.langs))))
    if scope.since is not None or scope.until is not None:
        # Times are kept in whole seconds: what is within one of the bound is left to who knows the post.
        within = models.Range(
            gte=None if scope.since is None else math.floor(scope.since.timestamp()),
            lt=None if scope.until is None else math.ceil(scope.until.timestamp()),
        )
        must.append(models.FieldCondition(key="at", range=within))
    if scope.only is not None:
        must.append(models.HasIdCondition(has_id=sorted(scope.only)))
    return models.Filter(must=must)
