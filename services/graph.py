"""The graph of what posts have to do with each other, in Neo4j or what speaks its protocol; derived from Postgres.

    a post analysed ─▶ a row in ``vector_due`` ─▶ drain: batch ─▶ portrait from Postgres ─▶ one transaction ─▶ done
    expand: seeds ─▶ their story, answers, rare entities ─▶ (depth 3) entities beside those ─▶ posts, newest first

Writing a post twice leaves what writing it once leaves: a post knows which entities it was counted with, and only the
difference is counted. A graph that is down leaves rows due. Every query is bounded: by the seeds, by entities that few
posts mention, by fan-out and by time.
"""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from neo4j import ManagedTransaction, Session, unit_of_work
from neo4j.time import DateTime
from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from domains.errors import Unavailable
from domains.ports import Clock
from domains.retrieval import Filters
from services import backlog, cypher, portrait
from services.bolt import Bolt
from services.database import Database
from services.portrait import Portrait
from services.schema import Post, Tenant
from services.settings import Settings
from services.shelving import VectorDue, VectorShelf
from services.vectors import REST, TURN, Drained

logger = logging.getLogger("svodka.graph")
COLLECTION: Final = "graph"
# What made the graph: another version of it means something else.
MAKER: Final = "graph-1"
# How long a server may work, and after how much longer nobody waits for its word any more.
WRITE_S: Final = 60.0
READ_S: Final = 2.0
SLACK_S: Final = 0.5
# An entity that more posts mention connects everything with everything.
HUB: Final = 500
# Entities that are walked through, the rarest first, and how many stand beside each.
WAYS: Final = 12
BESIDE: Final = 24
FAN: Final = 200
PORTION: Final = 5_000
DEPTH_BESIDE: Final = 3
# What a way to a post is worth: its story, an answer, an entity (times its rarity), an entity beside that.
STORY_WEIGHT: Final = 1.0
ANSWER_WEIGHT: Final = 1.0
BESIDE_WEIGHT: Final = 0.3
_EVER: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Beside:
    """An entity that is mentioned together with another: how often, and from when to when."""

    entity: int
    other: int
    kind: str
    name: str
    count: int
    first_at: datetime
    last_at: datetime


