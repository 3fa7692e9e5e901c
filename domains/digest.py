"""A digest as values: what it is made from (`Briefing`), planned (`Plan`), drafted (`Draft`) and shipped (`Digest`).

Everything here is JSON-able through msgspec, so that a step's result is an artifact and a replay needs nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import UNSET, UnsetType

from domains.card import Facts
from domains.persona import Persona
from domains.post import Post, Span
from domains.window import Window

Rung = Literal["model", "cheaper_model", "extractive"]
Reason = Literal[
    "duplicate", "cooled_down", "below_floor", "budget", "boilerplate", "out_of_persona", "covered"
]
REASONS: dict[Reason, str] = {
    "duplicate": "repeats another post",
    "cooled_down": "its story was in an earlier digest and brought nothing new",
    "below_floor": "its story stayed below the digest's floor",
    "budget": "no room was left in the digest",
    "boilerplate": "an advertisement, a signature or nothing but a link",
    "out_of_persona": "outside what the subscriber follows",
    "covered": "its story is in the digest, told from other posts",
}

# The section that trends' cards stand in.
TRENDS: Final = "trends"
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "max_stories": (1, 50),
    "max_sentences": (0, 3),
    "max_documents": (1, 30),
    "min_posts": (1, 1_000),
    "trends": (0, 10),
    "alert_publishers": (1, 1_000),
    "alert_days": (0, 36_500),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a subscriber may change about a digest; part of the manifest, so `replay --set` can change it.

    ``max_stories`` caps what a plan may choose; ``min_families`` and ``min_posts`` are the floor for a story to be
    worth a place when there are more stories than places. ``important`` digests may take a model's smart path.
    ``quiet``: whether a digest of nothing is sent. ``in_doubt``: whether a channel that cannot say if it took a message
    is given it again; empty for the installation's choice.

    ``trends`` caps the section of trends, which 0 leaves out. ``alerts`` says whether a subscription to trends tells of
    new ones at once; its bar: so many publishers, and no oftener by chance than once in ``alert_days``.
    """

    max_stories: int = 12
    max_sentences: int = 3
    max_documents: int = 30
    min_posts: int = 1
    languages: tuple[str, ...] = ()
    important: bool = False
    quiet: Literal["send", "skip"] = "send"
    in_doubt: Literal["", "never_twice", "rather_twice"] = ""
    trends: int = 0
    alerts: Literal["send", "skip"] = "send"
    alert_publishers: int = 3
    alert_days: int = 0

    def __post_init__(self) -> None:
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")


def settings_help() -> str:
    """Return what may be set, in words."""
    bounds = ", ".join(f"{name} from {least} to {most}" for name, (least, most) in BOUNDS.items())
    return (
        f"whole numbers: {bounds}; languages as codes with commas, such as ru,uk; important as true or false; "
        "quiet and alerts as send or skip; in_doubt as never_twice or rather_twice"
    )


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a sentence comes from: ``quote`` is ``post.text[span]`` and is stored to be checked, not trusted."""

    post: int
    span: Span
    quote: str


@dataclass(frozen=True, slots=True)
class Shipped:
    """A sentence that an earlier digest shipped, whose window ended at ``at``, and what it cites."""

    at: datetime
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """How a post began that told a story and was not cited for it."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Precedent:
    """A story that earlier digests of this subscription told, and its beginning.

    ``shipped`` is what was said of it, newest first; ``posts`` are those it cites, as they read then; ``thread`` are the
    stories that it continued when it was told; ``openings`` say more of what it is about.
    """

    story: int
    first_at: datetime
    shipped: tuple[Shipped, ...]
    posts: tuple[Post, ...]
    thread: tuple[int, ...] = ()
    openings: tuple[Opening, ...] = ()


@dataclass(frozen=True, slots=True)
class StoryFacts:
    """A story as the window sees it. ``posts`` are rows of this window, representatives and duplicates alike.

    ``first_at`` is the story's own beginning, which may lie before the window; ``told`` are sentences that earlier
    digests of this subscription already shipped for it, newest first; ``last_told_at`` when. ``thread`` are the told
    stories that it continues, itself among them when it was told.
    """

    id: int
    title: str
    first_at: datetime
    last_at: datetime
    posts: tuple[int, ...]
    told: tuple[str, ...] = ()
    last_told_at: datetime | None = None
    thread: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Briefing:
    """All a digest is made from: a closed window's posts and stories, frozen, and the settings.

    ``repeats`` counts for each representative post how many others repeat it, inside the window or before.
    ``persona`` is whom it is for; ``lessons`` says in words what earlier digests taught (the settings are adjusted by
    them already), ``quoted`` whether they taught not to trust a model's prose. ``trends`` are the cards for the section
    of trends, if the subscription has one.
    """

    window: Window
    zone: str
    subscription: str
    posts: tuple[Post, ...]
    stories: tuple[StoryFacts, ...]
    settings: Settings
    repeats: dict[int, int]
    persona: Persona | None = None
    lessons: tuple[str, ...] = ()
    quoted: bool = False
    precedents: tuple[Precedent, ...] = ()
    trends: "tuple[Card, ...] | UnsetType" = UNSET


