"""Finding the posts that may answer a question: one layer for digests, trends, answers and agents.

    question ─▶ cache ─▶ legs: vectors | dense | full text (Postgres) ─▶ fused ─▶ graph around the best ─▶ fused
             ─▶ the gate: rows of Postgres that are the tenant's and pass the filters, all candidates in one query
             ─▶ rerank: lexical score, cosine, fused ranks, recency ─▶ variety ─▶ Found

A leg that is down is left out and named in ``missing``; a breaker lets it rest and tries it again. Whatever a leg
claims, nothing passes the gate that is not the tenant's.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import BigInteger, ColumnElement, any_, exists, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from domains.errors import InputError, Refused, Unavailable
from domains.fusion import fused
from domains.lexical import Lexical
from domains.point import Dense, Scope, Shelf
from domains.ports import Expander, Language
from domains.rank import Candidate, reranked
from domains.retrieval import QUERY_CHARS, Found, Leg, Missing, Query
from domains.text import normalise
from domains.vector import Vector
from services.breaker import Breaker
from services.cache import Cache
from services.database import Database
from services.fulltext import FullText
from services.schema import Post, Source, Tenant
from services.shelving import VectorDue, VectorShelf
from services.vectors import Vectors

# Candidates of each leg, and of all legs together.
CANDIDATES: Final = 100
# The best candidates, around which the graph is asked.
SEEDS: Final = 10
# A leg that takes longer than this is not probed by two at once.
ATTEMPT_S: Final = 5.0
# Part of every key: answers of another program are not ours.
VERSION: Final = 1
T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    """One question on its way."""

    query: Query
    scope: Scope
    lang: str
    question: Vector
    lemmas: tuple[str, ...]
    shelf: Shelf | None
    direction: Dense | None = None
    lists: dict[Leg, list[tuple[int, float]]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    timing: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to a stage's time."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timing[name] = self.timing.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class _State:
    """What a tenant's answer depends on beside the question."""

    stamp: tuple[Any, ...]
    lags: bool
    sources: Mapping[str, int]
    shelf: Shelf | None = None


