"""What a model is shown of the posts: a few lines of few posts, under ids that mean nothing outside the request.

A post that speaks to machines is not shown at all, nor is a line with a link, code or a disguised word (`domains.lure`).
What is shown is what may be quoted; a quote is found again exactly, or it is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agents import pane
from agents.pane import Pane
from agents.prompt import Block
from agents.retriever import Folder, Line
from agents.writer import Desk
from domains.digest import Citation, Draft, DraftStory, PlannedStory
from domains.lure import LINE_SIGNS, lures

# What a story's label costs, and a post's.
_LABEL_TOKENS: Final = 12


@dataclass(frozen=True, slots=True)
class Case:
    """A story as it is shown."""

    key: str
    planned: PlannedStory
    lang: str
    items: tuple[Pane, ...]

    @property
    def label(self) -> str:
        """What the model is told of the story."""
        lang = pane.code(self.lang, "the language of its posts")
        return f"Story {self.key}, in {lang}, at most {self.planned.sentences} sentences:"

    def cite(self, key: str, quote: str) -> Citation | None:
        """Return the whole line of the post ``key`` in which ``quote`` stands, or None when it stands in none."""
        return pane.cite(self.items, key, quote)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """All that one request shows. ``withheld`` are posts that speak to machines, with the sign that says so."""

    cases: tuple[Case, ...]
    withheld: dict[int, str]

    @property
    def by_key(self) -> dict[str, Case]:
        """The stories by their ids in the request."""
        return {case.key: case for case in self.cases}

    def blocks(self) -> tuple[Block, ...]:
        """Return what is to be rendered."""
        return tuple(
            block
            for case in self.cases
            for block in (Block(case.label), *(Block(f"{item.key}:", item.text) for item in case.items))
        )


def gather(desk: Desk, spare: Draft, budget_tokens: int) -> Exhibit:
    """Return the lines worth showing within ``budget_tokens``: first those an extract took, then round after round."""
    withheld: dict[int, str] = {}
    queues: dict[int, list[Line]] = {}
    for planned in desk.plan.stories:
        folder = desk.shelf.by_story[planned.story]
        for row in folder.documents:
            found = lures(desk.survey.posts[row].text)
            if found:
                withheld[row] = found[0]
        told = next((story for story in spare.stories if story.story == planned.story), None)
        queues[planned.story] = list(_in_order(folder, told, desk, withheld))
    return Exhibit(tuple(_cases(desk, _chosen(queues, desk, budget_tokens))), withheld)


def split(exhibit: Exhibit, parts: int) -> tuple[Exhibit, ...]:
    """Return the stories in at most ``parts`` exhibits of about the same size, each story in one."""
    count = len(exhibit.cases)
    size = -(-count // parts) if count else 1
    return tuple(Exhibit(exhibit.cases[at : at + size], exhibit.withheld) for at in range(0, count, size))


def _in_order(
    folder: Folder, told: DraftStory | None, desk: Desk, withheld: dict[int, str]
) -> Iterator[Line]:
    open_lines = [
        line for line in folder.lines if line.post not in withheld and not lures(desk.quote(line), LINE_SIGNS)
    ]
    lines = (told.headline, *told.sentences) if told else ()
    taken = {(one.post, one.span[0]): place for place, text in enumerate(lines) for one in text.citations}
    first = [line for line in open_lines if (line.post, line.span[0]) in taken]
    yield from sorted(first, key=lambda line: taken[line.post, line.span[0]])
    rest = [line for line in open_lines if (line.post, line.span[0]) not in taken]
    rank = {row: place for place, row in enumerate(folder.documents)}
    yield from sorted(rest, key=lambda line: (line.place, rank[line.post]))


def _chosen(queues: dict[int, list[Line]], desk: Desk, budget_tokens: int) -> dict[int, list[Line]]:
    """Return the lines of each story that the budget has room for, one a story in each round."""
    chosen: dict[int, list[Line]] = {story: [] for story in queues}
    left = budget_tokens - _LABEL_TOKENS * len(queues)
    seen: set[int] = set()
    for number in range(max((len(lines) for lines in queues.values()), default=0)):
        for story, lines in queues.items():
            if number >= len(lines):
                continue
            line = lines[number]
            cost = pane.cost(desk.quote(line)) + _LABEL_TOKENS * (line.post not in seen)
            if cost <= left:
                left -= cost
                seen.add(line.post)
                chosen[story].append(line)
    return chosen


def _cases(desk: Desk, chosen: dict[int, list[Line]]) -> Iterator[Case]:
    posts = 0
    for number, planned in enumerate(desk.plan.stories, 1):
        folder = desk.shelf.by_story[planned.story]
        items: list[Pane] = []
        for row in folder.documents:
            spans = sorted(one.span for one in chosen[planned.story] if one.post == row)
            if spans:
                posts += 1
                items.append(Pane(f"p{posts}", desk.survey.posts[row], tuple(spans)))
        if items:
            yield Case(f"s{number}", planned, folder.lang, tuple(items))
