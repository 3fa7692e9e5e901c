"""Trends in Postgres: what is read for detection, what detection wrote, and what is shown of it.

    post, source ─▶ mentions ─▶ domains.trend.Detector ─▶ record ─▶ trend, trend_point, trend_refusal, episode ─▶ trends

Posts come late, so the last hour is only a draft: each detection takes its draft back and writes the hour anew, and what
is older is settled. What is settled is therefore the same in whatever order posts came, as long as none is later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import limits, topic
from domains.burst import in_words
from domains.card import rarity
from domains.digest import Settings
from domains.errors import NotFound
from domains.story import headline
from domains.tally import TICK, Mention, kind_of
from domains.trend import COLD, Change
from services import memory
from services.almanac import Trend, TrendAlert, TrendPoint, TrendRefusal
from services.schema import Post, Source, Story, Subscription
from services.subscription import read_settings

# A subscriber is not told of the same unit again for so long, whatever it does.
COOLDOWN: Final = timedelta(hours=12)
HOUR: Final = timedelta(hours=1)
ALIVE: Final = ("emerging", "rising", "peaking")


@dataclass(frozen=True, slots=True)
class Known:
    """A trend as it is shown: its row, its last point, and its posts by name, the first ones first."""

    trend: Trend
    point: TrendPoint

    @property
    def chance(self) -> str:
        """How often chance alone does that, in words."""
        return in_words(self.trend.p_value, self.trend.tests)


def mentions(
    session: Session,
    tenant_id: int,
    start: datetime,
    end: datetime,
    known: Mapping[date, Mapping[str, str]] | None = None,
) -> list[Mention]:
    """Return the analysed posts of [start, end) that say something, as mentions.

    ``known`` names the family that one is counted under, by the day: who copies others is no voice of its own.
    """
    kin = known or {}
    query = (
        select(
            Post.id,
            Post.at,
            Source.family,
            Source.name,
            Post.external_id,
            Post.text,
            Post.sentences,
            Post.story_id,
        )
        .join(Source, Source.id == Post.source_id)
        .where(Post.tenant_id == tenant_id, Post.at >= start, Post.at < end)
        .where(Post.indexed_at.is_not(None), Post.boilerplate.is_(None))
    )
    return [
        Mention(row.id, row.at, kin.get(row.at.date(), {}).get(row.family, row.family), topic.units(_prose(row.text, row.sentences), row.story_id),
                f"{row.name}/{row.external_id}")
        for row in session.execute(query)
    ]  # fmt: skip


def first_at(session: Session, tenant_id: int) -> datetime | None:
    """Return the time of a tenant's first analysed post."""
    query = select(func.min(Post.at)).where(Post.tenant_id == tenant_id, Post.indexed_at.is_not(None))
    return session.execute(query).scalar_one()


def missing(session: Session, tenant_id: int, *, now: datetime) -> str:
    """Return why nothing can be found yet, in words; "" when there is enough history."""
    first = first_at(session, tenant_id)
    if first is None:
        return "Not enough history: no post was read yet."
    if now - first < COLD * TICK:
        return f"Not enough history: posts since {first:%Y-%m-%d %H:%M} UTC, trends need {COLD * TICK / HOUR:.0f} hours."
    return ""


def unread_at(session: Session, tenant_id: int) -> datetime | None:
    """Return the time of a tenant's first post that waits for analysis: from there on nothing can be said."""
    query = select(func.min(Post.at)).where(Post.tenant_id == tenant_id, Post.indexed_at.is_(None))
    return session.execute(query).scalar_one()


def take_back(session: Session, tenant_id: int) -> None:
    """Remove the points of an earlier detection's draft. Its trends stay until `sweep`, so that they keep their rows."""
    own = select(Trend.id).where(Trend.tenant_id == tenant_id)
    session.execute(delete(TrendPoint).where(TrendPoint.trend_id.in_(own), TrendPoint.settled.is_(False)))


def sweep(session: Session, tenant_id: int) -> None:
    """Remove the trends of which nothing is known any more."""
    pointless = ~exists().where(TrendPoint.trend_id == Trend.id)
    session.execute(delete(Trend).where(Trend.tenant_id == tenant_id, pointless))


def record(session: Session, tenant_id: int, changes: Sequence[Change], *, settled: bool) -> None:
    """Write what a detection found; what stands there already is not doubled. Settled changes become episodes."""
    for change in changes:
        if change.why:
            _refuse(session, tenant_id, change)
            continue
        trend_id = _trend(session, tenant_id, change)
        told = change.forecast
        point = {
            "trend_id": trend_id, "at": change.at, "state": change.state, "settled": settled,
            "posts": len(change.posts), "families": change.families,
            "velocity": change.velocity, "acceleration": change.acceleration,
            "expected": told.mean if told else None,
            "expected_low": told.low if told else None, "expected_high": told.high if told else None,
        }  # fmt: skip
        written = session.execute(
            insert(TrendPoint).values(point).on_conflict_do_nothing().returning(TrendPoint.id)
        ).one_or_none()
        if settled and written is not None:
            payload = {
                "trend": trend_id,
                "unit": change.unit,
                "wave": change.wave,
                "posts": len(change.posts),
            }
            memory.note(
                session,
                "trend_changed",
                tenant_id=tenant_id,
                at=change.at,
                cause=change.state,
                payload=payload,
            )


