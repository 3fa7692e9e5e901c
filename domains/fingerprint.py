"""Who repeats whom: `exact_hash`, the `Sketch` of a text and the `DuplicateIndex` that finds near duplicates.

A sketch is the 16 smallest 64-bit hashes of a text's word pairs (bottom-k MinHash, Broder 1997): texts that share
enough pairs share some of them, so the few candidates are found by look-up and then compared in full.
"""

import hashlib
import heapq
import struct
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Self, TypeVar

from domains import limits
from domains.text import names, numbers, without_links, words

SKETCH_HASHES: Final = 16
# Below this many words two texts repeat each other only when they are the same.
SHORT_WORDS: Final = 5
# Jaccard similarity of word pairs from which two posts say the same ...
NEAR_JACCARD: Final = 0.6
# (among few words one other verb turns the news round, so more is asked of them)
FEW_WORDS: Final = 10
NEAR_JACCARD_FEW: Final = 0.75
# ... and the share of a shorter post's pairs that a longer, earlier one must hold for the shorter to add nothing.
HELD: Final = 0.9
HELD_LENGTH: Final = 0.5
# Posts looked at per hash, newest first: bounds the work on a template that is posted every minute.
_CANDIDATES: Final = 64
_Key = TypeVar("_Key")
# Figures written as words, by their first letters; "one" is left out, for it is mostly no figure.
_NUMERALS: Final = {
    **dict.fromkeys(
        ("два", "две", "двух", "двум", "двумя", "дві", "двох", "двом", "двома", "two", "двое", "двоє"), "2"
    ),
    **dict.fromkeys(
        ("три", "трех", "трем", "тремя", "трьох", "трьом", "трьома", "three", "трое", "троє"), "3"
    ),
    **dict.fromkeys(
        ("четыре", "четырех", "четырем", "четырьмя", "чотири", "чотирьох", "чотирма", "four"), "4"
    ),
    **dict.fromkeys(("пять", "пяти", "пятью", "п'ять", "п’ять", "п'яти", "п’яти", "five", "пятеро"), "5"),
    **dict.fromkeys(("шесть", "шести", "шестью", "шість", "шести", "шістьох", "six"), "6"),
    **dict.fromkeys(("семь", "семи", "семью", "сім", "семи", "сімох", "seven"), "7"),
    **dict.fromkeys(("восемь", "восьми", "восемью", "вісім", "восьми", "вісьмох", "eight"), "8"),
    **dict.fromkeys(("девять", "девяти", "девятью", "дев'ять", "дев’ять", "дев'яти", "дев’яти", "nine"), "9"),
    **dict.fromkeys(("десять", "десяти", "десятью", "ten"), "10"),
}
_NEGATIONS: Final = frozenset(
    [
        "не",
        "ни",
        "нет",
        "нельзя",
        "без",
        "ні",
        "немає",
        "not",
        "no",
        "never",
        "without",
        "didn't",
        "doesn't",
        "isn't",
        "won't",
    ]
)
_STEM: Final = 4


@dataclass(frozen=True, slots=True)
class Sketch:
    """The smallest hashes of a text's word pairs, ascending; the same in every process."""

    hashes: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the sketch of ``text``."""
        return cls(tuple(heapq.nsmallest(SKETCH_HASHES, _shingles(_content(text)))))

    def to_bytes(self) -> bytes:
        """Return 8 bytes a hash, little endian."""
        return struct.pack(f"<{len(self.hashes)}Q", *self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the sketch that `to_bytes` wrote."""
        return cls(struct.unpack(f"<{len(data) // 8}Q", data))


@dataclass(frozen=True, slots=True)
class _Kept:
    at: datetime
    exact: str
    shingles: "array[int]"
    sketch: tuple[int, ...]
    figures: frozenset[str]
    names: frozenset[str]
    stems: frozenset[str]


def exact_hash(text: str) -> str:
    """Return the SHA-256 in hex of the words of ``text``: case, punctuation, emoji and links make no difference."""
    return hashlib.sha256(" ".join(_content(text)).encode()).hexdigest()


