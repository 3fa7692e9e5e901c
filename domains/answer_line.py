"""Which sentences of the posts that were found bear on a question, how well, and which of them are said. Pure.

    question ─▶ Ruler ─▶ weighed: every quotable sentence, the best first ─▶ chosen: few of them, none for nothing

Support in [0, 1] says how much of the question's words, weighed by kind (`domains.lexical`), a text takes up: lemmas,
names in any script, character 4-grams, concepts. What none of the posts holds weighs more: it is what was asked beside
their subject. It knows nothing of meaning: it tells a question nobody wrote about from one that somebody did, and what
is said is held against its post by `domains.verify` in any case.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domains import answer_turn
from domains.answer import Passage, Question
from domains.fitness import ORDER, quotable
from domains.lexical import GRAM, LEMMA, NAME, Lexical
from domains.post import Post, Span
from domains.terms import Lexicon, repeats
from domains.text import names, numbers, words

Held = NDArray[np.bool_]

SENTENCES: Final = 3
# Posts that are read sentence by sentence, of those that were found.
READ: Final = 12
# Sentences of one post that are weighed.
LINES: Final = 40
# Under this support nothing that was found answers. Set by `benchmarks.ask` on half of XQuAD's articles; see there.
KNOWN: Final = 0.4
# A further sentence must bear on the question nearly as much as the first one does ...
NEARLY: Final = 0.65
# ... the second this much, to say what the first may have missed ...
SECOND: Final = 0.7
# ... or as much as this, to tell another number or name, or more of something that is asked about at large ...
AS_GOOD: Final = 0.8
# ... and leave out no more than this of what the first one takes up ...
LOSES: Final = 0.12
# ... and then take up this share of the question beside what is said.
ADDS: Final = 0.08
# What a word weighs that none of the posts holds, and a word of a follow-up beside those of the question it leans on.
UNSEEN: Final = 2.0
OWN_WORDS: Final = 3.0
# What a sentence's worth is made of: its own support, its post's, and how high its post was ranked.
_OWN: Final = 0.6
_POST: Final = 0.25
_RANK: Final = 0.15
# An unfit sentence (`domains.fitness`) may lose so much of its worth.
_FIT: Final = 0.3
_ASKED: Final = 0.12
_COUNT: Final = re.compile(
    r"(?i)\b(?:how (?:many|much|long|old|far|often|big|large|high)|what (?:percent\w*|number|age|price|score)"
    r"|сколько|какой (?:процент|сч[её]т|курс)|скільки|який (?:відсоток|рахунок|курс)|wie ?viele?)\b"
)
_WHEN: Final = re.compile(
    r"(?i)\b(?:when|(?:what|which) (?:year|time|date|day|month)|когда|в каком году|какого числа|во сколько"
    r"|коли|у якому році|якого числа|о котрій|wann|in welchem jahr)\b"
)
_WHO: Final = re.compile(
    r"(?i)\b(?:who|whom|whose|where|which|what (?:\w+ )?(?:names?|called)|как(?:ой|ая|ое|ие)|как (?:зовут|звали|называ\w+)|як(?:ий|а|е|і)|як (?:звати|звуть|назива\w+)|кто|кого|кому|кем|где|куда|хто|ким|де|куди|wer|wen|wem|wo|wohin)\b"
)
_BROAD: Final = re.compile(
    r"(?i)\b(?:what (?:has |have |had )?(?:happen\w*|is known|do we know|about)|tell (?:me )?(?:more )?about|(?:any )?news (?:of|about|on)"
    r"|что (?:случилось|произошло|известно|нового|там с|с )|расскажи\w*|новости (?:о|об|про)"
    r"|що (?:сталося|трапилося|відбулося|відомо|нового|там з|з )|розкаж\w*|новини про|was ist (?:passiert|geschehen))\b"
)
# So few telling words name a subject and ask nothing of it.
_SUBJECT_WORDS: Final = 2
# The two highest bits of an index of `domains.lexical` say what kind of term it is.
_KIND_SHIFT: Final = 30
_DIGIT: Final = re.compile(r"\d")
_TIME: Final = re.compile(
    r"(?i)\b\d{1,2}[:.]\d{2}\b(?! ?%)|\b1\d{3}\b|\b20\d{2}\b|\b\d{1,2}(?:st|nd|rd|th)\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tonight|yesterday|tomorrow|overnight|ago|morning|evening"
    r"|night|midnight|noon|spring|summer|autumn|winter|week|weeks|month|months|year|years|century|days?|hours?"
    r"|январ|феврал|март|апрел|ма[ея]|июн|июл|август|сентябр|октябр|ноябр|декабр|сегодня|вчера|завтра|утр|вечер|ноч"
    r"|недел|месяц|год|лет|дн|час|век|понедельник|вторник|сред[аы]|четверг|пятниц|суббот|воскресен|весн|летом|осен|зим"
    r"|січ|лют|берез|квіт|трав|черв|лип|серп|верес|жовт|листопад|груд|сьогодні|вчора|учора|завтра|ранк|вранці|вноч|уноч"
    r"|тижн|тижд|місяц|місяц|рок|рік|днів|дні|годин|столітт|понеділ|вівтор|серед[аиу]|п.ятниц|неділ|навесні|восени)"
)


@dataclass(frozen=True, slots=True)
class Wants:
    """What kind of thing is asked for; ``broad`` is whatever there is. ``named`` are the question's own names."""

    count: bool
    when: bool
    who: bool
    broad: bool
    named: frozenset[str] = frozenset()

    def told(self, text: str) -> frozenset[str]:
        """Return the numbers or names in ``text`` that are asked for; names of the question itself tell nothing."""
        if self.count:
            return numbers(text)
        return frozenset(map(str.casefold, names(text))) - self.named if self.who else frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence that may answer: ``worth`` orders, ``support`` says how much of the question it takes up.

    ``covers`` has the shares of the question that it takes up itself by the question's terms, ``words`` by its words.
    """

    post: Post
    span: Span
    worth: float
    support: float
    covers: tuple[float, ...] = ()
    words: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """The sentence."""
        return self.post.quote(self.span)


@dataclass(frozen=True, slots=True)
class About:
    """Whether a text has one of a question's names, of its own words, and of the words that it leans on."""

    named: bool
    own: bool
    leaned: bool


