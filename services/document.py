"""A digest as JSON for other programs: all of it under public names, the same bytes in every process."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec
from jsonschema import Draft202012Validator
from msgspec import UNSET, UnsetType

from domains.card import Facts
from domains.digest import Change, Citation, Digest, Drop, Reason, Rung, Sentence
from domains.errors import Refused
from domains.lifecycle import State
from domains.post import Span
from services import sequelpage
from services.page import Item, Page, clean

SCHEMA: Final = Path(__file__).parent / "schemas" / "digest.schema.json"


@dataclass(frozen=True, slots=True)
class CitationDocument:
    """Where a sentence comes from: ``quote`` is ``text[span]`` of the post numbered ``mark``, in code points."""

    mark: int
    post: int
    span: Span
    quote: str


@dataclass(frozen=True, slots=True)
class SentenceDocument:
    """A sentence and its citations."""

    text: str
    citations: tuple[CitationDocument, ...]


@dataclass(frozen=True, slots=True)
class TrendDocument:
    """What is counted of a trend; ``course`` are posts by time, each count of ``step_s`` seconds."""

    trend: int
    state: State
    since: datetime
    at: datetime
    p_value: float
    tests: int
    posts: int
    families: int
    course_start: datetime
    step_s: int
    course: tuple[int, ...]
    publishers: tuple[str, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]
    related: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChangeDocument:
    """What is new of a continuing story; ``what``, ``old`` and ``before`` only where a number became another."""

    kind: Literal["number", "name", "place"]
    new: str
    now: CitationDocument
    what: str | UnsetType = UNSET
    old: str | UnsetType = UNSET
    before: CitationDocument | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class StoryDocument:
    """A story with the counts a reader sees; ``posts`` are the rows of all its posts in the window."""

    story: int
    headline: SentenceDocument
    sentences: tuple[SentenceDocument, ...]
    posts: tuple[int, ...]
    sources: int
    families: int
    languages: tuple[str, ...]
    since: datetime
    repeats: int
    continuing: bool
    late: bool
    facts: tuple[str, ...]
    badges: tuple[str, ...]
    trend: TrendDocument | UnsetType = UNSET
    day: int | UnsetType = UNSET
    changes: tuple[ChangeDocument, ...] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class SectionDocument:
    """A section by its key, and its title in the digest's language."""

    key: str
    title: str
    stories: tuple[StoryDocument, ...]


@dataclass(frozen=True, slots=True)
class PostDocument:
    """A post that is cited; ``url`` only when it is safe to link to."""

    mark: int
    id: int
    ref: str
    source: str
    family: str
    at: datetime
    lang: str
    text: str
    sha256: str
    version: int
    url: str | None
    title: str | None
    author: str | None
    late: bool


@dataclass(frozen=True, slots=True)
class DropDocument:
    """A post that is not shown, and why; ``of`` is the post (for duplicates) or the story that stands for it."""

    post: int
    reason: Reason
    of: int | None
    detail: str
    ref: str


@dataclass(frozen=True, slots=True)
class CountsDocument:
    """posts = shown + left_out; left_out is the sum of by_reason."""

    posts: int
    shown: int
    left_out: int
    by_reason: dict[Reason, int]


@dataclass(frozen=True, slots=True)
class WindowDocument:
    """The half-open window, in UTC, and the subscriber's zone."""

    start: datetime
    end: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class DigestDocument:
    """A digest, version 1 of services/schemas/digest.schema.json."""

    version: Literal[1]
    run: int | str
    language: str
    title: str
    subscription: str
    window: WindowDocument
    rung: Rung
    method: str
    score: float
    quiet: bool
    counts: CountsDocument
    sections: tuple[SectionDocument, ...]
    posts: tuple[PostDocument, ...]
    left_out: tuple[DropDocument, ...]


def encode(digest: Digest, page: Page, *, run: int | str) -> bytes:
    """Return the digest's JSON, keys sorted, two spaces of indent, one line feed at the end.

    Raises Refused when it is not what its schema says: such a digest must not leave.
    """
    packed = msgspec.json.encode(document(digest, page, run=run), order="sorted")
    check(packed)
    return msgspec.json.format(packed, indent=2) + b"\n"


def check(packed: bytes) -> None:
    """Raise Refused that names the place when ``packed`` is not what the schema says."""
    problem = next(iter(_validator().iter_errors(json.loads(packed))), None)
    if problem is not None:
        raise Refused(
            f"the digest's JSON is not what its schema says: {problem.json_path}: {problem.message}"
        )


