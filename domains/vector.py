"""Texts as sparse vectors without a model: lemmas, pairs of lemmas and character 3-5-grams, hashed, tf-idf weighted.

A `Vectoriser` learns document frequencies from the stream it sees. Words and characters are two blocks, each of unit
length before they are weighed against each other, so a long word cannot drown the others. Character n-grams carry
inflections and names that no dictionary knows.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.terms import STOPWORDS
from domains.text import without_links, words

Lemma = Callable[[str, str], str]
Indices = NDArray[np.uint32]
Values = NDArray[np.float32]

# Squared weights of the two blocks; set on the development streams (benchmarks/stories.py).
WORD_SHARE: Final = 0.65
CHAR_SHARE: Final = 1.0 - WORD_SHARE
# What a term counts in the first line, and what when it is a name or a number, beside 1.
LEAD_WEIGHT: Final = 2.0
NAME_WEIGHT: Final = 1.5
PAIR_WEIGHT: Final = 0.5
# Words read of a post: what comes later is detail, and the work is bounded.
_WORDS: Final = 250
# A text leads with its first sentence or line of so many words; it is looked for in so many characters.
_LEAD_WORDS: Final = 3
_LEAD_CHARS: Final = 600
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+|\n")
# Documents that are taken as seen before the first: its words are not all equally common because nothing is known yet.
_PRIOR: Final = 10.0
_GRAMS: Final = (3, 4, 5)
# Indices with this bit set are of characters, the others of words.
CHAR_BIT: Final = 1 << 31
_TABLE: Final = 1 << 20
# Documents after which all frequencies are halved: what was common last month fades.
_MEMORY: Final = 20_000
_CACHED_WORDS: Final = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A sparse vector of unit length (or empty): ``indices`` uint32 [n] ascending, ``values`` float32 [n].

    ``lead`` are those indices, ascending, whose words the text leads with: its first sentence or line. Vectors that differ
    by it alone are equal, and `to_bytes` leaves it out.
    """

    indices: Indices
    values: Values
    lead: Indices = field(default_factory=lambda: np.empty(0, np.uint32), repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vector):
            return NotImplemented
        return np.array_equal(self.indices, other.indices) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __len__(self) -> int:
        return int(self.indices.size)

    @property
    def words(self) -> int:
        """Return how many features are of words."""
        return int(np.searchsorted(self.indices, CHAR_BIT))

    def opening(self) -> "Vector":
        """Return only what the text leads with; it leads with itself."""
        return Vector(self.lead, self.values[np.searchsorted(self.indices, self.lead)], self.lead)

    def covered(self, other: "Vector") -> float:
        """Return the share of this vector's squared length, 0 to 1, whose features ``other`` has; 1 of an empty one."""
        squares = self.values**2
        whole = float(squares.sum())
        return float(squares[np.isin(self.indices, other.indices)].sum()) / whole if whole else 1.0

    def dot(self, other: "Vector") -> float:
        """Return the inner product: of two vectors of unit length the cosine, 0 to 1."""
        small, large = (self, other) if len(self) < len(other) else (other, self)
        if not len(small):
            return 0.0
        at = np.searchsorted(large.indices, small.indices)
        at[at == len(large)] = 0
        same = large.indices[at] == small.indices
        return float(small.values[same] @ large.values[at[same]])

    def to_bytes(self) -> bytes:
        """Return 8 bytes an entry, little endian: all indices, then all values."""
        return self.indices.astype("<u4").tobytes() + self.values.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the vector that `to_bytes` wrote."""
        half = len(data) // 2
        return cls(
            np.frombuffer(data[:half], dtype="<u4").astype(np.uint32),
            np.frombuffer(data[half:], dtype="<f4").astype(np.float32),
        )


class _State(msgspec.Struct, frozen=True):
    documents: float
    table: bytes


class Vectoriser:
    """Turns posts into vectors, one after the other; same posts in the same order, same vectors.

    Holds 4 MB of frequencies and a bounded cache of words. Not safe for threads.
    """

    def __init__(self, lemma: Lemma) -> None:
        self._lemma = lemma
        self._documents = 0.0
        self._table: Values = np.zeros(_TABLE, dtype=np.float32)
        self._grams = lru_cache(_CACHED_WORDS)(_grams)

    def vector(self, text: str, lang: str) -> Vector:
        """Return the vector of ``text`` (without boilerplate) and count it among the documents seen."""
        return self._vector(text, lang, self._observe)

    def again(self, text: str, lang: str) -> Vector:
        """Return the vector of a text that was counted before, by what is known of its terms now; counts nothing."""
        return self._vector(text, lang, None)

    def _vector(self, text: str, lang: str, observe: Callable[[Indices], None] | None) -> Vector:
        plain = without_links(text)
        terms, leading = self._terms(plain, lang)
        if not terms:
            return Vector(np.empty(0, np.uint32), np.empty(0, np.float32))
        keys, weights = _word_keys(terms)
        word_at, word_tf = _counts(keys, weights)
        char_at, char_tf = self._char_counts(terms)
        indices = np.concatenate([word_at, char_at])
        if observe is not None:
            observe(indices)
        word = _unit(word_tf * self._idf(word_at)) * np.float32(WORD_SHARE**0.5)
        char = _unit(char_tf * self._idf(char_at)) * np.float32(CHAR_SHARE**0.5)
        return Vector(indices, np.concatenate([word, char]), np.unique(keys[:leading]))

    def state(self) -> bytes:
        """Return the frequencies learned so far, compressed."""
        table = zlib.compress(self._table.astype("<f4").tobytes(), 1)
        return msgspec.msgpack.encode(_State(self._documents, table))

    def load(self, data: bytes) -> None:
        """Take the frequencies that `state` returned."""
        state = msgspec.msgpack.decode(data, type=_State)
        self._documents = state.documents
        self._table = np.frombuffer(zlib.decompress(state.table), dtype="<f4").astype(np.float32)

    def _terms(self, text: str, lang: str) -> tuple[list[tuple[str, str, float]], int]:
        """Return (word, lemma, weight) of the content words of ``text``, both lower case, and how many it leads with."""
        lead = len(words(text.strip().partition("\n")[0]))
        opening, leading = _opening(text), 0
        terms: list[tuple[str, str, float]] = []
        for at, word in enumerate(words(text)[:_WORDS]):
            low = word.casefold()
            if low in STOPWORDS or (len(low) == 1 and not low.isdigit()):
                continue
            lemma = self._lemma(low, lang).casefold()
            if lemma in STOPWORDS:
                continue
            weight = LEAD_WEIGHT if at < lead else 1.0
            terms.append(
                (low, lemma, weight * NAME_WEIGHT if word[0].isupper() or word[0].isdigit() else weight)
            )
            leading += at < opening
        return terms, leading

    def _char_counts(self, terms: list[tuple[str, str, float]]) -> tuple[Indices, Values]:
        grams = [self._grams(word) for word, _, _ in terms]
        weights = np.repeat([weight for _, _, weight in terms], [one.size for one in grams])
        return _counts(np.concatenate(grams), weights)

    def _observe(self, indices: Indices) -> None:
        self._documents += 1.0
        # Two indices may meet in one cell of the table; += on a fancy index counts them once, as it should.
        self._table[indices & (_TABLE - 1)] += 1.0
        if self._documents >= _MEMORY:
            self._documents /= 2.0
            self._table /= 2.0

    def _idf(self, indices: Indices) -> Values:
        seen = self._table[indices & (_TABLE - 1)]
        idf: Values = np.log((self._documents + 1.0 + _PRIOR) / (seen + 0.5)).astype(np.float32)
        return idf


def _opening(text: str) -> int:
    """Return the number of the last word that a text leads with, counted from 1: of its first sentence of some words."""
    number = 0
    for part in _SENTENCE.split(text.strip()[:_LEAD_CHARS]):
        count = len(words(part))
        number += count
        if count >= _LEAD_WORDS:
            break
    return number


def _word_keys(terms: list[tuple[str, str, float]]) -> tuple[Indices, NDArray[np.float64]]:
    """Return the keys of the words, in their order, then those of pairs of neighbours; and the weight of each."""
    keys = [_word_hash(lemma) for _, lemma, _ in terms]
    weights = [weight for _, _, weight in terms]
    for (_, before, one), (_, after, other) in pairwise(terms):
        keys.append(_word_hash(f"{before} {after}"))
        weights.append(PAIR_WEIGHT * (one + other) / 2)
    return np.array(keys, dtype=np.uint32), np.array(weights)


def _word_hash(term: str) -> int:
    return zlib.crc32(term.encode("utf-8", "replace")) & (CHAR_BIT - 1)


def _grams(word: str) -> Indices:
    """Return the hashes of the character n-grams of ``word``, its ends marked."""
    marked = f" {word[:40]} "
    return np.array(
        [
            zlib.crc32(marked[at : at + size].encode("utf-8", "replace")) | CHAR_BIT
            for size in _GRAMS
            for at in range(len(marked) - size + 1)
        ],
        dtype=np.uint32,
    )


def _counts(keys: Indices, weights: NDArray[np.float64]) -> tuple[Indices, Values]:
    """Return the distinct keys, ascending, and a sublinear count of each: c below 1, then 1 + ln c."""
    indices, where = np.unique(keys, return_inverse=True)
    total = np.bincount(where, weights=weights, minlength=indices.size)
    return indices, np.where(total < 1.0, total, 1.0 + np.log(np.maximum(total, 1.0))).astype(np.float32)


def _unit(values: Values) -> Values:
    length = float(np.linalg.norm(values))
    return (values / np.float32(length)).astype(np.float32) if length else values
