"""Which told story a story of this window continues: the thread of one matter over days.

    posts ──> marks of their openings: names in a script-free spelling, concepts, words, and pairs of neighbours of which
              one is a name ("Hrabivskyi Bridge", «Грабовский мост»)
          ──> shared weight: a mark weighs by its kind, its place and by how few stories hold it
          ──> bars on the sum, its share of the lesser story, its names, and what is said of them; fading with time

Numbers are no marks here, unlike in `domains.twin`: they are what changes. Pure and deterministic; precision first.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import exp, log, sqrt
from typing import Final

from domains.digest import Opening
from domains.gloss import concept
from domains.post import Post
from domains.terms import STOPWORDS
from domains.text import names, without_links, words
from domains.twin import Speller

# Bars of a pair, set on the phases of Telegram events and on the example stream (benchmarks/stories.py --threads).
EVIDENCE: Final = 1.0
SHARE: Final = 0.25
HARD: Final = 0.3
SOFT: Final = 0.25
# A short story's share is taken of no less than this.
LEAST: Final = 1.5
# A window of fewer stories is weighed as one of so many.
SMALL: Final = 40
# What is not said in a post's first sentence is background as often as news.
BACKGROUND: Final = 0.3
# Likeness fades by e in this time between two stories' posts, after a free while: matters rest over night.
FADE: Final = timedelta(days=4)
FREE: Final = timedelta(days=1)
POSTS: Final = 12
CHARS: Final = 700
SENTENCES: Final = 6

_WEIGHTS: Final = {"n": 1.0, "c": 0.5, "w": 0.35}
# A name beside a common word is a thing, two names side by side are mostly who speaks.
_THING, _PERSON = 1.6, 0.6
# Quantities, and what happens to everything, say nothing of a matter.
_EMPTY: Final = frozenset(
    f"c:{known}"
    for word in (
        "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "half", "kilometre", "metre", "tonne",
        "million", "billion", "percent", "yesterday", "tomorrow", "hryvnia", "ruble", "begins", "ends", "opens", "closes",
        "free", "town", "village", "road", "street",
    )
    if (known := concept(word)) is not None
)  # fmt: skip
_BREAK: Final = re.compile(r"(?<=[.!?…\n])\s+|\n")


@dataclass(frozen=True, slots=True)
class Bond:
    """What speaks for one matter: shared weight, its share, that of names, that of other words; ``score`` is 1 at the bar."""

    evidence: float
    share: float
    hard: float
    soft: float

    @property
    def score(self) -> float:
        """Return by how much the weakest of the four meets its bar."""
        return min(self.evidence / EVIDENCE, self.share / SHARE, self.hard / HARD, self.soft / SOFT)


class Threads:
    """Stories of several days, told and new, ready to be compared; ids must differ where stories do."""

    def __init__(self, stories: Iterable[tuple[int, Sequence[Post | Opening]]]) -> None:
        spell = Speller()
        held = {story: posts for story, posts in stories if posts}
        self._marks = {story: _sketch(posts, spell) for story, posts in held.items()}
        self._spans = {
            story: (min(post.at for post in posts), max(post.at for post in posts))
            for story, posts in held.items()
        }
        holders = Counter(mark for held in self._marks.values() for mark in held)
        count = max(len(self._marks), SMALL)
        self._weights = {
            mark: _weight(mark) * max(log((count + 1) / max(held - 0.5, 1.0)), 0.0) / log(count + 2)
            for mark, held in holders.items()
        }
        self._totals = {
            story: sum(self._weights[mark] * share for mark, share in held.items())
            for story, held in self._marks.items()
        }

    def __contains__(self, story: object) -> bool:
        return story in self._marks

    def bond(self, one: int, other: int) -> Bond:
        """Return what speaks for two of the stories being one matter; symmetric."""
        first, second = sorted((one, other))
        a, b = self._marks[first], self._marks[second]
        shared = {mark: self._weights[mark] * sqrt(a[mark] * b[mark]) for mark in sorted(a.keys() & b.keys())}
        paired = {part for mark in shared if mark[0] == "p" for part in mark[2:].split("+")}
        evidence = sum(shared.values()) * self._nearness(first, second)
        least = max(min(self._totals[first], self._totals[second]), LEAST)
        return Bond(
            evidence=evidence,
            share=evidence / least,
            hard=sum(weight for mark, weight in shared.items() if mark[0] in "np"),
            soft=sum(
                weight
                for mark, weight in shared.items()
                if mark[0] in "cw" and mark not in paired and mark not in _EMPTY
            ),
        )

    def linked(self, stories: Iterable[int], told: Mapping[int, Iterable[int]]) -> dict[int, tuple[int, ...]]:
        """Return for each of ``stories`` the told ones whose matter it continues, directly or through each other.

        ``told`` gives for each told story those that it continued when it was told.
        """
        former = [story for story in sorted(told) if story in self]
        home = {story: {story} for story in former}
        for one in former:
            for other in told[one]:
                if other in home:
                    joined = home[one] | home[other]
                    home.update(dict.fromkeys(joined, joined))
        homes = self._homes(former)
        for one in former:
            for other in self._near(one, homes):
                if home[one] is not home[other] and self.bond(one, other).score >= 1.0:
                    joined = home[one] | home[other]
                    home.update(dict.fromkeys(joined, joined))
        found: dict[int, tuple[int, ...]] = {}
        for story in stories:
            if story not in self:
                continue
            direct = [other for other in self._near(story, homes) if self.bond(story, other).score >= 1.0]
            thread = set[int]().union(*(home[other] for other in direct))
            if thread:
                found[story] = tuple(sorted(thread))
        return found

    def _nearness(self, one: int, other: int) -> float:
        (a_first, a_last), (b_first, b_last) = self._spans[one], self._spans[other]
        apart = max(a_first - b_last, b_first - a_last, timedelta())
        return exp(-max(apart - FREE, timedelta()) / FADE)

    def _homes(self, stories: Iterable[int]) -> dict[str, list[int]]:
        """Return which of ``stories`` hold each name."""
        homes: dict[str, list[int]] = {}
        for story in stories:
            for mark in self._marks[story]:
                if mark[0] in "np" and self._weights[mark] > 0:
                    homes.setdefault(mark, []).append(story)
        return homes

    def _near(self, story: int, homes: dict[str, list[int]]) -> list[int]:
        """Return the stories that share a name with ``story``, ascending: no others can meet the bar."""
        return sorted({other for mark in self._marks[story] for other in homes.get(mark, ())} - {story})


def _sketch(posts: Sequence[Post | Opening], spell: Speller) -> dict[str, float]:
    read = posts[:POSTS]
    held: defaultdict[str, float] = defaultdict(float)
    for post in read:
        for mark, place in _marks(post.text, spell).items():
            held[mark] += place
    return {mark: held[mark] / len(read) for mark in sorted(held)}


def _marks(text: str, spell: Speller) -> dict[str, float]:
    """Return the marks of a text by how prominent they are: 1 in its first sentence."""
    read = without_links(text[:CHARS])
    capital = {name.casefold() for name in names(read)}
    found: dict[str, float] = {}
    sentences = [part for part in _BREAK.split(read) if part.strip()][:SENTENCES]
    for number, sentence in enumerate(sentences):
        place = BACKGROUND if number else 1.0
        before = ""
        for word in words(sentence):
            mark = _mark(word, capital, spell)
            if not mark:
                before = before if len(word) < 3 else ""
                continue
            found[mark] = max(found.get(mark, 0.0), place)
            if before and before != mark and "n" in before[0] + mark[0] and "w" not in before[0] + mark[0]:
                pair = f"p:{'+'.join(sorted((before, mark)))}"
                found[pair] = max(found.get(pair, 0.0), place)
            before = mark
    return found


def _mark(word: str, capital: set[str], spell: Speller) -> str:
    low = word.casefold()
    if low in STOPWORDS or word[0].isdigit() or len(low) < 3:
        return ""
    known = spell.concept(low)
    if known is not None:
        return f"c:{known}"
    if low in capital or word[0].isupper():
        return f"n:{spell.spell(low)}"
    return f"w:{spell.spell(low)[:5]}"


def _weight(mark: str) -> float:
    if mark[0] != "p":
        return _WEIGHTS[mark[0]]
    return _THING if "c:" in mark else _PERSON
