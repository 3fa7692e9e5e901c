"""Cards of trends: which are to be written, from what, the checkpoints of writing, and what was kept.

trend ─▶ ask (new, or twice the posts) ─▶ brief: ≤ 50 posts, its own first ─▶ facts ─▶ agents.loop ─▶ finish
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

import msgspec
from sqlalchemy import ColumnElement, Table, and_, func, select
from sqlalchemy.orm import Session

from domains import limits, topic
from domains.card import Course, Facts, First, Related, Turn, course
from domains.digest import TRENDS, Briefing, Card, Digest, Settings, StoryFacts
from domains.driver import DRIVERS, drivers, spelled
from domains.lifecycle import State
from domains.ports import Clock
from domains.window import Window
from services import archive, kinship, post, trend, work
from services import schema as table
from services.almanac import Trend, TrendCard, TrendCardStep
from services.checkpoint import Checkpoints
from services.database import Database
from services.mention import Entity, MentionRow

# Only trends that began so lately get a card: a process that reads history anew finds old ones again.
RECENT: Final = timedelta(days=2)
# A card is written anew when its trend has so many times the posts it was written from.
GROWN: Final = 2
# Posts of the stream before a trend, and for how long, that say what is usual.
BEFORE: Final = 500
USUAL: Final = timedelta(days=2)
RELATED_DAYS: Final = timedelta(days=7)
RELATED: Final = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """What a claimed card is of. ``edition`` is the one that is asked for."""

    card: int
    edition: int
    tenant_id: int
    known: trend.Known


class CardJournal(Checkpoints):
    """The checkpoints of one edition of a card."""

    def __init__(
        self, database: Database, clock: Clock, lease: work.Lease, lease_s: float, edition: int
    ) -> None:
        steps = cast("Table", TrendCardStep.__table__)
        super().__init__(database, clock, lease, lease_s, steps, {"card_id": lease.id, "edition": edition})


def ask(session: Session, tenant_id: int, *, now: datetime) -> list[int]:
    """Ask for the cards of trends that have none, or that have grown by `GROWN` since; return the rows to work on."""
    query = (
        select(Trend, TrendCard)
        .outerjoin(TrendCard, same_wave())
        .where(Trend.tenant_id == tenant_id, Trend.began_at > now - RECENT)
        .order_by(Trend.began_at, Trend.id)
    )
    asked: list[int] = []
    for row, card in session.execute(query).all():
        count = len(row.posts)
        wanted: TrendCard | None = card
        if wanted is None:
            wanted = TrendCard(tenant_id=tenant_id, unit=row.unit, wave=row.wave, posts=count, next_at=now)
            session.add(wanted)
        elif wanted.state == "done" and count >= GROWN * wanted.posts:
            wanted.state, wanted.next_at, wanted.posts = "due", now, count
            wanted.edition += 1
        else:
            continue
        session.flush()
        asked.append(wanted.id)
    return asked


def subject(session: Session, card_id: int) -> Subject | None:
    """Return what a card is of, or None when its trend was taken back."""
    card = session.get_one(TrendCard, card_id)
    known = trend.of_wave(session, card.tenant_id, card.unit, card.wave)
    return Subject(card.id, card.edition, card.tenant_id, known) if known else None


def question(of: Subject) -> str:
    """Return what is searched for to know more of a trend: its title and what burst with it."""
    return " ".join((of.known.trend.title, *(unit[2:] for unit in of.known.trend.also)))


def brief(session: Session, of: Subject, found: Sequence[int], *, now: datetime) -> Briefing:
    """Return what a card is written from: the trend's posts, then what was found of their stories, at most 50."""
    row = of.known.trend
    own = post.read(session, of.tenant_id, row.posts)
    stories = {one.story for one in own.values() if one.story is not None}
    also = post.read(session, of.tenant_id, [one for one in found if one not in own]) if row.story_id else {}
    joined = [one for one in also.values() if one.story in stories and one.at < now]
    known = kinship.learned(session, of.tenant_id, now)
    read = [*own.values(), *joined][: limits.TREND_DOCUMENTS]
    posts = [replace(one, family=known.get(one.family, one.family)) for one in read]
    posts.sort(key=lambda one: (one.at, one.id))
    first, last = posts[0].at, posts[-1].at
    return Briefing(
        window=Window(min(first, row.since), max(now, last + timedelta(microseconds=1))),
        zone="UTC",
        subscription=TRENDS,
        posts=tuple(posts),
        stories=(StoryFacts(-row.id, row.title, row.since, last, tuple(one.id for one in posts)),),
        settings=Settings(max_stories=1),
        repeats=post.repeats(session, posts, now),
    )


def facts(session: Session, of: Subject, briefing: Briefing, found: Sequence[int], *, now: datetime) -> Facts:
    """Return what is counted of a trend now, what drives it, and which others are near it."""
    posts = briefing.posts
    before = _before(session, of.tenant_id, of.known.trend.since)
    texts = [one.text for one in posts]
    rose = drivers([topic.units(one.text) for one in posts], [topic.units(text) for text in before.values()])
    phrases = spelled([*of.known.trend.also, *rose], texts)
    own, usual = _named(session, [one.id for one in posts]), _named(session, list(before))
    sources = Counter(one.family for one in posts)
    names = drivers(own, [*usual, *[()] * (len(before) - len(usual))])
    return replace(
        standing(session, of.known, now=now),
        publishers=tuple(name for name, _ in sorted(sources.items(), key=lambda one: (-one[1], one[0]))),
        names=names,
        words=tuple(one for one in phrases if one not in names)[:DRIVERS],
        related=_related(session, of, {*(one.id for one in posts), *found}),
    )