def document(digest: Digest, page: Page, *, run: int | str) -> DigestDocument:
    """Return the digest under public names."""
    marks = {note.post: note.mark for note in page.notes}
    by_reason = Counter(drop.reason for drop in digest.drops)
    return DigestDocument(
        version=1,
        run=run,
        language=page.phrases.lang,
        title=page.title,
        subscription=page.subscription,
        window=WindowDocument(digest.window.start, digest.window.end, digest.zone),
        rung=digest.rung,
        method=digest.method,
        score=digest.score,
        quiet=digest.quiet,
        counts=CountsDocument(
            len(digest.shown) + len(digest.drops), len(digest.shown), len(digest.drops), dict(by_reason)
        ),
        sections=tuple(
            SectionDocument(
                _utf8(section.key), section.title, tuple(_story(item, marks) for item in section.items)
            )
            for section in page.sections
        ),
        posts=_posts(digest, page),
        left_out=tuple(_drop(drop) for drop in digest.drops),
    )


def _story(item: Item, marks: dict[int, int]) -> StoryDocument:
    story = item.story
    return StoryDocument(
        story=story.story,
        headline=_sentence(story.headline, marks),
        sentences=tuple(_sentence(sentence, marks) for sentence in story.sentences),
        posts=story.posts,
        sources=story.sources,
        families=story.families,
        languages=tuple(_utf8(lang) for lang in story.languages),
        since=story.since,
        repeats=story.repeats,
        continuing=story.continuing,
        late=story.late,
        facts=item.facts,
        badges=item.badges,
        trend=UNSET if isinstance(story.trend, UnsetType) else _trend(story.trend),
        day=story.day,
        changes=UNSET
        if isinstance(story.changes, UnsetType)
        else tuple(_change(change, marks) for change in story.changes),
    )


def _trend(facts: Facts) -> TrendDocument:
    return TrendDocument(
        trend=facts.trend,
        state=facts.state,
        since=facts.since,
        at=facts.at,
        p_value=facts.p_value,
        tests=facts.tests,
        posts=facts.posts,
        families=facts.families,
        course_start=facts.course.start,
        step_s=facts.course.step_s,
        course=facts.course.counts,
        publishers=tuple(map(_utf8, facts.publishers)),
        names=tuple(map(_utf8, facts.names)),
        words=tuple(map(_utf8, facts.words)),
        related=tuple(one.trend for one in facts.related),
    )


def _sentence(sentence: Sentence, marks: dict[int, int]) -> SentenceDocument:
    return SentenceDocument(
        clean(sentence.text),
        tuple(_citation(one, marks) for one in sentence.citations),
    )


def _change(change: Change, marks: dict[int, int]) -> ChangeDocument:
    return ChangeDocument(
        kind=change.kind,
        new=_utf8(change.new),
        now=_citation(change.now, marks),
        what=_utf8(change.what) if change.what else UNSET,
        old=_utf8(change.old) if change.old else UNSET,
        before=_citation(change.before, marks) if change.before else UNSET,
    )


def _citation(one: Citation, marks: dict[int, int]) -> CitationDocument:
    return CitationDocument(marks[one.post], one.post, one.span, _utf8(one.quote))


def _posts(digest: Digest, page: Page) -> tuple[PostDocument, ...]:
    posts = sequelpage.posts(digest)
    return tuple(
        PostDocument(
            mark=note.mark,
            id=post.id,
            ref=_utf8(post.ref),
            source=_utf8(post.source),
            family=_utf8(post.family),
            at=post.at,
            lang=_utf8(post.lang),
            text=_utf8(post.text),
            sha256=post.sha256,
            version=post.version,
            url=note.url,
            title=None if post.title is None else _utf8(post.title),
            author=None if post.author is None else _utf8(post.author),
            late=post.late,
        )
        for note in page.notes
        if (post := posts.get(note.post)) is not None
    )


def _drop(drop: Drop) -> DropDocument:
    return DropDocument(drop.post, drop.reason, drop.of, _utf8(drop.detail), _utf8(drop.ref))


def _utf8(text: str) -> str:
    """Return ``text`` as UTF-8 can hold it; lone surrogates become "?", so that spans keep their meaning."""
    return text.encode("utf-8", "replace").decode("utf-8")


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
