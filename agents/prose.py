"""The writer with a model: prose out of claims whose quotes were found, each story checked, or told by its extract.

    fast   exhibit ─▶ claims and prose (1 call)
    smart  exhibit ─▶ claims (≤ 2 calls) ─▶ rules ─▶ prose out of accepted claims (1 call) ─▶ opinion (1 call)
           ─▶ verify ─▶ correct ≤ 1 ─▶ stories that fail a check are told extractively ─▶ Prose

Nothing a model answers is believed: ids are looked up, quotes are found again, sentences held against what they cite.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agents import critic, exhibit
from agents.exhibit import Case, Exhibit
from agents.interview import Asked, Interview, Usable
from agents.prompt import Block
from agents.quality import Path
from agents.writer import Desk
from domains import verify
from domains.digest import Citation, Draft, DraftStory, Rung, Sentence, Verdict
from domains.domain import Domain
from domains.llm import Extractive, Problem
from domains.text import normalise
from domains.verify import Assertion, Evidence, Rule

METHOD: Final = "prose"
# What is shown may take so many tokens, so that a fast digest with its reply stays under `limits.FAST_TOKENS`.
SHOWN_TOKENS: Final = 3_600
# Claims are asked for in one call up to so many stories, else in two.
ONE_MAP: Final = 6
_RUNGS: Final[tuple[Rung, ...]] = ("model", "cheaper_model", "extractive")
# How a failed check is told to a model: in our words, since the sentence itself may be somebody's lure.
_TOLD: Final[Mapping[str, str]] = {
    "cites": "no quote of its claims was found in the posts",
    "story": "it cites a post of another story",
    "numbers": "it holds a number that the cited lines do not",
    "facts": "it holds a date or number word that the cited lines do not",
    "names": "it holds a name that the cited lines do not, or a sentence begins with a word that could be one",
    "language": "it is written in another language than the story's",
    "grounded": "most of its words are not in the cited lines",
    "denial": "it denies or affirms what the cited lines do not",
    "repeat": "it repeats another sentence",
    "told": "an earlier digest told it",
    "length": "it is empty or too long",
}


@dataclass(frozen=True, slots=True)
class Prose:
    """What models wrote, if anything. ``fallen`` names the stories told extractively, with the check that they failed.

    ``corrected`` is None when no correction was asked for, else whether it was kept. ``withheld`` are posts that no
    model was shown. ``calls`` reached a provider; ``prompts`` are the prompts used, by name, version and hash. ``silent``
    says that a question went unanswered, after which no other is asked; ``over_budget`` that a budget refused an attempt.
    """

    draft: Draft | None
    path: Path
    why: tuple[str, ...]
    fallen: dict[int, str] = field(default_factory=dict)
    withheld: dict[int, str] = field(default_factory=dict)
    corrected: bool | None = None
    calls: int = 0
    tokens: int = 0
    prompts: tuple[str, ...] = ()
    silent: bool = False
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement drawn from one line of one post."""

    text: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class Room:
    """What the writer works with."""

    desk: Desk
    spare: Draft
    held: Evidence
    domain: Domain
    interview: Interview

    def verdict(self, draft: Draft) -> Verdict:
        """Return the rules' verdict."""
        return verify.verify(draft, self.held, self.domain.checks)


# Writes the whole digest, told what was wrong with the last attempt ("" at first).
Attempt = Callable[[str], Draft | Extractive]


def compose(room: Room, path: Path, why: Sequence[str]) -> Prose:
    """Return the prose of ``path``: a draft without findings, or none and why not."""
    shown = exhibit.gather(room.desk, room.spare, SHOWN_TOKENS)
    if path == "extractive" or not shown.cases:
        reason = why if path == "extractive" else (*why, "no post may be shown to a model")
        return Prose(None, path, tuple(reason), withheld=shown.withheld)
    attempt = _fast(room, shown) if path == "fast" else _smart(room, shown)
    raw = attempt("") if attempt else Extractive("no claim could be verified")
    if isinstance(raw, Extractive):
        return _account(room, Prose(None, path, (*why, raw.why), withheld=shown.withheld))
    best, corrected = _corrected(room, attempt, raw, shown) if attempt else (raw, None)
    draft, fallen = _checked(room, best)
    if path == "smart" and draft is not None:
        doubted = critic.opinion(draft, room.interview)
        draft, fallen = _without(room, draft, doubted, fallen)
    made = Prose(draft, path, tuple(why), fallen, shown.withheld, corrected)
    return _account(room, made)


def _account(room: Room, prose: Prose) -> Prose:
    interview = room.interview
    used = dict.fromkeys(
        f"{one.purpose} {one.prompt_version} {one.prompt_sha256[:12]}" for one in interview.answers
    )
    return replace(
        prose,
        calls=interview.calls,
        tokens=interview.tokens,
        prompts=tuple(used),
        silent=interview.failure is not None,
        over_budget=any(one.outcome == "budget" for one in interview.attempts),
    )


