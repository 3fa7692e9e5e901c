"""The tables of trends: who watches a tenant's stream, what was found, how each trend moved, whom it was told."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from services.schema import Base, Work, owned, polled


class Watch(Work, Base):
    """The watch over one tenant's stream; its `Work` is detection. Ticks before ``settled_until`` are never read again."""

    __tablename__ = "watch"
    __table_args__ = (UniqueConstraint("tenant_id"), polled("watch"))
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    settled_until: Mapped[datetime | None]


class Trend(Base):
    """A trend: a ``wave`` of a ``unit`` ("s:17", "n:name"). Its state is that of its last point.

    ``p_value`` is for one unit on one day, ``tests`` how many units there were; ``posts`` are its first posts' rows.
    """

    __tablename__ = "trend"
    __table_args__ = (
        UniqueConstraint("tenant_id", "unit", "wave"),
        Index("ix_trend_tenant_id_began_at", "tenant_id", "began_at"),
        Index("ix_trend_story_id", "story_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    unit: Mapped[str]
    wave: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]
    title: Mapped[str]
    story_id: Mapped[int | None] = mapped_column(ForeignKey("story.id", ondelete="SET NULL"))
    since: Mapped[datetime]
    began_at: Mapped[datetime]
    p_value: Mapped[float]
    tests: Mapped[int] = mapped_column(Integer)
    families: Mapped[int] = mapped_column(Integer)
    posts: Mapped[list[Any]]
    also: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))


class TrendPoint(Base):
    """A trend's change of state. Until ``settled``, late posts may still take it back."""

    __tablename__ = "trend_point"
    __table_args__ = (UniqueConstraint("trend_id", "at", "state"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    trend_id: Mapped[int] = mapped_column(ForeignKey("trend.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    state: Mapped[str]
    settled: Mapped[bool]
    posts: Mapped[int] = mapped_column(Integer)
    families: Mapped[int] = mapped_column(Integer)
    velocity: Mapped[float]
    acceleration: Mapped[float]
    expected: Mapped[float | None]
    expected_low: Mapped[int | None] = mapped_column(Integer)
    expected_high: Mapped[int | None] = mapped_column(Integer)


class TrendRefusal(Base):
    """What was unusual enough and yet no trend, and why."""

    __tablename__ = "trend_refusal"
    __table_args__ = (UniqueConstraint("tenant_id", "unit", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    unit: Mapped[str]
    at: Mapped[datetime]
    why: Mapped[str]
    p_value: Mapped[float]
    posts: Mapped[list[Any]]


class TrendAlert(Base):
    """That a subscriber is to be told of a trend, once. It outlives a trend that is taken back.

    ``subscription_id`` says through which of the subscriber's, ``run_id`` which run told it.
    """

    __tablename__ = "trend_alert"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "unit", "wave"),
        Index("ix_trend_alert_subscriber_id_at", "subscriber_id", "at"),
        Index("ix_trend_alert_trend_id", "trend_id"),
        Index("ix_trend_alert_subscription_id", "subscription_id"),
        Index("ix_trend_alert_run_id", "run_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"))
    trend_id: Mapped[int | None] = mapped_column(ForeignKey("trend.id", ondelete="SET NULL"))
    unit: Mapped[str]
    wave: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("subscription.id", ondelete="SET NULL"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", ondelete="SET NULL"))


class TrendCard(Work, Base):
    """The card of a trend's wave: what it is about, in verified sentences. Its `Work` is writing it.

    ``edition`` counts how often it was asked for, ``posts`` how many the trend had then; ``sha256`` is the last card that
    was kept, ``decision`` and ``why`` how the last edition ended. A trend that is taken back and found again has the same.
    """

    __tablename__ = "trend_card"
    __table_args__ = (UniqueConstraint("tenant_id", "unit", "wave"), polled("trend_card"))
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    unit: Mapped[str]
    wave: Mapped[int] = mapped_column(Integer)
    edition: Mapped[int] = mapped_column(Integer, server_default="1")
    posts: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    why: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(ForeignKey("artifact.sha256"))


class TrendCardStep(Base):
    """A checkpoint of a card's edition: append-only; a step that stands here is never computed again."""

    __tablename__ = "trend_card_step"
    card_id: Mapped[int] = mapped_column(ForeignKey("trend_card.id", ondelete="CASCADE"), primary_key=True)
    edition: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(ForeignKey("artifact.sha256"))
    at: Mapped[datetime]
    elapsed_ms: Mapped[int] = mapped_column(Integer)
