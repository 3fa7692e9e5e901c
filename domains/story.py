"""Which story a post belongs to: `StoryIndex`, an online leader clustering in event time.

    post's vector ──> candidates: active stories that share its rarer words
                 ──> cosine with each candidate's centroid, fading with the time between
                 ──> the likest, if it is like enough, and articles lead with what the other tells; else a new story

A story's id is given by the caller and never changes. Where a post proves two stories to be one, by being like both while
they are like each other, the older takes the younger in; where its posts prove one story to be two (`domains.parting`),
the lesser part leaves. The work for a post follows the stories active within the window, not history.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import msgspec
import numpy as np

from domains import limits
from domains.vector import CHAR_BIT, Vector

# Set on the development streams (benchmarks/stories.py), where news in English and Telegram posts agree on them.
THRESHOLD: Final = 0.14
# Likeness falls by e in this time after a story's last post.
FADE: Final = timedelta(hours=36)
# What being the answer to a post of the story adds to likeness.
REPLY_BONUS: Final = 0.15
# Features kept of a centroid: the heaviest.
_CENTROID: Final = 600
# Posting entries read and candidates compared in full, per post.
_SCAN: Final = 3_000
_CANDIDATES: Final = 24
_TITLE_CHARS: Final = 140
# Two stories that one post is like are one when their centroids are so alike, fading with the time between.
SAME: Final = 0.35
# Long texts of one topic share as many words as short ones of one happening. Two of so many word features each (in the
# harmonic mean: a short one beside a long one is short) begin to be told apart more strictly, in full when this share
# longer: they must be so much liker, and of the squared weight of what each leads with, so much must be in the other.
ARTICLE: Final = 110
ARTICLE_RAMP: Final = 0.1
ARTICLE_MORE: Final = 0.11
ARTICLE_LEAD: Final = 0.46
# Features kept of what a story's posts lead with: the heaviest.
_LEADS: Final = 100
# Stories beside its own that a post may prove to be the same.
_RIVALS: Final = 3
# A story of so many posts is looked at for the first time, whether it is two.
FIRST_LOOK: Final = 8
_EMPTY: Final = Vector(np.empty(0, np.uint32), np.empty(0, np.float32))


@dataclass(frozen=True, slots=True)
class Assignment:
    """The story a post belongs to, None for a new one, and its likeness to the likest story, 0 to 1.

    ``rivals`` are other stories that it is like enough to belong to, the likest first.
    """

    story: int | None
    similarity: float
    rivals: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What a story is to be made of: the times and number of its posts, and vectors of those that repeat none, by time."""

    first_at: datetime
    last_at: datetime
    posts: int
    vectors: Sequence[Vector]


@dataclass(slots=True)
class _Story:
    first_at: datetime
    last_at: datetime
    posts: int
    total: Vector
    length: float
    looked: int = 0
    lead: Vector = _EMPTY
    words: int = 0
    vectors: int = 0


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    first_at: datetime
    last_at: datetime
    posts: int
    total: bytes
    looked: int = 0
    lead: bytes = b""
    words: int = 0
    vectors: int = 0