def _fast(room: Room, shown: Exhibit) -> Attempt:
    def attempt(findings: str) -> Draft | Extractive:
        asked = room.interview.ask(
            "write", {"stories": shown.blocks()}, {"findings": findings}, _quotes_something(shown)
        )
        if isinstance(asked, Extractive):
            return asked
        stories = []
        for value, case in _known(asked.value, shown):
            cited = [case.cite(one["post"], asked.clean(one["quote"])) for one in value["claims"]]
            stories.append(_story(value, case, cited, asked))
        return Draft(METHOD, asked.rung, tuple(stories))

    return attempt


def _smart(room: Room, shown: Exhibit) -> Attempt | None:
    """Return how prose is written out of claims, or None when no claim was accepted."""
    claims: dict[str, list[Claim]] = {}
    rungs: list[Rung] = []
    for part in exhibit.split(shown, 1 if len(shown.cases) <= ONE_MAP else 2):
        asked = room.interview.ask("map", {"stories": part.blocks()}, usable=_quotes_something(part))
        if isinstance(asked, Extractive):
            break
        rungs.append(asked.rung)
        for value, case in _known(asked.value, part):
            claims[case.key] = list(_accepted(value, case, asked, room))
    told = Exhibit(tuple(case for case in shown.cases if claims.get(case.key)), shown.withheld)
    if not told.cases:
        failure = room.interview.failure
        return (lambda _: failure) if failure else None

    def attempt(findings: str) -> Draft | Extractive:
        blocks = [
            block
            for case in told.cases
            for block in (
                Block(case.label),
                *(Block(f"claim {number}:", one.text) for number, one in enumerate(claims[case.key], 1)),
            )
        ]
        asked = room.interview.ask("reduce", {"stories": blocks}, {"findings": findings})
        if isinstance(asked, Extractive):
            return asked
        stories = [
            _story(value, case, [one.citation for one in claims[case.key]], asked)
            for value, case in _known(asked.value, told)
        ]
        return Draft(METHOD, lowest([*rungs, asked.rung]), tuple(stories))

    return attempt


def lowest(rungs: Sequence[Rung]) -> Rung:
    """Return the lowest of ``rungs``."""
    return max(rungs, key=_RUNGS.index)


def _known(value: Any, shown: Exhibit) -> Iterator[tuple[Any, Case]]:
    """Yield the stories of an answer that were asked for, each once, in the order they were shown."""
    first: dict[str, Any] = {}
    for story in value["stories"]:
        first.setdefault(story["id"], story)
    yield from ((first[case.key], case) for case in shown.cases if case.key in first)


def _accepted(value: Any, case: Case, asked: Asked, room: Room) -> Iterator[Claim]:
    """Yield the claims that every rule accepts, but for repeats: the prose will choose among them."""
    rules: tuple[Rule, ...] = tuple(rule for rule in room.domain.checks if rule.name != "repeat")
    for one in value["claims"]:
        citation = case.cite(one["post"], asked.clean(one["quote"]))
        if citation is None:
            continue
        sentence = Sentence(_text(one["text"], asked), (citation,))
        story = DraftStory(case.planned.story, case.planned.section, sentence, ())
        if verify.objection(Assertion("", story, sentence, False, asked.rung), room.held, rules) is None:  # noqa: FBT003
            yield Claim(sentence.text, citation)


def _story(value: Any, case: Case, cited: Sequence[Citation | None], asked: Asked) -> DraftStory:
    """Return a story as it was answered. A claim that is none is not cited; the rules see what is left."""

    def sentence(line: Any, text: str) -> Sentence:
        found = [cited[number - 1] for number in line["claims"] if number <= len(cited)]
        return Sentence(text, tuple(dict.fromkeys(one for one in found if one is not None)))

    headline = _text(value["headline"]["text"], asked)
    if headline.endswith(".") and not headline.endswith(".."):
        headline = headline[:-1]
    return DraftStory(
        case.planned.story,
        case.planned.section,
        sentence(value["headline"], headline),
        tuple(
            sentence(line, _text(line["text"], asked))
            for line in value["sentences"][: case.planned.sentences]
        ),
    )


def _text(text: str, asked: Asked) -> str:
    return normalise(asked.clean(text))


def _quotes_something(shown: Exhibit) -> Usable:
    """Return a check that finds fault with an answer in which no quote stands where it is said to."""

    def usable(value: Any, clean: Callable[[str], str]) -> Sequence[Problem]:
        problems: list[Problem] = []
        for number, story in enumerate(value["stories"]):
            case = shown.by_key.get(story["id"])
            for place, claim in enumerate(story["claims"]):
                if case is not None and case.cite(claim["post"], clean(claim["quote"])) is not None:
                    return ()
                path = f"$.stories[{number}].claims[{place}].quote"
                problems.append(Problem(path, "stands in no line of that post of that story"))
        return problems or [Problem("$.stories", "holds no claim")]

    return usable


