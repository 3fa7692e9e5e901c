"""What a graph is drawn from: posts of Postgres with all they are connected with, as rows of parameters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any, Final

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from services.mention import Entity, MentionRow
from services.schema import Post, Source, Story

Row = dict[str, Any]
# Of a post that names more, the first so many are taken to have to do with each other.
PAIRED: Final = 12


@dataclass(slots=True)
class Portrait:
    """Posts of one tenant and their surroundings. ``named`` are each post's entities, in order of appearance."""

    posts: list[Row] = field(default_factory=list)
    stories: dict[int, Row] = field(default_factory=dict)
    in_story: list[Row] = field(default_factory=list)
    sources: dict[str, Row] = field(default_factory=dict)
    families: dict[str, Row] = field(default_factory=dict)
    of: dict[str, Row] = field(default_factory=dict)
    from_: list[Row] = field(default_factory=list)
    forwarded: list[Row] = field(default_factory=list)
    replies: list[Row] = field(default_factory=list)
    entities: dict[int, Row] = field(default_factory=dict)
    mentions: list[Row] = field(default_factory=list)
    named: dict[int, list[int]] = field(default_factory=dict)
    at: dict[int, datetime] = field(default_factory=dict)


def draw(session: Session, tenant_id: int, ids: Sequence[int]) -> Portrait:
    """Return the tenant's analysed posts among ``ids`` as they are now."""
    portrait = Portrait()
    rows = session.execute(
        select(Post, Source, Story)
        .join(Source, Source.id == Post.source_id)
        .outerjoin(Story, Story.id == Post.story_id)
        .where(
            Post.tenant_id == tenant_id,
            Post.id.in_(ids),
            Post.indexed_at.is_not(None),
            Post.boilerplate.is_(None),
        )
        .order_by(Post.id)
    ).all()
    for post, source, story in rows:
        portrait.posts.append({"id": post.id, "tenant": tenant_id, "at": post.at})
        portrait.at[post.id], portrait.named[post.id] = post.at, []
        _place(portrait, tenant_id, post, source)
        if story is not None:
            portrait.stories[story.id] = {
                "id": story.id,
                "tenant": tenant_id,
                "title": story.title,
                "first_at": story.first_at,
                "last_at": story.last_at,
            }
            portrait.in_story.append({"post": post.id, "story": story.id})
    _answers(session, portrait, tenant_id, [post for post, _, _ in rows])
    _names(session, portrait, tenant_id)
    return portrait


def pairs(named: Sequence[int]) -> Counter[tuple[int, int]]:
    """Return the pairs of a post's entities that occur together, each once, the lesser id first."""
    return Counter(combinations(sorted(set(named[:PAIRED])), 2))


def _place(portrait: Portrait, tenant_id: int, post: Post, source: Source) -> None:
    def known(name: str) -> str:
        key = f"{tenant_id}:{name}"
        portrait.sources[key] = {"id": key, "tenant": tenant_id, "name": name}
        return key

    key, family = known(source.name), f"{tenant_id}:{source.family}"
    portrait.families[family] = {"id": family, "tenant": tenant_id, "name": source.family}
    portrait.of[key] = {"source": key, "family": family}
    portrait.from_.append({"post": post.id, "source": key})
    if post.forwarded_from:
        portrait.forwarded.append({"post": post.id, "source": known(post.forwarded_from)})


def _answers(session: Session, portrait: Portrait, tenant_id: int, posts: Sequence[Post]) -> None:
    asked = {(post.source_id, post.reply_to): post.id for post in posts if post.reply_to}
    if not asked:
        return
    found = session.execute(
        select(Post.id, Post.source_id, Post.external_id).where(
            Post.tenant_id == tenant_id, tuple_(Post.source_id, Post.external_id).in_([*asked])
        )
    )
    rows = {(row.source_id, row.external_id): row.id for row in found}
    portrait.replies += [
        {"post": post.id, "of": rows[post.source_id, post.reply_to], "tenant": tenant_id}
        for post in posts
        if (post.source_id, post.reply_to) in rows
    ]


def _names(session: Session, portrait: Portrait, tenant_id: int) -> None:
    query = (
        select(MentionRow.post_id, Entity, func.count(), func.min(MentionRow.start))
        .join(Entity, Entity.id == MentionRow.entity_id)
        .where(MentionRow.post_id.in_([*portrait.named]), MentionRow.tenant_id == tenant_id)
        .group_by(MentionRow.post_id, Entity.id)
        .order_by(MentionRow.post_id, func.min(MentionRow.start))
    )
    for post_id, entity, count, _ in session.execute(query):
        portrait.named[post_id].append(entity.id)
        portrait.mentions.append({"post": post_id, "entity": entity.id, "count": count})
        portrait.entities[entity.id] = {
            "id": entity.id,
            "tenant": tenant_id,
            "kind": entity.kind,
            "name": entity.name,
            "key": entity.key,
        }
