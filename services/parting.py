"""Parting stories that prove to be two: their posts get the story they are of, and what was told follows them.

    stories whose posts doubled ──▶ their newest posts ──▶ `domains.parting.parts` ──▶ the lesser part gets a new story

It belongs to the commit of the batch that brought the evidence: whoever repeats a lost batch parts the same.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import parting
from domains.story import Part, headline
from domains.vector import Vector
from services import lineage, recall
from services.recall import Memory
from services.schema import Post, Story


@dataclass(frozen=True, slots=True)
class _Read:
    """A post of a story as it is looked at."""

    id: int
    prose: str
    vector: Vector


def settle(
    session: Session, tenant_id: int, memory: Memory, stories: Iterable[int], now: datetime
) -> tuple[list[int], list[int]]:
    """Part those of a batch's stories that prove to be two; return the posts that moved and the stories that began.

    Call it when the batch's posts and stories are written: both parts' rows are right afterwards.
    """
    moved: list[int] = []
    begun: list[int] = []
    for story in sorted(stories):
        if not memory.stories.due(story):
            continue
        posts = _newest(session, memory, story)
        found = parting.parts([one.vector for one in posts])
        left = found and _part(session, tenant_id, memory, story, posts, found[1], now)
        if left:
            begun.append(left[0])
            moved += left[1]
        else:
            memory.stories.looked(story)
            _save(session, memory, story)
    return moved, begun


def _newest(session: Session, memory: Memory, story: int) -> list[_Read]:
    """Return a story's newest posts that repeat none, by time."""
    query = (
        select(Post.id, Post.source_id, Post.text, Post.lang)
        .where(Post.story_id == story, Post.duplicate_of.is_(None), Post.boilerplate.is_(None))
        .order_by(Post.at.desc(), Post.id.desc())
        .limit(parting.READ)
    )
    rows = [
        (row.id, recall.prose(memory, row.source_id, row.text), row.lang) for row in session.execute(query)
    ]
    return [
        _Read(row, prose, memory.vectoriser.again(prose, lang or "und"))
        for row, prose, lang in reversed(rows)
    ]


def _part(
    session: Session,
    tenant_id: int,
    memory: Memory,
    story: int,
    posts: Sequence[_Read],
    leaving: Collection[int],
    now: datetime,
) -> tuple[int, list[int]] | None:
    """Give those ``leaving``, by place in ``posts``, a new story; return it and the posts that moved.

    Returns None, and nothing is changed, when the two were one again at once.
    """
    gone = {posts[place].id for place in leaving}
    gone |= _repeats(session, story, gone)
    stays = [one for one in posts if one.id not in gone]
    leaves = [one for one in posts if one.id in gone]
    new: int = session.execute(select(func.nextval(func.pg_get_serial_sequence("story", "id")))).scalar_one()
    parts = {
        story: _as_part(session, Post.id.not_in(gone), story, stays),
        new: _as_part(session, Post.id.in_(gone), story, leaves),
    }
    if not memory.stories.part(story, parts[story], new, parts[new]):
        return None
    session.execute(
        insert(Story).values(
            id=new,
            tenant_id=tenant_id,
            title=headline(leaves[0].prose),
            first_at=now,
            last_at=now,
            state=None,
        )
    )
    session.execute(update(Post).where(Post.id.in_(gone)).values(story_id=new))
    for number, part in parts.items():
        _save(session, memory, number, first_at=part.first_at, last_at=part.last_at)
    if posts[0].id in gone and len(posts) < parting.READ:
        # Its title was of a post that left.
        session.execute(update(Story).where(Story.id == story).values(title=headline(stays[0].prose)))
    memory.stories_of.update(dict.fromkeys(gone, new))
    lineage.parted(session, tenant_id, new, story, now)
    return new, sorted(gone)


def _repeats(session: Session, story: int, posts: Collection[int]) -> set[int]:
    """Return the posts of a story that repeat some of its ``posts``, or each other."""
    found: set[int] = set()
    fresh = set(posts)
    while fresh:
        query = select(Post.id).where(Post.story_id == story, Post.duplicate_of.in_(fresh))
        fresh = set(session.scalars(query)) - found - set(posts)
        found |= fresh
    return found


def _as_part(session: Session, which: ColumnElement[bool], story: int, posts: Sequence[_Read]) -> Part:
    first, last, count = session.execute(
        select(func.min(Post.at), func.max(Post.at), func.count()).where(Post.story_id == story, which)
    ).one()
    return Part(first, last, count, [one.vector for one in posts])


def _save(session: Session, memory: Memory, story: int, **values: Any) -> None:
    state = memory.stories.story_state(story) if story in memory.stories else None
    session.execute(update(Story).where(Story.id == story).values(state=state, **values))