class StoryIndex:
    """The active stories. Same posts in the same order, same stories. Not safe for threads."""

    def __init__(
        self,
        window: timedelta = limits.STORY_WINDOW,
        threshold: float = THRESHOLD,
        fade: timedelta = FADE,
    ) -> None:
        self._window = window
        self._threshold = threshold
        self._fade_s = fade.total_seconds()
        self._stories: dict[int, _Story] = {}
        self._postings: defaultdict[int, dict[int, None]] = defaultdict(dict)
        self._ages: list[tuple[datetime, int]] = []
        self._newest = datetime.min.replace(tzinfo=UTC)

    def __len__(self) -> int:
        return len(self._stories)

    def __contains__(self, story: object) -> bool:
        return story in self._stories

    def assign(self, at: datetime, vector: Vector, reply_story: int | None = None) -> Assignment:
        """Return where a post of ``at`` belongs; changes nothing, `add` does.

        ``reply_story`` is the story of the post it answers, if any. A late post finds the stories that are still
        active and lie within the window of its own time.
        """
        likeliest = heapq.nlargest(
            1 + _RIVALS,
            (
                (self._likeness(story, at, vector) + (REPLY_BONUS if story == reply_story else 0.0), -story)
                for story in self._candidates(vector, reply_story)
            ),
        )
        fit = [
            -story
            for likeness, story in likeliest
            if likeness >= self._threshold
            and (-story == reply_story or self._tells(self._stories[-story], vector, likeness))
        ]
        similarity = min(likeliest[0][0], 1.0) if likeliest else 0.0
        return Assignment(fit[0] if fit else None, similarity, tuple(fit[1:]))

    def same(self, story: int, rivals: Iterable[int]) -> tuple[int, ...]:
        """Return those ``rivals`` of an assignment to ``story`` that prove to be the same story; `merge` joins them."""
        own = self._stories.get(story)
        if own is None:
            return ()
        return tuple(
            other
            for other in rivals
            if other in self._stories and other != story and self._alike(own, self._stories[other]) >= SAME
        )

    def merge(self, kept: int, gone: int) -> None:
        """Make two active stories one, ``kept``; raises KeyError when either is not active."""
        known, other = self._stories[kept], self._stories[gone]
        for index in _word_indices(other.total):
            self._unlink(index, gone)
        del self._stories[gone]
        known.first_at = min(known.first_at, other.first_at)
        known.last_at = max(known.last_at, other.last_at)
        known.posts += other.posts
        known.looked = max(known.looked, other.looked)
        self._grow(kept, known, other)
        heapq.heappush(self._ages, (known.last_at, kept))

    def due(self, story: int) -> bool:
        """Return whether an active story is to be looked at: its posts have doubled since it was.

        Looking at all posts of a story then costs the same a post, however many there are.
        """
        known = self._stories.get(story)
        return known is not None and known.posts >= max(FIRST_LOOK, 2 * known.looked)

    def looked(self, story: int) -> None:
        """Remember that an active story was looked at with the posts it has."""
        self._stories[story].looked = self._stories[story].posts

    def part(self, story: int, stays: Part, new: int, leaves: Part) -> bool:
        """Make an active story two, ``new`` of what leaves; return whether it is done. Raises KeyError when it is not active.

        Two that `same` could make one again at once are not made: then nothing changes.
        """
        made = {story: _whole(stays), new: _whole(leaves)}
        known = self._stories[story]
        if self._alike(made[story], made[new]) >= SAME:
            return False
        self._settle(story, known, _EMPTY)
        for number, one in made.items():
            total, one.total = one.total, _EMPTY
            self._stories[number] = one
            self._settle(number, one, total)
            heapq.heappush(self._ages, (one.last_at, number))
        self._expire(self._newest)
        return True

    def add(self, story: int, at: datetime, vector: Vector = _EMPTY) -> None:
        """Put a post into ``story``, new or known. A repeat comes without vector: it renews the story's time only."""
        known = self._stories.get(story)
        if known is None:
            known = self._stories[story] = _Story(at, at, 0, _EMPTY, 0.0)
        known.first_at = min(known.first_at, at)
        known.last_at = max(known.last_at, at)
        known.posts += 1
        if len(vector):
            self._grow(story, known, _told(at, vector))
        heapq.heappush(self._ages, (known.last_at, story))
        self._expire(at)

    def story_state(self, story: int) -> bytes:
        """Return what `restore` needs to bring an active story back. Raises KeyError when it is not active."""
        known = self._stories[story]
        saved = _Saved(
            known.first_at,
            known.last_at,
            known.posts,
            known.total.to_bytes(),
            known.looked,
            known.lead.to_bytes(),
            known.words,
            known.vectors,
        )
        return msgspec.msgpack.encode(saved)

    def restore(self, stories: Iterable[tuple[int, bytes]]) -> None:
        """Bring back stories by id and state; in any order, the index then answers as the one that was saved."""
        for story, data in sorted(stories):
            saved = msgspec.msgpack.decode(data, type=_Saved)
            known = _Story(saved.first_at, saved.last_at, saved.posts, _EMPTY, 0.0, saved.looked)
            known.lead, known.words, known.vectors = Vector.from_bytes(saved.lead), saved.words, saved.vectors
            self._stories[story] = known
            self._settle(story, known, Vector.from_bytes(saved.total))
            heapq.heappush(self._ages, (known.last_at, story))
            self._newest = max(self._newest, known.last_at)
        self._expire(self._newest)

    def state(self) -> bytes:
        """Return all active stories, for `load`."""
        return msgspec.msgpack.encode([(story, self.story_state(story)) for story in sorted(self._stories)])

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return the index whose `state` this is."""
        index = cls()
        index.restore(msgspec.msgpack.decode(data, type=list[tuple[int, bytes]]))
        return index

    def _candidates(self, vector: Vector, reply_story: int | None) -> list[int]:
        """Return the stories that share most of the post's rarer words, by what is cheap to sum."""
        lists = [
            (self._postings[index], value)
            for index, value in zip(vector.indices.tolist(), vector.values.tolist(), strict=True)
            if index in self._postings
        ]
        lists.sort(key=lambda one: (len(one[0]), -one[1]))
        shared: defaultdict[int, float] = defaultdict(float)
        scanned = 0
        for stories, value in lists:
            scanned += len(stories)
            if scanned > _SCAN and shared:
                break
            for story in stories:
                shared[story] += value
        chosen = heapq.nsmallest(_CANDIDATES, shared, key=lambda story: (-shared[story], story))
        if reply_story in self._stories and reply_story not in chosen:
            chosen.append(reply_story)
        return chosen

    def _likeness(self, story: int, at: datetime, vector: Vector) -> float:
        known = self._stories[story]
        apart = max(known.first_at - at, at - known.last_at, timedelta())
        if apart > self._window or not known.length:
            return 0.0
        return vector.dot(known.total) / known.length * math.exp(-apart.total_seconds() / self._fade_s)

    def _tells(self, story: _Story, vector: Vector, likeness: float) -> bool:
        """Return whether a likeness above the threshold is one of happenings: of two articles it may be one of topics."""
        strict = _articles(story, vector)
        if not strict:
            return True
        if likeness < self._threshold + ARTICLE_MORE * strict:
            return False
        leads = vector.opening().covered(story.total), story.lead.covered(vector)
        return sum(leads) / len(leads) >= ARTICLE_LEAD * strict

    def _alike(self, one: _Story, other: _Story) -> float:
        if not one.length or not other.length:
            return 0.0
        apart = max(one.first_at - other.last_at, other.first_at - one.last_at, timedelta())
        cosine = one.total.dot(other.total) / (one.length * other.length)
        return cosine * math.exp(-apart.total_seconds() / self._fade_s)

    def _grow(self, story: int, known: _Story, more: _Story) -> None:
        """Add what ``more`` tells to an active story."""
        known.lead = _sum((known.lead, more.lead), _LEADS)
        known.words += more.words
        known.vectors += more.vectors
        self._settle(story, known, _sum((known.total, more.total)))

    def _settle(self, story: int, known: _Story, total: Vector) -> None:
        """Make ``total`` the sum of the story's vectors, and its words lead to the story."""
        old, new = _word_indices(known.total), _word_indices(total)
        for index in old - new:
            self._unlink(index, story)
        for index in new - old:
            self._postings[index][story] = None
        known.total = total
        known.length = float(np.linalg.norm(total.values))

    def _unlink(self, index: int, story: int) -> None:
        del self._postings[index][story]
        if not self._postings[index]:
            del self._postings[index]

    def _expire(self, at: datetime) -> None:
        self._newest = max(self._newest, at)
        while self._ages and self._ages[0][0] < self._newest - self._window:
            stamped, story = heapq.heappop(self._ages)
            known = self._stories.get(story)
            if known is not None and known.last_at == stamped:
                for index in _word_indices(known.total):
                    self._unlink(index, story)
                del self._stories[story]