class Retriever:
    """`domains.ports.Search`; one per process, safe for threads."""

    def __init__(
        self,
        database: Database,
        vectors: Vectors,
        lexical: Lexical,
        language: Language,
        cache: Cache,
        expander: Expander | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._vectors, self._lexical, self._language = database, vectors, lexical, language
        self._cache, self._expander = cache, expander
        self._fulltext = FullText(timer)
        self._breaker = Breaker(timer, ATTEMPT_S)

    def search(self, query: Query) -> Found:
        """Return the tenant's posts that may answer, best first. Raises Unavailable when Postgres is away."""
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[Query]) -> list[Found]:
        """Return what `search` returns for each query; what has to be embedded is embedded in one call."""
        directions = _Directions(self._vectors, [_text(query) for query in queries])
        return [self._search(query, directions) for query in queries]

    def _search(self, query: Query, directions: "_Directions") -> Found:
        began = time.perf_counter()
        state = self._state(query)

        def compute() -> tuple[bytes, bool]:
            found = self._compute(self._job(query, state, directions))
            # A failure is not the truth, nor is an index that lags, nor perhaps that there is nothing.
            return msgspec.json.encode(found), bool(found.hits) and not found.missing and not state.lags

        answer, cached = self._cache.get(_key(query, state), compute)
        found = msgspec.json.decode(answer, type=Found)
        if not cached:
            return found
        return replace(found, cached=True, timing={"cache": time.perf_counter() - began})

    def _state(self, query: Query) -> _State:
        with self._database.transaction() as session:
            waits: list[ColumnElement[bool]] = [
                (VectorDue.collection == "posts") & (VectorDue.generation == VectorShelf.generation)
            ]
            if self._expander is not None:
                waits.append(VectorDue.collection == "graph")
            due = exists().where(VectorDue.tenant_id == query.tenant_id, or_(*waits))
            row = session.execute(
                select(Tenant.generation, VectorShelf, due)
                .outerjoin(VectorShelf, (VectorShelf.collection == "posts") & (VectorShelf.state == "live"))
                .where(Tenant.id == query.tenant_id)
            ).one_or_none()
            if row is None:
                return _State((), lags=True, sources={})
            generation, lags = row[0], row[2]
            live: VectorShelf | None = row[1]
            maker = self._vectors.maker
            shelf = live.shelf if live is not None and live.maker == maker else None
            stamp = (generation, shelf.generation if shelf else None, maker, self._expander is not None)
            return _State(stamp, bool(lags), _sources(session, query), shelf)

    def _job(self, query: Query, state: _State, directions: "_Directions") -> _Job:
        text = _text(query)
        filters = query.filters
        began = time.perf_counter()
        lang = self._language.detect(text)
        if filters.langs and lang not in filters.langs:
            lang = filters.langs[0]
        scope = Scope(
            query.tenant_id,
            frozenset(state.sources.values()) if filters.sources else None,
            frozenset(filters.langs),
            filters.since,
            filters.until,
        )
        question, lemmas = self._lexical.question(text, lang), self._lexical.lemmas(text, lang)
        job = _Job(query, scope, lang, question, lemmas, state.shelf)
        job.timing["question"] = time.perf_counter() - began
        if self._vectors.width:
            job.direction = self._ask(job, "dense", lambda: directions.of(text))
        return job

    def _compute(self, job: _Job) -> Found:
        self._legs(job)
        with job.stage("fusion"):
            first = fused(job.lists.values())
        self._expand(job, [one for one, _ in first[:SEEDS]])
        with job.stage("fusion"):
            ranks = dict(fused(job.lists.values())[:CANDIDATES])
        with job.stage("rows"):
            rows = self._rows(job, ranks)
        with job.stage("rerank"):
            hits = reranked(rows, job.lists, ranks, job.query.size)
        return Found(tuple(hits), tuple(job.missing), job.timing)

    def _legs(self, job: _Job) -> None:
        self._leg(
            job,
            "vectors",
            lambda: self._vectors.search("posts", job.question, job.scope, CANDIDATES, job.shelf),
        )
        direction = job.direction
        if direction is not None:
            self._leg(
                job,
                "dense",
                lambda: self._vectors.nearest("posts", direction, job.scope, CANDIDATES, job.shelf),
            )
        self._leg(job, "fulltext", lambda: self._full_text(job))

    def _full_text(self, job: _Job) -> list[tuple[int, float]]:
        with self._database.transaction() as session:
            return self._fulltext.search(session, job.lemmas, job.scope, CANDIDATES)

    def _expand(self, job: _Job, seeds: Sequence[int]) -> None:
        expander, query = self._expander, job.query
        if expander is None or not seeds:
            return
        self._leg(
            job,
            "graph",
            lambda: [
                *expander.expand(query.tenant_id, seeds, query.filters, query.reading.graph_depth, CANDIDATES)
            ],
        )

    def _leg(self, job: _Job, leg: Leg, ask: Callable[[], list[tuple[int, float]]]) -> None:
        found = self._ask(job, leg, ask)
        if found:
            job.lists[leg] = found

    def _ask(self, job: _Job, leg: Leg, ask: Callable[[], T]) -> T | None:
        """Ask a leg, unless it rests; what it cannot answer is missing, not fatal."""
        if not self._breaker.admits(leg):
            job.missing.append(Missing(leg, "does not answer; it is asked again in a while"))
            return None
        try:
            with job.stage(leg):
                answer = ask()
        except (Unavailable, Refused, InputError) as error:
            if isinstance(error, Unavailable):
                self._breaker.failed(leg)
            else:
                self._breaker.answered(leg)
            job.missing.append(Missing(leg, str(error)))
            return None
        self._breaker.answered(leg)
        return answer

    def _rows(self, job: _Job, ranks: Mapping[int, float]) -> dict[int, Candidate]:
        """The gate: return those candidates that are the tenant's and pass the filters, as they are in Postgres."""
        if not ranks:
            return {}
        scope = job.scope
        query = (
            select(Post.id, Source.family, Post.at, Post.story_id, Post.duplicate_of, Post.sketch)
            .join(Source, Source.id == Post.source_id)
            .where(
                Post.tenant_id == scope.tenant_id,
                Post.id == any_(literal([*ranks], ARRAY(BigInteger))),
                Post.boilerplate.is_(None),
            )
        )
        if scope.sources is not None:
            query = query.where(Post.source_id.in_(scope.sources))
        if scope.langs:
            query = query.where(Post.lang.in_(scope.langs))
        if scope.since is not None:
            query = query.where(Post.at >= scope.since)
        if scope.until is not None:
            query = query.where(Post.at < scope.until)
        with self._database.transaction() as session:
            return {row.id: Candidate(*row) for row in session.execute(query)}


class _Directions:
    """The dense vectors of some questions, asked for together when the first is needed."""

    def __init__(self, vectors: Vectors, texts: Sequence[str]) -> None:
        self._vectors, self._texts = vectors, list(dict.fromkeys(texts))
        self._found: Dense | None = None

    def of(self, text: str) -> Dense | None:
        """Return the direction of one of the texts, or None without an embedder."""
        if self._found is None:
            self._found = self._vectors.directions(self._texts)
        return None if self._found is None else self._found[self._texts.index(text)]


def _text(query: Query) -> str:
    return normalise(query.text)[:QUERY_CHARS]


def _sources(session: Session, query: Query) -> dict[str, int]:
    names = query.filters.sources
    if not names:
        return {}
    rows = session.execute(
        select(Source.name, Source.id).where(Source.tenant_id == query.tenant_id, Source.name.in_(names))
    )
    return {row.name: row.id for row in rows}


def _key(query: Query, state: _State) -> str:
    """Return a name for everything that can change the answer."""
    filters = query.filters
    whole = (
        VERSION,
        query.tenant_id,
        _text(query),
        sorted(filters.sources),
        sorted(state.sources.values()),
        filters.langs,
        filters.since,
        filters.until,
        query.size,
        query.reading,
        state.stamp,
    )
    return hashlib.sha256(msgspec.json.encode(whole)).hexdigest()
