"""The planner: from a window's facts it chooses stories, sections, sentences, documents, and how it will be judged.

survey ─▶ plan ─▶ (retriever) ─▶ judge ─▶ replan at most once ─▶ settle

Sections, in the order shown:
    main        new stories that several publishers tell; on a quiet day whatever is worth telling
    developing  stories an earlier digest told, with news
    chats       what people talked over in chats
    offers      only for a subscriber most of whose posts come from shops
    brief       one line each
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agents.retriever import Folder, Shelf, in_turn
from domains import limits
from domains.digest import Check, Plan, PlannedStory, Reason, Settings, Step
from domains.survey import StorySurvey, Survey

SECTIONS: Final = ("main", "developing", "chats", "offers", "brief")
# A day with no more to tell than this is told whole, in one section.
QUIET: Final = 4
# Single-publisher stories are taken only until a digest has so many stories ...
FILL: Final = 8
# ... unless the subscriber reads too few publishers for another to have told them.
FEW_FAMILIES: Final = 2
# Places a section may hold, so that the digest stays on a screen or two.
PLACES: Final[Mapping[str, int]] = {"main": 5, "developing": 4, "chats": 2, "offers": 2, "brief": 12}
SENTENCES: Final[Mapping[str, int]] = {"main": 2, "developing": 2, "chats": 1, "offers": 1, "brief": 1}
LEADS: Final = 3
# Documents the writer may compare for a story; what is left of the budget goes to the most important first.
DOCUMENTS: Final[Mapping[str, int]] = {"main": 5, "developing": 4, "chats": 2, "offers": 1, "brief": 2}
# What a single publisher tells needs a paragraph or a figure to be worth a line.
SUBSTANCE: Final = 0.2
# A chat's story needs a conversation.
CHAT_POSTS: Final = 3
# The share of the stories told by several publishers that must be readable from two of them.
CORROBORATED: Final = 0.6


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a replan must respect: stories barred, with the reason, and stories that earn one line only."""

    barred: dict[int, Reason]
    demoted: frozenset[int]


NO_RULING: Final = Ruling({}, frozenset())


def plan(survey: Survey, settings: Settings, ruling: Ruling = NO_RULING) -> Plan:
    """Return what to tell of a window, how, and why; the empty plan for a window with nothing worth telling."""
    shops = _shop_reader(survey)
    alone = _reads_few(survey)
    left_out: dict[int, Reason] = dict(ruling.barred)
    worthy: list[StorySurvey] = []
    for story in survey.stories:
        refused = left_out.get(story.id) or _refusal(story, shops, alone)
        if refused:
            left_out[story.id] = refused
        else:
            worthy.append(story)
    places = max(0, min(settings.max_stories, documents_budget(settings)))
    chosen = _choose(worthy, places, settings, left_out, fill=places if alone else FILL)
    sections = _sections(chosen, ruling.demoted, left_out)
    kept = [story for story in chosen if story.id in sections]
    kept.sort(key=lambda story: SECTIONS.index(sections[story.id]))
    allotted = _allot(kept, sections, documents_budget(settings))
    planned = tuple(
        PlannedStory(
            story=story.id,
            section=sections[story.id],
            posts=tuple(post.id for post in in_turn(story.telling, allotted[story.id])),
            sentences=_sentences(rank, sections[story.id], len(kept), settings),
        )
        for rank, story in enumerate(kept)
    )
    return Plan(
        sections=tuple(name for name in SECTIONS if name in sections.values()),
        stories=planned,
        left_out=dict(sorted(left_out.items())),
        steps=_steps(kept),
        reasons=_reasons(survey, kept, left_out, settings, shops=shops),
    )


def documents_budget(settings: Settings) -> int:
    """Return how many documents the writer may read: the subscriber's wish under the customer's cap."""
    return min(settings.max_documents, limits.DIGEST_DOCUMENTS)


def judge(plan: Plan, survey: Survey, shelf: Shelf) -> Plan:
    """Return ``plan`` with each of its checks judged by what was found to read."""
    folders = shelf.by_story
    telling = [item.story for item in plan.stories if folders[item.story].tellable]
    several = [item.story for item in plan.stories if _promised(item, survey, folders[item.story]) > 1]
    found = {
        "tellable": len(telling),
        "distinct": sum(item.story not in shelf.twins for item in plan.stories),
        "corroborated": (
            sum(_read(folders[story], survey) > 1 for story in several) / len(several) if several else 1.0
        ),
    }

    def judged(step: Step) -> Step:
        value = float(found[step.check.name])
        return replace(step, check=replace(step.check, found=value, passed=value >= step.check.expected))

    return replace(plan, steps=tuple(judged(step) for step in plan.steps))