def alert(session: Session, tenant_id: int, *, now: datetime, since: datetime) -> list[int]:
    """Note whom to tell of the trends that live and moved after ``since``, and return the new alerts' rows.

    Told is who subscribes to trends (``domain`` "trend"), is not paused, and whose bar (`domains.digest.Settings`) a
    trend is above: of each wave once, of a unit at most once in `COOLDOWN`, through the first such subscription.
    """
    query = _known().where(Trend.tenant_id == tenant_id, TrendPoint.state.in_(ALIVE))
    moved = session.execute(query.where(TrendPoint.at > since).order_by(Trend.began_at, Trend.id)).all()
    asking = session.scalars(
        select(Subscription)
        .where(Subscription.tenant_id == tenant_id, Subscription.domain == "trend")
        .where(Subscription.paused.is_(False), Subscription.removed_at.is_(None))
        .order_by(Subscription.id)
    ).all()
    new: list[int] = []
    for trend, point in moved:
        families, days = max(trend.families, point.families), rarity(trend.p_value, trend.tests)
        for row in asking:
            if is_above(read_settings(row.settings), families, days):
                new += _note(session, trend, row, now)
    return new


def is_above(settings: Settings, families: int, days: float) -> bool:
    """Return whether a trend of so many publishers, which chance makes once in so many days, is worth an alert."""
    return settings.alerts == "send" and families >= settings.alert_publishers and days >= settings.alert_days


def _note(session: Session, trend: Trend, row: Subscription, now: datetime) -> Sequence[int]:
    lately = exists().where(
        TrendAlert.subscriber_id == row.subscriber_id,
        TrendAlert.unit == trend.unit,
        TrendAlert.at > now - COOLDOWN,
    )
    if session.execute(select(lately)).scalar_one():
        return ()
    values = {"tenant_id": trend.tenant_id, "subscriber_id": row.subscriber_id, "trend_id": trend.id,
              "subscription_id": row.id, "unit": trend.unit, "wave": trend.wave, "at": now}  # fmt: skip
    written = insert(TrendAlert).values(values).on_conflict_do_nothing().returning(TrendAlert.id)
    return session.scalars(written).all()


def trends(
    session: Session,
    tenant_id: int,
    *,
    states: Sequence[str] = (),
    since: datetime | None = None,
    limit: int = 50,
) -> list[Known]:
    """Return a tenant's trends by their beginning, the newest first."""
    query = _known().where(Trend.tenant_id == tenant_id).order_by(Trend.began_at.desc(), Trend.id.desc())
    if states:
        query = query.where(TrendPoint.state.in_(states))
    if since is not None:
        query = query.where(TrendPoint.at >= since)
    return [Known(trend, point) for trend, point in session.execute(query.limit(limit))]


def trend(
    session: Session, tenant_id: int, trend_id: int
) -> tuple[Known, list[TrendPoint], list[dict[str, Any]]]:
    """Return a trend, its points by time, and its posts. Raises NotFound when the tenant has none of that number."""
    found = session.execute(_known().where(Trend.tenant_id == tenant_id, Trend.id == trend_id)).one_or_none()
    if found is None:
        raise NotFound(f"no trend {trend_id}", remedy="`svodka trend list` shows the trends there are")
    points = session.scalars(
        select(TrendPoint).where(TrendPoint.trend_id == trend_id).order_by(TrendPoint.id)
    ).all()
    names = _posts(session, found[0].posts)
    return Known(found[0], found[1]), list(points), [names[post] for post in found[0].posts if post in names]


def of_wave(session: Session, tenant_id: int, unit: str, wave: int) -> Known | None:
    """Return a trend by its name, or None when it was taken back."""
    query = _known().where(Trend.tenant_id == tenant_id, Trend.unit == unit, Trend.wave == wave)
    found = session.execute(query).one_or_none()
    return Known(found[0], found[1]) if found else None


def of_rows(session: Session, ids: Sequence[int]) -> list[Known]:
    """Return trends in the order of ``ids``."""
    found = {
        trend.id: Known(trend, point) for trend, point in session.execute(_known().where(Trend.id.in_(ids)))
    }
    return [found[one] for one in ids if one in found]


def points(session: Session, trend_id: int) -> list[TrendPoint]:
    """Return a trend's changes of state by time."""
    query = select(TrendPoint).where(TrendPoint.trend_id == trend_id)
    return list(session.scalars(query.order_by(TrendPoint.at, TrendPoint.id)))


