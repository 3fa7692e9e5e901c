"""The tables of stories' lineage: which became one, and which told story each one shipped continued.

A redirect leads from a story to an older one, and always to where its posts are now: where that one is taken in as well,
the redirects into it are led on in the same transaction. So they have no circle, and following one twice changes nothing.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.schema import Base, Post, Story, owned


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


class StoryThread(Base):
    """That in a run's digest a story continued ``of_id``, which an earlier digest of the subscription told."""

    __tablename__ = "story_thread"
    __table_args__ = (Index("ix_story_thread_tenant_id", "tenant_id"),)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    story_id: Mapped[int] = mapped_column(primary_key=True)
    of_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()


def redirect(session: Session, tenant_id: int, merged: Mapping[int, int], now: datetime) -> list[int]:
    """Write down that stories proved to be older ones, and give these their posts; return the posts that moved.

    ``merged`` leads from each to the one that stands at the end. That one's time grows by what it took in.
    """
    moved: list[int] = []
    for gone, kept in sorted(merged.items()):
        began = session.get_one(Story, gone)
        older = session.get_one(Story, kept)
        older.first_at = min(older.first_at, began.first_at)
        older.last_at = max(older.last_at, began.last_at)
        began.state = None
        session.execute(
            update(StoryRedirect).where(StoryRedirect.into_id == gone).values(into_id=kept, at=now)
        )
        row = {"story_id": gone, "tenant_id": tenant_id, "into_id": kept, "at": now}
        query = insert(StoryRedirect).values(row)
        session.execute(
            query.on_conflict_do_update(index_elements=["story_id"], set_={"into_id": kept, "at": now})
        )
        moved += session.scalars(
            update(Post).where(Post.story_id == gone).values(story_id=kept).returning(Post.id)
        ).all()
    return moved


def home(session: Session, stories: Collection[int]) -> dict[int, int]:
    """Return where stories are by now: each one's own row, or the story that it proved to be."""
    query = select(StoryRedirect.story_id, StoryRedirect.into_id).where(StoryRedirect.story_id.in_(stories))
    led: dict[int, int] = {row.story_id: row.into_id for row in session.execute(query)}
    return {story: led.get(story, story) for story in stories}