class Ruler:
    """Measures how much of one question a text takes up; ``passages`` are what was found for it."""

    def __init__(self, question: Question, lexical: Lexical, passages: Sequence[Passage] = ()) -> None:
        self._lexical = lexical
        asked = lexical.question(question.sought, question.lang)
        self._indices, weights = asked.indices, asked.values.astype(np.float64)
        own = self.held(
            answer_turn.telling(question.text) if question.search else question.text, question.lang
        )
        if question.search:
            weights[own] *= OWN_WORDS
        if passages:
            seen = np.logical_or.reduce([self.held(one.post.text, one.post.lang) for one in passages])
            weights[own & ~seen] *= UNSEEN
        total = float(weights.sum())
        self._shares = weights / total if total else weights
        kinds = self._indices >> _KIND_SHIFT
        named = self.held(" ".join(sorted(names(question.sought))), question.lang)
        telling = (kinds == NAME) | (kinds == LEMMA)
        masks = [
            self.held(word, question.lang) & (kinds != GRAM) for word in dict.fromkeys(words(question.sought))
        ]
        self._words = [(mask, float(weights[mask].max())) for mask in masks if mask.any()]
        self._named, self._own, self._leaned = named & telling, own & telling, ~own & telling
        # A number alone asks for nothing.
        self.blank = not any(map(str.isalpha, "".join(lexical.lemmas(question.sought, question.lang))))

    def held(self, text: str, lang: str) -> Held:
        """Return which of the question's terms ``text`` holds."""
        found: Held = np.isin(self._indices, self._lexical.question(text, lang).indices, assume_unique=True)
        return found

    def about(self, text: str, lang: str) -> "About":
        """Return which of the question's words ``text`` has."""
        held = self.held(text, lang)
        return About(*(bool((held & mask).any()) for mask in (self._named, self._own, self._leaned)))

    def covers(self, text: str, lang: str) -> tuple[float, ...]:
        """Return by the question's terms the share that each is of it, 0 for those that ``text`` does not hold."""
        return tuple((self._shares * self.held(text, lang)).tolist())

    def words(self, text: str, lang: str) -> tuple[float, ...]:
        """Return the same by the question's words: by its lemma, name or concept a word is held in any case of it."""
        held, total = self.held(text, lang), sum(weight for _, weight in self._words)
        return tuple(weight / total * bool((mask & held).any()) for mask, weight in self._words)

    def support(self, text: str, lang: str) -> float:
        """Return the share of the question's weight that ``text`` takes up, in [0, 1]."""
        return 0.0 if self.blank else round(min(1.0, float(self._shares[self.held(text, lang)].sum())), 6)