def refusals(session: Session, tenant_id: int, *, since: datetime) -> list[TrendRefusal]:
    """Return what was unusual and no trend, newest first."""
    query = select(TrendRefusal).where(TrendRefusal.tenant_id == tenant_id, TrendRefusal.at >= since)
    return list(session.scalars(query.order_by(TrendRefusal.at.desc(), TrendRefusal.id.desc())))


def lines(session: Session, tenant_id: int, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Yield each change of state in [start, end) as trends.jsonl has it, by time."""
    query = (
        select(Trend, TrendPoint)
        .join(TrendPoint, TrendPoint.trend_id == Trend.id)
        .where(Trend.tenant_id == tenant_id, TrendPoint.at >= start, TrendPoint.at < end)
        .order_by(TrendPoint.at, Trend.id, TrendPoint.id)
    )
    rows = session.execute(query).all()
    names = _posts(session, {post for row, _ in rows for post in row.posts})
    for row, point in rows:
        posts = [names[post]["post"] for post in row.posts[: point.posts] if post in names]
        yield {
            "trend": row.id, "at": point.at.isoformat(), "state": point.state, "p_value": row.p_value,
            "title": row.title, "posts": posts, "unit": row.unit, "wave": row.wave, "families": point.families,
            "since": row.since.isoformat(), "chance": in_words(row.p_value, row.tests),
            "velocity": round(point.velocity, 3), "acceleration": round(point.acceleration, 3),
            "forecast": [point.expected_low, point.expected_high],
        }  # fmt: skip


def _trend(session: Session, tenant_id: int, change: Change) -> int:
    kept = list(change.posts[: limits.TREND_DOCUMENTS])
    story = int(change.unit[2:]) if change.unit.startswith("s:") else None
    values: Mapping[str, Any] = {
        "tenant_id": tenant_id, "unit": change.unit, "wave": change.wave, "kind": kind_of(change.unit),
        "title": _title(session, story, change), "story_id": story, "since": change.since, "began_at": change.at,
        "p_value": change.p_value, "tests": change.tests, "families": change.families, "posts": kept,
        "also": list(change.also),
    }  # fmt: skip
    row = insert(Trend).values(values)
    later: dict[str, Any] = {"families": func.greatest(Trend.families, row.excluded.families)}
    if change.state != "emerging":
        later["posts"] = row.excluded.posts
    elif _is_draft(session, tenant_id, change):
        later = {name: row.excluded[name] for name in values if name not in {"tenant_id", "unit", "wave"}}
    grown = row.on_conflict_do_update(index_elements=["tenant_id", "unit", "wave"], set_=later)
    return session.execute(grown.returning(Trend.id)).scalar_one()


def _is_draft(session: Session, tenant_id: int, change: Change) -> bool:
    """Return whether a trend that begins stands there already as nothing but a draft that was taken back."""
    known = _known().where(Trend.tenant_id == tenant_id, Trend.unit == change.unit, Trend.wave == change.wave)
    return session.execute(known).first() is None


def _refuse(session: Session, tenant_id: int, change: Change) -> None:
    values = {"tenant_id": tenant_id, "unit": change.unit, "at": change.at, "why": change.why,
              "p_value": change.p_value, "posts": list(change.posts[: limits.TREND_DOCUMENTS])}  # fmt: skip
    session.execute(insert(TrendRefusal).values(values).on_conflict_do_nothing())


def _title(session: Session, story: int | None, change: Change) -> str:
    """Return the story's title for its first wave; else what the wave's first post says."""
    if story is not None and change.wave == 1:
        title = session.execute(select(Story.title).where(Story.id == story)).scalar_one_or_none()
        if title:
            return title
    row = session.execute(select(Post.text, Post.sentences).where(Post.id == change.posts[0])).one_or_none()
    return headline(_prose(row.text, row.sentences)) if row else change.unit


def _known() -> Select[Trend, TrendPoint]:
    """Return the query for trends with their last points."""
    last = (
        select(func.max(TrendPoint.id))
        .where(TrendPoint.trend_id == Trend.id)
        .correlate(Trend)
        .scalar_subquery()
    )
    return select(Trend, TrendPoint).join(TrendPoint, TrendPoint.id == last)


def _posts(session: Session, ids: Sequence[int] | set[int]) -> dict[int, dict[str, Any]]:
    rows = session.execute(
        select(Post.id, Post.external_id, Post.at, Post.text, Post.url, Source.name, Source.family)
        .join(Source, Source.id == Post.source_id)
        .where(Post.id.in_(list(ids)))
    )
    return {
        row.id: {
            "post": row.external_id, "source": row.name, "family": row.family, "at": row.at.isoformat(),
            "title": headline(row.text), "url": row.url,
        }
        for row in rows
    }  # fmt: skip


def _prose(text: str, sentences: Sequence[Sequence[int]]) -> str:
    """Return what is left of a post without its boilerplate, which holds no sentences."""
    return "\n".join(text[start:end] for start, end in sentences)
