"""The tables of money and models: budgets, what is held for calls under way, each attempt, and cached replies."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from services.schema import Base, owned


class Budget(Base):
    """One scope's budget. Counters are changed only under this row's lock; null limits are none.

    ``tenant_id`` is null for a provider's day, which all tenants share.
    """

    __tablename__ = "budget"
    __table_args__ = (UniqueConstraint("kind", "key"), Index("ix_budget_touched_at", "touched_at"))
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    key: Mapped[str]
    limit_calls: Mapped[int | None]
    limit_tokens: Mapped[int | None]
    limit_micros: Mapped[int | None]
    spent_calls: Mapped[int] = mapped_column(server_default="0")
    spent_tokens: Mapped[int] = mapped_column(server_default="0")
    spent_micros: Mapped[int] = mapped_column(server_default="0")
    reserved_calls: Mapped[int] = mapped_column(server_default="0")
    reserved_tokens: Mapped[int] = mapped_column(server_default="0")
    reserved_micros: Mapped[int] = mapped_column(server_default="0")
    touched_at: Mapped[datetime]


class Reservation(Base):
    """What one attempt holds in each of its ``budgets`` until it is settled or its lease runs out."""

    __tablename__ = "reservation"
    __table_args__ = (
        Index("ix_reservation_open", "lease_until", postgresql_where=sql("state IN ('held', 'sent')")),
        Index("ix_reservation_created_at", "created_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    run_id: Mapped[int | None]
    request: Mapped[str]
    entry: Mapped[dict[str, Any]]
    calls: Mapped[int]
    tokens: Mapped[int]
    micros: Mapped[int]
    budgets: Mapped[list[Any]]
    state: Mapped[str]
    lease_until: Mapped[datetime]
    created_at: Mapped[datetime]


class Usage(Base):
    """One physical attempt, or one answer from the cache (``outcome`` hit) with what it saved.

    ``outcome`` is ok, hit, lost (its worker died) or a kind of failure. ``cost_micros`` is in the budget's currency,
    ``cost`` in the provider's; both null when the price is unknown.
    """

    __tablename__ = "usage"
    __table_args__ = (
        Index("ix_usage_tenant_id_at", "tenant_id", "at"),
        Index("ix_usage_run_id", "run_id"),
        Index("uq_usage_reservation_id", "reservation_id", unique=True),
        Index("ix_usage_at", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    run_id: Mapped[int | None]
    reservation_id: Mapped[int | None]
    request: Mapped[str]
    purpose: Mapped[str]
    at: Mapped[datetime]
    rung: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    answered_model: Mapped[str | None]
    outcome: Mapped[str]
    status: Mapped[int | None] = mapped_column(Integer)
    input_tokens: Mapped[int] = mapped_column(server_default="0")
    output_tokens: Mapped[int] = mapped_column(server_default="0")
    cached_tokens: Mapped[int] = mapped_column(server_default="0")
    estimated: Mapped[bool] = mapped_column(server_default=sql("false"))
    cost_micros: Mapped[int | None]
    cost: Mapped[str | None]
    currency: Mapped[str | None]
    price_version: Mapped[str | None]
    saved_tokens: Mapped[int] = mapped_column(server_default="0")
    saved_micros: Mapped[int] = mapped_column(server_default="0")
    prompt_hash: Mapped[str]
    schema_sha256: Mapped[str | None]
    fingerprint: Mapped[str]
    latency_ms: Mapped[int]


class LlmReply(Base):
    """A finished, valid answer by the fingerprint of what was asked; ``body`` is the provider's, to be read again."""

    __tablename__ = "llm_reply"
    __table_args__ = (Index("ix_llm_reply_expires_at", "expires_at"),)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    model: Mapped[str]
    answered_model: Mapped[str]
    text: Mapped[str]
    body: Mapped[bytes]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost_micros: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    hits: Mapped[int] = mapped_column(server_default="0")
    saved_tokens: Mapped[int] = mapped_column(server_default="0")
    saved_micros: Mapped[int] = mapped_column(server_default="0")
