"""What was asked and what was answered: a row a question, and the turns of a session for as long as it lasts.

Rows are the tenant's, kept for `limits.MEMORY`. A session lives in Redis or Valkey alone: when that is down, a follow-up
finds nothing to lean on and is answered by itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import ForeignKey, Index, Integer, delete, func, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, Session, mapped_column

from domains import limits
from domains.answer import Told
from domains.fault import UNSENT
from domains.intent import Turn
from services.apikey import ApiKeyRow
from services.llm.table import Usage
from services.memo import Memo
from services.schema import Base, owned

# What a follow-up may lean on is never far back.
TURNS: Final = 8


class QueryRow(Base):
    """A question and its answer. ``key_id`` is the API key that asked, if one did."""

    __tablename__ = "query"
    __table_args__ = (
        Index("ix_query_tenant_id_at_id", "tenant_id", "at", "id"),
        Index("ix_query_at", "at"),
        Index("uq_query_request", "request", unique=True),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    key_id: Mapped[int | None] = mapped_column(ForeignKey(ApiKeyRow.id, ondelete="SET NULL"))
    request: Mapped[str]
    at: Mapped[datetime]
    question: Mapped[str]
    route: Mapped[str]
    path: Mapped[str]
    rung: Mapped[str]
    known: Mapped[bool]
    why: Mapped[str]
    support: Mapped[float]
    score: Mapped[float]
    calls: Mapped[int] = mapped_column(Integer)
    tokens: Mapped[int] = mapped_column(Integer)
    steps: Mapped[int] = mapped_column(Integer)
    elapsed_ms: Mapped[int] = mapped_column(Integer)
    escalation: Mapped[str] = mapped_column(server_default="")
    timing: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    sentences: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    missing: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))


def note(session: Session, tenant_id: int, told: Told, *, at: datetime, key_id: int | None = None) -> None:
    """Keep what was asked and answered."""
    session.add(
        QueryRow(
            tenant_id=tenant_id,
            key_id=key_id,
            request=told.request,
            at=at,
            question=told.question,
            route=told.route.name,
            path=told.path,
            rung=told.rung,
            known=told.known,
            why=told.why,
            support=told.support,
            score=told.score,
            calls=told.usage.calls,
            tokens=told.usage.tokens,
            steps=told.usage.steps,
            elapsed_ms=round(1000 * told.timing["total"]),
            escalation=told.escalation,
            timing=dict(told.timing),
            sentences=[msgspec.to_builtins(one) for one in told.sentences],
            missing=[msgspec.to_builtins(one) for one in told.missing],
        )
    )


def spent(session: Session, tenant_id: int, request: str) -> tuple[int, int]:
    """Return how many calls a request made that reached a provider, and their tokens, in and out."""
    unsent = (*UNSENT, "hit")
    row = session.execute(
        select(func.count(), func.coalesce(func.sum(Usage.input_tokens + Usage.output_tokens), 0)).where(
            Usage.tenant_id == tenant_id, Usage.request == request, Usage.outcome.not_in(unsent)
        )
    ).one()
    return int(row[0]), int(row[1])


def purge(session: Session, *, now: datetime) -> int:
    """Forget questions older than `limits.MEMORY`; return how many."""
    old = delete(QueryRow).where(QueryRow.at < now - limits.MEMORY).returning(QueryRow.id)
    return len(session.execute(old).all())


class Sessions:
    """The turns of a tenant's sessions, by a name that the client chose."""

    def __init__(self, cache: Memo, tenant_id: int) -> None:
        self._cache = cache.below(f"tenant:{tenant_id}:session:")

    def turns(self, name: str) -> tuple[Turn, ...]:
        """Return the session's turns, oldest first; () when there is none, or the cache is down."""
        value = self._cache.get(_key(name))
        if value is None:
            return ()
        try:
            return msgspec.json.decode(value, type=tuple[Turn, ...])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ()  # written by another version

    def add(self, name: str, before: Sequence[Turn], turn: Turn) -> None:
        """Remember the session with one more turn; it ends `limits.SESSION_S` after its last."""
        self._cache.put(_key(name), msgspec.json.encode([*before, turn][-TURNS:]), limits.SESSION_S)


def _key(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def timing(parts: Mapping[str, float]) -> dict[str, float]:
    """Return seconds by stage, rounded to a tenth of a millisecond."""
    return {name: round(seconds, 4) for name, seconds in parts.items()}