class DuplicateIndex:
    """The posts of the last days, against which a new one is matched; same input in the same order, same answers.

    Memory follows the posts within ``window`` of the newest one. Not safe for threads.
    """

    def __init__(self, window: timedelta = limits.DUPLICATE_WINDOW) -> None:
        self._window = window
        self._kept: dict[int, _Kept] = {}
        self._by_hash: defaultdict[int, list[int]] = defaultdict(list)
        self._by_exact: dict[str, list[int]] = {}
        self._ages: list[tuple[datetime, int]] = []
        self._newest: datetime | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def match(self, post_id: int, at: datetime, text: str) -> int | None:
        """Return the post that ``text`` repeats, or None after keeping it as one that others may repeat.

        ``text`` is without boilerplate. Two posts repeat each other when they lie within the window, have the same
        figures, negations and nearly the same words, and not each a name that the other lacks. A post that comes again (edited) replaces its former self.
        """
        self._drop(post_id)
        content = _content(text)
        if not content:
            return None
        kept = _keep(at, text, content)
        found = self._exact(kept)
        if found is None:
            found = self._near(kept)
        if found is None:
            self._add(post_id, kept)
            self._expire(at)
        return found

    def restore(self, posts: Iterable[tuple[int, datetime, str]]) -> None:
        """Take in the posts of before, all or only those that repeated none, in the order in which they were matched.

        Afterwards `match` answers as if it had seen them itself.
        """
        for post_id, at, text in posts:
            self.match(post_id, at, text)

    def _exact(self, new: _Kept) -> int | None:
        ids = (post_id for post_id in self._by_exact.get(new.exact, ()) if self._comparable(new, post_id))
        return min(ids, key=self._rank, default=None)

    def _near(self, new: _Kept) -> int | None:
        if not new.sketch:
            return None
        shared = Counter(
            post_id for value in new.sketch for post_id in self._by_hash.get(value, ())[-_CANDIDATES:]
        )
        pairs = frozenset(new.shingles)
        best: tuple[float, int] | None = None
        for post_id in sorted(shared, key=lambda one: (-shared[one], one))[:_CANDIDATES]:
            score = _likeness(pairs, self._kept[post_id].shingles) if self._comparable(new, post_id) else 0.0
            if score and (best is None or score > best[0]):
                best = (score, post_id)
        return best[1] if best else None

    def _comparable(self, new: _Kept, post_id: int) -> bool:
        old = self._kept[post_id]
        if abs(new.at - old.at) > self._window or new.figures != old.figures:
            return False
        # "over Kursk" does not repeat "over Bryansk": each names what the other does not.
        return new.names <= old.stems or old.names <= new.stems

    def _rank(self, post_id: int) -> tuple[datetime, int]:
        return (self._kept[post_id].at, post_id)

    def _add(self, post_id: int, kept: _Kept) -> None:
        self._kept[post_id] = kept
        self._by_exact.setdefault(kept.exact, []).append(post_id)
        for value in kept.sketch:
            self._by_hash[value].append(post_id)
        heapq.heappush(self._ages, (kept.at, post_id))

    def _drop(self, post_id: int) -> None:
        kept = self._kept.pop(post_id, None)
        if kept is None:
            return
        _forget(self._by_exact, kept.exact, post_id)
        for value in kept.sketch:
            _forget(self._by_hash, value, post_id)

    def _expire(self, at: datetime) -> None:
        self._newest = at if self._newest is None else max(at, self._newest)
        while self._ages and self._ages[0][0] < self._newest - self._window:
            stamped, post_id = heapq.heappop(self._ages)
            if post_id in self._kept and self._kept[post_id].at == stamped:
                self._drop(post_id)


def _forget(table: dict[_Key, list[int]], key: _Key, post_id: int) -> None:
    table[key].remove(post_id)
    if not table[key]:
        del table[key]


def _content(text: str) -> tuple[str, ...]:
    return words(without_links(text).casefold().replace("ё", "е"))


def _shingles(content: tuple[str, ...]) -> set[int]:
    if len(content) < SHORT_WORDS:
        return set()
    pairs = pairwise(content)
    return {
        int.from_bytes(hashlib.blake2b(f"{a} {b}".encode(), digest_size=8).digest(), "little")
        for a, b in pairs
    }


def _keep(at: datetime, text: str, content: tuple[str, ...]) -> _Kept:
    shingles = _shingles(content)
    exact = hashlib.sha256(" ".join(content).encode()).hexdigest()
    sketch = tuple(heapq.nsmallest(SKETCH_HASHES, shingles))
    prose = without_links(text)
    named = frozenset(name.casefold().replace("ё", "е")[:_STEM] for name in names(prose))
    stems = frozenset(word[:_STEM] for word in content)
    return _Kept(at, exact, array("Q", sorted(shingles)), sketch, _figures(prose, content), named, stems)


def _figures(prose: str, content: tuple[str, ...]) -> frozenset[str]:
    """Return the figures and negations of a text: two texts that differ in these do not say the same."""
    spelt = (_NUMERALS[word] for word in content if word in _NUMERALS)
    return numbers(prose).union(spelt, _NEGATIONS.intersection(content))


def _likeness(new: frozenset[int], old: "array[int]") -> float:
    """Return the Jaccard similarity when it makes ``new`` a repeat of ``old``, else 0."""
    shared = sum(map(new.__contains__, old))
    jaccard = shared / (len(new) + len(old) - shared)
    held = shared / len(new) >= HELD and len(new) >= HELD_LENGTH * len(old)
    few = min(len(new), len(old)) < FEW_WORDS
    return jaccard if jaccard >= (NEAR_JACCARD_FEW if few else NEAR_JACCARD) or held else 0.0
