"""A digest as Markdown (CommonMark) that nothing in a post can break out of."""

import re
from collections.abc import Iterator
from typing import Final

from services.note import Line, Note
from services.page import Item, Page

# What a renderer would make a link or a mention of by itself is shown as code, where it cannot.
_LINKED_BY_ITSELF: Final = re.compile(
    r"(?:[A-Za-z][\w+.-]*://|www\.)[^\s<>`]+|[\w.+-]+@[\w-]+\.[\w.-]+|(?<!\w)@\w+|mailto:[^\s<>`]+"
)
_ACTIVE: Final = re.compile(r"[\\`*_{}\[\]#|~!$]")
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_AT_START: Final = re.compile(r"^(?:([-+=:])|(\d+)([.)]))")


def markdown(page: Page) -> str:
    """Return the page as CommonMark with one line feed at the end."""
    return "\n\n".join(_blocks(page)) + "\n"


def inert(text: str) -> str:
    """Return ``text`` so that CommonMark shows it as it is, wherever in a line it stands."""
    parts: list[str] = []
    end = 0
    for match in _LINKED_BY_ITSELF.finditer(text):
        parts += [_escaped(text[end : match.start()]), f"`{match[0]}`"]
        end = match.end()
    parts.append(_escaped(text[end:]))
    return _AT_START.sub(
        lambda match: f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}", "".join(parts)
    )


def _escaped(text: str) -> str:
    text = _ENTITY.sub("&amp;", _ACTIVE.sub(r"\\\g<0>", text))
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _blocks(page: Page) -> Iterator[str]:
    yield f"# {inert(page.heading)}"
    yield f"{inert(page.window)}  \n{inert(page.summary)}"
    if page.quiet:
        yield inert(page.quiet)
    for section in page.sections:
        yield f"## {inert(section.title)}"
        for item in section.items:
            yield from _story(item)
    yield from _ending(page)


def _story(item: Item) -> Iterator[str]:
    yield f"### {_line(item.headline)}"
    if item.lines:
        yield " ".join(_line(line) for line in item.lines)
    for delta in item.deltas:
        yield f"{inert(delta.label)}: {delta.joint.join(_line(part) for part in delta.parts)}"
    yield f"*{' · '.join(inert(fact) for fact in (*item.badges, *item.facts))}*"
    if item.notes:
        yield "\n".join(f"- {_note(note)}" for note in item.notes)


def _line(line: Line) -> str:
    return " ".join((inert(line.text), *(_link(f"[{note.mark}]", note.url) for note in line.notes)))


def _note(note: Note) -> str:
    said = (_link(note.source, note.url), inert(note.time))
    return f"\\[{note.mark}\\] {', '.join(part for part in said if part)}"


def _link(text: str, url: str | None) -> str:
    return inert(text) if url is None else f"[{_label(text)}]({_ENTITY.sub('&amp;', url)})"


def _label(text: str) -> str:
    """Return ``text`` inert inside a link's label, where an address stays plain text."""
    return _escaped(text)


def _ending(page: Page) -> Iterator[str]:
    if page.left_out:
        yield f"## {inert(page.phrases.left_out)}: {inert(page.left_count)}"
        yield "\n".join(f"- {inert(left.count)} – {inert(left.title)}" for left in page.left_out)
    if page.accounted:
        yield inert(page.accounted)
    if page.left_out:
        yield f"*{inert(page.phrases.why)}*"
    yield "---"
    yield f"*{' · '.join(inert(part) for part in page.provenance)}*"
