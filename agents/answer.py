"""Answering a question from posts: every sentence is a span of a post, or was verified against what it cites.

    no model   read ─▶ weigh sentences ─▶ extract ─▶ verify ─▶ Answer
    fast       read ─▶ show ─▶ draft (1 call) ─▶ verify ─▶ Answer, or the extract
    smart      plan (1 call) ─▶ read each query ─▶ draft (1 call) ─▶ verify ─▶ correct ≤ 1 ─▶ rank ≤ 2 ─▶ Answer

"auto" begins with the fast path and is lifted to the smart one when the posts seem to answer, but nothing that the model
wrote of them held. When the support is under `answer_line.KNOWN`, nobody is asked: it is not known.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from agents import answer_show
from agents.answer_show import Showing
from agents.interview import Asked, Interview
from agents.prompt import Block
from domains import answer_line, answer_turn, limits, verify
from domains.answer import Answer, Found, Passage, Question, Taken
from domains.answer_line import Ruler
from domains.digest import Citation, DraftStory, Rung, Sentence
from domains.domain import Domain
from domains.fitness import fitness
from domains.intent import Turn
from domains.lexical import Lexical
from domains.llm import Extractive
from domains.ports import Language
from domains.terms import Lexicon
from domains.text import names, normalise, numbers
from domains.verify import Assertion, Brief, Evidence
from domains.wording import Vocabulary

SHOWN_TOKENS: Final = 2_600
SECTION: Final = "answer"
UNKNOWN: Final = "the posts do not answer this"
DANGLING: Final = "it leans on an earlier question, and there is none"
# How a failed check is told to a model: in our words, since the sentence itself may be somebody's lure.
_TOLD: Final[Mapping[str, str]] = {
    "cites": "no quote of its claims was found in the posts",
    "numbers": "it holds a number that the cited lines do not",
    "facts": "it holds a date or number word that the cited lines do not",
    "names": "it holds a name that the cited lines do not",
    "language": "it is written in another language than the lines it cites",
    "grounded": "most of its words are not in the cited lines",
    "denial": "it denies or affirms what the cited lines do not",
    "polarity": "it denies or affirms what the cited lines do not",
    "repeat": "it repeats another sentence",
    "length": "it is empty or too long",
}

Read = Callable[[str], Found]


@dataclass(frozen=True, slots=True)
class Room:
    """What answering works with: ``read`` finds posts for a text; without an interview nothing is written."""

    question: Question
    domain: Domain
    read: Read
    language: Language
    lexical: Lexical
    interview: Interview | None = None
    before: Turn | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """Sentences with the rules' findings on them: ``sentences`` are those that held."""

    sentences: tuple[Sentence, ...]
    findings: tuple[str, ...]
    rung: Rung
    score: float
    support: float


