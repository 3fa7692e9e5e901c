"""What a reader is told and where it comes from: a line, and the notes it rests on."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Note:
    """A cited post: ``mark`` is its number in this digest, ``url`` safe to link to or None."""

    mark: int
    post: int
    ref: str
    source: str
    time: str
    at: datetime | None
    url: str | None
    lang: str
    late: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence with the notes it rests on; ``lang`` is empty when unknown."""

    text: str
    notes: tuple[Note, ...]
    lang: str
