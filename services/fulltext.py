"""Postgres full text over posts' lemmas: what answers when the vectors cannot, and a second opinion when they can.

A lexeme begins with its tenant's number, so that one GIN index serves all tenants and no look-up touches another's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, cast, func, literal, select, text, union_all
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from domains.lexical import Lexical
from domains.point import Scope
from services.item import Item
from services.shelving import PostText

# Posts that are looked at: those of a question's rarest words.
MATCHES: Final = 1_000
# Words of a question that are looked up; a longer question says enough with these.
WORDS: Final = 12
# How long Postgres's statistics are taken for the truth.
REMEMBERED_S: Final = 600.0
_PLANNED: Final = text("SET LOCAL plan_cache_mode = force_custom_plan")
_STATISTICS: Final = text(
    "SELECT c.reltuples AS posts, s.most_common_elems::text::text[] AS words, s.most_common_elem_freqs AS shares"
    " FROM pg_class c LEFT JOIN pg_stats s ON s.schemaname = c.relnamespace::regnamespace::text"
    " AND s.tablename = c.relname AND s.attname = 'lexemes' WHERE c.oid = 'post_text'::regclass"
)


def put(session: Session, items: Sequence[Item], lexical: Lexical) -> None:
    """Index posts anew; those that are there are replaced."""
    if not items:
        return
    values = [
        {
            "post_id": item.id,
            "tenant_id": item.tenant_id,
            "source_id": item.source,
            "lang": item.lang,
            "at": item.at,
            "words": [_lexeme(item.tenant_id, lemma) for lemma in lexical.lemmas(item.text, item.lang)],
        }
        for item in items
    ]
    columns: dict[str, Any] = {name: bindparam(name) for name in values[0] if name != "words"}
    made = func.array_to_tsvector(cast(bindparam("words"), ARRAY(Text)))
    fresh = insert(PostText).values(**columns, lexemes=made)
    session.connection().execute(
        fresh.on_conflict_do_update(
            index_elements=["post_id"],
            set_={name: fresh.excluded[name] for name in ("source_id", "lang", "at", "lexemes")},
        ),
        values,
    )


class FullText:
    """Searches posts' lemmas; remembers for a while which are common. Safe for threads."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._known = _Known({}, 0.0, 0.0)
        self._until = -math.inf

    def search(
        self, session: Session, lemmas: Sequence[str], scope: Scope, limit: int
    ) -> list[tuple[int, float]]:
        """Return up to ``limit`` (post, score > 0), best first: the rarity of the lemmas that a post holds, summed.

        Looked up are the rarest lemmas, until they lead to about `MATCHES` posts.
        """
        words = [_lexeme(scope.tenant_id, lemma) for lemma in lemmas[:WORDS]]
        if not words or limit <= 0:
            return []
        leading = self._leading(session, words)
        # A plan made for any word looks at every post; these are made for the words at hand.
        session.execute(_PLANNED)
        # One scan a word: a single query for all of them would have to look into every post again.
        scans = [
            select(literal(number).label("number"), PostText.post_id)
            .where(PostText.lexemes.bool_op("@@")(cast(literal(_quoted(word)), TSQUERY)), *_within(scope))
            .limit(MATCHES)
            .subquery()
            for number, word in enumerate(leading)
        ]
        every = union_all(*(select(scan) for scan in scans)).subquery()
        query = select(every.c.number, func.array_agg(every.c.post_id)).group_by(every.c.number)
        total: dict[int, float] = {}
        rows = session.execute(query).all()
        posts = max(self._known.posts, float(len({post for _, held in rows for post in held})))
        for _, held in rows:
            rare = math.log1p(max(posts - len(held) + 0.5, 0.0) / (len(held) + 0.5))
            for post in held:
                total[post] = total.get(post, 0.0) + rare
        best = sorted(total.items(), key=lambda one: (-one[1], one[0]))
        return best[:limit]

    def _leading(self, session: Session, words: Sequence[str]) -> list[str]:
        known = self._statistics(session)
        expected = sorted((known.share(word) * known.posts, word) for word in words)
        leading, posts = [expected[0][1]], expected[0][0]
        for more, word in expected[1:]:
            posts += more
            if posts > MATCHES:
                break
            leading.append(word)
        return leading

    def _statistics(self, session: Session) -> "_Known":
        if self._timer() >= self._until:
            row = session.execute(_STATISTICS).one()
            shares = dict(zip(row.words or (), row.shares or (), strict=False))
            self._known = _Known(shares, min(shares.values(), default=0.0) / 2, max(row.posts or 0.0, 0.0))
            self._until = self._timer() + REMEMBERED_S
        return self._known


@dataclass(frozen=True, slots=True)
class _Known:
    """The shares of posts that hold the commonest lexemes, as Postgres last counted them; ``least`` for all others."""

    shares: Mapping[str, float]
    least: float
    posts: float

    def share(self, word: str) -> float:
        return self.shares.get(word, self.least)


def _lexeme(tenant_id: int, lemma: str) -> str:
    return f"{tenant_id}:{lemma}"


def _quoted(word: str) -> str:
    """Return a lexeme as a query of its own; nothing in it is an operator."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    # Whose a post is, its lexemes say; an index by tenant would tempt the planner away from them.
    conditions: list[ColumnElement[bool]] = []
    if scope.sources is not None:
        conditions.append(PostText.source_id.in_(sorted(scope.sources)))
    if scope.langs:
        conditions.append(PostText.lang.in_(sorted(scope.langs)))
    if scope.since is not None:
        conditions.append(PostText.at >= scope.since)
    if scope.until is not None:
        conditions.append(PostText.at < scope.until)
    if scope.only is not None:
        conditions.append(PostText.post_id.in_(sorted(scope.only)))
    return conditions
