"""The tables of stories' lineage: which became one, which parted, and which told story each one shipped continued.

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


class StorySplit(Base):
    """That a story began ``at`` a moment with posts of another, ``of_id``, which proved to be two."""

    __tablename__ = "story_split"
    __table_args__ = (
        CheckConstraint("of_id < story_id", name="younger"),
        Index("ix_story_split_of_id", "of_id"),
        Index("ix_story_split_tenant_id", "tenant_id"),
    )
    story_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[int] = owned()
    of_id: Mapped[int] = mapped_column(ForeignKey("story.id", ondelete="CASCADE"))
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
        session.execute(update(StorySplit).where(StorySplit.of_id == gone).values(of_id=kept))
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


def parted(session: Session, tenant_id: int, new: int, of: int, now: datetime) -> None:
    """Write down that a story began with posts that another one had."""
    session.execute(insert(StorySplit).values(story_id=new, tenant_id=tenant_id, of_id=of, at=now))


def told_of(session: Session, told: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return where what was told is by now, by the story and the post that it was told of.

    That is where the story is, but where the post left it, with a part of it, the story that the post is in now.
    """
    homes = home(session, {story for story, _ in told})
    heirs = _heirs(session, set(homes.values()))
    left = {post for story, post in told if heirs[homes[story]]}
    query = select(Post.id, Post.story_id).where(Post.id.in_(left), Post.story_id.is_not(None))
    now_in = {row.id: row.story_id for row in session.execute(query)} if left else {}
    return {
        (story, post): now_in[post] if now_in.get(post) in heirs[homes[story]] else homes[story]
        for story, post in told
    }


def _heirs(session: Session, stories: Collection[int]) -> dict[int, set[int]]:
    """Return for each of ``stories`` those that have posts which left it, by one parting after the other."""
    parts: dict[int, set[int]] = {}
    fresh = set(stories)
    while fresh:
        query = select(StorySplit.of_id, StorySplit.story_id).where(StorySplit.of_id.in_(fresh))
        rows = session.execute(query).all()
        homes = home(session, {row.story_id for row in rows}) if rows else {}
        parts |= {one: set() for one in fresh}
        for row in rows:
            parts[row.of_id] |= {row.story_id, homes[row.story_id]}
        fresh = {one for held in parts.values() for one in held} - parts.keys()
    return {story: _reached(parts, story) for story in stories}


def _reached(parts: Mapping[int, set[int]], story: int) -> set[int]:
    found: set[int] = set()
    fresh = {story}
    while fresh:
        fresh = set[int]().union(*(parts[one] for one in fresh)) - found - {story}
        found |= fresh
    return found