def headline(text: str) -> str:
    """Return a story's title from its first post: the first line, cut at a word."""
    line = text.strip().partition("\n")[0].strip()
    if len(line) <= _TITLE_CHARS:
        return line
    cut = line[:_TITLE_CHARS].rpartition(" ")[0] or line[: _TITLE_CHARS - 1]
    return f"{cut.rstrip(' ,;:—–-')}…"


def _articles(story: _Story, vector: Vector) -> float:
    """Return how far a story's mean post and a post are both articles, 0 to 1."""
    mine, its = vector.words, story.words / max(story.vectors, 1)
    longer = 2.0 * mine * its / max(mine + its, 1.0) / ARTICLE - 1.0
    return min(max(longer / ARTICLE_RAMP, 0.0), 1.0)


def _told(at: datetime, vector: Vector) -> _Story:
    return _Story(at, at, 1, vector, 1.0, 0, vector.opening(), vector.words, 1)


def _whole(part: Part) -> _Story:
    total, lead = _EMPTY, _EMPTY
    for vector in part.vectors:
        total, lead = _sum((total, vector)), _sum((lead, vector.opening()), _LEADS)
    return _Story(
        part.first_at,
        part.last_at,
        part.posts,
        total,
        float(np.linalg.norm(total.values)),
        part.posts,
        lead,
        sum(vector.words for vector in part.vectors),
        len(part.vectors),
    )


def _sum(vectors: Sequence[Vector], most: int = _CENTROID) -> Vector:
    """Return the heaviest features, ``most`` of them, of the sum of ``vectors``."""
    indices, where = np.unique(np.concatenate([one.indices for one in vectors]), return_inverse=True)
    values = np.bincount(where, weights=np.concatenate([one.values for one in vectors]))
    if indices.size > most:
        heaviest = np.sort(np.argsort(-values, kind="stable")[:most])
        indices, values = indices[heaviest], values[heaviest]
    return Vector(indices, values.astype(np.float32))


def _word_indices(vector: Vector) -> set[int]:
    return set(vector.indices[vector.indices < CHAR_BIT].tolist())
