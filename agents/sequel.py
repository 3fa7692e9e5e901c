"""The sequel: what a story that was told before adds, put to a draft before it is verified."""

from collections.abc import Sequence
from dataclasses import replace

from domains.development import changes, gist
from domains.digest import Draft, DraftStory, Precedent
from domains.entity import Finder
from domains.survey import Survey


def threads(survey: Survey, precedents: Sequence[Precedent]) -> dict[int, tuple[Precedent, ...]]:
    """Return for each story that continues told ones what was told of its matter."""
    by_story = {one.story: one for one in precedents}
    return {
        story.id: tuple(by_story[row] for row in story.facts.thread if row in by_story)
        for story in survey.stories
        if story.facts.thread
    }


def developed(draft: Draft, survey: Survey, precedents: Sequence[Precedent]) -> Draft:
    """Return ``draft`` with what is new of each story that continues told ones; a draft without such stays as it is."""
    known = threads(survey, precedents)
    if not any(story.story in known for story in draft.stories):
        return draft
    finder = Finder()
    stated: set[tuple[str, frozenset[str]]] = set()

    def told(story: DraftStory) -> DraftStory:
        found = changes(
            (story.headline, *story.sentences),
            survey.by_story[story.story].readable,
            known.get(story.story, ()),
            finder,
        )
        # Two stories of one matter need not say the same of it.
        fresh = tuple(one for one in found if (one.kind, gist(one)) not in stated)
        stated.update((one.kind, gist(one)) for one in fresh)
        return replace(story, changes=fresh)

    return replace(draft, stories=tuple(told(story) for story in draft.stories))
