"""Analysing posts in order: language, sentences, boilerplate, repeats, stories.

    claim a tenant ─▶ batch of unindexed posts, by time ─▶ analyse in memory ─▶ one fenced commit ─▶ next batch

What an indexer remembers between posts is derived. It is rebuilt from Postgres when another process has indexed this
tenant meanwhile, which the tenant's generation tells; `services.recall` does that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import boilerplate
from domains.entity import Finder, Mention
from domains.fingerprint import Sketch, exact_hash
from domains.ports import Clock, Language
from domains.post import Span
from domains.story import headline
from services import backlog, entity, lineage, parting, recall, work
from services.database import Database
from services.recall import Memory, Raw
from services.schema import Post, Source, Story, Tenant

BATCH: Final = 300
TURN: Final = 50
# What was learned is written down after so many posts; the rest is learned again when another process takes over.
KEPT_AFTER: Final = 500


@dataclass(slots=True)
class _Batch:
    """What a batch's analysis wants written. ``seen`` are the first and last time of each touched story.

    ``named`` is what each post names; ``merged`` maps each story that proved to be an older one to it.
    """

    posts: list[dict[str, Any]] = field(default_factory=list)
    titles: dict[int, str] = field(default_factory=dict)
    seen: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)
    named: dict[int, tuple[datetime, tuple[Mention, ...]]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)

    def home(self, story: int) -> int:
        """Return the story that stands for ``story`` by now."""
        while story in self.merged:
            story = self.merged[story]
        return story


class Indexer:
    """Analyses posts; one per process, not safe for threads."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        language: Language,
        lease_s: float,
        finder: Finder | None = None,
    ) -> None:
        self._database, self._clock, self._language, self._lease_s = database, clock, language, lease_s
        self._finder = finder or Finder()
        self._memories: dict[int, Memory] = {}

    def catch_up(self, lease: work.Lease) -> bool:
        """Analyse a claimed tenant's posts up to now and settle the lease; return whether none is left.

        After `TURN` batches the row is due again: one import must not keep a worker from all else. Raises LeaseLostError when another worker took over; what is committed by then stands.
        """
        for turn in range(TURN + 1):
            with self._database.transaction() as session:
                raws = recall.unindexed(session, lease.id, self._clock.now(), BATCH)
                if not raws or turn == TURN:
                    work.settle(session, lease, "due" if raws else "done", next_at=self._clock.now())
                    return not raws
                generation = session.execute(
                    select(Tenant.generation).where(Tenant.id == lease.id)
                ).scalar_one()
                numbers = _story_numbers(session, len(raws))
                answered = recall.answered(session, raws)
            # While a batch is worked on, its memory is out of the cupboard: a failure leaves none that is half changed.
            memory = self._memories.pop(lease.id, None)
            if memory is None or memory.generation != generation:
                with self._database.transaction() as session:
                    memory = recall.remember(session, lease.id, generation, self._language, self._clock.now())
            batch = self._analyse(memory, raws, numbers, answered)
            _settle_merges(memory, batch)
            with self._database.transaction() as session:
                now = self._clock.now()
                work.extend(session, lease, now=now, lease_s=self._lease_s)
                _write(session, lease.id, memory, batch, now)
                moved = lineage.redirect(session, lease.id, batch.merged, now)
                left, begun = parting.settle(session, lease.id, memory, batch.seen, now)
                entity.write(session, lease.id, batch.named)
                touched = [*moved, *left, *(row["row"] for row in batch.posts)]
                backlog.note(session, lease.id, touched, [*batch.seen, *begun], now)
            memory.generation = generation + 1
            self._memories[lease.id] = memory
        return False

    def _analyse(
        self, memory: Memory, raws: Sequence[Raw], numbers: list[int], answered: dict[tuple[int, str], int]
    ) -> _Batch:
        batch = _Batch()
        recall.learn(memory, raws)
        for raw in raws:
            mask = memory.profiles[raw.source].mask(raw.text)
            reason = boilerplate.verdict(raw.text, mask)
            prose = boilerplate.unmasked(raw.text, mask)
            detected = self._language.detect(prose)
            lang = raw.hint if detected == "und" and raw.hint else detected
            sentences = () if reason else _outside(self._language.sentences(raw.text, lang), mask)
            batch.named[raw.id] = raw.at, self._finder.find(raw.text, sentences)
            duplicate_of = None if reason else memory.repeats.match(raw.id, raw.at, prose)
            story = raw.story
            if story is None and not reason:
                answer = answered.get((raw.source, raw.reply_to)) if raw.reply_to else None
                reply_story = None if answer is None else batch.home(answer)
                story = self._assign(memory, raw, prose, lang, duplicate_of, reply_story, numbers, batch)
            if story is not None:
                memory.stories_of[raw.id] = answered[raw.source, raw.external_id] = story
                first, last = batch.seen.get(story, (raw.at, raw.at))
                batch.seen[story] = (min(first, raw.at), max(last, raw.at))
            batch.posts.append(
                {
                    "row": raw.id,
                    "lang": lang,
                    "sentences": [list(span) for span in sentences],
                    "boilerplate": reason,
                    "exact": exact_hash(prose),
                    "sketch": Sketch.of(prose).to_bytes(),
                    "duplicate_of": duplicate_of,
                    "story_id": story,
                }
            )
        return batch

    def _assign(
        self,
        memory: Memory,
        raw: Raw,
        prose: str,
        lang: str,
        duplicate_of: int | None,
        reply_story: int | None,
        numbers: list[int],
        batch: _Batch,
    ) -> int:
        """Return the post's story: that of what it repeats, else the likest, else a new one."""
        told = memory.stories_of.get(duplicate_of) if duplicate_of else None
        if told is not None:
            told = batch.home(told)
            memory.stories.add(told, raw.at)
            return told
        vector = memory.vectoriser.vector(prose, lang)
        found = memory.stories.assign(raw.at, vector, reply_story)
        story = found.story
        if story is None:
            story = numbers.pop(0)
            batch.titles[story] = headline(prose)
        memory.stories.add(story, raw.at, vector)
        return self._joined(memory, story, found.rivals, batch)

    def _joined(self, memory: Memory, story: int, rivals: tuple[int, ...], batch: _Batch) -> int:
        """Return the story after those that the post proves to be the same became one, the oldest."""
        for other in memory.stories.same(story, rivals):
            kept, gone = min(story, other), max(story, other)
            memory.stories.merge(kept, gone)
            batch.merged[gone] = kept
            story = kept
        return story