def failed(plan: Plan) -> Check | None:
    """Return the first check that a judged plan does not meet."""
    return next((step.check for step in plan.steps if step.check.passed is False), None)


def replan(survey: Survey, settings: Settings, old: Plan, check: Check, shelf: Shelf) -> Plan:
    """Return a second plan that respects what was learned from reading; ``replanned`` names the check that forced it.

    Stories without a quotable sentence or told by another story give up their place; stories that promised several
    publishers and can be read from one only are told in one line.
    """
    folders = shelf.by_story
    single = frozenset(
        item.story
        for item in old.stories
        if _promised(item, survey, folders[item.story]) > 1 and _read(folders[item.story], survey) < 2
    )
    demoted = single if check.name == "corroborated" else frozenset[int]()
    new = plan(survey, settings, Ruling(_lost(old, survey, shelf), demoted))
    asked = f"asked {check.expected:g}, found {check.found:g}" if check.found is not None else "not met"
    why = f"planned again because the check {check.name!r} failed: {asked}"
    return replace(new, replanned=check.name, reasons=(*new.reasons, why))


def settle(plan: Plan, survey: Survey, shelf: Shelf) -> tuple[Plan, Shelf]:
    """Return the plan and shelf without the stories that turned out to have nothing to quote or to be twins."""
    lost = _lost(plan, survey, shelf)
    kept = tuple(
        replace(item, posts=shelf.by_story[item.story].documents)
        for item in plan.stories
        if item.story not in lost
    )
    rows = {item.story for item in kept}
    names = {item.section for item in kept}
    settled = replace(
        plan,
        stories=kept,
        sections=tuple(name for name in plan.sections if name in names),
        left_out=dict(sorted({**plan.left_out, **lost}.items())),
    )
    return settled, replace(shelf, folders=tuple(one for one in shelf.folders if one.story in rows))


def _lost(plan: Plan, survey: Survey, shelf: Shelf) -> dict[int, Reason]:
    lost: dict[int, Reason] = {}
    for item in plan.stories:
        if item.story in shelf.twins:
            lost[item.story] = "covered"
        elif not shelf.by_story[item.story].tellable:
            # A told story of which every quotable line was told has nothing new; another has nothing to quote.
            lost[item.story] = "cooled_down" if survey.by_story[item.story].continuing else "below_floor"
    return lost


def _refusal(story: StorySurvey, shops: bool, alone: bool) -> Reason | None:
    """Return why a story can have no place however much room there is."""
    if not story.telling:
        return "below_floor"
    if not story.news:
        return "cooled_down"
    if story.routine:
        return "below_floor"
    if not _strong(story) and not alone and story.substance < SUBSTANCE:
        return "below_floor"
    if story.kind == "chat" and story.families < 2 and len(story.members) < CHAT_POSTS:
        return "below_floor"
    if story.kind == "shop" and story.families < 2 and not shops:
        return "below_floor"
    return None


def _choose(
    worthy: Sequence[StorySurvey],
    places: int,
    settings: Settings,
    left_out: dict[int, Reason],
    *,
    fill: int,
) -> list[StorySurvey]:
    """Return the stories that get a place; those that do not are entered in ``left_out``."""
    strong = [story for story in worthy if _strong(story)]
    weak = [story for story in worthy if not _strong(story)]
    if len(worthy) > places:
        weak = [story for story in weak if len(story.members) >= settings.min_posts]
    fillers = weak[: max(0, min(places, fill) - len(strong))]
    taken = {story.id for story in (*strong[:places], *fillers)}
    for story in worthy:
        if story.id not in taken:
            left_out[story.id] = "budget" if _strong(story) else "below_floor"
    return [story for story in worthy if story.id in taken]


def _reads_few(survey: Survey) -> bool:
    """Return whether so few publishers post here that what one of them tells may be all there is to know of it."""
    families = {post.family for post in survey.posts.values() if survey.kinds[post.source] == "channel"}
    return len(families) <= FEW_FAMILIES


def _strong(story: StorySurvey) -> bool:
    return story.families > 1 or story.continuing


def _sections(
    chosen: Sequence[StorySurvey], demoted: frozenset[int], left_out: dict[int, Reason]
) -> dict[int, str]:
    """Return each chosen story's section; a full section overflows into "brief", except that chats do not."""
    quiet = len(chosen) <= QUIET
    filled: Counter[str] = Counter()
    sections: dict[int, str] = {}
    for story in chosen:
        name = _natural_section(story, quiet, demoted)
        if filled[name] >= PLACES[name]:
            if name in {"chats", "offers"}:
                left_out[story.id] = "budget"
                continue
            name = "brief"
        sections[story.id] = name
        filled[name] += 1
    return sections


