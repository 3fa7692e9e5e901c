"""An answer as values: what is asked, what may be read, what is said. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from domains import verify
from domains.digest import Rung, Sentence
from domains.intent import Route
from domains.post import Post, Span
from domains.retrieval import Filters, Missing
from domains.text import words
from domains.verify import Assertion, Evidence, Rule

Path = Literal["auto", "fast", "smart"]
Taken = Literal["fast", "smart", "extractive"]
# Characters of a question: what is longer is a document.
QUESTION_CHARS: Final = 1_000
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
    """What is asked. ``search`` is what is looked for: the question, with what a follow-up leans on.

    ``dangling`` says that it leans on something that was never asked.
    """

    text: str
    lang: str = "und"
    filters: Filters = field(default_factory=Filters)
    path: Path = "auto"
    search: str = ""
    dangling: bool = False

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