@dataclass(frozen=True, slots=True)
class Check:
    """An acceptance check a plan sets itself, with what was asked and, once judged, what was found."""

    name: str
    expected: float
    found: float | None = None
    passed: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStory:
    """One story's place: its section, the documents the writer may read, and how many sentences it may have."""

    story: int
    section: str
    posts: tuple[int, ...]
    sentences: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan and the check that says it is done."""

    action: str
    check: Check


@dataclass(frozen=True, slots=True)
class Plan:
    """What the planner decided and why, in words (``reasons``). ``sections`` are keys in the order shown.

    ``left_out`` maps a story to why it has no place. ``replanned`` says which check forced a second plan.
    """

    sections: tuple[str, ...]
    stories: tuple[PlannedStory, ...]
    left_out: dict[int, Reason]
    steps: tuple[Step, ...]
    reasons: tuple[str, ...]
    replanned: str | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and what it cites. An extractive sentence equals its only citation's quote."""

    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a continuing story since it was last told: another number of the same, or a new name or place.

    ``what`` is the counted word as written now and ``old`` the number that was told, both "" for names; ``before`` is
    where the old number was cited from, ``now`` what says the new one.
    """

    kind: Literal["number", "name", "place"]
    what: str
    old: str
    new: str
    before: Citation | None
    now: Citation


@dataclass(frozen=True, slots=True)
class DraftStory:
    """A story as drafted. ``rung`` is set where a draft's stories were written by different rungs, else it is the draft's."""

    story: int
    section: str
    headline: Sentence
    sentences: tuple[Sentence, ...]
    rung: Rung | UnsetType = UNSET
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A candidate digest and the method that wrote it; ``rung`` is the lowest that wrote one of its stories."""

    method: str
    rung: Rung
    stories: tuple[DraftStory, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence that failed a check. ``path`` is like ``stories[2].sentences[0]``."""

    path: str
    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verifier's judgement of a draft: ``score`` in [0, 1], its parts, and what is unsupported."""

    score: float
    parts: dict[str, float]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class DigestStory:
    """A story as shipped, with the counts a reader sees. ``posts`` are the rows of all members in the window.

    ``rung`` is set in digests in which more than the last rung wrote, ``trend`` where the story is a trend's card. Of a
    continuing story, ``day`` counts the days of the subscriber's zone since its beginning, the first being 1,
    ``changes`` says what is new, and ``thread`` are the told stories that it continues.
    """

    story: int
    section: str
    headline: Sentence
    sentences: tuple[Sentence, ...]
    posts: tuple[int, ...]
    sources: int
    families: int
    languages: tuple[str, ...]
    since: datetime
    repeats: int
    continuing: bool = False
    late: bool = False
    rung: Rung | UnsetType = UNSET
    trend: Facts | UnsetType = UNSET
    day: int | UnsetType = UNSET
    changes: tuple[Change, ...] | UnsetType = UNSET
    thread: tuple[int, ...] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Card:
    """A trend's card: its story, which has its facts, the posts that it cites, and how it was written and verified."""

    story: DigestStory
    posts: tuple[Post, ...]
    rung: Rung = "extractive"
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Drop:
    """A post of the window that is not shown, and why. ``of`` is the post or story that stands for it.

    ``ref`` is the post's public name, which `svodka why` takes.
    """

    post: int
    reason: Reason
    of: int | None = None
    detail: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Digest:
    """What is shipped. ``shown`` are posts cited; every other post of the window is in ``drops``.

    ``former`` are posts of earlier windows, as they read then, in which the old numbers of changes stand.
    """

    window: Window
    zone: str
    subscription: str
    sections: tuple[str, ...]
    stories: tuple[DigestStory, ...]
    shown: tuple[int, ...]
    drops: tuple[Drop, ...]
    rung: Rung
    method: str
    score: float
    posts: tuple[Post, ...]
    former: tuple[Post, ...] | UnsetType = UNSET

    @property
    def quiet(self) -> bool:
        """Whether nothing happened that is worth a story."""
        return not self.stories


def with_trends(digest: Digest, cards: Sequence[Card], *, whole: bool = False) -> Digest:
    """Return ``digest`` with a section of trends at its end; only headlines unless ``whole``."""
    if not cards:
        return digest
    told = tuple(card.story if whole else _shortened(card.story) for card in cards)
    cited = {
        one.post for story in told for line in (story.headline, *story.sentences) for one in line.citations
    }
    known = {post.id for post in digest.posts}
    posts = {post.id: post for card in cards for post in card.posts if post.id in cited - known}
    return replace(
        digest,
        sections=(*digest.sections, TRENDS),
        stories=(*digest.stories, *told),
        posts=(*digest.posts, *sorted(posts.values(), key=lambda post: (post.at, post.id))),
    )


def _shortened(story: DigestStory) -> DigestStory:
    facts = story.trend if isinstance(story.trend, UnsetType) else story.trend.brief
    return replace(story, sentences=(), trend=facts)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request used up."""

    calls: int = 0
    tokens: int = 0
    steps: int = 0
    elapsed: timedelta = timedelta()
