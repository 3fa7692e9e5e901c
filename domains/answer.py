"""An answer as values: what is asked, what may be read, and which sentences of it bear on the question. Pure.

Support in [0, 1] says how much of the question's words, weighed by kind (`domains.lexical`), a text takes up: lemmas,
names in any script, character 4-grams, concepts. It knows nothing of meaning: it tells a question nobody wrote about
from one that somebody did, and what is said is held against its post by `domains.verify` in any case.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import numpy as np

from domains import verify
from domains.digest import Rung, Sentence
from domains.fitness import quotable
from domains.intent import Route, Turn
from domains.lexical import Lexical
from domains.post import Post, Span
from domains.retrieval import Filters, Missing
from domains.terms import Lexicon, repeats
from domains.text import names, words
from domains.vector import Vector
from domains.verify import Assertion, Evidence, Rule

Path = Literal["auto", "fast", "smart"]
Taken = Literal["fast", "smart", "extractive"]
# Characters of a question: what is longer is a document.
QUESTION_CHARS: Final = 1_000
SENTENCES: Final = 4
# Posts that are read sentence by sentence, of those that were found.
READ: Final = 12
# Sentences of one post that are weighed.
LINES: Final = 40
# Under this support nothing that was found answers. Set by `benchmarks.ask` on half of XQuAD's articles; see there.
KNOWN: Final = 0.42
# A further sentence must bear on the question nearly as much as the first one does.
NEARLY: Final = 0.6
# What a sentence's worth is made of: its own support, its post's, and how high its post was ranked.
_OWN: Final = 0.6
_POST: Final = 0.25
_RANK: Final = 0.15
# An unfit sentence (`domains.fitness`) may lose so much of its worth.
_FIT: Final = 0.3
_ASKED: Final = 0.12
_COUNT: Final = re.compile(
    r"(?i)\b(?:how (?:many|much|long|old|far|often|big|large|high)|when|what (?:year|time|date|day|percent\w*|number|age|price)|which year"
    r"|сколько|когда|в каком году|какого числа|какой процент|скільки|коли|у якому році|якого числа|wie ?viele?|wann|in welchem jahr)\b"
)
_WHO: Final = re.compile(
    r"(?i)\b(?:who|whom|whose|where|кто|кого|кому|кем|где|куда|хто|ким|де|куди|wer|wen|wem|wo|wohin)\b"
)
_DIGIT: Final = re.compile(r"\d")
_NEGATING: Final = (
    "not no never none nobody nothing neither nor without cannot не нет ни никто ничего без нельзя ні ніхто нічого "
    "немає нема nicht kein keine keinen nie ohne"
)
_NEGATIONS: Final = frozenset(_NEGATING.split())


def _polarity(assertion: Assertion, _: Evidence) -> str:
    """Object when prose denies what no cited line denies, or affirms where one does: who asks takes it for a fact."""
    if not assertion.written:
        return ""
    said, cited = _denies(assertion.sentence.text), _denies(assertion.quoted)
    return "" if said == cited else f"{'denies' if said else 'affirms'} what it cites otherwise"


def _denies(text: str) -> bool:
    low = (word.casefold().replace("’", "'") for word in words(text))
    return any(word in _NEGATIONS or word.endswith("n't") for word in low)


# Stricter than a digest: its readers see the whole story, who asks sees one sentence.
RULES: Final[tuple[Rule, ...]] = (*verify.RULES, Rule("polarity", _polarity))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. ``search`` is what is looked for: the question, with what a follow-up leans on."""

    text: str
    lang: str = "und"
    filters: Filters = field(default_factory=Filters)
    path: Path = "auto"
    search: str = ""

    @property
    def sought(self) -> str:
        """What is looked for."""
        return self.search or self.text


@dataclass(frozen=True, slots=True)
class Passage:
    """A post that was found and how relevant it is, in [0, 1]."""

    post: Post
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, best first, and which stores could not answer."""

    passages: tuple[Passage, ...] = ()
    missing: tuple[Missing, ...] = ()
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence that may answer: ``worth`` orders, ``support`` says how much of the question it takes up."""

    post: Post
    span: Span
    worth: float
    support: float

    @property
    def text(self) -> str:
        """The sentence."""
        return self.post.quote(self.span)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: verified sentences, or none and ``why``. ``support`` in [0, 1] and ``score`` are of what is shipped."""

    sentences: tuple[Sentence, ...]
    path: Taken
    rung: Rung
    support: float
    score: float
    why: str
    steps: int
    calls: int = 0
    tokens: int = 0
    escalation: str = ""
    over_budget: bool = False

    @property
    def known(self) -> bool:
        """Whether it answers."""
        return bool(self.sentences)


class Ruler:
    """Measures how much of one question a text takes up."""

    def __init__(self, question: str, lang: str, lexical: Lexical) -> None:
        self._lexical = lexical
        self._question = lexical.question(question, lang)
        self._total = float(self._question.values.sum())

    @property
    def blank(self) -> bool:
        """Whether the question has no word that tells anything."""
        return self._total == 0.0

    def support(self, text: str, lang: str) -> float:
        """Return the share of the question's weight that ``text`` takes up, in [0, 1]."""
        if self.blank:
            return 0.0
        held = np.isin(self._question.indices, self._terms(text, lang).indices, assume_unique=True)
        return round(float(self._question.values[held].sum()) / self._total, 6)

    def _terms(self, text: str, lang: str) -> Vector:
        return self._lexical.question(text, lang)


