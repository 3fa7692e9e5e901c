"""Which stories of one window tell the same happening: across languages, and where one language was split.

    each story's posts ──> marks: numbers, names in a script-free spelling, concepts, words, addresses
    window             ──> a mark weighs by its kind and by how few stories hold it
    two stories        ──> shared weight, absolute and as a share of the lesser story, fading with the time between
    groups             ──> the likest first; two groups join only when every pair across them agrees

Pure and deterministic; precision first: two happenings told as one are worse than one told twice.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log, sqrt
from typing import Final

from domains.gloss import concept
from domains.post import Post, prose
from domains.spelling import CYRILLIC, DOUBLED, VOWELS
from domains.terms import STOPWORDS
from domains.text import links, names, numbers, without_links, words

# Evidence of a pair: weight in whole rare marks, and the share of the lesser story's weight that it makes up.
EVIDENCE: Final = 2.0
SHARE: Final = 0.20
# The same for two stories in one language, which lexical clustering saw and kept apart.
EVIDENCE_SAME: Final = 3.5
SHARE_SAME: Final = 0.36
# So much of the evidence must be numbers, names or addresses: two fires share the words of any fire.
HARD: Final = 1.0
HARD_SAME: Final = 1.5
# What so many posts each agree on says what a story is about: then its share alone tells.
DENSE: Final = 4
EVIDENCE_DENSE: Final = 1.5
SHARE_DENSE: Final = 0.42
HARD_DENSE: Final = 0.5
# Of fewer posts, a short story's share is taken of no less than this.
LEAST: Final = 4.0
# A pair inside a joined group may fall short of the bar by this factor.
SLACK: Final = 0.5
# Where a pair is so far above the bar, others may tell other parts of the happening, if they share this much of it.
STRONG: Final = 1.5
LOOSE: Final = 0.2
# Two stories that continue one matter are one when they reach this part of the bar.
KIN: Final = 0.5
# Likeness fades by e in this time between two stories' posts, after a free while.
FADE: Final = timedelta(hours=24)
FREE: Final = timedelta(hours=6)
# A story is judged by so many posts and so many characters of each.
POSTS: Final = 12
CHARS: Final = 700
# A post that holds so many marks says as much as any.
TELLING: Final = 15
# A window of fewer stories is weighed as one of so many: in a small one, three stories with a name are not many.
SMALL: Final = 40
# A mark held by more than this share of a large window's stories finds no pairs.
COMMON: Final = 0.08
COMMON_STORIES: Final = 12

_NUMBER, _NAME, _CONCEPT, _WORD, _LINK = 1.0, 1.0, 0.5, 0.35, 2.0


@dataclass(frozen=True, slots=True)
class Likeness:
    """What speaks for two stories being one.

    ``evidence`` is the shared weight in whole rare marks, ``share`` its part of the lesser story's weight, ``hard``
    the part that is numbers, names and addresses; ``score`` is 1 where all bars are just met.
    """

    evidence: float
    share: float
    hard: float
    score: float


@dataclass(frozen=True, slots=True)
class _Sketch:
    marks: dict[str, float]
    langs: frozenset[str]
    posts: int
    first: datetime
    last: datetime


class Window:
    """The stories of a window, ready to be compared."""

    def __init__(self, stories: Iterable[tuple[int, Sequence[Post]]]) -> None:
        spell = Speller()
        self._sketches = {story: _sketch(posts, spell) for story, posts in stories if posts}
        holders = Counter(mark for sketch in self._sketches.values() for mark in sketch.marks)
        count = max(len(self._sketches), SMALL)
        rarity = {
            mark: log((count + 1) / max(held - 0.5, 1.0)) / log(count + 2) for mark, held in holders.items()
        }
        self._weights = {mark: _kind_weight(mark) * max(rare, 0.0) for mark, rare in rarity.items()}
        self._totals = {
            story: sum(self._weights[mark] * held for mark, held in sketch.marks.items())
            for story, sketch in self._sketches.items()
        }
        self._holders = holders

    def likeness(self, one: int, other: int) -> Likeness:
        """Return how alike two of the stories are; symmetric."""
        first, second = sorted((one, other))
        a, b = self._sketches[first], self._sketches[second]
        shared = sorted(a.marks.keys() & b.marks.keys())
        near = _nearness(a, b)
        evidence = sum(self._weights[mark] * sqrt(a.marks[mark] * b.marks[mark]) for mark in shared)
        hard = near * sum(
            self._weights[mark] * sqrt(a.marks[mark] * b.marks[mark]) for mark in shared if mark[0] in "#nu"
        )
        least = max(min(self._totals[first], self._totals[second]), 1.0)
        share = evidence / max(least, LEAST)
        if not a.langs & b.langs:
            score = min(evidence / EVIDENCE, share / SHARE, hard / HARD)
        else:
            score = min(evidence / EVIDENCE_SAME, share / SHARE_SAME, hard / HARD_SAME)
            if min(a.posts, b.posts) >= DENSE:
                share = evidence / least
                dense = min(evidence / EVIDENCE_DENSE, share / SHARE_DENSE, hard / HARD_DENSE)
                score = max(score, dense)
        return Likeness(evidence, share, hard, score)

    def shared(self, one: int, other: int) -> dict[str, float]:
        """Return the marks two stories share, with their weight."""
        both = self._sketches[one].marks.keys() & self._sketches[other].marks.keys()
        return {mark: self._weights[mark] for mark in sorted(both)}

    def pairs(self) -> list[tuple[float, int, int]]:
        """Return the pairs that meet the bar, likest first: score and both stories, the lesser id first."""
        most = max(COMMON_STORIES, COMMON * len(self._sketches))
        homes: defaultdict[str, list[int]] = defaultdict(list)
        for story in sorted(self._sketches):
            for mark in self._sketches[story].marks:
                if self._holders[mark] <= most and not mark.startswith("w:"):
                    homes[mark].append(story)
        rough: Counter[tuple[int, int]] = Counter()
        for stories in homes.values():
            for place, one in enumerate(stories):
                for other in stories[place + 1 :]:
                    rough[one, other] += 1
        found = []
        for (one, other), held in rough.items():
            if held >= 2 or len(self._sketches) < 40:
                score = self.likeness(one, other).score
                if score >= 1.0:
                    found.append((round(score, 6), one, other))
        return sorted(found, key=lambda pair: (-pair[0], pair[1], pair[2]))

    def groups(self, kin: Collection[tuple[int, int]] = ()) -> tuple[tuple[int, ...], ...]:
        """Return the groups of two and more stories that tell one happening, ids ascending.

        ``kin`` are pairs, the lesser id first, known to continue one matter: they join more easily.
        """
        home: dict[int, set[int]] = {}
        for score, one, other in self.pairs():
            a, b = home.get(one, {one}), home.get(other, {other})
            if a is not b and self._agree(score, a, b):
                joined = a | b
                home.update(dict.fromkeys(joined, joined))
        near = {pair: self.likeness(*pair).score for pair in kin if self._both(pair)}
        for one, other in sorted(near, key=lambda pair: (-near[pair], pair)):
            a, b = home.get(one, {one}), home.get(other, {other})
            across = [near[pair] for x in a for y in b if (pair := (min(x, y), max(x, y))) in near]
            if a is not b and min(across) >= KIN:
                joined = a | b
                home.update(dict.fromkeys(joined, joined))
        return tuple(sorted({tuple(sorted(group)) for group in home.values()}))

    def _agree(self, score: float, a: set[int], b: set[int]) -> bool:
        """Return whether two groups are one happening, as the pair that links them and all others say."""
        least = LOOSE if score >= STRONG else SLACK
        return all(self.likeness(x, y).score >= least for x in a for y in b)

    def _both(self, pair: tuple[int, int]) -> bool:
        return pair[0] in self._sketches and pair[1] in self._sketches


class Speller:
    """Spells words without regard to script: «Орион», «Оріон» and Orion become one. Remembers what it spelt."""

    def __init__(self) -> None:
        self._spelt: dict[str, str] = {}
        self._concepts: dict[str, int | None] = {}

    def spell(self, word: str) -> str:
        """Return the consonants of ``word`` in one spelling for Latin and Cyrillic; with vowels where they are few."""
        if word not in self._spelt:
            self._spelt[word] = _spell(word)
        return self._spelt[word]

    def concept(self, word: str) -> int | None:
        """Return the concept that a lower-case ``word`` names, if any."""
        if word not in self._concepts:
            self._concepts[word] = concept(word)
        return self._concepts[word]


_LATIN: Final = (
    (re.compile(r"['’ʼ]s$|['’ʼ]"), ""),
    (re.compile(r"shch|sch|sh"), "S"),
    (re.compile(r"tch|ch"), "C"),
    (re.compile(r"zh|j(?=[aeou])"), "Z"),
    (re.compile(r"kh|gh|g"), "h"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"th"), "t"),
    (re.compile(r"ck|q|c(?![eiy])"), "k"),
    (re.compile(r"c"), "ts"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"w"), "v"),
    (re.compile(r"[yj]"), "i"),
)
# Endings of Russian and Ukrainian cases; what they leave must still be a word.
_ENDING: Final = re.compile(
    r"(?<=[а-яёіїєґ]{3})(?:ого|его|ому|ему|ыми|ими|ами|ями|ою|ею|єю|ах|ях|ам|ям|ом|ем|ём|ем|єм|им|ым|ім|ех|их|ых)$"
)
_SKELETON: Final = 3


def _spell(word: str) -> str:
    word = word.casefold()
    if re.search("[а-яёіїєґ]", word):
        plain = _ENDING.sub("", word).replace("дж", "Z").translate(CYRILLIC)
    else:
        plain = word
        for pattern, written in _LATIN:
            plain = pattern.sub(written, plain)
    plain = DOUBLED.sub(r"\1", plain)
    bones = DOUBLED.sub(r"\1", VOWELS.sub("", plain))
    if len(bones) >= _SKELETON:
        return ("a" if plain[0] in "aeiou" else "") + bones
    return plain.rstrip("aeiou") or plain


def _sketch(posts: Sequence[Post], spell: Speller) -> _Sketch:
    read = [_marks(post, spell) for post in posts[:POSTS]]
    # Small talk around a piece of news says nothing against it: a post speaks by how much it tells, up to a point.
    voices = [min(len(marks), TELLING) for marks in read]
    held: Counter[str] = Counter()
    for marks, voice in zip(read, voices, strict=True):
        held.update(dict.fromkeys(marks, voice))
    return _Sketch(
        marks={mark: held[mark] / sum(voices) for mark in sorted(held)},
        langs=frozenset(post.lang for post in posts),
        posts=len(posts),
        first=min(post.at for post in posts),
        last=max(post.at for post in posts),
    )


def _marks(post: Post, spell: Speller) -> frozenset[str]:
    # Every post of a channel ends in the same words.
    text = without_links(prose(post.text, post.sentences)[:CHARS])
    urls = (*links(post.text[:CHARS]), *([post.url] if post.url else []))
    # An address of one segment names a site or a channel, not what happened.
    marks = {f"u:{url}" for url in urls if url.rstrip("/").count("/") > 3}
    marks.update(f"#:{number.strip('-%')}" for number in numbers(text))
    capital = {name.casefold() for name in names(text)}
    for word in words(text):
        low = word.casefold()
        if low in STOPWORDS or word[0].isdigit() or len(low) < 3:
            continue
        known = spell.concept(low)
        if known is not None:
            marks.add(f"c:{known}")
        elif low in capital or word[0].isupper():
            marks.add(f"n:{spell.spell(low)}")
        else:
            marks.add(f"w:{spell.spell(low)[:5]}")
    return frozenset(marks)


def _kind_weight(mark: str) -> float:
    if mark[0] == "#":
        return _NUMBER * _number_weight(mark[2:])
    if mark[0] == "n":
        return _NAME
    if mark[0] == "c":
        return _CONCEPT
    return _LINK if mark[0] == "u" else _WORD


def _number_weight(number: str) -> float:
    """Return how telling a number is by itself: long and broken ones are, small counts and years are not."""
    if re.fullmatch(r"(?:19|20)\d\d", number):
        return 0.3
    digits = sum(char.isdigit() for char in number)
    if digits <= 1:
        return 0.3
    return 0.8 if digits == 2 or re.fullmatch(r"\d+0{2,}", number) else 1.2


def _nearness(a: _Sketch, b: _Sketch) -> float:
    apart = max(a.first - b.last, b.first - a.last, timedelta())
    return exp(-max(apart - FREE, timedelta()) / FADE)