class _Case:
    """The posts that were found for a question, weighed, and the rules to hold sentences against."""

    def __init__(self, room: Room, passages: Sequence[Passage]) -> None:
        self.room, self.passages = room, passages[: room.domain.limits.documents]
        self._lexicon = Lexicon(room.language)
        question = room.question
        self._ruler = Ruler(question, room.lexical, self.passages)
        self.lines = answer_line.weighed(question, self.passages, self._ruler)
        self.support = answer_line.support_of(self.lines)
        langs = dict.fromkeys(one.post.lang for one in self.passages)
        self._stories = {lang: number for number, lang in enumerate(langs, 1)}
        posts = {one.post.id: one.post for one in self.passages}
        families = len({post.family for post in posts.values()})
        self._held = Evidence(
            posts=posts,
            members=dict.fromkeys(self._stories.values(), frozenset(posts)),
            briefs=tuple(
                Brief(number, lang, frozenset(), families, answer_line.SENTENCES)
                for lang, number in self._stories.items()
            ),
            told={},
            lexicon=self._lexicon,
            detect=room.language.detect,
            vocabulary=Vocabulary([post.text for post in posts.values()]),
        )

    def extract(self) -> Drafted:
        """Return the best sentences of the posts, each its own quote."""
        best = answer_line.chosen(self.room.question, self.lines, self._lexicon)
        said = [Sentence(line.text, (Citation(line.post.id, line.span, line.text),)) for line in best]
        return self.judged(said, "extractive")

    def judged(self, said: Sequence[Sentence], rung: Rung) -> Drafted:
        """Return what of ``said`` no rule objects to, scored."""
        kept: list[tuple[Sentence, frozenset[str]]] = []
        findings: list[str] = []
        for number, sentence in enumerate(said, 1):
            lang = self._lang(sentence)
            story = DraftStory(self._stories.get(lang, 0), SECTION, sentence, ())
            assertion = Assertion("", story, sentence, headline=False, rung=rung, before=tuple(kept))
            objected = verify.objection(assertion, self._held, self.room.domain.checks)
            if objected:
                findings.append(
                    f"- sentence {number}: {_TOLD.get(objected[0], 'it holds what no answer needs')}"
                )
            else:
                kept.append((sentence, self._lexicon.gist(sentence.text, lang)))
        sentences = tuple(sentence for sentence, _ in kept)
        support = self._supported(sentences)
        share = len(sentences) / len(said) if said else 0.0
        fit = sum(fitness(one.text) for one in sentences) / len(sentences) if sentences else 0.0
        score = share * (min(1.0, support / (2 * answer_line.KNOWN)) + fit) / 2
        return Drafted(sentences, tuple(findings), rung, round(score, 6), support)

    def _supported(self, sentences: Sequence[Sentence]) -> float:
        """Return how much of the question the best sentence takes up together with the post it cites."""
        found = (
            (self._ruler.support(quote.quote, post.lang) + self._ruler.support(post.text, post.lang)) / 2
            for sentence in sentences
            for quote in sentence.citations
            for post in [self._held.posts[quote.post]]
        )
        return round(max(found, default=0.0), 6)

    def _lang(self, sentence: Sentence) -> str:
        cited = (self._held.posts.get(one.post) for one in sentence.citations)
        return next((post.lang for post in cited if post is not None), "und")


def respond(room: Room) -> Answer:
    """Return the answer to the room's question."""
    path = room.question.path
    if room.question.dangling:
        return Answer((), "extractive", "extractive", 0.0, 0.0, DANGLING, 1)
    if room.interview is None:
        return _extracted(
            _Case(room, _passages(room, _variants(room) if path == "smart" else [])),
            "no model is set up",
        )
    if path == "smart":
        return _account(room, _smart(room, room.interview))
    return _account(room, _fast(room, room.interview))


def _extracted(case: _Case, why: str, steps: int = 2, path: Taken = "extractive") -> Answer:
    """Return the extract, when the posts bear on the question at all."""
    if case.support < answer_line.KNOWN:
        return Answer((), path, "extractive", case.support, 0.0, UNKNOWN, steps)
    return _told(case.extract(), path, why, steps)


def _told(drafted: Drafted, path: Taken, why: str, steps: int) -> Answer:
    if not drafted.sentences or drafted.support < answer_line.KNOWN:
        return Answer((), path, drafted.rung, drafted.support, 0.0, UNKNOWN, steps)
    return Answer(drafted.sentences, path, drafted.rung, drafted.support, drafted.score, why, steps)


def _fast(room: Room, interview: Interview) -> Answer:
    case = _Case(room, _passages(room, []))
    if case.support < answer_line.KNOWN:
        return Answer((), "fast", "extractive", case.support, 0.0, UNKNOWN, 2)
    shown = answer_show.show(case.lines, SHOWN_TOKENS)
    if not shown.items:
        return _extracted(case, "no post may be shown to a model")
    said = _draft(room, interview, case, shown)
    if isinstance(said, Extractive):
        return _extracted(case, said.why, 3)
    if said.sentences:
        return _told(said, "fast", "written by a model, each sentence verified", 3)
    if room.question.path == "auto" and said.findings:
        lifted = _smart(room, interview, fast=1)
        return replace(lifted, escalation="nothing of what the fast path wrote held")
    if not said.findings:
        return Answer((), "fast", said.rung, case.support, 0.0, "a model found no answer in the posts", 3)
    return _extracted(case, "nothing of what a model wrote held", 3, "fast")


