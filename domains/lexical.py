"""Texts and questions as sparse lexical vectors whose inner product, weighted by rarity, is BM25.

Four kinds of terms share one space of 32-bit indices: lemmas; character 4-grams, which carry inflections and names that
no dictionary knows; names spelt by their consonants without regard to script («Київ», Kyiv); and concepts of the
trilingual glossary. A document's values are BM25's saturated, length-normalised frequencies (Robertson and Zaragoza,
2009, k1 1.2, b 0.5), a question's are the kinds' weights; the store multiplies by log(1 + (N - n + .5) / (n + .5)).
So vectors never change when the collection grows.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domains.terms import STOPWORDS
from domains.text import without_links, words
from domains.twin import Speller
from domains.vector import Indices, Vector

Lemma = Callable[[str, str], str]
Floats = NDArray[np.float64]

# The two highest bits of an index say what kind of term it is.
LEMMA, NAME, GRAM, CONCEPT = range(4)
_SHIFT: Final = 30
_HASH: Final = (1 << _SHIFT) - 1
# What a kind of term weighs in a question; a word has one lemma but about five 4-grams. Set on half of XQuAD's articles
# (benchmarks/retrieval.py); the scores are flat around these values.
WEIGHTS: Final = (1.0, 0.6, 0.2, 0.8)
# Terms of each kind in a text of usual length. Fixed, so that a vector does not depend on what else is stored.
USUAL: Final = (70.0, 14.0, 350.0, 12.0)
K1: Final = 1.2
B: Final = 0.5
GRAM_CHARS: Final = 4
_WORD_CHARS: Final = 40
# Words read of a text: what comes later is rarely asked for, and the work is bounded.
_WORDS: Final = 400
_CACHED_WORDS: Final = 50_000
_YO: Final = str.maketrans({"ё": "е", "’": "'", "ʼ": "'"})

NOTHING: Final = Vector(np.empty(0, np.uint32), np.empty(0, np.float32))


class Lexical:
    """Makes vectors; the same text gives the same vector in every process. Holds a bounded cache of words."""

    name: Final = "lexical-2"

    def __init__(self, lemma: Lemma) -> None:
        self._lemma = lemma
        # A speller remembers all it spelt; here posts are unbounded, so only the bounded cache remembers.
        self._terms = lru_cache(_CACHED_WORDS)(self._of_word)

    def document(self, text: str, lang: str) -> Vector:
        """Return the vector of a text that is stored; values in (0, 1)."""
        found = Counter(self._all(text, lang))
        if not found:
            return NOTHING
        indices, counts = _arrays(found)
        kinds = indices >> _SHIFT
        totals = np.bincount(kinds, weights=counts, minlength=4)
        usual = (1.0 - B + B * totals / np.array(USUAL))[kinds]
        return Vector(indices, (counts / (counts + K1 * usual)).astype(np.float32))

    def question(self, text: str, lang: str) -> Vector:
        """Return the vector of a question: each term's count times its kind's weight; rarity is the store's to add."""
        found = Counter(self._all(text, lang))
        if not found:
            return NOTHING
        indices, counts = _arrays(found)
        return Vector(indices, (counts * np.array(WEIGHTS)[indices >> _SHIFT]).astype(np.float32))

    def lemmas(self, text: str, lang: str) -> tuple[str, ...]:
        """Return the content lemmas of ``text``, each once, in order of appearance."""
        low = (_low(piece) for word in words(without_links(text))[:_WORDS] for piece in _pieces(word))
        found = (self._lemma(word, lang).casefold().translate(_YO) for word in low if _tells(word))
        return tuple(dict.fromkeys(lemma for lemma in found if lemma not in STOPWORDS))

    def _all(self, text: str, lang: str) -> Iterator[int]:
        for word in words(without_links(text))[:_WORDS]:
            for piece in _pieces(word):
                yield from self._terms(piece, lang)

    def _of_word(self, word: str, lang: str) -> tuple[int, ...]:
        low = _low(word)
        if not _tells(low):
            return ()
        lemma = self._lemma(low, lang).casefold().translate(_YO)
        terms = [] if lemma in STOPWORDS else [_index(LEMMA, lemma)]
        terms += [_index(GRAM, gram) for gram in _grams(low)]
        if len(low) > 2 and not low[0].isdigit():
            speller = Speller()
            concept = speller.concept(low)
            if concept is not None:
                terms.append(_index(CONCEPT, str(concept)))
            if word[0].isupper():
                terms.append(_index(NAME, speller.spell(low)))
        return tuple(terms)


def rarity(documents: float, holding: Floats) -> Floats:
    """Return log(1 + (N - n + .5) / (n + .5)) for terms that ``holding`` of N documents hold; never negative."""
    rare: Floats = np.log1p((documents - holding + 0.5).clip(min=0.0) / (holding + 0.5))
    return rare


def _pieces(word: str) -> Iterator[str]:
    """Yield a word, and what its hyphens join: who asks for Covid means Covid-19, too."""
    yield word
    if "-" in word:
        yield from filter(None, word.split("-"))


def _low(word: str) -> str:
    return word.casefold().translate(_YO)[:_WORD_CHARS]


def _tells(low: str) -> bool:
    return low not in STOPWORDS and (len(low) > 1 or low.isdigit())


def _grams(low: str) -> Iterator[str]:
    marked = f" {low} "
    if len(marked) < GRAM_CHARS:
        yield marked
    for at in range(len(marked) - GRAM_CHARS + 1):
        yield marked[at : at + GRAM_CHARS]


def _index(kind: int, term: str) -> int:
    return kind << _SHIFT | zlib.crc32(term.encode("utf-8", "replace")) & _HASH


def _arrays(found: Counter[int]) -> tuple[Indices, Floats]:
    indices = np.fromiter(found.keys(), np.uint32, len(found))
    counts = np.fromiter(found.values(), np.float64, len(found))
    order = np.argsort(indices)
    return indices[order], counts[order]