def standing(session: Session, known: trend.Known, *, now: datetime) -> Facts:
    """Return what is counted of a trend now; it needs no card."""
    row, point = known.trend, known.point
    rows = session.execute(
        select(table.Post.id, table.Post.at, table.Source.name)
        .join(table.Source, table.Source.id == table.Post.source_id)
        .where(_members(row), table.Post.at < now)
        .order_by(table.Post.at, table.Post.id)
    ).all()
    until = min(now, max(point.at, rows[-1].at)) if rows else point.at
    return Facts(
        trend=row.id, unit=row.unit, wave=row.wave, state=cast("State", point.state), since=row.since, at=point.at,
        p_value=row.p_value, tests=row.tests, posts=point.posts, families=point.families, velocity=point.velocity,
        low=point.expected_low, high=point.expected_high,
        course=course([one.at for one in rows], until) if rows else Course(point.at, 900, ()),
        first=First(rows[0].id, rows[0].name, rows[0].at) if rows else None,
        turns=tuple(Turn(cast("State", one.state), one.at) for one in trend.points(session, row.id)),
    )  # fmt: skip


def finish(
    session: Session,
    lease: work.Lease,
    made: Digest | None,
    told: Facts | None,
    decision: str,
    why: str,
    *,
    now: datetime,
) -> Card | None:
    """Settle a claimed card as done and return it; without a story that passed, what an earlier edition kept stays.

    Raises LeaseLostError when another worker has taken it over.
    """
    card = None
    if made is not None and made.stories and told is not None:
        story = replace(made.stories[0], section=TRENDS, trend=told)
        card = Card(story, made.posts, made.rung, made.score)
    kept: dict[str, Any] = {"sha256": archive.put(session, msgspec.json.encode(card))} if card else {}
    work.settle(session, lease, "done", decision=decision, why=why, made_at=now, **kept)
    return card


def load(session: Session, known: trend.Known, *, now: datetime) -> Card | None:
    """Return the card of a trend with its counts as they are now, or None when none was kept."""
    query = select(TrendCard.sha256).join(Trend, same_wave()).where(Trend.id == known.trend.id)
    sha256 = session.scalar(query)
    if sha256 is None:
        return None
    card = msgspec.json.decode(archive.get(session, sha256), type=Card)
    kept = card.story.trend
    if not isinstance(kept, Facts):
        return card
    now_ = standing(session, known, now=now)
    fresh = replace(
        now_, publishers=kept.publishers, names=kept.names, words=kept.words, related=kept.related
    )
    return replace(card, story=replace(card.story, story=-now_.trend, trend=fresh))


def same_wave() -> ColumnElement[bool]:
    """Return the condition that a card is of a trend."""
    return and_(
        TrendCard.tenant_id == Trend.tenant_id, TrendCard.unit == Trend.unit, TrendCard.wave == Trend.wave
    )


def _members(row: Trend) -> ColumnElement[bool]:
    """Return the condition on posts of a trend: those of its story since it began, or the first ones it counted."""
    if row.story_id is not None:
        return and_(table.Post.story_id == row.story_id, table.Post.at >= row.since)
    return table.Post.id.in_(row.posts)


def _before(session: Session, tenant_id: int, since: datetime) -> dict[int, str]:
    query = (
        select(table.Post.id, table.Post.text)
        .where(table.Post.tenant_id == tenant_id, table.Post.at < since, table.Post.at >= since - USUAL)
        .where(table.Post.boilerplate.is_(None))
        .order_by(table.Post.at.desc(), table.Post.id.desc())
        .limit(BEFORE)
    )
    return {row.id: row.text for row in session.execute(query)}


def _named(session: Session, ids: Sequence[int]) -> list[Iterable[str]]:
    """Return the names of those whom each of these posts names; posts that name nobody are left out."""
    rows = session.execute(
        select(MentionRow.post_id, func.array_agg(Entity.name.distinct()).label("names"))
        .join(Entity, Entity.id == MentionRow.entity_id)
        .where(MentionRow.post_id.in_(ids))
        .group_by(MentionRow.post_id)
    )
    return [row.names for row in rows]


def _related(session: Session, of: Subject, near: set[int]) -> tuple[Related, ...]:
    """Return the trends of the last days that have posts among ``near``, those with most first."""
    row = of.known.trend
    others = session.scalars(
        select(Trend).where(
            Trend.tenant_id == of.tenant_id, Trend.began_at > row.began_at - RELATED_DAYS, Trend.id != row.id
        )
    )
    found = [Related(one.id, one.title, len(near.intersection(one.posts))) for one in others]
    found = [one for one in found if one.shared > 0]
    return tuple(sorted(found, key=lambda one: (-one.shared, one.trend))[:RELATED])
