"""A digest for a terminal."""

from collections.abc import Iterator
from io import StringIO
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from services.note import Line, Note
from services.page import Item, Page

WIDTH_MIN: Final = 20


def terminal(page: Page, *, width: int, colour: bool) -> str:
    """Return the page for a terminal of ``width`` columns; without ``colour`` there is no escape sequence in it."""
    stream = StringIO()
    console = Console(
        file=stream,
        width=max(width, WIDTH_MIN),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for part in _parts(page):
        console.print(part)
    lines = (line.rstrip() for line in stream.getvalue().splitlines())
    return "\n".join(lines).strip("\n")


def _parts(page: Page) -> Iterator[RenderableType]:
    yield Text(page.heading, style="bold")
    yield Text(page.window, style="dim")
    yield Text(page.summary, style="dim")
    if page.quiet:
        yield Text(f"\n{page.quiet}")
    for section in page.sections:
        yield Text()
        yield Rule(Text(section.title, style="bold cyan"), align="left", style="cyan")
        for item in section.items:
            yield from _story(item)
    yield from _ending(page)


def _story(item: Item) -> Iterator[RenderableType]:
    yield Text()
    yield _line(item.headline, style="bold")
    if item.lines:
        yield Padding(Text(" ").join(_line(line) for line in item.lines), (0, 0, 0, 2))
    for delta in item.deltas:
        said = Text(delta.joint).join(_line(part, style="bold") for part in delta.parts)
        yield Padding(Text.assemble(f"{delta.label}: ", said), (0, 0, 0, 2))
    facts = Text(" · ").join(
        (*(Text(badge, style="yellow") for badge in item.badges), *(Text(fact) for fact in item.facts))
    )
    facts.stylize("dim")
    yield Padding(facts, (0, 0, 0, 2))
    for note in item.notes:
        yield Padding(_note(note), (0, 0, 0, 2))


def _line(line: Line, style: str = "") -> Text:
    text = Text(line.text, style=style)
    for note in line.notes:
        text.append(" ")
        text.append(f"[{note.mark}]", style="not bold cyan")
    return text


def _note(note: Note) -> Text:
    said = ", ".join(part for part in (note.source, note.time) if part)
    text = Text.assemble((f"[{note.mark}] ", "cyan"), (said, "dim"), overflow="fold")
    if note.url:
        text.append(f" {note.url}", style="dim underline")
    return text


def _ending(page: Page) -> Iterator[RenderableType]:
    if page.left_out:
        yield Text()
        yield Rule(
            Text(f"{page.phrases.left_out}: {page.left_count}", style="bold"), align="left", style="dim"
        )
        width = max(len(left.count) for left in page.left_out)
        for left in page.left_out:
            yield Text.assemble((left.count.rjust(width), "bold"), f"  {left.title}")
    yield Text()
    for text in (page.accounted, page.phrases.why if page.left_out else "", " · ".join(page.provenance)):
        if text:
            yield Text(text, style="dim")
