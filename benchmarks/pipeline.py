"""What indexing does to a post, without a database: the pipeline that `benchmarks.stories` measures."""

import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from domains import parting
from domains.boilerplate import Profile, unmasked, verdict
from domains.fingerprint import DuplicateIndex
from domains.story import Part, StoryIndex
from domains.text import normalise
from domains.vector import Vector, Vectoriser
from services.language import OfflineLanguage

STEPS = ("normalise", "boilerplate", "detect", "sentences", "duplicate", "vector", "story")
# Posts between two lessons of a source's profile, as a batch of indexing would give.
LESSON = 20


@dataclass(frozen=True, slots=True)
class _Taken:
    """A post that has a story; ``of`` is the post that it repeats."""

    key: Hashable
    at: datetime
    text: str
    lang: str
    of: int | None


@dataclass
class Pipeline:
    """One stream's whole analysis and the CPU seconds of each step."""

    language: OfflineLanguage
    seconds: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    stories: dict[Hashable, int] = field(default_factory=dict)
    duplicates: int = 0

    def __post_init__(self) -> None:
        self.vectoriser = Vectoriser(self.language.lemma)
        self.duplicate_index = DuplicateIndex()
        self.story_index = StoryIndex()
        self.profiles: defaultdict[str, Profile] = defaultdict(Profile)
        self.unread: defaultdict[str, list[str]] = defaultdict(list)
        self.posts: list[_Taken] = []
        self.members: defaultdict[int, list[int]] = defaultdict(list)
        self.numbers = count()
        self.merged: dict[int, int] = {}
        self.parted = 0

    def take(self, key: Hashable, source: str, at: datetime, raw: str) -> None:
        """Analyse one post; remember its story under ``key``."""
        clock = _Clock(self.seconds)
        text = normalise(raw)
        clock.lap("normalise")
        mask = self._learn(source, text).mask(text)
        reason = verdict(text, mask)
        clock.lap("boilerplate")
        lang = self.language.detect(text)
        clock.lap("detect")
        self.language.sentences(text, lang)
        clock.lap("sentences")
        if reason is not None:
            self.verdicts[reason] += 1
            return
        self._place(key, at, unmasked(text, mask), lang, clock)

    def _learn(self, source: str, text: str) -> Profile:
        unread = self.unread[source]
        unread.append(text)
        if len(unread) == LESSON:
            self.profiles[source] = self.profiles[source].learn(unread)
            unread.clear()
        return self.profiles[source]

    def _place(self, key: Hashable, at: datetime, text: str, lang: str, clock: "_Clock") -> None:
        post_id = len(self.posts)
        of = self.duplicate_index.match(post_id, at, text)
        self.posts.append(_Taken(key, at, text, lang, of))
        clock.lap("duplicate")
        if of is not None:
            self.duplicates += 1
            story = self.home(self.stories[self.posts[of].key])
            self.story_index.add(story, at)
        else:
            vector = self.vectoriser.vector(text, lang)
            clock.lap("vector")
            found = self.story_index.assign(at, vector)
            story = next(self.numbers) if found.story is None else found.story
            self.story_index.add(story, at, vector)
            story = self._joined(story, found.rivals)
        self.stories[key] = story
        self.members[story].append(post_id)
        if self.story_index.due(story):
            self._look(story)
        clock.lap("story")

    def _joined(self, story: int, rivals: tuple[int, ...]) -> int:
        for other in self.story_index.same(story, rivals):
            kept, gone = min(story, other), max(story, other)
            self.story_index.merge(kept, gone)
            self.members[kept] += self.members.pop(gone)
            self.merged[gone] = kept
            story = kept
        return story

    def _look(self, story: int) -> None:
        """Part a story that proves to be two, as `services.parting` does."""
        members = sorted(self.members[story], key=lambda post: (self.posts[post].at, post))
        read = [post for post in members if self.posts[post].of is None][-parting.READ :]
        vectors = [self.vectoriser.again(self.posts[post].text, self.posts[post].lang) for post in read]
        found = parting.parts(vectors)
        away = {read[place] for place in found[1]} if found else set()
        leaves = [post for post in members if post in away or self.posts[post].of in away]
        stays = [post for post in members if post not in {*leaves}]
        known = dict(zip(read, vectors, strict=True))
        new = next(self.numbers)
        if not leaves or not self.story_index.part(
            story, self._part(stays, known), new, self._part(leaves, known)
        ):
            self.story_index.looked(story)
            return
        self.parted += 1
        self.members[story], self.members[new] = stays, leaves
        self.stories.update({self.posts[post].key: new for post in leaves})

    def _part(self, posts: Sequence[int], vectors: Mapping[int, Vector]) -> Part:
        times = [self.posts[post].at for post in posts]
        return Part(min(times), max(times), len(posts), [vectors[post] for post in posts if post in vectors])

    def home(self, story: int) -> int:
        """Return the story that stands for ``story`` by now."""
        while story in self.merged:
            story = self.merged[story]
        return story

    def told(self) -> dict[Hashable, int]:
        """Return each post's story as it stands at the end."""
        return {key: self.home(story) for key, story in self.stories.items()}


class _Clock:
    def __init__(self, seconds: Counter[str]) -> None:
        self._seconds = seconds
        self._at = time.process_time()

    def lap(self, step: str) -> None:
        now = time.process_time()
        self._seconds[step] += now - self._at
        self._at = now
