"""The tables of stories' lineage: which became one, which parted, and which told story each one shipped continued."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from services.schema import Base, owned


class StoryRedirect(Base):
    """That a story proved to be another, older one, which has its posts since ``at``. It never leads to a redirect."""

    __tablename__ = "story_redirect"
    __table_args__ = (
        CheckConstraint("into_id < story_id", name="older"),
        Index("ix_story_redirect_into_id", "into_id"),
        Index("ix_story_redirect_tenant_id", "tenant_id"),
    )
    story_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[int] = owned()
    into_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"))
    at: Mapped[datetime]


class StorySplit(Base):
    """That a story's posts proved to tell two happenings: the smaller part went to ``story_id``, a story of its own."""

    __tablename__ = "story_split"
    __table_args__ = (
        Index("ix_story_split_of_id", "of_id"),
        Index("ix_story_split_tenant_id", "tenant_id"),
    )
    story_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[int] = owned()
    of_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=sql("now()"))


class StoryThread(Base):
    """That in a run's digest a story continued ``of_id``, which an earlier digest of the subscription told."""

    __tablename__ = "story_thread"
    __table_args__ = (Index("ix_story_thread_tenant_id", "tenant_id"),)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    story_id: Mapped[int] = mapped_column(primary_key=True)
    of_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