def _natural_section(story: StorySurvey, quiet: bool, demoted: frozenset[int]) -> str:
    if story.families < 2 and story.kind == "chat":
        return "chats"
    if story.families < 2 and story.kind == "shop":
        return "offers"
    if story.continuing:
        return "developing"
    if story.id in demoted:
        return "brief"
    return "main" if story.families > 1 or quiet else "brief"


def _sentences(rank: int, section: str, stories: int, settings: Settings) -> int:
    most = max(0, min(settings.max_sentences, limits.STORY_SENTENCES))
    roomy = section == "main" and (rank < LEADS or stories <= QUIET)
    return most if roomy else min(most, SENTENCES[section])


def _allot(kept: Sequence[StorySurvey], sections: dict[int, str], budget: int) -> dict[int, int]:
    """Return how many documents each story gets: one each, then one more round after round, in order of importance."""
    wants = {story.id: min(len(story.telling), DOCUMENTS[sections[story.id]]) for story in kept}
    allotted = dict.fromkeys(wants, 1)
    left = budget - len(kept)
    while left > 0:
        hungry = [row for row in wants if allotted[row] < wants[row]][:left]
        if not hungry:
            break
        for row in hungry:
            allotted[row] += 1
        left -= len(hungry)
    return allotted


def _promised(item: PlannedStory, survey: Survey, folder: Folder) -> int:
    """Return how many publishers, chats aside, tell a story in the language it is told in, as far as it may be read."""
    readable = survey.by_story[item.story].telling
    own = {
        post.family for post in readable if post.lang == folder.lang and survey.kinds[post.source] != "chat"
    }
    return min(len(own), len(item.posts))


def _read(folder: Folder, survey: Survey) -> int:
    return len({survey.posts[row].family for row in folder.documents})


def _steps(kept: Sequence[StorySurvey]) -> tuple[Step, ...]:
    """Return what has to be shown before writing; a window with nothing to tell needs no step."""
    if not kept:
        return ()
    count = float(len(kept))
    steps = [Step("retrieve", Check("tellable", count, why="every story has a line that can be quoted"))]
    if len(kept) > 1:
        steps.append(Step("compare", Check("distinct", count, why="no two stories tell the same")))
    if any(story.families > 1 for story in kept):
        why = "stories of several publishers can be read from two of them"
        steps.append(Step("corroborate", Check("corroborated", CORROBORATED, why=why)))
    return tuple(steps[: limits.PLAN_STEPS])


def _shop_reader(survey: Survey) -> bool:
    counts = Counter(
        survey.kinds[post.source] for post in survey.posts.values() if post.id not in survey.unread
    )
    return 2 * counts["shop"] > counts.total()


def _reasons(
    survey: Survey,
    kept: Sequence[StorySurvey],
    left_out: Mapping[int, Reason],
    settings: Settings,
    *,
    shops: bool,
) -> tuple[str, ...]:
    unread = Counter(drop.reason for drop in survey.unread.values())
    readable = [post for post in survey.posts.values() if post.id not in survey.unread]
    languages = Counter(post.lang for post in readable).most_common()
    kinds = Counter(survey.kinds.values()).most_common()
    several = sum(story.families > 1 for story in survey.stories)
    reasons = [
        f"{len(survey.posts)} posts, {len(readable)} to read"
        + "".join(f", {count} {reason}" for reason, count in sorted(unread.items())),
        "sources: " + (", ".join(f"{count} {kind}" for kind, count in kinds) or "none"),
        "languages: " + (", ".join(f"{lang} {count}" for lang, count in languages) or "none"),
        f"{len(survey.stories)} stories, {several} of several publishers, {len(kept)} get a place",
    ]
    if survey.twins:
        happenings = len(set(survey.twins.values()))
        reasons.append(
            f"{len(survey.twins) + happenings} stories tell {happenings} happenings, in several languages or in "
            "pieces: each has one place"
        )
    left = Counter(left_out.values())
    if left:
        reasons.append(
            "left out: " + ", ".join(f"{count} {reason}" for reason, count in sorted(left.items()))
        )
    if kept and len(kept) <= QUIET:
        reasons.append("a quiet window: what there is is told whole")
    if not kept:
        reasons.append("nothing is worth a place: an empty digest is the honest one")
    if shops:
        reasons.append("most posts come from shops, so offers have a section")
    if len(kept) >= settings.max_stories:
        reasons.append(f"the subscriber wants at most {settings.max_stories} stories")
    return tuple(reasons)