class Graph:
    """One process's way to the graph, and a `domains.ports.Expander`. Safe for threads; connects when first used."""

    def __init__(self, database: Database, clock: Clock, url: str) -> None:
        """Take a URL such as bolt://user:password@host:7687/database."""
        self._database, self._clock = database, clock
        self._bolt = Bolt(url)
        self._founded = False

    def found(self) -> None:
        """Make constraints and indexes, and the graph's row with all posts due for it, where there are none."""
        if not self._founded:
            self._bolt.ask(_founded, WRITE_S)
            self._founded = True
        with self._database.transaction() as session:
            begun = session.execute(
                insert(VectorShelf)
                .values(
                    collection=COLLECTION,
                    generation=1,
                    state="live",
                    maker=MAKER,
                    created_at=self._clock.now(),
                )
                .on_conflict_do_nothing()
                .returning(VectorShelf.generation)
            ).one_or_none()
            if begun is not None:
                self._all_due(session)

    def drain(self, tenant_id: int | None = None, *, turns: int = TURN) -> Drained:
        """Draw what is due (of one tenant). A graph that is down leaves it due: that is logged, not raised."""
        try:
            return self.fill(tenant_id, turns=turns)
        except Unavailable as error:
            logger.warning("the graph waits: %s", error)
            return Drained(left=True)

    def fill(self, tenant_id: int | None = None, *, turns: int = TURN) -> Drained:
        """Do as `drain` does, but raise Unavailable when the graph does not take it."""
        self.found()
        put = 0
        for _ in range(turns):
            with self._database.transaction() as session:
                claims = backlog.take(session, MAKER, self._clock.now(), tenant_id)
            if not claims:
                return Drained(put)
            try:
                for claim in claims:
                    self._put(claim.tenant_id, [*claim.queued])
            except Unavailable:
                with self._database.transaction() as session:
                    backlog.postpone(session, claims, self._clock.now() + REST)
                raise
            with self._database.transaction() as session:
                backlog.settle(session, claims)
            put += sum(len(claim.queued) for claim in claims)
        return Drained(put, left=True)

    def rebuild(self) -> int:
        """Empty the graph and make every post due for it again; return how many. `fill` draws them."""
        self.found()
        while self._bolt.ask(_emptied, WRITE_S):
            pass
        with self._database.transaction() as session:
            self._all_due(session)
        return self.waiting()

    def waiting(self) -> int:
        """Return how many posts the graph waits for."""
        with self._database.transaction() as session:
            return session.scalar(backlog.size(COLLECTION, 1)) or 0

    def expand(
        self, tenant_id: int, post_ids: Sequence[int], filters: Filters, depth: int, limit: int
    ) -> Sequence[tuple[int, float]]:
        """Return at most ``limit`` connected posts of the tenant with a positive weight, best first.

        Depth 1 walks answers, 2 also stories and the rarest entities, 3 also entities that occur beside those; a
        post's weight is the sum over its ways. Raises Unavailable when the graph does not answer.
        """
        span = {"since": filters.since or _EVER[0], "until": filters.until or _EVER[1], "fan": FAN}
        known: dict[str, Any] = {"tenant": tenant_id, "ids": [*post_ids], **span}
        scores: defaultdict[int, float] = defaultdict(float)

        @unit_of_work(timeout=READ_S)
        def walk(transaction: ManagedTransaction) -> None:
            scores.clear()
            for row in transaction.run(cypher.ANSWERED, known):
                scores[row["post"]] += ANSWER_WEIGHT
            if depth > 1:
                for row in transaction.run(cypher.TOLD, known):
                    scores[row["post"]] += STORY_WEIGHT
                weights = _weights(transaction.run(cypher.SEEDS, known, hub=HUB))
                if depth >= DEPTH_BESIDE and weights:
                    weights = _widened(transaction, weights, known)
                for row in transaction.run(cypher.NEAR, known, entities=[*weights]) if weights else ():
                    scores[row["post"]] += weights[row["entity"]]

        if post_ids and limit > 0 and depth > 0:
            self._read(walk)
        ranked = sorted(scores.items(), key=lambda one: (-one[1], one[0]))
        return ranked[:limit]

    def beside(
        self, tenant_id: int, entity_ids: Sequence[int], since: datetime, limit: int = BESIDE
    ) -> list[Beside]:
        """Return what occurs together with entities, most often first, as far as it has since a moment."""

        @unit_of_work(timeout=READ_S)
        def ask(transaction: ManagedTransaction) -> list[Mapping[str, Any]]:
            found = transaction.run(
                cypher.BESIDE, tenant=tenant_id, entities=[*entity_ids], since=since, hub=2**31, fan=limit
            )
            return [row.data() for row in found]

        return [
            Beside(
                row["entity"],
                row["other"],
                row["kind"],
                row["name"],
                row["count"],
                _aware(row["first_at"]),
                _aware(row["last_at"]),
            )
            for row in self._read(ask)
        ]

    def close(self) -> None:
        """Close every connection."""
        self._bolt.close()

    def _read(self, work: Callable[[ManagedTransaction], T]) -> T:
        return self._bolt.ask(lambda session: session.execute_read(work), READ_S + SLACK_S)

    def _all_due(self, session: Any) -> None:
        now = self._clock.now()
        rows = (
            select(literal(COLLECTION), literal(1), Post.id, Post.tenant_id, literal(now), literal(now))
            .join(Tenant, Tenant.id == Post.tenant_id)
            .where(Tenant.live, Post.indexed_at.is_not(None))
        )
        names = ["collection", "generation", "item_id", "tenant_id", "queued_at", "next_at"]
        session.execute(insert(VectorDue).from_select(names, rows).on_conflict_do_nothing())

    def _put(self, tenant_id: int, ids: Sequence[int]) -> None:
        with self._database.transaction() as session:
            drawn = portrait.draw(session, tenant_id, ids)
        gone = sorted(set(ids) - drawn.named.keys())

        @unit_of_work(timeout=WRITE_S)
        def write(transaction: ManagedTransaction) -> None:
            _write(transaction, drawn, gone)

        self._bolt.ask(lambda drawing: drawing.execute_write(write), WRITE_S)