def _corrected(room: Room, attempt: Attempt, raw: Draft, shown: Exhibit) -> tuple[Draft, bool | None]:
    """Return the better of ``raw`` and one correction of it, which is asked for only when it scores low."""
    verdict = room.verdict(raw)
    if room.domain.limits.corrections < 1 or not verdict.score < room.domain.limits.correct_below:
        return raw, None
    second = attempt(_findings(raw, verdict, shown))
    if isinstance(second, Extractive):
        return raw, False
    kept = room.verdict(second).score > verdict.score
    return (second if kept else raw), kept


def _findings(draft: Draft, verdict: Verdict, shown: Exhibit) -> str:
    """Return the failed checks with their paths, in our own words."""
    keys = {case.planned.story: case.key for case in shown.cases}
    lines = ["Your last attempt failed these checks; write all of it again without these faults:"]
    for found in verdict.findings:
        place, _, rest = found.path.removeprefix("stories[").partition("].")
        why = _TOLD.get(found.check, "it holds what no news needs")
        lines.append(f"- {keys[draft.stories[int(place)].story]}.{rest}: {why}")
    missing = sorted(set(keys) - {story.story for story in draft.stories})
    lines += [f"- {keys[story]}: it is missing" for story in missing]
    return "\n".join(lines)


def _checked(room: Room, raw: Draft) -> tuple[Draft | None, dict[int, str]]:
    """Return the draft in which each story that failed a check is told by its extract, and what failed."""
    drafted = {story.story for story in raw.stories}
    fallen = {one.story: "not told" for one in room.desk.plan.stories if one.story not in drafted}
    fallen |= _failed(raw, room.verdict(raw))
    draft = _mixed(room, raw, fallen)
    # What is told extractively may say what a later story says: that one falls too, and what is left is cut.
    for _ in raw.stories:
        verdict = room.verdict(draft)
        again = {story: why for story, why in _failed(draft, verdict).items() if story not in fallen}
        if not again:
            break
        fallen |= again
        draft = _mixed(room, raw, fallen)
    draft = _ranked(critic.cut(draft, room.verdict(draft)))
    written = any(story.rung != "extractive" for story in draft.stories)
    return (draft if written else None), dict(sorted(fallen.items()))


def _failed(draft: Draft, verdict: Verdict) -> dict[int, str]:
    failed: dict[int, str] = {}
    for found in verdict.findings:
        place = int(found.path.removeprefix("stories[").partition("]")[0])
        failed.setdefault(draft.stories[place].story, found.check)
    return failed


def _mixed(room: Room, raw: Draft, fallen: Mapping[int, str]) -> Draft:
    """Return the planned stories in order, each by the model unless it has ``fallen``."""
    written = {story.story: story for story in raw.stories if story.story not in fallen}
    extracts = {story.story: story for story in room.spare.stories}
    stories: list[DraftStory] = []
    for planned in room.desk.plan.stories:
        if planned.story in written:
            own = written[planned.story]
            stories.append(replace(own, rung=verify.rung_of(own, raw)))
        elif planned.story in extracts:
            stories.append(replace(extracts[planned.story], rung="extractive"))
    return _ranked(Draft(METHOD, raw.rung, tuple(stories)))


def _ranked(draft: Draft) -> Draft:
    """Return ``draft`` with the lowest rung of its stories, and a method that says when some are extracts."""
    rungs = [verify.rung_of(story, draft) for story in draft.stories]
    method = f"{METHOD} and extracts" if "extractive" in rungs else METHOD
    return replace(draft, method=method, rung=lowest(rungs) if rungs else draft.rung)


def _without(
    room: Room, draft: Draft, doubted: Mapping[str, str], fallen: dict[int, str]
) -> tuple[Draft | None, dict[int, str]]:
    """Return ``draft`` without what an opinion doubts; a story whose headline is doubted is told extractively."""
    if not doubted:
        return draft, fallen
    refused = dict(fallen)
    kept: list[DraftStory] = []
    for number, story in enumerate(draft.stories):
        place = f"stories[{number}]"
        if f"{place}.headline" in doubted:
            refused[story.story] = f"an opinion: {doubted[f'{place}.headline']}"
        elif story.rung != "extractive":
            lines = enumerate(story.sentences)
            sentences = tuple(one for at, one in lines if f"{place}.sentences[{at}]" not in doubted)
            kept.append(replace(story, sentences=sentences))
    left, more = _checked(room, replace(draft, stories=tuple(kept)))
    return left, dict(sorted({**more, **refused}.items()))
