"""A continuing story as a reader sees it: its day, and what is new of it, in words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from domains.digest import Change, Citation, Digest, DigestStory
from domains.post import Post
from services.note import Line
from services.phrase import Phrases


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of continuing stories in one language; "{n}" is the day."""

    day: str
    updated: str
    new: str
    changes: str


WORDS: Final[Mapping[str, Words]] = {
    "en": Words("continuing, day {n}", "updated", "new", "What is new"),
    "ru": Words("продолжение, {n}-й день", "обновлено", "новое", "Что нового"),
    "uk": Words("продовження, {n}-й день", "оновлено", "нове", "Що нового"),
}


@dataclass(frozen=True, slots=True)
class Delta:
    """Something new: what it is of, and its parts with ``joint`` between them: "injured", "12", " → ", "14"."""

    label: str
    joint: str
    parts: tuple[Line, ...]


def badges(story: DigestStory, phrases: Phrases) -> tuple[str, ...]:
    """Return that a story goes on, on which day, and that something of it is new."""
    if not story.continuing:
        return ()
    words = WORDS[phrases.lang]
    counted = story.day is not UNSET and story.day > 1
    day = words.day.format(n=story.day) if counted else phrases.continuing
    return (day, words.updated) if story.changes else (day,)


def cited(story: DigestStory) -> Iterator[Citation]:
    """Yield what a story's changes cite, old numbers first."""
    for change in () if story.changes is UNSET else story.changes:
        if change.before is not None:
            yield change.before
        yield change.now


def posts(digest: Digest) -> dict[int, Post]:
    """Return all posts that a digest cites, of this window and of earlier ones, by row."""
    former = () if digest.former is UNSET else digest.former
    return {post.id: post for post in (*former, *digest.posts)}


def deltas(story: DigestStory, phrases: Phrases, line: Callable[[str, Citation], Line]) -> tuple[Delta, ...]:
    """Return what is new of a story: each number that became another, then the new names together."""
    changes = () if story.changes is UNSET else story.changes
    numbers = (_number(change, line) for change in changes if change.before is not None)
    names = tuple(line(change.new, change.now) for change in changes if change.before is None)
    new = (Delta(WORDS[phrases.lang].new, ", ", names),) if names else ()
    return (*numbers, *new)


def _number(change: Change, line: Callable[[str, Citation], Line]) -> Delta:
    before = change.before or change.now
    return Delta(
        line(change.what, change.now).text, " → ", (line(change.old, before), line(change.new, change.now))
    )