def _settle_merges(memory: Memory, batch: _Batch) -> None:
    """Bring what a batch and the memory hold to the stories that stand at its end.

    A story that began in this batch and was taken in was never seen by anyone: it leaves no redirect.
    """
    if not batch.merged:
        return
    ends = {gone: batch.home(gone) for gone in batch.merged}
    for row in batch.posts:
        row["story_id"] = ends.get(row["story_id"], row["story_id"])
    for gone, kept in ends.items():
        first, last = batch.seen.pop(gone, (None, None))
        if first is not None and last is not None:
            old = batch.seen.get(kept, (first, last))
            batch.seen[kept] = (min(old[0], first), max(old[1], last))
        if batch.titles.pop(gone, None) is not None:
            del batch.merged[gone]
    for post, story in memory.stories_of.items():
        if story in ends:
            memory.stories_of[post] = ends[story]
    batch.merged.update({gone: ends[gone] for gone in batch.merged})


def _story_numbers(session: Session, count: int) -> list[int]:
    """Return numbers for as many stories as may begin; those that do not are never used."""
    sequence = text("SELECT nextval(pg_get_serial_sequence('story', 'id')) FROM generate_series(1, :count)")
    return sorted(session.scalars(sequence, {"count": count}))


def _outside(spans: Sequence[Span], mask: Sequence[Span]) -> tuple[Span, ...]:
    """Return the spans that touch none of the mask's."""
    return tuple(span for span in spans if not any(span[0] < end and start < span[1] for start, end in mask))


def _write(session: Session, tenant_id: int, memory: Memory, batch: _Batch, now: datetime) -> None:
    states = {
        story: memory.stories.story_state(story) if story in memory.stories else None for story in batch.seen
    }
    begun = [
        {"id": story, "tenant_id": tenant_id, "title": title, "first_at": batch.seen[story][0],
         "last_at": batch.seen[story][1], "state": states[story]}
        for story, title in batch.titles.items()
    ]  # fmt: skip
    if begun:
        session.execute(insert(Story), begun)
    grown = [
        {"row": story, "first": first, "last": last, "new_state": states[story]}
        for story, (first, last) in batch.seen.items()
        if story not in batch.titles
    ]
    connection = session.connection()
    if grown:
        connection.execute(
            update(Story)
            .where(Story.id == bindparam("row"))
            .values(
                first_at=func.least(Story.first_at, bindparam("first")),
                last_at=func.greatest(Story.last_at, bindparam("last")),
                state=bindparam("new_state"),
            ),
            grown,
        )
    columns: dict[str, Any] = {name: bindparam(name) for name in batch.posts[0] if name != "row"}
    connection.execute(
        update(Post).where(Post.id == bindparam("row")).values(indexed_at=now, **columns), batch.posts
    )
    values: dict[str, Any] = {"generation": Tenant.generation + 1}
    if memory.unsaved >= KEPT_AFTER:
        values |= {"vocabulary": memory.vectoriser.state(), "learned_at": now}
        for source, profile in memory.profiles.items():
            session.execute(
                update(Source).where(Source.id == source).values(profile=msgspec.to_builtins(profile))
            )
        memory.unsaved = 0
    session.execute(update(Tenant).where(Tenant.id == tenant_id).values(**values))
