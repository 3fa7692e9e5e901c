"""Language offline: which one, where its sentences are, what a word's dictionary form is.

py3langid identifies, razdel splits (for Russian first; what it lacks for English and Ukrainian is mended here),
simplemma lemmatises. Models are read from the packages' own files; nothing is fetched. Build one per process, after
the fork: about 35 MB for the classifier and as much for the dictionaries of three languages.
"""

import math
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Final, Protocol

from py3langid.langid import MODEL_FILE, LanguageIdentifier
from razdel import sentenize
from simplemma import Lemmatizer
from simplemma.strategies import DefaultStrategy
from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

from domains.post import Span

UNKNOWN: Final = "und"
_LETTERS: Final = 4
_SAMPLE_CHARS: Final = 1_500
_WORD_CHARS: Final = 40
_CACHE: Final = 100_000
# A language we serve is believed when it is at most this many times less likely than the classifier's first choice:
# on a headline of five words the classifier confuses Russian with Bulgarian and English with Scots.
_SERVED: Final = ("en", "ru", "uk")
_CLOSE: Final = 8.0
# The same for a text too short for any statistics.
_SHORT_LETTERS: Final = 40
_CLOSE_SHORT: Final = 40.0
_NOISE: Final = re.compile(r"https?://\S+|[@#]\w*|(?:[^\w@#]|[\d_])+")
_ONLY_UKRAINIAN: Final = re.compile("[іїєґІЇЄҐ]")
_ONLY_RUSSIAN: Final = re.compile("[ыэъёЫЭЪЁ]")
_ONLY_BELARUSIAN: Final = re.compile("[ўЎ]")
_CYRILLIC: Final = re.compile("[А-яЁёІіЇїЄєҐґЎў]")
_LATIN: Final = re.compile("[A-Za-z]")
_EAST_SLAVIC: Final = frozenset(
    {"ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "mn", "tg", "tt", "ba", "und"}
)

# Abbreviations after which a capital letter does not begin a sentence, unless a number stands before them ("2024 г.").
_OPEN: Final = re.compile(
    r"(?i)(?:^|[^\w-])(?<!\d )(?:sen|rep|gov|gen|col|lt|capt|sgt|cpl|maj|rev|hon|prof|dr|mrs?|ms|st|mt|vs"
    r"|м|вул|просп|бул|пл|пров|смт|обл|р-н|ім|див|напр|акад|доц|проф|пан|п|ст|гр|тов"
    r"|г|ул|пр-т|пер|д|корп|им|см)\.$"
)
# After these a number goes on: "17 год. 30 хв.", "No. 5".
_BEFORE_NUMBER: Final = re.compile(
    r"(?i)(?:^|[^\w-])(?:no|fig|p|pp|vol|jan|feb|mar|apr|aug|sept|oct|nov|dec|год|хв|с|тис|млн|млрд|рр?|стор|ч|мин|стр)\.$"
)


class _Piece(Protocol):
    start: int
    stop: int


class OfflineLanguage:
    """The product's `domains.ports.Language`."""

    def __init__(self) -> None:
        self._lemmatizer = Lemmatizer(
            cache_max_size=1, lemmatization_strategy=DefaultStrategy(low_memory=True)
        )
        self._lemma = lru_cache(_CACHE)(self._look_up)

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        """The classifier, read when it is first asked: that takes half a second, and most commands never ask."""
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def detect(self, text: str) -> str:
        """Return the ISO 639-1 code of ``text`` ("und" below four letters), by its first 1,500 characters of prose.

        Letters that only Ukrainian or only Russian has decide between those two; English, Russian and Ukrainian are
        preferred when the classifier finds them nearly as likely as its first choice.
        """
        prose = _NOISE.sub(" ", text[: 4 * _SAMPLE_CHARS]).strip()[:_SAMPLE_CHARS]
        letters = sum(map(str.isalpha, prose))
        if letters < _LETTERS:
            return UNKNOWN
        chances = dict(self._identifier.rank(prose))
        best = max(chances, key=lambda code: (chances[code], code))
        close = chances[best] / (_CLOSE_SHORT if letters < _SHORT_LETTERS else _CLOSE)
        served = max(_SERVED, key=lambda code: (chances[code], code))
        code = served if chances[served] >= close else best
        if len(_CYRILLIC.findall(prose)) > len(_LATIN.findall(prose)):
            return _by_letters(prose, code)
        return code if code in _SERVED or chances[code] >= 1 / math.e else UNKNOWN

    def lemma(self, word: str, lang: str) -> str:
        """Return the dictionary form of a lower-case ``word``, or the word itself when it is unknown."""
        return self._lemma(word, lang)

    def sentences(self, text: str, lang: str) -> tuple[Span, ...]:
        """Return the spans of the sentences of ``text``, without surrounding white space.

        A line break always ends one. ``lang`` is not needed: the three languages' abbreviations do not collide.
        """
        del lang
        spans: list[Span] = []
        at = 0
        for line in text.split("\n"):
            spans.extend(_mended(line, at))
            at += len(line) + 1
        return tuple(spans)

    def _look_up(self, word: str, lang: str) -> str:
        if not word or len(word) > _WORD_CHARS or lang not in SUPPORTED_LANGUAGES:
            return word
        return self._lemmatizer.lemmatize(word, lang) or word


def _by_letters(prose: str, code: str) -> str:
    """Return what the letters of a Cyrillic text say, or ``code`` when they say nothing."""
    if code not in _EAST_SLAVIC and code not in _SERVED:
        return code
    ukrainian = len(_ONLY_UKRAINIAN.findall(prose))
    russian = len(_ONLY_RUSSIAN.findall(prose))
    if _ONLY_BELARUSIAN.search(prose) and code == "be":
        return code
    if code == "uk" and ukrainian == russian == 0:
        # Every fourteenth letter of Ukrainian is one of its own; of Russian, every fortieth.
        return "ru"
    if ukrainian > 2 * russian:
        return "uk"
    if russian > 2 * ukrainian and code in {"ru", "uk", "be", "en"}:
        return "ru"
    return code


def _mended(line: str, at: int) -> Iterator[Span]:
    """Yield the sentences of one line, joined again where they were parted after an abbreviation."""
    open_start: int | None = None
    pieces: list[_Piece] = list(sentenize(line))
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        start = piece.start if open_start is None else open_start
        if following is not None and _goes_on(line[piece.start : piece.stop], line[following.start]):
            open_start = start
            continue
        open_start = None
        body = line[start : piece.stop]
        left = start + len(body) - len(body.lstrip())
        right = piece.stop - (len(body) - len(body.rstrip()))
        if left < right:
            yield (at + left, at + right)


def _goes_on(sentence: str, following: str) -> bool:
    end = sentence[-_WORD_CHARS:]
    return bool((_BEFORE_NUMBER if following.isdigit() else _OPEN).search(end))
