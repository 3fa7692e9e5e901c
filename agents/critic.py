"""The critic: holds a draft against the evidence and corrects it at most once; a correction must raise the score."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from agents import sequel, writer
from agents.interview import Asked, Interview
from agents.prompt import Block
from agents.retriever import Folder
from agents.writer import Desk, Method, Place, Said
from domains import verify
from domains.digest import Draft, DraftStory, PlannedStory, Precedent, Verdict
from domains.domain import Domain
from domains.ports import Language
from domains.terms import Told
from domains.verify import Brief, Evidence
from domains.wording import Vocabulary

Better = Literal["first", "second", "tie"]
# A story read from one document is about what its first lines say.
_LEAD_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Verified:
    """A draft with its verdict. ``corrected`` is None when no correction was tried, else whether it was kept."""

    draft: Draft
    verdict: Verdict
    corrected: bool | None = None
    why: str = ""


def evidence(desk: Desk, language: Language, precedents: Sequence[Precedent] = ()) -> Evidence:
    """Return what drafts for ``desk`` are held against; ``precedents`` are the stories that were told before."""
    stories = desk.survey.stories
    briefs = [_brief(planned, desk.shelf.by_story[planned.story], desk) for planned in desk.plan.stories]
    return Evidence(
        posts=desk.survey.posts,
        members={story.id: frozenset(post.id for post in story.members) for story in stories},
        briefs=tuple(briefs),
        told={story.id: Told(story.facts.told) for story in stories if story.facts.told},
        lexicon=desk.lexicon,
        detect=language.detect,
        vocabulary=Vocabulary([post.text for post in desk.survey.posts.values()]),
        precedents=sequel.threads(desk.survey, precedents),
    )


def correct(found: Verified, desk: Desk, held: Evidence, domain: Domain) -> Verified:
    """Return ``found`` corrected once when it needs it and the verified score rises by it; else as it was."""
    verdict = found.verdict
    if domain.limits.corrections < 1 or not (verdict.findings or verdict.score < domain.limits.correct_below):
        return found
    better = _rewrite(found.draft, verdict, desk)
    judged = verify.verify(better, held, domain.checks)
    if judged.score > verdict.score:
        why = f"score {verdict.score:.3f} became {judged.score:.3f}, findings {len(verdict.findings)} became {len(judged.findings)}"
        return Verified(better, judged, corrected=True, why=why)
    why = f"a correction scored {judged.score:.3f}, no more than {verdict.score:.3f}, and was not kept"
    return replace(found, corrected=False, why=why)


def cut(draft: Draft, verdict: Verdict) -> Draft:
    """Return ``draft`` without its unsupported sentences; a story whose headline is unsupported goes whole."""
    flagged = {finding.path for finding in verdict.findings}
    stories: list[DraftStory] = []
    for number, story in enumerate(draft.stories):
        if f"stories[{number}].headline" in flagged:
            continue
        kept = tuple(
            sentence
            for index, sentence in enumerate(story.sentences)
            if f"stories[{number}].sentences[{index}]" not in flagged
        )
        changes = tuple(
            change
            for index, change in enumerate(story.changes)
            if f"stories[{number}].changes[{index}]" not in flagged
        )
        stories.append(replace(story, sentences=kept, changes=changes))
    return replace(draft, stories=tuple(stories))


def opinion(draft: Draft, interview: Interview) -> dict[str, str]:
    """Return the paths of written sentences that a model doubts, with its reason; {} when it is silent.

    It is asked only what rules cannot see, and can only take away.
    """
    paths: dict[str, str] = {}
    blocks: list[Block] = []
    for number, story in enumerate(draft.stories, 1):
        lines = [(f"stories[{number - 1}].headline", story.headline)]
        lines += [(f"stories[{number - 1}].sentences[{at}]", one) for at, one in enumerate(story.sentences)]
        for place, (path, line) in enumerate(lines):
            if verify.rung_of(story, draft) == "extractive":
                continue
            paths[f"s{number}.{place}"] = path
            blocks.append(Block(f"s{number}.{place}", line.text))
            blocks += [Block("cites:", one.quote) for one in line.citations]
    asked = interview.ask("critic", {"sentences": blocks}) if blocks else None
    if not isinstance(asked, Asked):
        return {}
    return {paths[one["id"]]: one["why"] for one in asked.value["cut"] if one["id"] in paths}


def judge(interview: Interview) -> Callable[[Draft, Draft], Better | None]:
    """Return who says which of two digests tells a busy reader more, or None when no model answers."""

    def better(first: Draft, second: Draft) -> Better | None:
        asked = interview.ask("judge", {"first": _shown(first), "second": _shown(second)})
        if not isinstance(asked, Asked):
            return None
        said: Better = asked.value["better"]
        return said

    return better


def _shown(draft: Draft) -> list[Block]:
    return [
        Block(f"{number}.{place}", line.text)
        for number, story in enumerate(draft.stories, 1)
        for place, line in enumerate((story.headline, *story.sentences))
    ]


def _rewrite(draft: Draft, verdict: Verdict, desk: Desk) -> Draft:
    """Return ``draft`` with unsupported lines cut, headless stories headed anew and gaps filled from the shelf."""
    planned = {item.story: item for item in desk.plan.stories}
    banned = _flagged_places(draft, verdict)
    method = next((one for one in writer.METHODS if one.name == draft.method), writer.SUBMODULAR)
    standing = {story.story: story for story in cut(draft, verdict).stories}
    said: list[Said] = []
    stories: list[DraftStory] = []
    for old in draft.stories:
        item = planned.get(old.story)
        story = _mend(method, standing.get(old.story), item, desk, said, banned) if item else None
        if story is not None:
            stories.append(story)
            said += writer.spoken(story, desk)
    return replace(draft, stories=tuple(stories))


def _mend(
    method: Method,
    standing: DraftStory | None,
    planned: PlannedStory,
    desk: Desk,
    said: list[Said],
    banned: frozenset[Place],
) -> DraftStory | None:
    if standing is None:
        return writer.write_story(method, planned, desk, said, banned)
    return writer.complete(method, standing, planned, desk, said, banned)


def _flagged_places(draft: Draft, verdict: Verdict) -> frozenset[Place]:
    flagged = {finding.path for finding in verdict.findings}
    places: set[Place] = set()
    for number, story in enumerate(draft.stories):
        lines = [(f"stories[{number}].headline", story.headline)]
        lines += [(f"stories[{number}].sentences[{index}]", one) for index, one in enumerate(story.sentences)]
        places |= {
            (one.post, one.span[0]) for path, line in lines if path in flagged for one in line.citations
        }
    return frozenset(places)


def _brief(planned: PlannedStory, folder: Folder, desk: Desk) -> Brief:
    """Return what the documents of a story share: terms of two of them, or of the lead when there is but one."""
    own: dict[int, set[str]] = {row: set() for row in folder.documents}
    for line in folder.lines:
        if len(folder.documents) > 1 or line.place < _LEAD_LINES:
            own[line.post] |= desk.gist(folder, line)
    shared = Counter(term for terms in own.values() for term in terms)
    least = 2 if len(folder.documents) > 1 else 1
    families = {desk.survey.posts[row].family for row in folder.documents}
    topics = frozenset(term for term, count in shared.items() if count >= least)
    return Brief(planned.story, folder.lang, topics, len(families), planned.sentences)
