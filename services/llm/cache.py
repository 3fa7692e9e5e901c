"""Answers that were finished and valid, kept by everything that can change them, so that they are paid for once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from domains.fault import Usage
from domains.llm import Model, Reply
from domains.ports import Clock
from services.database import Database
from services.llm.table import LlmReply

KEEP_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A cached reply and what asking again would have cost; None when its price was unknown."""

    reply: Reply
    cost_micros: int | None


class ReplyCache:
    """Replies in Postgres, each tenant's own; ``keep_s`` after which a reply is asked for again."""

    def __init__(self, database: Database, clock: Clock, keep_s: float = KEEP_S) -> None:
        self._database = database
        self._clock = clock
        self._keep = timedelta(seconds=keep_s)

    def get(self, tenant_id: int, fingerprint: str) -> Kept | None:
        """Return the kept reply, or None. The caller checks it again and then says `hit`."""
        with self._database.transaction() as session:
            row = session.scalar(
                select(LlmReply).where(
                    LlmReply.tenant_id == tenant_id,
                    LlmReply.fingerprint == fingerprint,
                    LlmReply.expires_at > self._clock.now(),
                )
            )
        if row is None:
            return None
        usage = Usage(row.input_tokens, row.output_tokens)
        return Kept(Reply(row.text, row.answered_model, usage, row.body, cached=True), row.cost_micros)

    def hit(self, tenant_id: int, fingerprint: str, kept: Kept) -> None:
        """Count an answer that was not paid for again."""
        with self._database.transaction() as session:
            session.execute(
                update(LlmReply)
                .where(LlmReply.tenant_id == tenant_id, LlmReply.fingerprint == fingerprint)
                .values(
                    hits=LlmReply.hits + 1,
                    saved_tokens=LlmReply.saved_tokens + kept.reply.usage.tokens,
                    saved_micros=LlmReply.saved_micros + (kept.cost_micros or 0),
                )
            )

    def put(
        self, tenant_id: int, fingerprint: str, model: Model, reply: Reply, cost_micros: int | None
    ) -> None:
        """Keep an accepted reply; a fresh one of the same fingerprint stays, an expired one is replaced."""
        now = self._clock.now()
        fresh = {
            "provider": model.provider,
            "model": model.model,
            "answered_model": reply.model,
            "text": reply.text,
            "body": reply.body,
            "input_tokens": reply.usage.input_tokens,
            "output_tokens": reply.usage.output_tokens,
            "cost_micros": cost_micros,
            "created_at": now,
            "expires_at": now + self._keep,
        }
        key = {"tenant_id": tenant_id, "fingerprint": fingerprint}
        with self._database.transaction() as session:
            session.execute(
                insert(LlmReply)
                .values(**key, **fresh)
                .on_conflict_do_update(index_elements=list(key), set_=fresh, where=LlmReply.expires_at <= now)
            )

    def purge(self, now: datetime) -> int:
        """Delete what has expired; return how many."""
        with self._database.transaction() as session:
            gone = delete(LlmReply).where(LlmReply.expires_at <= now).returning(LlmReply.fingerprint)
            return len(session.execute(gone).all())
