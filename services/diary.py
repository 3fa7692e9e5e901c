"""The tables of memory: what happened (episodes), what subscribers did (signals), what was concluded (personas)."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from services.schema import Base, owned


class Episode(Base):
    """An event of a run or a tenant, kept for ``limits.MEMORY``. A run that is removed leaves its episodes behind."""

    __tablename__ = "episode"
    __table_args__ = (
        # Each order in which it is read: a tenant's newest, those of one kind, a subscription's, a run's; by age.
        Index("ix_episode_tenant_id_at_id", "tenant_id", "at", "id"),
        Index("ix_episode_tenant_id_kind_at_id", "tenant_id", "kind", "at", "id"),
        Index("ix_episode_subscription_id_at_id", "subscription_id", "at", "id"),
        Index("ix_episode_run_id", "run_id"),
        Index("ix_episode_at", "at"),
        # Postgres writes a blank after each comma and colon that our encoder does not, hence twice the limit.
        CheckConstraint("octet_length(payload::text) <= 8192", name="payload_size"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("subscription.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"))
    kind: Mapped[str]
    cause: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    at: Mapped[datetime]


class Signal(Base):
    """Something a subscriber (who is a tenant's) did: append-only. What is taken back is a later signal of weight 0.

    ``kind`` is follow, mute, open or rate; ``target`` a source's name, a word, a language, a length, or a story's row.
    For a story ``text`` is what was told of it and ``sources`` who told it, so that nothing else need be kept.
    """

    __tablename__ = "signal"
    __table_args__ = (
        Index("ix_signal_subscriber_id_at_id", "subscriber_id", "at", "id"),
        Index("ix_signal_wish", "subscriber_id", "target_kind", "target", "at", "id",
              postgresql_where=sql("kind IN ('follow', 'mute')")),
        Index("ix_signal_ageing", "at", postgresql_where=sql("kind IN ('open', 'rate')")),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"))
    kind: Mapped[str]
    target_kind: Mapped[str]
    target: Mapped[str]
    weight: Mapped[float]
    at: Mapped[datetime]
    run_id: Mapped[int | None]
    text: Mapped[str] = mapped_column(server_default="")
    lang: Mapped[str] = mapped_column(server_default="und")
    sources: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    sentences: Mapped[int] = mapped_column(Integer, server_default="0")


class PersonaRow(Base):
    """A subscriber's interests as last computed; derived from signals and subscriptions, so it can be dropped.

    ``vector`` holds wishes, words and sources with weights and evidence (`domains.persona.Persona`); ``version`` grows
    when the persona does not stay the same. ``last_signal_id`` is the newest signal in it.
    """

    __tablename__ = "persona"
    __table_args__ = (Index("ix_persona_computed_at", "computed_at"),)
    subscriber_id: Mapped[int] = mapped_column(
        ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(Integer)
    vector: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    summary: Mapped[str] = mapped_column(server_default="")
    evidence: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    languages: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    sentences: Mapped[int | None] = mapped_column(Integer)
    last_signal_id: Mapped[int] = mapped_column(server_default="0")
    computed_at: Mapped[datetime]
