"""The tables. Postgres is the truth: what is not here can be rebuilt from here.

Every row that stands for work carries `Work`: a state, a lease and a next time (law 1).
Times are ``timestamptz``; spans are offsets in code points.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
STATES = ("due", "leased", "done", "dead", "held", "unknown")
OPEN_LETTER = "state IN ('pending', 'leased', 'scheduled', 'permanent')"


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads this class attribute, nobody writes it
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        bytes: LargeBinary,
        float: Float,
    }


class Work:
    """A row that is work.

    ``due`` waits for ``next_at``; ``leased`` is being done by ``lease_owner`` until ``lease_until``; ``dead`` has an
    open dead letter; ``held`` was stopped by a gate; ``unknown`` may have been sent. ``expiries`` counts leases that
    ran out, which is how a worker's death is noticed.
    """

    state: Mapped[str] = mapped_column(server_default="due")
    next_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))
    lease_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    expiries: Mapped[int] = mapped_column(SmallInteger, server_default="0")


def polled(name: str) -> Index:
    """Return the partial index that sweeps of a `Work` table read."""
    return Index(f"ix_{name}_polled", "next_at", postgresql_where=sql("state IN ('due', 'leased')"))


class Tenant(Work, Base):
    """Who owns everything else. ``live`` is false for a backtest, which sweeps leave alone.

    Its `Work` is indexing: one worker at a time assigns a tenant's posts to stories, in order. ``vocabulary`` is what
    the vectoriser had learned by ``learned_at``; what came later is learned again by whoever takes over.
    """

    __tablename__ = "tenant"
    __table_args__ = (polled("tenant"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    live: Mapped[bool] = mapped_column(server_default=sql("true"))
    generation: Mapped[int] = mapped_column(server_default="0")
    vocabulary: Mapped[bytes | None]
    learned_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))


def owned() -> Mapped[int]:
    """Return the column that says whose a row is."""
    return mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"))


class Source(Work, Base):
    """Where posts come from, how it is doing, and what its boilerplate looks like (``profile``).

    One that is ``paused`` or was removed is not fetched (its state is held or done); its posts stay.
    """

    __tablename__ = "source"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), polled("source"))
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    name: Mapped[str]
    kind: Mapped[str]
    url: Mapped[str | None]
    family: Mapped[str]
    polled: Mapped[bool] = mapped_column(server_default=sql("false"))
    interval_s: Mapped[float] = mapped_column(server_default="900")
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    cursor: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    profile: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    last_success_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))
    paused: Mapped[bool] = mapped_column(server_default=sql("false"))
    removed_at: Mapped[datetime | None]


class Post(Base):
    """A post in its newest version; older ones are `PostVersion`. ``indexed_at`` is null until analysed."""

    __tablename__ = "post"
    __table_args__ = (
        UniqueConstraint("source_id", "external_id"),
        Index("ix_post_tenant_id_at", "tenant_id", "at"),
        Index("ix_post_unindexed", "tenant_id", "at", "id", postgresql_where=sql("indexed_at IS NULL")),
        Index("ix_post_story_id", "story_id"),
        Index("ix_post_duplicate_of", "duplicate_of"),
        Index("ix_post_stored", "tenant_id", "stored_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    stored_at: Mapped[datetime]
    text: Mapped[str]
    title: Mapped[str | None]
    url: Mapped[str | None]
    author: Mapped[str | None]
    reply_to: Mapped[str | None]
    forwarded_from: Mapped[str | None]
    links: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    flags: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    lang: Mapped[str | None]
    sha256: Mapped[str]
    exact: Mapped[str | None]
    sketch: Mapped[bytes | None]
    sentences: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("post.id", ondelete="SET NULL"))
    boilerplate: Mapped[str | None]
    story_id: Mapped[int | None] = mapped_column(ForeignKey("story.id", ondelete="SET NULL"))
    indexed_at: Mapped[datetime | None]


class PostVersion(Base):
    """What a post said before it was edited."""

    __tablename__ = "post_version"
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str]
    sha256: Mapped[str]
    at: Mapped[datetime]
    stored_at: Mapped[datetime]


class Media(Base):
    """A photo or file that a post names; ``state`` is absent or present."""

    __tablename__ = "media"
    __table_args__ = (UniqueConstraint("post_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    kind: Mapped[str]
    name: Mapped[str]
    path: Mapped[str | None]
    mime: Mapped[str | None]
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    sha256: Mapped[str | None]
    phash: Mapped[str | None]
    state: Mapped[str]


class Story(Base):
    """What several posts are about. ``state`` is the clusterer's, kept while the story is active."""

    __tablename__ = "story"
    __table_args__ = (Index("ix_story_tenant_id_last_at", "tenant_id", "last_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    title: Mapped[str]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    state: Mapped[bytes | None]


class Subscriber(Base):
    """Somebody who is sent digests."""

    __tablename__ = "subscriber"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))


