"""Whom a digest is for, as a value, and what it changes: `reweigh` orders a window's stories without a model.

    Persona + stories ─▶ interest of each, with reasons ─▶ muted ones out ─▶ sort ─▶ top stories kept in sight

A story's weight is its importance, which grows by 3 with each doubling of its publishers (domains/survey.py), plus
`GAIN` times the interest in it: who follows a word sees it as if a little more than twice as many publishers told it.
The floor: the stories most publishers tell are neither muted nor pushed out of the first places, for nobody.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from domains import limits
from domains.post import Post

TargetKind = Literal["source", "word", "story", "language", "length"]
Terms = Callable[[str, str], Sequence[str]]

GAIN: Final = 4.0
# Interest in a story: the sum of these, at most `MOST` either way.
_WORD: Final = 1.0
_SOURCE: Final = 0.6
_LANGUAGE: Final = 0.3
_LEARNED: Final = 0.8
_LEARNED_SOURCE: Final = 0.4
_LEARNED_LANGUAGE: Final = 0.3
MOST: Final = 1.5
# Cosines of short texts are small: at this factor one of .2 is most of full interest (benchmarks/persona.py).
_SHARPNESS: Final = 6.0
# What a reason needs to be worth saying.
_AUDIBLE: Final = 0.05
# Top stories stay among so many first ones, which is what the main section holds.
SIGHT: Final = 5
# What is read of a story to know what it is about.
_POSTS: Final = 6
_CHARS: Final = 400


@dataclass(frozen=True, slots=True)
class Wish:
    """What is followed or muted. ``forms`` are for each word of it the spellings that count as that word.

    ``evidence`` is the signal's id, None when a subscription's list of sources says so.
    """

    target_kind: TargetKind
    target: str
    forms: tuple[tuple[str, ...], ...] = ()
    evidence: int | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """A word, source or language and how much it is liked, in [-1, 1]; ``evidence`` are the weightiest signals' ids."""

    name: str
    weight: float
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Persona:
    """Whom a digest is for. ``confidence`` in [0, 1) grows with what was rated; ``terms`` have unit length together.

    ``sentences`` is the length of a story the subscriber prefers, None when nothing is known.
    """

    subscriber: str
    version: int = 0
    follows: tuple[Wish, ...] = ()
    mutes: tuple[Wish, ...] = ()
    terms: tuple[Interest, ...] = ()
    confidence: float = 0.0
    sources: tuple[Interest, ...] = ()
    languages: tuple[Interest, ...] = ()
    sentences: int | None = None
    summary: str = ""
    evidence: tuple[int, ...] = ()

    @property
    def neutral(self) -> bool:
        """Whether nothing is known that could change an order."""
        return not (self.follows or self.mutes or self.terms or self.sources or self.languages)


