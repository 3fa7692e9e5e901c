"""A digest as Telegram messages, in the HTML subset of the Bot API (parse_mode "HTML"), link previews to be off.

A message holds at most 4,096 UTF-16 code units; markup is counted too, which Telegram does not do, so that no way of
counting finds one too long. At most 100 entities a message are kept by Telegram, so no message has more. Messages part
between stories, if a story is too long between its sentences, never inside a link or an entity.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from domains import limits
from services.note import Line, Note
from services.page import Item, Page, Section
from services.sequelpage import Delta

ENTITIES: Final = 100
LINK_CHARS: Final = 1_000
PIECE_UNITS: Final = 1_000
# Room for the number of a part, "(123/456)" and a line break.
NUMBER_UNITS: Final = 12
JOINER: Final = "\u2060"
# Telegram makes links of addresses, mentions and commands by itself, wherever they stand. Posts are hostile, so the
# only links shall be ours: an invisible word joiner ends what Telegram would take for an address.
_LINKED_BY_ITSELF: Final = re.compile(
    r"(?<=\S)\.(?=[^\W\d])|(?<=\d)\.(?=\d{1,3}\.\d)|:(?=//)|@(?=\w)|(?<!\w)/(?=\w)|(?<!\w)[#$](?=\w)"
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """Markup that stays in one message; ``glue`` comes before it unless it begins a message."""

    html: str
    glue: str = "\n"
    entities: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Leaves that stay together when they can."""

    nodes: tuple["Leaf | Group", ...]

    def leaves(self) -> Iterator[Leaf]:
        """Yield the leaves in order."""
        for node in self.nodes:
            if isinstance(node, Leaf):
                yield node
            else:
                yield from node.leaves()


@dataclass(slots=True)
class _Packer:
    """Fills messages in order."""

    limit: int
    done: list[str] = field(default_factory=list)
    text: str = ""
    entities: int = 0

    def place(self, node: Leaf | Group) -> None:
        """Put ``node`` into the open message, or a new one, or apart when even that is too small."""
        leaves = [node] if isinstance(node, Leaf) else list(node.leaves())
        if _fits(leaves, self.limit, self.text, self.entities):
            self._write(leaves)
        elif isinstance(node, Leaf) or _fits(leaves, self.limit):
            self.close()
            self._write(leaves)
        else:
            for child in node.nodes:
                self.place(child)

    def close(self) -> None:
        """End the open message."""
        if self.text:
            self.done.append(self.text)
        self.text, self.entities = "", 0

    def _write(self, leaves: Iterable[Leaf]) -> None:
        for leaf in leaves:
            self.text = _joined(self.text, [leaf])
            self.entities += leaf.entities


def messages(page: Page, limit: int = limits.TELEGRAM_CHARS) -> tuple[str, ...]:
    """Return the messages in order, each numbered when there are several. ``limit`` is in UTF-16 code units."""
    packer = _Packer(limit - NUMBER_UNITS)
    for node in _nodes(page):
        packer.place(node)
    packer.close()
    count = len(packer.done)
    if count == 1:
        return tuple(packer.done)
    return tuple(f"({number}/{count})\n{text}" for number, text in enumerate(packer.done, 1))


def units(text: str) -> int:
    """Return the length of ``text`` in UTF-16 code units, which is how Telegram counts."""
    return len(text) + sum(char > "\uffff" for char in text)


def unlinked(text: str) -> str:
    """Return ``text`` with nothing left in it that Telegram makes a link of; it still has to be escaped."""
    return _LINKED_BY_ITSELF.sub(lambda match: match[0] + JOINER, text)


def _fits(leaves: Sequence[Leaf], limit: int, text: str = "", entities: int = 0) -> bool:
    wanted = entities + sum(leaf.entities for leaf in leaves)
    return wanted <= ENTITIES and units(_joined(text, leaves)) <= limit


def _joined(text: str, leaves: Iterable[Leaf]) -> str:
    for leaf in leaves:
        text += leaf.glue + leaf.html if text else leaf.html
    return text


