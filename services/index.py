"""Analysing posts in order: language, sentences, boilerplate, repeats, stories.

    claim a tenant ─▶ batch of unindexed posts, by time ─▶ analyse in memory ─▶ one fenced commit ─▶ next batch

What an indexer remembers between posts (profiles, repeats, stories) is derived: it is rebuilt from Postgres when another
process has indexed this tenant meanwhile, which the tenant's generation tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from domains import boilerplate, limits
from domains.boilerplate import Profile
from domains.fingerprint import DuplicateIndex, Sketch, exact_hash
from domains.fitness import QUOTABLE, fitness, trim
from domains.ports import Clock, Language
from domains.post import Span
from domains.story import StoryIndex
from services import work
from services.database import Database
from services.schema import Post, Source, Story, Tenant

BATCH: Final = 300
TITLE_CHARS: Final = 140
REMEMBERED: Final = max(limits.STORY_WINDOW, limits.DUPLICATE_WINDOW) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Raw:
    """A post as it is read for analysis. ``hint`` is the language that its source claimed."""

    id: int
    source: int
    external_id: str
    at: datetime
    text: str
    title: str | None
    hint: str | None
    reply_to: str | None
    story: int | None


@dataclass(slots=True)
class _Memory:
    """What is remembered of a tenant's posts as of ``generation``. ``of`` is the story of each remembered post."""

    generation: int
    profiles: dict[int, Profile] = field(default_factory=dict)
    repeats: DuplicateIndex = field(default_factory=DuplicateIndex)
    stories: StoryIndex = field(default_factory=StoryIndex)
    of: dict[int, int] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """What a batch's analysis wants written."""

    posts: list[dict[str, Any]] = field(default_factory=list)
    begun: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)


class Indexer:
    """Analyses posts; one per process, not safe for threads."""

    def __init__(self, database: Database, clock: Clock, language: Language, lease_s: float) -> None:
        self._database, self._clock, self._language, self._lease_s = database, clock, language, lease_s
        self._memories: dict[int, _Memory] = {}

    def catch_up(self, lease: work.Lease) -> int:
        """Analyse every post of a claimed tenant up to now, settle the lease, and return how many there were.

        Raises LeaseLostError when another worker took over; what is committed by then stands.
        """
        count = 0
        while True:
            with self._database.transaction() as session:
                raws = _unindexed(session, lease.id, self._clock.now())
                generation = session.scalar(select(Tenant.generation).where(Tenant.id == lease.id)) or 0
                if not raws:
                    work.settle(session, lease, "done", next_at=self._clock.now())
                    return count
            # While a batch is worked on, its memory is out of the cupboard: a failure leaves none that is half changed.
            memory = self._memories.pop(lease.id, None)
            if memory is None or memory.generation != generation:
                memory = self._remember(lease.id, generation)
            self._reserve(memory, len(raws))
            batch = self._analyse(memory, raws)
            with self._database.transaction() as session:
                work.extend(session, lease, now=self._clock.now(), lease_s=self._lease_s)
                _write(session, lease.id, memory, batch, self._clock.now())
            memory.generation = generation + 1
            self._memories[lease.id] = memory
            count += len(raws)

    def _reserve(self, memory: _Memory, count: int) -> None:
        """Make sure that there are numbers for as many stories as may begin."""
        missing = count - len(memory.ids)
        if missing > 0:
            with self._database.transaction() as session:
                sequence = text(
                    "SELECT nextval(pg_get_serial_sequence('story', 'id')) FROM generate_series(1, :count)"
                )
                memory.ids += sorted(session.scalars(sequence, {"count": missing}))

    def _analyse(self, memory: _Memory, raws: Sequence[_Raw]) -> _Batch:
        batch = _Batch()
        by_source: dict[int, list[str]] = {}
        for raw in raws:
            by_source.setdefault(raw.source, []).append(raw.text)
        for source, texts in by_source.items():
            memory.profiles[source] = memory.profiles.get(source, Profile()).learn(texts)
        batch.sources.update(by_source)
        for raw in raws:
            self._one(memory, raw, batch)
        return batch

    def _one(self, memory: _Memory, raw: _Raw, batch: _Batch) -> None:
        mask = memory.profiles[raw.source].mask(raw.text)
        reason = boilerplate.verdict(raw.text, mask)
        prose = boilerplate.unmasked(raw.text, mask)
        lang = self._language.detect(prose)
        lang = raw.hint if lang == "und" and raw.hint else lang
        spans = () if reason else _outside(self._language.sentences(raw.text, lang), mask)
        duplicate_of = None if reason else memory.repeats.match(raw.id, raw.at, prose)
        story = raw.story
        if not reason and story is None:
            story = self._story(memory, raw, prose, lang, spans, duplicate_of, batch)
        if story is not None:
            memory.of[raw.id] = story
            first, last = batch.seen.get(story, (raw.at, raw.at))
            batch.seen[story] = (min(first, raw.at), max(last, raw.at))
        batch.posts.append(
            {
                "id": raw.id,
                "lang": lang,
                "sentences": [list(span) for span in spans],
                "boilerplate": reason,
                "exact": exact_hash(prose),
                "sketch": Sketch.of(prose).to_bytes(),
                "duplicate_of": duplicate_of,
                "story_id": story,
            }
        )