class Candidate(Protocol):
    """A story as far as a persona looks at it; `domains.survey.StorySurvey` is one."""

    @property
    def id(self) -> int: ...
    @property
    def families(self) -> int: ...
    @property
    def importance(self) -> float: ...
    @property
    def readable(self) -> tuple[Post, ...]: ...
    @property
    def telling(self) -> tuple[Post, ...]: ...
    @property
    def news(self) -> bool: ...
    @property
    def routine(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Liking:
    """What a persona makes of a story. ``interest`` in [-`MOST`, `MOST`]; ``weight`` is what stories are sorted by.

    ``why`` are its reasons, the strongest first; ``floor`` whether the story is for everyone; ``wanted`` whether it
    holds a word that is followed; ``muted`` what mutes it, "" for nothing.
    """

    story: int
    interest: float
    weight: float
    why: tuple[str, ...] = ()
    floor: bool = False
    wanted: bool = False
    muted: str = ""


@dataclass(frozen=True, slots=True)
class Reweighed:
    """A window's stories in a persona's order. ``muted`` maps stories left out to why; ``silent`` does posts.

    ``moved`` says by how many places each story rose (below 0: fell) among those that are not muted.
    """

    order: tuple[int, ...]
    likings: dict[int, Liking]
    muted: dict[int, str]
    silent: dict[int, str]
    moved: dict[int, int]

    def words(self, story: int) -> str:
        """Return in words why ``story`` stands where it stands, "" when it is as for everyone."""
        liking = self.likings.get(story)
        if liking is None:
            return ""
        if story in self.muted:
            return f"out of your persona because {self.muted[story]}"
        if liking.muted:
            return f"above everyone's floor although {liking.muted}"
        moved = self.moved.get(story, 0)
        if liking.interest > 0 and liking.why:
            return f"above your floor because {liking.why[0]}"
        if liking.interest < 0 and liking.floor and liking.why:
            return f"kept in sight for everyone although {liking.why[0]}"
        return f"lower for you because {liking.why[0]}" if moved < 0 and liking.why else ""


def reweigh(
    stories: Sequence[Candidate], persona: Persona | None, terms: Terms, places: int = SIGHT
) -> Reweighed:
    """Return ``stories`` in the order of ``persona``; in the order given for one of whom nothing is known.

    ``places`` is how many stories the digest has room for: the top stories stay among the first of them. ``terms``
    gives the lemmas of a text in a language.
    """
    if persona is None or persona.neutral:
        return Reweighed(tuple(one.id for one in stories), {}, {}, {}, {})
    sight = max(0, min(places, SIGHT))
    floor = _floor(stories, sight)
    reader = _Reader(persona, terms)
    likings = {one.id: reader.liking(one, floor=one.id in floor) for one in stories}
    muted = {row: liking.muted for row, liking in likings.items() if liking.muted and not liking.floor}
    before = [one.id for one in stories if one.id not in muted]
    order = _in_sight(sorted(before, key=lambda row: -likings[row].weight), floor, sight)
    place = {row: number for number, row in enumerate(order)}
    return Reweighed(
        order=tuple(order),
        likings=likings,
        muted=muted,
        silent={row: why for one in stories if one.id not in muted for row, why in reader.silent(one)},
        moved={row: number - place[row] for number, row in enumerate(before)},
    )


def _floor(stories: Sequence[Candidate], sight: int) -> frozenset[int]:
    """Return the stories that everybody should know: the news that most publishers tell."""
    fit = [
        one
        for one in stories
        if one.families >= limits.FLOOR_FAMILIES and one.telling and one.news and not one.routine
    ]
    fit.sort(key=lambda one: (-one.families, -one.importance, one.id))
    return frozenset(one.id for one in fit[: min(limits.FLOOR_STORIES, sight)])


def _in_sight(order: list[int], floor: frozenset[int], sight: int) -> list[int]:
    """Return ``order`` with each story of the floor among the first ``sight``, displacing the last others there."""
    head, tail = order[:sight], order[sight:]
    lost = [row for row in tail if row in floor]
    if not lost:
        return order
    giving = [row for row in head if row not in floor][-len(lost) :]
    kept = [row for row in head if row not in giving]
    return [*kept, *lost, *giving, *(row for row in tail if row not in floor)]


class _Reader:
    """A persona made ready to look at many stories."""

    def __init__(self, persona: Persona, terms: Terms) -> None:
        self._terms = terms
        self._likes = {one.name: one for one in persona.terms}
        self._confidence = persona.confidence
        self._sources = {one.name: one.weight for one in persona.sources}
        self._languages = {one.name: one.weight for one in persona.languages}
        self._words = [one for one in persona.follows if one.target_kind == "word" and one.forms]
        self._muted_words = [one for one in persona.mutes if one.target_kind == "word" and one.forms]
        self._followed = _targets(persona.follows)
        self._muted = _targets(persona.mutes)

    def liking(self, story: Candidate, *, floor: bool) -> Liking:
        """Return what the persona makes of ``story``."""
        posts = (story.telling or story.readable)[:_POSTS]
        gists = [frozenset(self._terms(post.text[:_CHARS], post.lang)) for post in posts]
        together = frozenset[str]().union(*gists)
        word = next((one for one in self._words if _mostly(one, gists)), None)
        reasons = [(_WORD, f"you follow “{word.target}”")] if word else []
        reasons += self._of_sources({post.source for post in story.readable})
        reasons += self._of_languages({post.lang for post in posts})
        reasons += self._of_terms(together)
        interest = max(-MOST, min(MOST, sum(value for value, _ in reasons)))
        pulling = sorted((one for one in reasons if one[0] * interest > 0), key=lambda one: -abs(one[0]))
        return Liking(
            story=story.id,
            interest=round(interest, 4),
            weight=round(story.importance + GAIN * interest, 4),
            why=tuple(why for value, why in pulling if abs(value) >= _AUDIBLE),
            floor=floor,
            wanted=word is not None,
            muted=self._mutes(story, gists),
        )

    def silent(self, story: Candidate) -> list[tuple[int, str]]:
        """Return the posts of muted sources of a story that can be told without them, and why."""
        muted = [post for post in story.readable if post.source in self._muted["source"]]
        others = [post for post in story.telling if post.source not in self._muted["source"]]
        return [(post.id, f"you mute {post.source}") for post in muted] if others else []

    def _mutes(self, story: Candidate, gists: Sequence[frozenset[str]]) -> str:
        found: tuple[tuple[TargetKind, set[str]], ...] = (
            ("source", {post.source for post in story.readable}),
            ("language", {post.lang for post in story.readable}),
        )
        for kind, names in found:
            if names and names <= self._muted[kind]:
                return f"you mute {min(names)}"
        word = next((one for one in self._muted_words if _mostly(one, gists)), None)
        return f"you mute “{word.target}”" if word else ""

    def _of_sources(self, sources: set[str]) -> list[tuple[float, str]]:
        followed = sorted(sources & self._followed["source"])
        reasons = [(_SOURCE, f"you follow {followed[0]}")] if followed else []
        known = {name: self._sources[name] for name in sorted(sources) if name in self._sources}
        if known:
            mean = sum(known.values()) / len(sources)
            name = max(known, key=lambda one: known[one] * mean)
            verb = "liked" if mean > 0 else "did not like"
            reasons.append((_LEARNED_SOURCE * mean, f"you {verb} what {name} wrote"))
        return reasons

    def _of_languages(self, languages: set[str]) -> list[tuple[float, str]]:
        followed = sorted(languages & self._followed["language"])
        if followed:
            return [(_LANGUAGE, f"you prefer {followed[0]}")]
        known = [self._languages[one] for one in languages if one in self._languages]
        if not known:
            return []
        value = _LEARNED_LANGUAGE * max(known)
        return [(value, f"you {'like' if value > 0 else 'seldom like'} what is in {min(languages)}")]

    def _of_terms(self, gist: frozenset[str]) -> list[tuple[float, str]]:
        shared = [self._likes[term] for term in gist if term in self._likes]
        if not shared:
            return []
        # Summed in one order, so that no process rounds otherwise.
        shared.sort(key=lambda one: (-abs(one.weight), one.name))
        cosine = sum(one.weight for one in shared) / math.sqrt(len(gist))
        value = _LEARNED * self._confidence * math.tanh(_SHARPNESS * cosine)
        named = [one.name for one in shared if one.weight * value > 0][:2]
        verb = "liked" if value > 0 else "did not like"
        return [(value, f"you {verb} stories about {', '.join(named)}")] if named else []


def _targets(wishes: Sequence[Wish]) -> dict[TargetKind, frozenset[str]]:
    kinds: tuple[TargetKind, ...] = ("source", "language")
    return {kind: frozenset(one.target for one in wishes if one.target_kind == kind) for kind in kinds}


def _mostly(wish: Wish, gists: Sequence[frozenset[str]]) -> bool:
    """Return whether at least half of the posts hold every word of ``wish``: a mention in passing is none."""
    holding = sum(all(not gist.isdisjoint(forms) for forms in wish.forms) for gist in gists)
    return bool(gists) and 2 * holding >= len(gists)


def sections(names: Sequence[str], home: Mapping[int, str], likings: Mapping[int, Liking]) -> tuple[str, ...]:
    """Return a digest's sections in a persona's order; ``home`` maps stories to sections.

    The first and "brief" keep their places: the first holds what is for everyone, the last is one line each. Those
    between come by the mean interest in their stories.
    """
    first, between, last = list(names[:1]), [*names[1:]], []
    if between and between[-1] == "brief":
        last = [between.pop()]

    def liked(name: str) -> float:
        own = [likings[row].interest for row, where in home.items() if where == name and row in likings]
        return sum(own) / len(own) if own else 0.0

    return (*first, *sorted(between, key=lambda name: -liked(name)), *last)