def _nodes(page: Page) -> Iterator[Group]:
    yield Group(
        (
            *_text(f"{page.phrases.brand}: {page.subscription}", tag="b"),
            *_text(page.title),
            *_text(page.window),
            *_text(page.summary),
        )
    )
    if page.quiet:
        yield Group(_text(page.quiet, glue="\n\n"))
    for section in page.sections:
        yield from _section(section)
    yield Group(tuple(_ending(page)))


def _section(section: Section) -> Iterator[Group]:
    for number, item in enumerate(section.items):
        title = _text(f"◆ {section.title}", tag="b", glue="\n\n\n") if number == 0 else ()
        yield _story(item, title)


def _story(item: Item, title: tuple[Leaf, ...]) -> Group:
    head = Group((*title, *_sentence(item.headline, glue="\n\n", tag="b").nodes))
    lines = (_sentence(line, glue=" " if number else "\n") for number, line in enumerate(item.lines))
    deltas = (leaf for delta in item.deltas for leaf in _delta(delta))
    facts = _text(" · ".join((*item.badges, *item.facts)), tag="i")
    notes = (_note(note, glue="; " if number else "\n") for number, note in enumerate(item.notes))
    return Group((head, *lines, *deltas, *facts, *(leaf for note in notes for leaf in note)))


def _sentence(line: Line, *, glue: str, tag: str = "") -> Group:
    return Group((*_text(line.text, glue=glue, tag=tag), *(_mark(note) for note in line.notes)))


def _delta(delta: Delta) -> tuple[Leaf, ...]:
    said = _text(f"{delta.label}:")
    for number, part in enumerate(delta.parts):
        glue = delta.joint if number else " "
        said += tuple(_sentence(part, glue=glue, tag="b").leaves())
    return said


def _mark(note: Note) -> Leaf:
    if note.url is None or len(escape(note.url)) > LINK_CHARS:
        return Leaf(f"[{note.mark}]", " ")
    return Leaf(f'<a href="{escape(note.url)}">[{note.mark}]</a>', " ", 1)


def _note(note: Note, *, glue: str) -> tuple[Leaf, ...]:
    said = ", ".join(part for part in (f"[{note.mark}] {note.source}", note.time) if part)
    return _text(said, glue=glue)


def _ending(page: Page) -> Iterator[Leaf]:
    if page.left_out:
        yield from _text(f"{page.phrases.left_out}: {page.left_count}", tag="b", glue="\n\n\n")
        for left in page.left_out:
            yield from _text(f"{left.count} – {left.title}")
    if page.accounted:
        yield from _text(page.accounted, glue="\n" if page.left_out else "\n\n\n")
    yield from _text(" · ".join(page.provenance), tag="i", glue="\n\n")


def _text(text: str, *, glue: str = "\n", tag: str = "") -> tuple[Leaf, ...]:
    """Return leaves of escaped text, one unless it is far longer than a sentence."""
    leaves = []
    for number, (before, piece) in enumerate(_pieces(unlinked(text))):
        html = f"<{tag}>{escape(piece)}</{tag}>" if tag else escape(piece)
        leaves.append(Leaf(html, before if number else glue, int(bool(tag))))
    return tuple(leaves)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield ``text`` in pieces of at most PIECE_UNITS when escaped, each with what stood before it.

    Pieces part between words; a longer word is cut.
    """
    before, piece = "", ""
    for word in text.split(" "):
        longer = f"{piece} {word}" if piece else word
        if _escaped_units(longer) <= PIECE_UNITS:
            piece = longer
            continue
        if piece:
            yield before, piece
            before = " "
        cuts = _cut(word)
        for cut in cuts[:-1]:
            yield before, cut
            before = ""
        piece = cuts[-1]
    if piece:
        yield before, piece


def _cut(word: str) -> list[str]:
    if _escaped_units(word) <= PIECE_UNITS:
        return [word]
    # A character takes at most six units escaped ("&quot;").
    step = PIECE_UNITS // 6
    return [word[at : at + step] for at in range(0, len(word), step)]


def _escaped_units(text: str) -> int:
    return units(escape(text))