class NoGraph:
    """Stands for a graph where there is none: nothing waits for it, and nothing is drawn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._retired = False

    def drain(self, tenant_id: int | None = None, *, turns: int = TURN) -> Drained:
        """Forget, once, what was due for a graph that there was."""
        del tenant_id, turns
        if not self._retired:
            retire(self._database)
            self._retired = True
        return Drained()

    def close(self) -> None:
        """Do nothing."""


def connect(database: Database, clock: Clock, settings: Settings) -> Graph | NoGraph:
    """Return the graph that the settings name, not connected yet."""
    url = settings.neo4j_url
    return Graph(database, clock, url.get_secret_value()) if url else NoGraph(database)


def retire(database: Database) -> None:
    """Forget what is due for a graph, where there is none: it is filled anew when there is one again."""
    with database.transaction() as session:
        for table in (VectorDue, VectorShelf):
            session.execute(delete(table).where(table.collection == COLLECTION))


def _founded(session: Session) -> None:
    for statement in cypher.SCHEMA:
        session.run(statement).consume()


def _emptied(session: Session) -> int:
    """Delete a portion of the graph; return how much that was."""
    gone: int = session.run(cypher.EMPTY, portion=PORTION).single(strict=True)["gone"]
    return gone


def _aware(moment: DateTime) -> datetime:
    """Return a time of the graph; ArcadeDB gives one that went through a CASE without its zone, which is UTC."""
    native = moment.to_native()
    return native if native.tzinfo else native.replace(tzinfo=UTC)


def _weights(rows: Any) -> dict[int, float]:
    """Return the rarest entities of the seeds: each one's rarity, which grows with the seeds that mention it."""
    found = {
        row["entity"]: math.log1p(HUB / max(row["posts"] or 1, 1))
        / math.log1p(HUB)
        * math.log1p(row["seeds"])
        for row in rows
    }
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0]))[:WAYS])


def _widened(
    transaction: ManagedTransaction, weights: Mapping[int, float], known: Mapping[str, Any]
) -> dict[int, float]:
    """Return the entities with those that occur beside them, which are worth less."""
    wider = dict(weights)
    rows = transaction.run(cypher.BESIDE, {**known, "entities": [*weights], "hub": HUB, "fan": BESIDE})
    for row in rows:
        share = row["count"] / max(row["posts"] or 1, row["count"])
        worth = BESIDE_WEIGHT * weights[row["entity"]] * share
        if row["other"] not in weights:
            wider[row["other"]] = max(wider.get(row["other"], 0.0), worth)
    return wider


def _write(transaction: ManagedTransaction, drawn: Portrait, gone: Sequence[int]) -> None:
    def run(statement: str, rows: Any, name: str = "rows") -> list[Any]:
        rows = [*rows]
        return [*transaction.run(statement, {name: rows})] if rows else []

    before = {row["id"]: [*(row["named"] or ())] for row in run(cypher.POSTS, drawn.posts)}
    before |= {row["id"]: [*(row["named"] or ())] for row in run(cypher.COUNTED, gone, "ids")}
    run(cypher.CUT, drawn.named, "ids")
    known = {row["id"] for row in run(cypher.DRAWN, drawn.entities, "ids")}
    for kind, statement in cypher.ENTITIES.items():
        fresh = (one for one, row in drawn.entities.items() if row["kind"] == kind and one not in known)
        run(statement, fresh, "ids")
    run(cypher.DESCRIBE, drawn.entities.values())
    run(cypher.MENTIONS, drawn.mentions)
    run(cypher.STORIES, drawn.stories.values())
    run(cypher.IN_STORY, drawn.in_story)
    run(cypher.FAMILIES, drawn.families.values())
    run(cypher.SOURCES, drawn.sources.values())
    run(cypher.OF, drawn.of.values())
    run(cypher.FROM, drawn.from_)
    run(cypher.FORWARDED, drawn.forwarded)
    run(cypher.REPLIES, drawn.replies)
    changes = Counter[int]()
    for post, named in before.items():
        changes.update(drawn.named.get(post, ()))
        changes.subtract(named)
    run(cypher.TALLY, [{"id": one, "change": change} for one, change in sorted(changes.items()) if change])
    met = _met(before, drawn)
    run(cypher.CO_OCCURS, met)
    run(cypher.PARTED, [row for row in met if row["change"] < 0])
    run(cypher.UNNAMED, [one for one, change in sorted(changes.items()) if change < 0], "ids")
    run(cypher.NAMED, [{"id": post, "named": named} for post, named in drawn.named.items()])
    run(cypher.REMOVE, gone, "ids")


def _met(before: Mapping[int, Sequence[int]], drawn: Portrait) -> list[dict[str, Any]]:
    """Return by how much each pair of entities occurs together more often, or less, than was counted before."""
    changes = Counter[tuple[int, int]]()
    times: dict[tuple[int, int], tuple[datetime, datetime]] = {}
    for post, named in before.items():
        now, old = portrait.pairs(drawn.named.get(post, ())), portrait.pairs(named)
        changes.update(now)
        changes.subtract(old)
        for pair in now.keys() - old.keys():
            first, last = times.get(pair, (drawn.at[post], drawn.at[post]))
            times[pair] = min(first, drawn.at[post]), max(last, drawn.at[post])
    return [
        {
            "a": a,
            "b": b,
            "change": change,
            "first": times.get((a, b), (None, None))[0],
            "last": times.get((a, b), (None, None))[1],
        }
        for (a, b), change in sorted(changes.items())
        if change
    ]
