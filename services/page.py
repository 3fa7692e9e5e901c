"""A digest as a reader sees it: every text cleaned, every number put into words once, for all forms alike.

    Digest ─▶ Page ─▶ HTML | Markdown | Telegram | terminal | JSON

The forms differ in markup only, so that what is mailed and what is shown cannot disagree.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from domains.digest import REASONS, Digest, DigestStory, Drop, Reason, Sentence
from domains.post import Post
from services import phrase, sequelpage, trendpage
from services.note import Line, Note
from services.phrase import Phrases
from services.sequelpage import Delta
from services.trendpage import Drawing

URL_CHARS: Final = 2_000
EXCERPT_CHARS: Final = 120
# What a reader does not see, or what turns the reading order around; the joiner of emoji (U+200D) stays.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufdd0-\ufdef\ufeff\ufff0-\uffff\U000e0000-\U000e0fff]"
)
_LANG: Final = re.compile(r"[a-z]{2,3}")
_KEPT_IN_URL: Final = "%/:=&?~#+!$,;@-._"


@dataclass(frozen=True, slots=True)
class Item:
    """A story. ``facts`` and ``badges`` are phrases: counts, languages, since when; continued, late.

    ``deltas`` is what is new of a continuing story. ``drawing`` is a trend's course; what it shows is said in ``facts`` too, for where nothing is drawn.
    """

    anchor: str
    headline: Line
    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    facts: tuple[str, ...]
    badges: tuple[str, ...]
    story: DigestStory
    drawing: Drawing | None = None
    deltas: tuple[Delta, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A section with at least one story."""

    key: str
    anchor: str
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Posts left out for one reason and in favour of one thing: how many, which, and what stands for them."""

    count: str
    posts: tuple[str, ...]
    because: str
    anchor: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Everything left out for one reason."""

    reason: Reason
    title: str
    n: int
    count: str
    rows: tuple[Left, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A digest in words."""

    phrases: Phrases
    title: str
    subscription: str
    window: str
    summary: str
    sections: tuple[Section, ...]
    quiet: str
    left_out: tuple[LeftOut, ...]
    left_n: str
    left_count: str
    accounted: str
    provenance: tuple[str, ...]
    notes: tuple[Note, ...]

    @property
    def heading(self) -> str:
        """Return the title with the subscription's name, for a subject line or a list."""
        return f"{self.phrases.brand}: {self.subscription} · {self.title}"

    @property
    def items(self) -> tuple[Item, ...]:
        """Return the stories of all sections in the order shown."""
        return tuple(item for section in self.sections for item in section.items)


def locale_of(digest: Digest) -> str:
    """Return the language of most shown posts among those the interface speaks, English when there is none.

    A tie goes to the language that is shown first.
    """
    langs = [post.lang for post in digest.posts if post.lang in phrase.LOCALES]
    counts = Counter(langs)
    return max(counts, key=lambda lang: (counts[lang], -langs.index(lang))) if counts else "en"


def page(digest: Digest, *, run: int | str, locale: str | None = None) -> Page:
    """Return ``digest`` in the words of ``locale``, by default the language of most shown posts."""
    phrases = phrase.LOCALES[locale or locale_of(digest)]
    zone = ZoneInfo(digest.zone)
    start, end = digest.window.start.astimezone(zone), digest.window.end.astimezone(zone)
    last = (end - timedelta(microseconds=1)).date()
    desk = _Desk(phrases, zone, start.year, last if start.date() == last else None)
    desk = replace(desk, notes=_notes(digest, desk))
    sections = _sections(digest, desk)
    total = len(digest.shown) + len(digest.drops)
    quiet = phrases.quiet if total else trendpage.nothing(digest, phrases) or phrases.nobody
    return Page(
        phrases=phrases,
        title=phrase.span(phrases, start, end),
        subscription=clean(digest.subscription),
        window=phrases.window.format(
            start=phrase.moment(phrases, start, year=end.year),
            end=phrase.moment(phrases, end, year=end.year),
            zone=phrase.zone(clean(digest.zone), start, end),
        ),
        summary=trendpage.summary(digest, phrases, total),
        sections=sections,
        quiet=quiet if digest.quiet else "",
        left_out=_left_out(digest, desk, sections),
        left_n=phrase.number(phrases, len(digest.drops)),
        left_count=phrase.plural(phrases, phrases.posts, len(digest.drops)),
        accounted=phrases.accounted if digest.drops else phrases.left_none if total else "",
        provenance=_provenance(digest, phrases, run),
        notes=tuple(desk.notes.values()),
    )


def clean(text: str) -> str:
    """Return ``text`` on one line without anything invisible; a form still has to escape it."""
    return " ".join(_UNSEEN.sub("", text).split())


def safe_url(url: str | None) -> str | None:
    """Return ``url`` in ASCII when it is a plain web address, else None.

    Refused: other schemes than http and https, credentials in the address, an address that cannot be parsed.
    """
    if not url or len(url) > URL_CHARS:
        return None
    try:
        parts = urlsplit(_UNSEEN.sub("", url).strip())
        host, port = parts.hostname or "", parts.port
        ascii_host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or not _is_host(ascii_host):
        return None
    netloc = ascii_host if port is None else f"{ascii_host}:{port}"
    rest = (quote(part, safe=_KEPT_IN_URL) for part in (parts.path, parts.query, parts.fragment))
    made = urlunsplit((parts.scheme, netloc, *rest))
    return made if len(made) <= URL_CHARS else None


def _is_host(host: str) -> bool:
    return bool(re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]", host))


@dataclass(frozen=True, slots=True)
class _Desk:
    phrases: Phrases
    zone: ZoneInfo
    year: int
    today: date | None
    notes: dict[int, Note] = field(default_factory=dict)

    def moment(self, at: datetime) -> str:
        """Return a time in the subscriber's zone; the date is left out where the digest is of that one day."""
        return phrase.moment(self.phrases, at.astimezone(self.zone), year=self.year, today=self.today)


def _notes(digest: Digest, desk: _Desk) -> dict[int, Note]:
    """Return a note for each cited post, numbered in the order in which a reader meets them."""
    posts = sequelpage.posts(digest)
    order = dict.fromkeys(
        citation.post
        for section in _section_keys(digest)
        for story in digest.stories
        if story.section == section
        for citation in (
            *(cited for sentence in (story.headline, *story.sentences) for cited in sentence.citations),
            *sequelpage.cited(story),
        )
    )
    return {row: _note(mark, row, posts.get(row), desk) for mark, row in enumerate(order, 1)}


def _note(mark: int, row: int, post: Post | None, desk: _Desk) -> Note:
    if post is None:
        named = desk.phrases.post.format(n=row)
        return Note(mark, row, "", named, "", None, None, "", late=False)
    return Note(
        mark=mark,
        post=row,
        ref=clean(post.ref),
        source=clean(post.source) or desk.phrases.post.format(n=row),
        time=desk.moment(post.at),
        at=post.at.astimezone(desk.zone),
        url=safe_url(post.url),
        lang=_lang(post.lang),
        late=post.late,
    )


def _section_keys(digest: Digest) -> tuple[str, ...]:
    """Return the planned sections that hold a story, then any that stories name and the plan does not."""
    filled = dict.fromkeys(story.section for story in digest.stories)
    return tuple(dict.fromkeys((*(key for key in digest.sections if key in filled), *filled)))


def _sections(digest: Digest, desk: _Desk) -> tuple[Section, ...]:
    return tuple(
        Section(
            key=key,
            anchor=f"part-{number}",
            title=desk.phrases.sections.get(key) or trendpage.title(key, desk.phrases) or clean(key) or "–",
            items=tuple(_item(story, desk) for story in digest.stories if story.section == key),
        )
        for number, key in enumerate(_section_keys(digest), 1)
    )


def _item(story: DigestStory, desk: _Desk) -> Item:
    headline = _line(story.headline, desk)
    lines = tuple(_stopped(_line(sentence, desk)) for sentence in story.sentences)
    deltas = sequelpage.deltas(story, desk.phrases, lambda text, cited: _line(Sentence(text, (cited,)), desk))
    said = (headline, *lines, *(part for delta in deltas for part in delta.parts))
    notes = dict.fromkeys(note for line in said for note in line.notes)
    risen = None if isinstance(story.trend, UnsetType) else story.trend
    badges = (
        (trendpage.badge(risen, desk.phrases) if risen else "", risen is not None),
        *((badge, True) for badge in sequelpage.badges(story, desk.phrases)),
        (desk.phrases.late, story.late),
    )
    return Item(
        anchor=f"story-{story.story}",
        headline=headline,
        lines=lines,
        notes=tuple(sorted(notes, key=lambda note: note.mark)),
        facts=(
            *_facts(story, desk),
            *(map(clean, trendpage.lines(risen, desk.phrases, desk.moment)) if risen else ()),
        ),
        badges=tuple(badge for badge, holds in badges if holds),
        story=story,
        drawing=trendpage.drawing(risen, desk.phrases) if risen else None,
        deltas=deltas,
    )


def _line(sentence: Sentence, desk: _Desk) -> Line:
    cited = dict.fromkeys(citation.post for citation in sentence.citations)
    notes = tuple(desk.notes[row] for row in cited)
    return Line(clean(sentence.text), notes, notes[0].lang if notes else "")


def _stopped(line: Line) -> Line:
    """Return ``line`` with a full stop where its post left it out: another sentence follows in the same paragraph."""
    return replace(line, text=f"{line.text}.") if line.text[-1:].isalnum() else line


def _facts(story: DigestStory, desk: _Desk) -> tuple[str, ...]:
    phrases = desk.phrases
    sources = phrase.plural(phrases, phrases.sources, story.sources)
    publishers = phrase.plural(phrases, phrases.publishers, story.families)
    facts = [
        phrase.plural(phrases, phrases.posts, len(story.posts)),
        sources
        if story.sources == 1
        else phrases.sources_from.format(sources=sources, publishers=publishers),
        ", ".join(phrases.languages.get(lang) or clean(lang) for lang in story.languages),
        phrases.since.format(at=desk.moment(story.since)),
        phrase.plural(phrases, phrases.repeats, story.repeats) if story.repeats else "",
    ]
    return tuple(fact for fact in facts if fact)


def _left_out(digest: Digest, desk: _Desk, sections: Sequence[Section]) -> tuple[LeftOut, ...]:
    """Return the drops by reason, the most frequent first; within a reason what stands for most of them first."""
    phrases = desk.phrases
    counts = Counter(drop.reason for drop in digest.drops)
    told = {item.story.story: item for section in sections for item in section.items}
    names = {drop.post: clean(drop.ref) for drop in digest.drops if drop.ref}
    return tuple(
        LeftOut(
            reason=reason,
            title=phrases.reasons[reason],
            n=counts[reason],
            count=phrase.number(phrases, counts[reason]),
            rows=_rows([drop for drop in digest.drops if drop.reason == reason], desk, told, names),
        )
        for reason in sorted(counts, key=lambda reason: (-counts[reason], reason))
    )


def _rows(
    drops: Iterable[Drop], desk: _Desk, told: dict[int, Item], names: dict[int, str]
) -> tuple[Left, ...]:
    groups: dict[tuple[int | None, str], list[Drop]] = {}
    for drop in drops:
        groups.setdefault((drop.of, drop.detail), []).append(drop)
    rows = []
    for (of, detail), group in sorted(groups.items(), key=lambda each: (-len(each[1]), each[1][0].post)):
        reason = group[0].reason
        stands, anchor = _stands_for(reason, of, desk, told, names)
        said = "" if detail == REASONS[reason] else clean(detail)
        rows.append(
            Left(
                count=phrase.plural(desk.phrases, desk.phrases.posts, len(group)),
                posts=tuple(_named(drop) for drop in group),
                because=", ".join(part for part in (stands, said) if part),
                anchor=anchor,
            )
        )
    return tuple(rows)


def _stands_for(
    reason: Reason, of: int | None, desk: _Desk, told: dict[int, Item], names: dict[int, str]
) -> tuple[str, str]:
    """Return what stands for a dropped post, in words, and its anchor on the page; ``of`` is a post for duplicates."""
    phrases = desk.phrases
    if of is None:
        return "", ""
    if reason == "duplicate":
        note = desk.notes.get(of)
        named = (
            f"[{note.mark}] {note.source}, {note.time}"
            if note
            else names.get(of) or phrases.post.format(n=of)
        )
        return phrases.repeats_post.format(post=named), ""
    if of in told:
        return phrases.told_in.format(story=told[of].headline.text), told[of].anchor
    return phrases.story.format(n=of), ""


def _named(drop: Drop) -> str:
    return clean(drop.ref) or f"#{drop.post}"


def _provenance(digest: Digest, phrases: Phrases, run: int | str) -> tuple[str, ...]:
    mixed = digest.rung == "extractive" and any(
        one.rung not in {UNSET, "extractive"} for one in digest.stories
    )
    facts = (
        phrases.written.format(rung=phrases.mixed if mixed else phrases.rungs[digest.rung]),
        phrases.method.format(method=clean(digest.method)) if digest.method else "",
        phrases.score.format(score=phrase.ratio(phrases, digest.score)),
        phrases.run.format(run=clean(str(run))) if run != "" else "",
    )
    return tuple(fact for fact in facts if fact)


def _lang(lang: str) -> str:
    return lang if _LANG.fullmatch(lang) and lang != "und" else ""
