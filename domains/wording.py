"""How prose words what it cites: inflected names, words that begin sentences, what is denied.

Only for text that somebody (a model) wrote; a quotation words itself. Everything is a set of word roots, where a root is
a word without its case ending: rough, but a name in another case is still that name, and another name is not.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final

from domains.lure import LINE_SIGNS, lures
from domains.terms import STOPWORDS
from domains.text import names, words

# Case endings of Russian and Ukrainian nouns and adjectives, without those that also make surnames (-ов, -ев, -ин).
_CASES: Final = (
    "ого его ому ему ыми ими ами ями ою ею ой ей ый ий ая яя ое ее ые ие ых их ым им ую юю ам ям ах ях ом ем "
    "ої єї ій єю ьою ьої ьому ього ем ом ём у ю а я о е ё ы и і ї ь й є"
)
_ENDINGS: Final = tuple(sorted(_CASES.split(), key=len, reverse=True))
_ROOT_LETTERS: Final = 3
_CYRILLIC: Final = re.compile("[а-яёіїєґ]")
_POSSESSIVE: Final = re.compile("[’'ʼ]s?$")
# Words that often begin a sentence of news and name nobody; beside these, whatever the window writes in small letters.
_OPENING: Final = (
    "both several many few another every each either neither two three officials police authorities residents "
    "according local firefighters rescuers doctors scientists experts investigators prosecutors lawmakers workers "
    "people meanwhile earlier later today yesterday nobody nearly almost among despite following including since "
    "however additionally furthermore moreover previously eventually nonetheless nevertheless still ultimately yet prior "
    "finally besides instead although though once overall shares users "
    "i'm i've i'd i'll it's there's "
    "несколько оба обе двое трое многие власти полиция жители спасатели врачи учёные ученые эксперты следователи "
    "прокуратура депутаты среди согласно раньше ранее позже вчера сегодня завтра никто почти вместе впервые "
    "кроме впрочем наконец теперь пока поэтому затем потом кстати напомним сначала всего "
    "кілька обидва обидві двоє троє багато влада поліція мешканці рятувальники лікарі вчені експерти слідчі "
    "прокуратура депутати серед згідно раніше пізніше вчора сьогодні ніхто майже разом уперше вперше "
    "втім нарешті тепер поки тому потім нагадаємо спочатку всього"
)
_OPENERS: Final = frozenset(_OPENING.split())
_NEGATING: Final = "not no never none without cannot не нет ни без нельзя ні без немає нема"
_NEGATIONS: Final = frozenset(_NEGATING.split())


class Vocabulary:
    """The words that a window's posts use, as roots; they are read when first asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def common(self) -> frozenset[str]:
        """What somebody writes in small letters: common words, not names."""
        return frozenset(root(word) for text in self._texts for word in words(text) if word[0].islower())

    @cached_property
    def luring(self) -> frozenset[str]:
        """What only lines say that are meant for machines, or hold links or code: no model is shown them."""
        lured: set[str] = set()
        clean: set[str] = set()
        for text in self._texts:
            whole = bool(lures(text))
            for line in text.split("\n"):
                into = lured if whole or lures(line, LINE_SIGNS) else clean
                into.update(root(word) for word in words(line))
        return frozenset(lured - clean)


def root(word: str) -> str:
    """Return ``word`` in small letters without a possessive or a Slavic case ending; at least three letters stay.

    >>> root("Зеленского") == root("Зеленский"), root("Biden's"), root("Нигерия") == root("Нигер")
    (True, 'biden', False)
    """
    small = _POSSESSIVE.sub("", word.casefold())
    if word.isupper() or not _CYRILLIC.search(small):
        return small
    for ending in _ENDINGS:
        if small.endswith(ending) and len(small) - len(ending) >= _ROOT_LETTERS:
            return small[: -len(ending)]
    return small


def openings(text: str) -> frozenset[str]:
    """Return the capitalised words of ``text`` that `names` cannot tell from any word that begins a sentence.

    In a line written in capitals throughout these are all its words.
    """
    capitals = frozenset(word for word in words(text) if len(word) > 1 and word[0].isupper())
    return capitals - names(text)


def is_common(word: str, vocabulary: Vocabulary) -> bool:
    """Return whether ``word``, which begins a sentence, is known to be no name."""
    small = word.casefold()
    return small in STOPWORDS or small in _OPENERS or root(word) in vocabulary.common


def denied(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the roots of the words right after a negation, and of all other words that say something."""
    found = words(text)
    after = {position + 1 for position, (word, _) in enumerate(pairwise(found)) if _negates(word)}
    refused = {root(word) for position, word in enumerate(found) if position in after}
    plain = {root(word) for position, word in enumerate(found) if position not in after}
    return frozenset(refused), frozenset(plain)


def content(text: str) -> tuple[str, ...]:
    """Return the words of ``text`` that say something, as written."""
    return tuple(word for word in words(text) if len(word) > 1 and word.casefold() not in STOPWORDS)


def _negates(word: str) -> bool:
    small = word.casefold()
    return small in _NEGATIONS or small.endswith(("n't", "n’t"))