def _smart(room: Room, interview: Interview, fast: int = 0) -> Answer:
    """Return the answer of the smart path; ``fast`` counts calls that the fast path has made of the same question."""
    asked = interview.ask("explore", {"question": _question(room)})
    queries = [] if isinstance(asked, Extractive) else [_clean(asked, one) for one in asked.value["queries"]]
    case = _Case(room, _passages(room, queries or _variants(room)))
    steps = limits.FAST_STEPS
    if case.support < answer_line.KNOWN:
        return Answer((), "smart", "extractive", case.support, 0.0, UNKNOWN, steps)
    shown = answer_show.show(case.lines, SHOWN_TOKENS)
    said = (
        _draft(room, interview, case, shown) if shown.items else Extractive("no post may be shown to a model")
    )
    if isinstance(said, Extractive):
        return _extracted(case, said.why, steps)
    if said.findings and said.score < room.domain.limits.correct_below and not fast:
        findings = "\n".join(
            ["Your last attempt failed these checks; answer again without these faults:", *said.findings]
        )
        again = _draft(room, interview, case, shown, findings)
        if not isinstance(again, Extractive) and again.score > said.score:
            said = again
    # Of the two candidates the one that verifies better; prose wins a tie, people prefer it.
    spare = case.extract()
    if (
        said.sentences
        and said.support >= answer_line.KNOWN
        and said.score >= spare.score * (not said.findings)
    ):
        return _told(said, "smart", "written by a model, each sentence verified", steps)
    return _told(
        said if said.score > spare.score else spare,
        "smart",
        "the extract verified better than the prose",
        steps,
    )


def _draft(
    room: Room, interview: Interview, case: _Case, shown: Showing, findings: str = ""
) -> Drafted | Extractive:
    data = {"question": _question(room), "posts": shown.blocks}
    asked = interview.ask("ask", data, {"findings": findings})
    if isinstance(asked, Extractive):
        return asked
    value = asked.value
    cited = [shown.cite(one["post"], asked.clean(one["quote"])) for one in value["claims"]]
    return case.judged(list(_sentences(value, cited, asked)), asked.rung)


def _sentences(value: Any, cited: Sequence[Citation | None], asked: Asked) -> Iterator[Sentence]:
    for line in value["sentences"][: answer_line.SENTENCES]:
        found = [cited[number - 1] for number in line["claims"] if number <= len(cited)]
        yield Sentence(
            _clean(asked, line["text"]), tuple(dict.fromkeys(one for one in found if one is not None))
        )


def _question(room: Room) -> list[Block]:
    before = [Block("asked before:", normalise(answer_turn.subject(room.before)))] if room.before else []
    return [*before, Block("question:", normalise(room.question.text))]


def _variants(room: Room) -> list[str]:
    """Return other ways to ask without a model: the names and numbers alone, which are what posts share."""
    text = room.question.sought
    bare = " ".join([*sorted(names(text)), *sorted(numbers(text))])
    return [bare] if bare else []


def _passages(room: Room, queries: Sequence[str]) -> list[Passage]:
    """Return what is found for the question and for at most `limits.PLAN_STEPS` other queries, each post once."""
    best: dict[int, Passage] = {}
    for text in dict.fromkeys([room.question.sought, *queries[: limits.PLAN_STEPS]]):
        for passage in room.read(text).passages if text else ():
            known = best.get(passage.post.id)
            if known is None or known.score < passage.score:
                best[passage.post.id] = passage
    return sorted(best.values(), key=lambda one: (-one.score, one.post.id))


def _clean(asked: Asked, text: str) -> str:
    return normalise(asked.clean(text))


def _account(room: Room, made: Answer) -> Answer:
    interview = room.interview
    if interview is None:
        return made
    over = any(one.outcome == "budget" for one in interview.attempts)
    return replace(made, calls=interview.calls, tokens=interview.tokens, over_budget=over)
