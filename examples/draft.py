"""The example stream as authored: `content/day1.txt` .. `day9.txt` and `sources.toml` in, a `Stream` out.

    content/*.txt  →  read_day  →  Draft  →  number  →  Draft with id  →  load  →  Stream

A content file holds posts one after another, each a head line and its text:

    @ live 07:48 #bridge photo=2 as=first
    The text, with **bold**, __italic__ and [links](https://solvych.example), until the next head.

After the source and the time come, in any order: `#slug` (the story it tells, for gold.jsonl), `as=` (a label for
this post), `re=` (reply to a label), `fwd=` (forwarded: a label, whose text is taken over, or a channel's name with
`_` for spaces), `copy=` (the label whose text replaces `{copy}`), `photo` or `photo=N` (N > 1 is an album),
`edited=HH:MM`, `by=` (who speaks in the group), `react=👍:12,😢:3`, `cat=` (a feed category), `html` (the feed's
title and body are markup as they stand), `dated=DAY/HH:MM` (the feed gives it this older date), and the flags `bare`
(no footer), `poll`, `undated`, `noguid` (the feed leaves the date or the guid out), and `service=ACTION`.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
KYIV: Final = timezone(timedelta(hours=2))
DAY_ONE: Final = datetime(2026, 11, 2, tzinfo=KYIV)
DAYS: Final = 9
HEAD: Final = re.compile(r"^@ (?P<source>\w+) (?P<time>\d\d:\d\d)(?P<rest>.*)$")
OPTIONS: Final = frozenset(
    [
        "as",
        "re",
        "fwd",
        "copy",
        "photo",
        "edited",
        "by",
        "react",
        "cat",
        "html",
        "dated",
        "bare",
        "poll",
        "undated",
        "noguid",
        "service",
    ]
)


@dataclass(frozen=True, slots=True)
class Source:
    """A line of sources.toml."""

    dir: str
    kind: str
    name: str
    family: str
    id: int
    first_id: int
    footer: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A post as authored. ``at`` is aware, Kyiv time; ``id`` is 0 until `number` gives it one."""

    source: str
    at: datetime
    text: str
    story: str = ""
    options: dict[str, str] = field(default_factory=dict)
    id: int = 0

    @property
    def photos(self) -> int:
        """How many photos it shows."""
        return int(self.options.get("photo") or "photo" in self.options)


@dataclass(frozen=True, slots=True)
class Stream:
    """Everything authored, numbered, in the order of time."""

    sources: dict[str, Source]
    people: dict[str, str]
    posts: tuple[Draft, ...]
    labels: dict[str, Draft]


def read_sources(path: Path) -> tuple[dict[str, Source], dict[str, str]]:
    """Return the sources by their short key and the people of the group by theirs."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    people: dict[str, str] = table.pop("people")
    return {key: Source(**row) for key, row in table.items()}, people


def read_day(path: Path, day: int) -> Iterator[Draft]:
    """Yield the posts of one content file. Raises ValueError when it does not begin with a head line."""
    head: re.Match[str] | None = None
    body: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        found = HEAD.match(line)
        if found:
            if head:
                yield draft(head, body, day)
            head, body = found, []
        elif head:
            body.append(line)
        elif line.strip():
            raise ValueError(f"{path.name}: text before the first head line: {line!r}")
    if head:
        yield draft(head, body, day)


def draft(head: re.Match[str], body: list[str], day: int) -> Draft:
    """Return the post that a head line and the lines under it describe. Raises ValueError on an unknown option."""
    words = head["rest"].split()
    story = next((word[1:] for word in words if word.startswith("#")), "")
    options = dict(word.partition("=")[::2] for word in words if not word.startswith("#"))
    if unknown := options.keys() - OPTIONS:
        raise ValueError(f"day {day}, {head[0]!r}: unknown option {', '.join(sorted(unknown))}")
    at = moment(day, head["time"]) + timedelta(seconds=second_of(head[0], body))
    return Draft(head["source"], at, "\n".join(body).strip(), story, options)


def moment(day: int, clock: str) -> datetime:
    """Return HH:MM of a day of the stream, counted from 1."""
    hours, minutes = clock.split(":")
    return DAY_ONE + timedelta(days=day - 1, hours=int(hours), minutes=int(minutes))


def second_of(head: str, body: list[str]) -> int:
    """Return a second within the minute, derived from the post itself, as people post at any second."""
    digest = hashlib.sha256("\n".join([head, *body]).encode()).digest()
    return digest[0] % 59 + 1


def number(drafts: Iterable[Draft], sources: dict[str, Source]) -> tuple[Draft, ...]:
    """Return the posts in the order of time with the ids their sources give. An album takes an id per photo.

    Raises ValueError when two posts of a source share a second, since their order would be anybody's guess.
    """
    following = {key: source.first_id for key, source in sources.items()}
    seen: set[tuple[str, datetime]] = set()
    out: list[Draft] = []
    for post in sorted(drafts, key=lambda item: (item.at, item.source)):
        if (post.source, post.at) in seen:
            raise ValueError(f"two posts of {post.source} at {post.at.isoformat()}")
        seen.add((post.source, post.at))
        out.append(replace(post, id=following[post.source]))
        following[post.source] += max(1, post.photos)
    return tuple(out)


def load(content: Path = HERE / "content") -> Stream:
    """Return the stream that the content files describe, with forwards and copies filled in."""
    sources, people = read_sources(content / "sources.toml")
    drafts = [post for day in range(1, DAYS + 1) for post in read_day(content / f"day{day}.txt", day)]
    numbered = number(drafts, sources)
    drafted = labelled(numbered)
    posts = tuple(replace(post, text=text_of(post, drafted)) for post in numbered)
    return Stream(sources, people, posts, labelled(posts))


def labelled(posts: Iterable[Draft]) -> dict[str, Draft]:
    """Return the posts that have a label by it. Raises ValueError when two posts share one."""
    labels: dict[str, Draft] = {}
    for post in posts:
        label = post.options.get("as")
        if label in labels:
            raise ValueError(f"two posts are labelled {label!r}")
        if label:
            labels[label] = post
    return labels


def text_of(post: Draft, labels: dict[str, Draft]) -> str:
    """Return a post's own text with what it forwards or copies put in."""
    forwarded = labels.get(post.options.get("fwd", ""))
    if forwarded and not post.text:
        return text_of(forwarded, labels)
    if "copy" in post.options:
        return post.text.replace("{copy}", text_of(labels[post.options["copy"]], labels))
    return post.text