class Subscription(Base):
    """What a subscriber gets, when and where.

    Windows tile time from ``starts_at``; all before ``covered_until`` have their run. ``cron`` holds expressions with
    "; " between them, ``phrase`` the words that they were read from; nothing is sent in ``quiet_hours`` of ``zone``.
    Windows that closed before ``active_since`` are caught up with, and never late.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("(cron IS NULL) <> (period_s IS NULL)", name="one_schedule"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id", ondelete="CASCADE"))
    name: Mapped[str]
    domain: Mapped[str] = mapped_column(server_default="digest")
    zone: Mapped[str]
    cron: Mapped[str | None]
    period_s: Mapped[float | None]
    catch_up: Mapped[str] = mapped_column(server_default="each")
    sources: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    channels: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    starts_at: Mapped[datetime]
    covered_until: Mapped[datetime]
    paused: Mapped[bool] = mapped_column(server_default=sql("false"))
    phrase: Mapped[str | None]
    quiet_hours: Mapped[str | None]
    removed_at: Mapped[datetime | None]
    active_since: Mapped[datetime] = mapped_column(server_default=sql("now()"))


class Run(Work, Base):
    """One window of one subscription. What a ``silent`` one makes is kept and sent to nobody.

    ``changed`` is what an operator set for this run alone, over what the subscription says.
    """

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("subscription_id", "window_end"),
        CheckConstraint("window_start < window_end", name="window"),
        polled("run"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscription.id", ondelete="CASCADE"))
    domain: Mapped[str]
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))
    ended_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    why: Mapped[str | None]
    rung: Mapped[str | None]
    score: Mapped[float | None]
    digest_sha256: Mapped[str | None] = mapped_column(ForeignKey("artifact.sha256"))
    silent: Mapped[bool] = mapped_column(server_default=sql("false"))
    changed: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))


class RunStep(Base):
    """A checkpoint: append-only; a step that stands here is never computed again."""

    __tablename__ = "run_step"
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(ForeignKey("artifact.sha256"))
    at: Mapped[datetime]
    elapsed_ms: Mapped[int] = mapped_column(Integer)


class Artifact(Base):
    """A body by the SHA-256 of its uncompressed bytes; ``body`` is zlib-compressed."""

    __tablename__ = "artifact"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[bytes]
    bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))


class Claim(Base):
    """A shipped sentence and the span of a post that supports it. ``place`` is its path in the digest."""

    __tablename__ = "claim"
    __table_args__ = (Index("ix_claim_post_id", "post_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    story_id: Mapped[int]
    place: Mapped[str]
    sentence: Mapped[str]
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    post_version: Mapped[int] = mapped_column(Integer)
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)


class Fate(Base):
    """What a run did with a post of its window: shown (``reason`` null) or dropped, and why. The drop ledger."""

    __tablename__ = "fate"
    __table_args__ = (Index("ix_fate_post_id", "post_id"),)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    reason: Mapped[str | None]
    of_id: Mapped[int | None]
    detail: Mapped[str] = mapped_column(server_default="")


class Delivery(Work, Base):
    """One digest to one channel, once.

    ``sending_at`` stands while a part is on its way; ``progress`` is what became of each part (`domains.delivery`).
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("run_id", "channel"),
        polled("delivery"),
        Index("ix_delivery_unknown", "tenant_id", "id", postgresql_where=sql("state = 'unknown'")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    channel: Mapped[str]
    target: Mapped[str]
    sending_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    receipt: Mapped[dict[str, Any] | None]
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))


class DeadLetter(Base):
    """A failure that is kept: what failed, how often, and when it is tried again (states in `domains.dlq`).

    ``payload`` is what the work was given when it failed, without secrets. Letters of a ``lane`` (a subscription's
    digests, or its deliveries to one channel) are tried in order of ``turn``. ``bulk_id`` stands while one waits for its
    turn in a bulk replay: the audit's row of it.
    """

    __tablename__ = "dead_letter"
    __table_args__ = (
        Index("uq_dead_letter_open", "task", "row_id", unique=True, postgresql_where=sql(OPEN_LETTER)),
        Index("ix_dead_letter_due", "next_at", postgresql_where=sql("state = 'scheduled'")),
        Index("ix_dead_letter_waiting", "tenant_id", "id", postgresql_where=sql(OPEN_LETTER)),
        Index("ix_dead_letter_under_way", "task", "row_id", postgresql_where=sql("state IN ('pending', 'leased')")),
        Index("ix_dead_letter_closed", "updated_at", postgresql_where=sql("state IN ('resolved', 'discarded')")),
        Index("ix_dead_letter_lane", "lane", "turn", postgresql_where=sql("lane IS NOT NULL")),
        Index("ix_dead_letter_bulk", "bulk_id", "next_at", postgresql_where=sql("bulk_id IS NOT NULL")),
        Index("ix_dead_letter_fingerprint", "fingerprint"),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    task: Mapped[str]
    row_id: Mapped[int]
    kind: Mapped[str]
    error: Mapped[str]
    message: Mapped[str]
    traceback: Mapped[str]
    place: Mapped[str] = mapped_column(server_default="")
    fingerprint: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    lane: Mapped[str | None]
    turn: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(Integer)
    state: Mapped[str]
    next_at: Mapped[datetime | None]
    bulk_id: Mapped[int | None]
    created_at: Mapped[datetime]
    failed_at: Mapped[datetime] = mapped_column(server_default=sql("now()"))
    updated_at: Mapped[datetime]
    history: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
