"""A window, a plan and settings in one subscriber's taste: how a `Persona` reaches a digest, by pure functions only.

survey ─▶ personalised ─▶ (planner) ─▶ arranged

Nothing here calls a model; all of it is recomputed in a replay from what the briefing holds.
"""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from domains.digest import Drop, Plan, Settings
from domains.persona import Persona, Reweighed, Terms, reweigh, sections
from domains.survey import StorySurvey, Survey

# Reasons a plan names; the rest can be asked for story by story.
_NAMED: Final = 3


def personalised(
    survey: Survey, persona: Persona | None, terms: Terms, places: int
) -> tuple[Survey, Reweighed]:
    """Return the window in the persona's order, and why; for one of whom nothing is known the same window.

    Muted stories are gone, their posts unread for being out of persona; posts of muted sources are too where others
    tell the story.
    """
    taste = reweigh(survey.stories, persona, terms, places)
    known = survey.by_story
    # What was unread before keeps its reason: a repeat is a repeat.
    unread = {
        **{
            post.id: Drop(post.id, "out_of_persona", of=row, detail=why)
            for row, why in taste.muted.items()
            for post in known[row].members
        },
        **{row: Drop(row, "out_of_persona", detail=why) for row, why in taste.silent.items()},
        **survey.unread,
    }
    stories = tuple(_without(known[row], taste.silent.keys()) for row in taste.order)
    return replace(survey, stories=stories, unread=unread), taste


def _without(story: StorySurvey, silent: AbstractSet[int]) -> StorySurvey:
    if not any(post.id in silent for post in story.readable):
        return story
    return replace(
        story,
        readable=tuple(post for post in story.readable if post.id not in silent),
        telling=tuple(post for post in story.telling if post.id not in silent),
    )


def arranged(plan: Plan, taste: Reweighed) -> Plan:
    """Return ``plan`` with its sections in the persona's order, their stories with them, and reasons in words."""
    if not taste.likings:
        return plan
    home = {item.story: item.section for item in plan.stories}
    names = sections(plan.sections, home, taste.likings)
    stories = tuple(item for name in names for item in plan.stories if item.section == name)
    told = [(row, taste.words(row)) for row in home]
    raised = [f"story {row} is {words}" for row, words in told if words][:_NAMED]
    reasons = list(plan.reasons)
    if taste.muted:
        reasons.append(f"{len(taste.muted)} stories are out of the subscriber's persona")
    return replace(plan, sections=names, stories=stories, reasons=(*reasons, *raised))


def preferred(settings: Settings, persona: Persona | None) -> Settings:
    """Return ``settings`` with stories as short as the subscriber likes them, never longer than was asked for."""
    if persona is None or persona.sentences is None:
        return settings
    return replace(settings, max_sentences=min(settings.max_sentences, persona.sentences))