def weighed(question: Question, passages: Sequence[Passage], ruler: Ruler) -> list[Line]:
    """Return the sentences of the best passages that may be quoted, the one that answers best first."""
    bonus = _bonus(question)
    lines: list[Line] = []
    for passage in _readable(question, passages, ruler)[:READ]:
        post = passage.post
        whole = ruler.support(post.text, post.lang)
        for span, fit in quotable(post)[:LINES]:
            text = post.quote(span)
            covers, held = ruler.covers(text, post.lang), ruler.words(text, post.lang)
            own = ruler.support(text, post.lang)
            worth = (_OWN * own + _POST * whole + _RANK * passage.score) * (1.0 - _FIT * (1.0 - fit))
            worth += bonus(text) * (own > 0.0)
            lines.append(Line(post, span, round(worth, 6), round((own + whole) / 2.0, 6), covers, held))
    return sorted(lines, key=lambda line: (-line.worth, line.post.id, line.span))


def _readable(question: Question, passages: Sequence[Passage], ruler: Ruler) -> list[Passage]:
    """Return the posts that may answer, in their order; none that gives orders to machines.

    When names are asked for, those with one. For a follow-up those about both questions: when there are none, those
    about the earlier one if this one points at it, else all.
    """
    plain = [one for one in passages if not ORDER.search(one.post.text)]
    about = {one.post.id: ruler.about(one.post.text, one.post.lang) for one in plain}
    if not question.search:
        return [one for one in plain if about[one.post.id].named] or plain
    both = [one for one in plain if about[one.post.id].own and about[one.post.id].leaned]
    if both or not answer_turn.points(question.text):
        return both or plain
    return [one for one in plain if about[one.post.id].leaned]


def support_of(lines: Sequence[Line]) -> float:
    """Return how well the question is supported by the best of ``lines``, in [0, 1]."""
    return max((line.support for line in lines[:SENTENCES]), default=0.0)


def chosen(question: Question, lines: Sequence[Line], lexicon: Lexicon, count: int = SENTENCES) -> list[Line]:
    """Return the lines to be said: the best, and others nearly as good that add to what is said already.

    Of numbers that are asked for the newest come first: they change.
    """
    asked, said = wants(question), list[Line]()
    for line in lines:
        if len(said) == count or line.worth < NEARLY * lines[0].worth:
            break
        if line.support >= KNOWN * NEARLY and (not said or _adds(line, said, lexicon, asked)):
            said.append(line)
    if asked.count:
        best = said[:1]
        said.sort(key=lambda line: (_as_good(line, best[0]), line.post.at), reverse=True)
    return said


def _adds(line: Line, said: Sequence[Line], lexicon: Lexicon, asked: Wants) -> bool:
    told = frozenset[str]().union(*(asked.told(one.text) for one in said))
    news = bool(asked.told(line.text) - told)
    gist = lexicon.gist(line.text, line.post.lang)
    if not (news and asked.count) and any(
        repeats(gist, lexicon.gist(one.text, one.post.lang)) for one in said
    ):
        return False
    covered = [max(shares) for shares in zip(*(one.covers for one in said), strict=True)]
    # A first sentence with the number or name that is asked for needs no second; any other may have missed the point.
    open_still = len(said) == 1 and not asked.told(said[0].text)
    more = line.worth >= SECOND * said[0].worth if open_still else asked.broad and _near(line, said[0])
    return more or _more(line.covers, covered) >= ADDS or (news and _as_good(line, said[0]))


def _near(line: Line, best: Line) -> bool:
    """Return whether a line bears on the question almost as the best one does."""
    return line.worth >= AS_GOOD * best.worth


def _as_good(line: Line, best: Line) -> bool:
    """Return whether a line bears on the question almost as the best one does, and on the same of it."""
    return _near(line, best) and _more(best.words, line.words) <= LOSES


def _more(new: Sequence[float], old: Sequence[float]) -> float:
    """Return the share of the question that ``new`` covers and ``old`` does not."""
    return sum(max(0.0, one - other) for one, other in zip(new, old, strict=True))


def wants(question: Question) -> Wants:
    """Return what kind of thing is asked for."""
    text = question.text
    count, when, who = (bool(one.search(text)) for one in (_COUNT, _WHEN, _WHO))
    subject = not (count or when or who or text.rstrip().endswith("?")) and len(words(text)) <= _SUBJECT_WORDS
    broad = bool(_BROAD.search(text)) or subject
    return Wants(count, when, who, broad, frozenset(map(str.casefold, names(question.sought))))


def _bonus(question: Question) -> Callable[[str], float]:
    """Return what a sentence gains by holding the kind of thing that is asked for: a number, a time, or a name."""
    asked = wants(question)

    def bonus(text: str) -> float:
        if asked.count and _DIGIT.search(text):
            return _ASKED
        if asked.when and _TIME.search(text):
            return _ASKED
        if asked.who and not asked.count and asked.told(text):
            return _ASKED
        return 0.0

    return bonus
