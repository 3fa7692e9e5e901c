"""What people posted: an `Entry` as a source gave it, a `Post` as Svodka keeps it.

Spans are half-open ``(start, end)`` offsets in code points of ``Post.text``, the normalised text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Span = tuple[int, int]
SourceKind = Literal["feed", "telegram", "jsonl", "csv", "directory"]


def prose(text: str, sentences: Sequence[Span]) -> str:
    """Return a text without its source's boilerplate: its sentences, or all of it where none was found."""
    return "\n".join(text[start:end] for start, end in sentences) or text


@dataclass(frozen=True, slots=True)
class Media:
    """A photo or file that an entry names; ``path`` is None when the file is absent."""

    kind: str
    name: str
    path: str | None = None
    mime: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as its source gave it, before normalisation.

    ``text`` is plain text (markup already removed) without the title; ``at`` is aware UTC.
    ``source`` and ``family`` are set only by formats in which each line names its own (JSONL, CSV, exports
    of a whole account). ``flags`` says what the parser had to assume ("undated", "future", "no_id").
    """

    external_id: str
    at: datetime
    text: str
    title: str | None = None
    url: str | None = None
    author: str | None = None
    reply_to: str | None = None
    forwarded_from: str | None = None
    edited_at: datetime | None = None
    lang: str | None = None
    source: str | None = None
    family: str | None = None
    links: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bad:
    """A part of an input that could not be read: where (file and line, byte or item) and what was expected."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Post:
    """A stored post. ``ref`` is its public name, ``source/external_id``; ``id`` its row.

    ``text`` is normalised and starts with the title, if there is one, on a line of its own.
    ``sentences`` are spans of ``text`` fit to be quoted (boilerplate lines hold none). ``duplicate_of`` is the
    row of the representative when this post repeats an earlier one. ``boilerplate`` gives the reason when the
    whole post is an advertisement or a signature.
    """

    id: int
    ref: str
    source: str
    family: str
    at: datetime
    text: str
    lang: str
    sha256: str
    version: int = 1
    title: str | None = None
    url: str | None = None
    author: str | None = None
    reply_to: str | None = None
    duplicate_of: int | None = None
    boilerplate: str | None = None
    story: int | None = None
    sentences: tuple[Span, ...] = field(default=())
    late: bool = False

    def quote(self, span: Span) -> str:
        """Return the text of ``span``."""
        return self.text[span[0] : span[1]]
