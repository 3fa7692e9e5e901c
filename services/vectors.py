"""The collections of vectors: which generation answers, what has to be put into it, and the one way to search it.

    a row changed ─▶ enqueue (in the transaction that changed it) ─▶ vector_due
    drain ─▶ claim a batch ─▶ full text (Postgres) ─▶ lexical and dense vectors ─▶ store ─▶ done
    rebuild ─▶ a new generation, all rows due ─▶ drain ─▶ switch ─▶ the old one is dropped

The row in ``vector_due`` is the work: a store that is down costs time, never a post. Searches go to the live generation
and only when this process makes the vectors that it was made of.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains.errors import Busy, InputError, NotFound, Refused, SvodkaError, Unavailable, UsageError
from domains.lexical import Lexical
from domains.point import COLLECTIONS, Collection, Dense, Embedder, Point, Scope, Shelf, Store
from domains.ports import Clock
from domains.vector import Vector
from services import backlog, fulltext
from services.database import Database
from services.item import ORIGINS
from services.shelving import VectorDue, VectorShelf

logger = logging.getLogger("svodka.vectors")
# A drain stops after so many batches, so that one import does not keep a worker from all else.
TURN: Final = 100
# What a store or an embedder that does not take a batch raises.
REFUSALS: Final = (Unavailable, Refused, InputError)
# How long after a failure a batch is left alone.
REST: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Drained:
    """How many rows were put, and whether some that are due are left."""

    put: int = 0
    left: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """A generation as it stands; ``usable`` by this process."""

    shelf: Shelf
    state: str
    maker: str
    due: int
    usable: bool


class Vectors:
    """One process's way to the vectors."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        store: Store,
        lexical: Lexical,
        embedder: Embedder | None = None,
    ) -> None:
        self._database, self._clock, self._store = database, clock, store
        self._lexical, self._embedder = lexical, embedder
        self._founded = False

    @property
    def maker(self) -> str:
        """What makes this process's vectors, and where they are: another maker's index means something else."""
        dense = f"+{self._embedder.name}" if self._embedder else ""
        return f"{self._store.name}:{self._lexical.name}{dense}"

    @property
    def width(self) -> int:
        """The dimension of dense vectors, 0 without an embedder."""
        return self._embedder.width if self._embedder else 0

    def question(self, text: str, lang: str) -> Vector:
        """Return a question's lexical vector."""
        return self._lexical.question(text, lang)

    def directions(self, texts: Sequence[str]) -> Dense | None:
        """Return questions' dense vectors from one call, or None without an embedder."""
        return self._embedder.embed(texts, questions=True) if self._embedder and texts else None

    def search(
        self, collection: Collection, question: Vector, scope: Scope, limit: int, shelf: Shelf | None = None
    ) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, BM25). Raises Unavailable, or Refused when the index is another maker's.

        ``shelf`` is the live one, where the caller has just looked.
        """
        return self._live_one(collection, lambda one: self._store.search(one, question, scope, limit), shelf)

    def nearest(
        self, collection: Collection, direction: Dense, scope: Scope, limit: int, shelf: Shelf | None = None
    ) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, cosine). Otherwise as `search`."""
        return self._live_one(
            collection, lambda one: self._store.nearest(one, direction, scope, limit), shelf
        )

    def live(self, collection: Collection) -> Shelf:
        """Return the generation that answers. Raises Refused when it was made by another maker."""
        with self._database.transaction() as session:
            row = session.scalar(
                select(VectorShelf).where(VectorShelf.collection == collection, VectorShelf.state == "live")
            )
        if row is None:
            raise Unavailable(f"nothing is indexed as {collection} yet", remedy="run `svodka index rebuild`")
        if row.maker != self.maker:
            raise Refused(
                f"the index of {collection} was made by {row.maker}, this process is {self.maker}",
                remedy="run `svodka index rebuild`",
            )
        return row.shelf

    def found(self) -> None:
        """Make the first generation of every collection that has none, with all there is due for it."""
        if self._founded:
            return
        for collection in COLLECTIONS:
            with self._database.transaction() as session:
                there = select(VectorShelf.generation).where(VectorShelf.collection == collection).limit(1)
                if session.scalar(there) is None:
                    self._begin(session, Shelf(collection, 1, self.width), "live")
        self._founded = True

    def drain(self, tenant_id: int | None = None, *, turns: int = TURN) -> Drained:
        """Put what is due (of one tenant) into the store. A store that is down leaves it due: that is logged, not raised."""
        try:
            return self.fill(tenant_id, turns=turns)
        except REFUSALS as error:
            logger.warning("vectors wait: %s", error)
            return Drained(left=True)

    def fill(self, tenant_id: int | None = None, *, turns: int = TURN) -> Drained:
        """Do as `drain` does, but raise Unavailable, Refused or InputError when a store or embedder does not take it.

        What it does not take is put into the full text all the same, and rests.
        """
        self.found()
        put, failure = 0, None
        for _ in range(turns):
            with self._database.transaction() as session:
                claims = backlog.take(session, self.maker, self._clock.now(), tenant_id)
            if not claims:
                break
            self._words(claims, again=failure is None)
            if failure is None:
                failure = self._taken(claims)
            with self._database.transaction() as session:
                if failure is None:
                    backlog.settle(session, claims)
                    put += sum(len(claim.queued) for claim in claims)
                else:
                    backlog.postpone(session, claims, self._clock.now() + REST)
        else:
            return Drained(put, left=True)
        if failure is not None:
            raise failure
        return Drained(put)

    def rebuild(self, collection: Collection, to: int | None = None) -> Shelf:
        """Begin a new generation with everything due for it, and return it; `fill` fills it, `switch` makes it answer.

        A generation ``to`` that is being built already is gone on with. Raises UsageError when its number is taken.
        """
        with self._database.transaction() as session:
            rows = {
                row.generation: row
                for row in session.scalars(select(VectorShelf).where(VectorShelf.collection == collection))
            }
            number = max(rows, default=0) + 1 if to is None else to
            shelf = Shelf(collection, number, self.width)
            known = rows.get(number)
            if known is None and number > max(rows, default=0):
                self._begin(session, shelf, "building")
            elif known is None or known.state != "building" or known.maker != self.maker:
                raise UsageError(
                    f"generation {number} of {collection} is taken",
                    remedy=f"leave out --to, or take {max(rows) + 1}",
                )
        return shelf

    def switch(self, collection: Collection, generation: int) -> None:
        """Let a generation answer from now on, and drop the others. Raises Busy when it is not filled yet."""
        with self._database.transaction() as session:
            rows = session.scalars(
                select(VectorShelf).where(VectorShelf.collection == collection).with_for_update()
            ).all()
            chosen = next((row for row in rows if row.generation == generation), None)
            if chosen is None:
                raise NotFound(
                    f"no generation {generation} of {collection}", remedy="see `svodka index status`"
                )
            left = session.scalar(backlog.size(collection, generation)) or 0
            if left:
                raise Busy(
                    f"generation {generation} of {collection} still waits for {left} rows",
                    remedy="run `svodka index rebuild --to` it again, or wait for the workers",
                )
            old = [row.shelf for row in rows if row is not chosen]
            for shelf in old:
                for table in (VectorDue, VectorShelf):
                    session.execute(
                        delete(table).where(
                            table.collection == collection, table.generation == shelf.generation
                        )
                    )
            chosen.state = "live"
        for shelf in old:
            self._store.drop(shelf)

    def waiting(self, collection: Collection, generation: int) -> int:
        """Return how many rows a generation waits for."""
        with self._database.transaction() as session:
            return session.scalar(backlog.size(collection, generation)) or 0

    def status(self) -> list[Status]:
        """Return every generation there is."""
        with self._database.transaction() as session:
            rows = session.scalars(
                select(VectorShelf)
                .where(VectorShelf.collection.in_(COLLECTIONS))
                .order_by(VectorShelf.collection, VectorShelf.generation)
            ).all()
            return [
                Status(
                    row.shelf,
                    row.state,
                    row.maker,
                    session.scalar(backlog.size(row.collection, row.generation)) or 0,
                    row.maker == self.maker,
                )
                for row in rows
            ]

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _live_one(
        self,
        collection: Collection,
        ask: Callable[[Shelf], list[tuple[int, float]]],
        known: Shelf | None,
    ) -> list[tuple[int, float]]:
        """Ask the live generation; once more when it was switched away under the question."""
        shelf = known or self.live(collection)
        try:
            found = ask(shelf)
        except Unavailable:
            if self.live(collection) == shelf:
                raise
            found = []
        if not found and (now := self.live(collection)) != shelf:
            return ask(now)
        return found

    def _begin(self, session: Session, shelf: Shelf, state: str) -> None:
        now = self._clock.now()
        begun = session.execute(
            insert(VectorShelf)
            .values(
                collection=shelf.collection,
                generation=shelf.generation,
                state=state,
                maker=self.maker,
                width=shelf.width,
                created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(VectorShelf.generation)
        ).one_or_none()
        origin = ORIGINS.get(shelf.collection)
        if begun is None or origin is None:
            return
        every = origin.every.subquery()
        row = select(
            literal(shelf.collection),
            literal(shelf.generation),
            every.c[0],
            every.c[1],
            literal(now),
            literal(now),
        )
        names = ["collection", "generation", "item_id", "tenant_id", "queued_at", "next_at"]
        session.execute(insert(VectorDue).from_select(names, row).on_conflict_do_nothing())

    def _words(self, claims: Sequence[backlog.Claim], *, again: bool) -> None:
        """Put posts into the full text, which needs only Postgres; those that were tried before only ``again``."""
        with self._database.transaction() as session:
            for claim in claims:
                if claim.shelf.collection == "posts":
                    items = [item for item in claim.items if again or item.id in claim.untried]
                    fulltext.put(session, items, self._lexical)

    def _taken(self, claims: Sequence[backlog.Claim]) -> SvodkaError | None:
        """Put what was claimed into the store; return why it was not taken, or None."""
        try:
            for claim in claims:
                self._put(claim)
        except REFUSALS as error:
            return error
        return None

    def _put(self, claim: backlog.Claim) -> None:
        shelf, items = claim.shelf, claim.items
        dense = self._embedder.embed([item.text for item in items]) if self._embedder and items else None
        points = [
            Point(
                item.id,
                item.tenant_id,
                self._lexical.document(item.text, item.lang),
                item.source,
                item.lang,
                item.at,
                None if dense is None else dense[number],
            )
            for number, item in enumerate(items)
        ]
        self._store.prepare(shelf)
        if points:
            self._store.put(shelf, points)
        gone = sorted(claim.queued.keys() - {item.id for item in items})
        if gone:
            self._store.remove(shelf, claim.tenant_id, gone)
