"""Postgres full text over posts' lemmas: what answers when the vectors cannot, and a second opinion when they can.

A lexeme begins with its tenant's number, so that one GIN index serves all tenants and no look-up touches another's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import TextClause, bindparam, cast, func, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from domains.lexical import Lexical
from domains.point import Scope
from services.item import Item
from services.shelving import PostText

# Posts that are looked at: those of a question's rarest words.
MATCHES: Final = 500
# Words of a question that are looked up; a longer question says enough with these.
WORDS: Final = 12
# How long Postgres's statistics are taken for the truth.
REMEMBERED_S: Final = 600.0
# Words of which a process remembers, beside the statistics, how many posts it met.
LEARNT: Final = 50_000
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
    """Searches posts' lemmas; remembers for a while which are common. Safe for threads.

    Postgres counts the commonest words of all tenants together, and some time after they came; what a small or new
    tenant's common words are, the searches themselves tell.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._known = _Known({}, 0.0, 0.0)
        self._until = -math.inf
        self._learnt: dict[str, int] = {}

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
        rows = session.execute(*_scans(leading, scope)).all()
        self._learn({leading[number]: len(held) for number, held in rows})
        total: dict[int, float] = {}
        posts = max(self._known.posts, float(len({post for _, held in rows for post in held})))
        for _, held in rows:
            rare = math.log1p(max(posts - len(held) + 0.5, 0.0) / (len(held) + 0.5))
            for post in held:
                total[post] = total.get(post, 0.0) + rare
        best = sorted(total.items(), key=lambda one: (-one[1], one[0]))
        return best[:limit]

    def _leading(self, session: Session, words: Sequence[str]) -> list[str]:
        known = self._statistics(session)
        expected = sorted(
            (max(known.share(word) * known.posts, self._learnt.get(word, 0)), word) for word in words
        )
        leading, posts = [expected[0][1]], expected[0][0]
        for more, word in expected[1:]:
            posts += more
            if posts > MATCHES:
                break
            leading.append(word)
        return leading

    def _learn(self, met: Mapping[str, int]) -> None:
        if len(self._learnt) > LEARNT:
            self._learnt = {}
        # A filter hides some of a word's posts, so that the most ever met is nearest to the truth.
        self._learnt |= {word: max(posts, self._learnt.get(word, 0)) for word, posts in met.items()}

    def _statistics(self, session: Session) -> "_Known":
        if self._timer() >= self._until:
            self._learnt = {}
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


def _scans(words: Sequence[str], scope: Scope) -> tuple[TextClause, dict[str, Any]]:
    """Return the query of (number of the word, posts), and its values: one scan of the index a word.

    A single scan for all words would have to look into every post again to tell which of them it holds. Whose a post
    is, its lexemes say; an index by tenant would tempt the planner away from them.
    """
    within = ""
    values: dict[str, Any] = {f"w{number}": _quoted(word) for number, word in enumerate(words)}
    for condition, name, value in (
        ("source_id = ANY(:sources)", "sources", scope.sources and sorted(scope.sources)),
        ("lang = ANY(:langs)", "langs", sorted(scope.langs) or None),
        ("at >= :since", "since", scope.since),
        ("at < :until", "until", scope.until),
        ("post_id = ANY(:only)", "only", scope.only and sorted(scope.only)),
    ):
        if value is not None:
            within += f" AND {condition}"
            values[name] = [*value] if isinstance(value, frozenset) else value
    scans = " UNION ALL ".join(
        f"(SELECT {number} AS number, post_id FROM post_text"
        f" WHERE lexemes @@ CAST(:w{number} AS tsquery){within} LIMIT {MATCHES})"
        for number in range(len(words))
    )
    return text(f"SELECT number, array_agg(post_id) FROM ({scans}) AS found GROUP BY number"), values
