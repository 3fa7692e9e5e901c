"""What an indexer remembers of a tenant's posts, and how it is brought back from Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from domains import boilerplate, limits
from domains.boilerplate import Profile
from domains.fingerprint import DuplicateIndex
from domains.ports import Language
from domains.story import StoryIndex
from domains.vector import Vectoriser
from services.schema import Post, Source, Story, Tenant

REMEMBERED: Final = max(limits.STORY_WINDOW, limits.DUPLICATE_WINDOW)


@dataclass(frozen=True, slots=True)
class Raw:
    """A post as it is read for analysis. ``hint`` is the language that its source claimed."""

    id: int
    source: int
    external_id: str
    at: datetime
    text: str
    hint: str | None
    reply_to: str | None
    story: int | None


@dataclass(slots=True)
class Memory:
    """What is remembered as of ``generation``; ``unsaved`` posts were learned since it was last written down."""

    generation: int
    vectoriser: Vectoriser
    profiles: dict[int, Profile] = field(default_factory=dict)
    repeats: DuplicateIndex = field(default_factory=DuplicateIndex)
    stories: StoryIndex = field(default_factory=StoryIndex)
    stories_of: dict[int, int] = field(default_factory=dict)
    unsaved: int = 0


def unindexed(session: Session, tenant_id: int, until: datetime, limit: int) -> list[Raw]:
    """Return the next posts to be analysed, by time: new ones, and edited ones once more."""
    query = _raws().where(Post.tenant_id == tenant_id, Post.indexed_at.is_(None), Post.at < until)
    return [Raw(*row) for row in session.execute(query.order_by(Post.at, Post.id).limit(limit))]


def answered(session: Session, raws: Sequence[Raw]) -> dict[tuple[int, str], int]:
    """Return the stories of the posts that these answer, by source and the source's own id."""
    keys = {(raw.source, raw.reply_to) for raw in raws if raw.reply_to}
    rows = session.execute(
        select(Post.source_id, Post.external_id, Post.story_id).where(
            tuple_(Post.source_id, Post.external_id).in_(keys), Post.story_id.is_not(None)
        )
    )
    return {(source, external_id): story for source, external_id, story in rows if story is not None}


def learn(memory: Memory, raws: Sequence[Raw]) -> None:
    """Learn what the sources of these posts write under them."""
    by_source: dict[int, list[str]] = {}
    for raw in raws:
        by_source.setdefault(raw.source, []).append(raw.text)
    for source, texts in by_source.items():
        memory.profiles[source] = memory.profiles.get(source, Profile()).learn(texts)
    memory.unsaved += len(raws)


def remember(session: Session, tenant_id: int, generation: int, language: Language, now: datetime) -> Memory:
    """Return the memory of a tenant: what was written down, and what came since learned again in its order."""
    tenant = session.get_one(Tenant, tenant_id)
    memory = Memory(generation, Vectoriser(language.lemma))
    query = _raws().add_columns(Post.lang, Post.duplicate_of, Post.boilerplate)
    query = query.where(Post.tenant_id == tenant_id, Post.indexed_at.is_not(None))
    since = query
    if tenant.vocabulary is not None and tenant.learned_at is not None:
        memory.vectoriser.load(tenant.vocabulary)
        for source, profile in session.execute(
            select(Source.id, Source.profile).where(Source.tenant_id == tenant_id)
        ):
            memory.profiles[source] = msgspec.convert(profile, Profile)
        since = query.where(Post.indexed_at > tenant.learned_at)
    later = session.execute(since.order_by(Post.indexed_at, Post.at, Post.id)).all()
    learn(memory, [Raw(*row[:8]) for row in later])
    for row in later:
        if row.duplicate_of is None and row.boilerplate is None:
            memory.vectoriser.vector(prose(memory, row.source_id, row.text), row.lang or "und")
    recent = query.where(Post.at >= now - REMEMBERED, Post.boilerplate.is_(None)).order_by(Post.at, Post.id)
    originals: list[tuple[int, datetime, str]] = []
    for row in session.execute(recent):
        if row.story_id is not None:
            memory.stories_of[row.id] = row.story_id
        if row.duplicate_of is None:
            originals.append((row.id, row.at, prose(memory, row.source_id, row.text)))
    memory.repeats.restore(originals)
    active = select(Story.id, Story.state).where(
        Story.tenant_id == tenant_id, Story.last_at >= now - REMEMBERED, Story.state.is_not(None)
    )
    memory.stories.restore((story, state) for story, state in session.execute(active) if state is not None)
    return memory


def prose(memory: Memory, source: int, text: str) -> str:
    """Return a post's text without its source's boilerplate as it is known now."""
    mask = memory.profiles[source].mask(text) if source in memory.profiles else ()
    return boilerplate.unmasked(text, mask)


def _raws() -> Select[int, int, str, datetime, str, str | None, str | None, int | None]:
    return select(
        Post.id, Post.source_id, Post.external_id, Post.at, Post.text, Post.lang, Post.reply_to, Post.story_id
    )
