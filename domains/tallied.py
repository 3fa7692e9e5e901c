"""What a sentence counts: «14 пострадавших» is the number 14 of the injured, in three languages the same.

    sentence ─▶ figures ─▶ the word that each counts, right of it or before it ─▶ Count

Precision first: an ordinal, a house number, a part of a whole ("5 of 14"), what is added ("2 more") and what is measured
rather than counted, unless its price or rate is meant, are no counts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from domains.gloss import concept
from domains.post import Span
from domains.terms import STOPWORDS
from domains.text import figures
from domains.twin import Speller


def _concepts(words: str) -> frozenset[int]:
    return frozenset(known for word in words.split() if (known := concept(word)) is not None)


# What is counted in the same way whatever else is said of it, so that its word may stand apart from its number.
_TELLING: Final = _concepts("injured killed missing arrested evacuated rescued patients dollar euro")
# Those of whom there can only be more.
_GROWING: Final = _concepts("injured killed")
# The word itself is measured or paid in; what is measured stands elsewhere.
_UNITS: Final = _concepts("hryvnia ruble dollar euro percent")
_MEASURES: Final = _concepts("tonnes kilometres metres")
_SCALES: Final = _concepts("million billion")
_SCALE: Final = re.compile(r"(?i)(?:thousand|тыс|тис|тысяч|тисяч|млн|млрд)")
_MEASURE: Final = re.compile(
    r"(?i)(?:minute|hour|day|week|month|year|degree|second|metre|meter|mile|минут|час|дн|день|недел|месяц|год|лет|градус"
    r"|секунд|метр|см|км|кг|хвилин|годин|тижд|тижн|місяц|рок|рік|градус|літр|литр|кв|m\b|cm|kg|am|pm|век|столет|раз)"
)
_ANYBODY: Final = re.compile(r"(?i)(?:people|person|человек|людей|люди|осіб|чоловік|мужчин|женщин)")
_ADDED: Final = frozenset(
    (
        "more", "another", "other", "others", "further", "additional", "extra", "including", "ещё", "еще", "ще", "других",
        "інших", "включая", "среди", "серед", "зокрема",
    )
)  # fmt: skip
_PART: Final = frozenset(("of", "из", "із", "з"))
_NUMBERED: Final = re.compile(
    r"(?i)(?:№|\bno\.?|\bn\.|#|\bномер|\bмаршрут\w*|\bшкол\w*|\bдом|\bстр\.?|\bул\.?|\bage[d]?|[-–/])\s*$"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:[’'ʼ‑-][^\W\d_]+)*")
_CLAUSE: Final = re.compile(r"[,;:!?()\[\]«»“”\"—–…\n]|\.(?=\s|$)")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_NEAR: Final = 3


@dataclass(frozen=True, slots=True)
class Count:
    """That so many of something are stated. ``value`` is the number in one spelling with its scale, ``shown`` as written.

    ``word`` is what is counted, as written; ``marks`` what it is told by in any language; ``telling``: whether those
    say enough by themselves; ``grows``: whether a smaller number cannot follow.
    """

    value: str
    shown: str
    word: str
    marks: frozenset[str]
    telling: bool
    grows: bool
    span: Span

    @property
    def amount(self) -> float | None:
        """The number, None when it has a scale."""
        return float(self.value) if re.fullmatch(r"-?\d+(?:\.\d+)?", self.value) else None

    def follows(self, told: "Count") -> bool:
        """Return whether this can be what became of ``told``: the same thing counted, and another number of it."""
        if self.marks != told.marks or self.value == told.value:
            return False
        if self.grows and self.amount is not None and told.amount is not None:
            return self.amount > told.amount
        return True


def counts(sentence: str, spell: Speller) -> tuple[Count, ...]:
    """Return what ``sentence`` counts, in order; of one thing counted twice in it, only the last if both are joined.

    "rose from 12 to 14" counts 14; "14 injured, 2 of them badly" counts 14; two counts of one thing that nothing joins
    are dropped, since nobody knows which is meant.
    """
    found = [one for value, span in figures(sentence) if (one := _count(sentence, value, span, spell))]
    return tuple(_single(found, sentence))


def about(sentence: str, spell: Speller) -> frozenset[str]:
    """Return the marks of the words of ``sentence`` that say something, in a spelling without regard to script."""
    return frozenset(mark for match in _WORD.finditer(sentence) if (mark := _mark(match[0], spell)))


def _single(found: list[Count], sentence: str) -> Iterator[Count]:
    for marks in dict.fromkeys(one.marks for one in found):
        same = [one for one in found if one.marks == marks]
        last = same[-1]
        between = sentence[same[-2].span[1] : last.span[0]] if len(same) > 1 else ""
        joined = len(same) == 2 and re.search(r"(?i)(?:\bto\b|\bдо\b|→|->)", between)
        if len({one.value for one in same}) == 1 or joined:
            yield last


def _count(sentence: str, value: str, span: Span, spell: Speller) -> Count | None:
    start, end = span
    if ":" in value or value.count(".") > 1 or _NUMBERED.search(sentence[:start]):
        return None
    if sentence[start - 1 : start].isalpha() or sentence[end : end + 1].isalpha():
        return None
    left, right = _before(sentence, start), _after(sentence, end)
    if {word.casefold() for word in (*left[-2:], *right[:1])} & _ADDED:
        return None
    if right and right[0].casefold() in _PART:
        return None
    shown, scale = sentence[start:end].strip(), ""
    if right and (_SCALE.match(right[0]) or concept(right[0].casefold()) in _SCALES):
        scale, right = right[0], right[1:]
        shown = f"{shown} {scale}"
        value = f"{value} {spell.spell(scale.casefold())[:3]}"
    if not scale and not right and _YEAR.fullmatch(value):
        return None
    return _of(value, shown, left, right, span, spell)


def _of(
    value: str, shown: str, left: list[str], right: list[str], span: Span, spell: Speller
) -> Count | None:
    """Return the count of what stands right of a number, else of what was announced left of it."""
    kept: list[str] = []
    for word in [word for word in right if word.casefold() not in STOPWORDS and len(word) > 2][:_NEAR]:
        known = concept(word.casefold())
        if _MEASURE.match(word) or known in _MEASURES:
            return None
        if known in _TELLING and known not in _UNITS:
            marks = {f"c:{known}", *(_mark(one, spell) for one in kept)}
            return Count(
                value, shown, word, frozenset(marks), telling=True, grows=known in _GROWING, span=span
            )
        if known in _UNITS:
            return _announced(value, shown, left, span)
        if not _ANYBODY.match(word):
            kept.append(word)
    if kept:
        mark = _mark(kept[0], spell)
        return (
            Count(value, shown, kept[0], frozenset({mark}), telling=False, grows=False, span=span)
            if mark
            else None
        )
    return None if right else _announced(value, shown, left, span)


def _announced(value: str, shown: str, left: list[str], span: Span) -> Count | None:
    """Return the count of the nearest telling word before a number: "the number of injured rises to 14"."""
    for word in reversed(left):
        known = concept(word.casefold())
        if known in _TELLING:
            return Count(
                value,
                shown,
                word,
                frozenset({f"c:{known}"}),
                telling=True,
                grows=known in _GROWING,
                span=span,
            )
    return None


def _before(sentence: str, start: int) -> list[str]:
    """Return the words of the clause before a place."""
    clause = max((match.end() for match in _CLAUSE.finditer(sentence, 0, start)), default=0)
    return _WORD.findall(sentence[clause:start])


def _after(sentence: str, end: int) -> list[str]:
    """Return the words of the clause after a place; none when another number comes first."""
    stop = _CLAUSE.search(sentence, end)
    rest = sentence[end : stop.start() if stop else len(sentence)]
    return _WORD.findall(re.split(r"\d", rest, maxsplit=1)[0])


def _mark(word: str, spell: Speller) -> str:
    low = word.casefold()
    if low in STOPWORDS or len(low) < 3:
        return ""
    known = spell.concept(low)
    return f"c:{known}" if known is not None else f"w:{spell.spell(low)[:5]}"