def weighed(question: Question, passages: Sequence[Passage], lexical: Lexical) -> list[Line]:
    """Return the sentences of the best passages that may be quoted, the one that answers best first."""
    ruler = Ruler(question.sought, question.lang, lexical)
    bonus = _bonus(question.text)
    lines: list[Line] = []
    for passage in passages[:READ]:
        post = passage.post
        whole = ruler.support(post.text, post.lang)
        for span, fit in quotable(post)[:LINES]:
            text = post.quote(span)
            own = ruler.support(text, post.lang)
            worth = (_OWN * own + _POST * whole + _RANK * passage.score) * (1.0 - _FIT * (1.0 - fit))
            worth += bonus(text) * (own > 0.0)
            lines.append(Line(post, span, round(worth, 6), round((own + whole) / 2.0, 6)))
    return sorted(lines, key=lambda line: (-line.worth, line.post.id, line.span))


def support_of(lines: Sequence[Line]) -> float:
    """Return how well the question is supported by the best of ``lines``, in [0, 1]."""
    return max((line.support for line in lines[:SENTENCES]), default=0.0)


def chosen(lines: Sequence[Line], lexicon: Lexicon, count: int = SENTENCES) -> list[Line]:
    """Return the lines to be said: the best, and others nearly as good that do not repeat what is said already."""
    said: list[tuple[Line, frozenset[str]]] = []
    for line in lines:
        if len(said) == count or line.worth < NEARLY * lines[0].worth:
            break
        gist = lexicon.gist(line.text, line.post.lang)
        if line.support >= KNOWN * NEARLY and not any(repeats(gist, other) for _, other in said):
            said.append((line, gist))
    return [line for line, _ in said]


def followed(text: str, before: Turn | None) -> str:
    """Return what a follow-up looks for: its own words, and those of the question that it leans on."""
    return text if before is None else f"{before.query} {text}"[:QUESTION_CHARS]


def _bonus(question: str) -> Callable[[str], float]:
    """Return what a sentence gains by holding the kind of thing that is asked for: a number, or a name."""
    wants: Mapping[str, bool] = {"count": bool(_COUNT.search(question)), "who": bool(_WHO.search(question))}
    asked = {word.casefold() for word in names(question)}

    def bonus(text: str) -> float:
        if wants["count"] and _DIGIT.search(text):
            return _ASKED
        if wants["who"] and any(name.casefold() not in asked for name in names(text)):
            return _ASKED
        return 0.0

    return bonus


@dataclass(frozen=True, slots=True)
class Quote:
    """Where a told sentence comes from: ``quote`` is the ``span`` of the text of the post of that public name."""

    post: str
    span: Span
    quote: str


@dataclass(frozen=True, slots=True)
class ToldSentence:
    """A sentence as it is told."""

    text: str
    citations: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class ToldSource:
    """A post that is cited; ``url`` is None where it has no address of its own."""

    post: str
    source: str
    at: datetime
    lang: str
    url: str | None


@dataclass(frozen=True, slots=True)
class ToldRoute:
    """Where the question was sent, what decided it ("rule", "model" or "classifier"), and how sure that is."""

    name: Route
    by: str
    confidence: float
    why: str


@dataclass(frozen=True, slots=True)
class ToldUsage:
    """What the answer took: model calls that reached a provider, tokens in and out, steps."""

    calls: int
    tokens: int
    steps: int


@dataclass(frozen=True, slots=True)
class ToldMissing:
    """A store that did not answer, and why."""

    store: str
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as a person gets it. ``answer`` is the sentences in a row, "" when ``known`` is false.

    ``timing`` are seconds by stage. ``escalation`` says why the question was lifted to the smart path, "" when not.
    ``missing`` names the stores that did not answer: such an answer is degraded. ``follows`` is the earlier question of
    the session that this one leans on, "" when none.
    """

    request: str
    question: str
    known: bool
    answer: str
    sentences: tuple[ToldSentence, ...]
    sources: tuple[ToldSource, ...]
    route: ToldRoute
    path: Taken
    rung: Rung
    support: float
    score: float
    why: str
    usage: ToldUsage
    timing: dict[str, float]
    escalation: str
    missing: tuple[ToldMissing, ...]
    degraded: bool
    session: str | None
    follows: str
