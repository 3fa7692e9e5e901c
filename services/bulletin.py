"""Trends as they are sent: a section of a digest, a digest of their own, and an alert, each from cards that were kept.

    cards of a window ─▶ of_window ─▶ a digest's section, or a run of a subscription to trends
    a card that is new ─▶ alert ─▶ a finished run and its deliveries, in the transaction that keeps the card

An alert's run is made when it is done: nothing in it is still to be decided, and it is sent as any digest is.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, get_args

import msgspec
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains.digest import TRENDS, Briefing, Card, Digest, Rung, with_trends
from domains.window import Window
from services import archive, card, delivery, run, trend
from services.almanac import Trend, TrendAlert, TrendCard, TrendPoint
from services.schema import Run, Subscription
from services.subscription import awake_at, read_settings

# The domains of the runs that are made here.
DIGEST: Final = "trend"
ALERT: Final = "alert"
MOST: Final = 20
RUNGS: Final[tuple[Rung, ...]] = get_args(Rung)
TICK: Final = timedelta(microseconds=1)


def of_window(
    session: Session, tenant_id: int, window: Window, most: int, *, now: datetime
) -> tuple[Card, ...]:
    """Return the cards of the trends that moved in ``window``, those of most publishers first."""
    moved = select(TrendPoint.trend_id).where(TrendPoint.at >= window.start, TrendPoint.at < window.end)
    carded = select(Trend.id).join(TrendCard, card.same_wave()).where(TrendCard.sha256.is_not(None))
    query = (
        select(Trend.id)
        .where(Trend.tenant_id == tenant_id, Trend.id.in_(moved), Trend.id.in_(carded))
        .order_by(Trend.families.desc(), Trend.p_value, Trend.id)
        .limit(most)
    )
    cards = (
        card.load(session, known, now=now) for known in trend.of_rows(session, session.scalars(query).all())
    )
    return tuple(one for one in cards if one is not None)


def section(session: Session, run_id: int, briefing: Briefing, *, now: datetime) -> Briefing:
    """Return the briefing of a run with the cards for its section of trends, if its subscription has one."""
    if not briefing.settings.trends:
        return briefing
    row = run.get(session, run_id)
    cards = of_window(session, row.tenant_id, briefing.window, briefing.settings.trends, now=now)
    return replace(briefing, trends=cards) if cards else briefing


def digest(session: Session, run_id: int, *, now: datetime) -> Digest:
    """Return the digest of a run of a subscription to trends: its window's cards, whole."""
    row = run.get(session, run_id)
    subscription = session.get_one(Subscription, row.subscription_id)
    window = Window(row.window_start, row.window_end)
    most = read_settings(subscription.settings).trends or MOST
    return _digest(subscription, window, of_window(session, row.tenant_id, window, most, now=now))


def alone(known: trend.Known, made: Card, name: str) -> Digest:
    """Return a digest of nothing but one trend, to be shown as a page."""
    row, point = known.trend, known.point
    window = Window(row.since, max(point.at, row.since + TICK))
    return _cards(window, "UTC", name, (made,))


def alert(
    session: Session, tenant_id: int, *, now: datetime, only: tuple[str, int] | None = None
) -> list[int]:
    """Post the alerts that are noted and whose card was kept; return the rows of their deliveries.

    ``only`` is a trend's unit and wave: call it in the transaction that keeps its card, so that both are there or
    neither is. An alert whose card was not kept waits for an edition that is.
    """
    query = (
        select(TrendAlert, Trend.id)
        .join(Trend, _of_alert())
        .where(
            TrendAlert.tenant_id == tenant_id, TrendAlert.told_at.is_(None), TrendAlert.at > now - card.RECENT
        )
        .order_by(TrendAlert.id)
        .with_for_update(of=TrendAlert, skip_locked=True)
    )
    if only is not None:
        query = query.where(TrendAlert.unit == only[0], TrendAlert.wave == only[1])
    posted: list[int] = []
    for waiting, trend_id in session.execute(query).all():
        (known,) = trend.of_rows(session, [trend_id])
        made = card.load(session, known, now=now)
        row = session.get(Subscription, waiting.subscription_id) if waiting.subscription_id else None
        if made is not None and row is not None and row.removed_at is None:
            waiting.told_at, waiting.run_id = now, _finished(session, row, known, made, now)
            posted += delivery.waiting(session, waiting.run_id)
    return posted


def _of_alert() -> ColumnElement[bool]:
    return and_(
        Trend.tenant_id == TrendAlert.tenant_id, Trend.unit == TrendAlert.unit, Trend.wave == TrendAlert.wave
    )


def _digest(row: Subscription, window: Window, cards: Sequence[Card]) -> Digest:
    return _cards(window, row.zone, row.name, cards)


def _cards(window: Window, zone: str, name: str, cards: Sequence[Card]) -> Digest:
    """Return a digest of cards alone; it is as good as the worst of them."""
    rungs: list[Rung] = [one.rung for one in cards]
    empty = Digest(
        window=window, zone=zone, subscription=name, sections=(), stories=(), shown=(), drops=(),
        rung=max(rungs, key=RUNGS.index) if rungs else "extractive", method=TRENDS, score=min((one.score for one in cards), default=1.0), posts=(),
    )  # fmt: skip
    return with_trends(empty, cards, whole=True)


def _moment(session: Session, row: Subscription, since: datetime, now: datetime) -> Window:
    """Return a window that ends now and at no moment at which another run of the subscription ends, or ever will.

    Windows close at whole seconds, so an alert's never does.
    """
    end = now if now.microsecond else now + TICK
    taken = set(
        session.scalars(select(Run.window_end).where(Run.subscription_id == row.id, Run.window_end >= end))
    )
    while end in taken or not end.microsecond:
        end += TICK
    return Window(min(since, end - TICK), end)


def _finished(session: Session, row: Subscription, known: trend.Known, made: Card, now: datetime) -> int:
    window = _moment(session, row, known.trend.since, now)
    body = _digest(row, window, (made,))
    values = {
        "tenant_id": row.tenant_id, "subscription_id": row.id, "domain": ALERT, "window_start": window.start,
        "window_end": window.end, "state": "done", "ended_at": now, "decision": "ship", "rung": body.rung,
        "why": "a trend above the subscription's bar", "score": body.score,
        "digest_sha256": archive.put(session, msgspec.json.encode(body)),
    }  # fmt: skip
    run_id = session.execute(insert(Run).values(values).returning(Run.id)).scalar_one()
    run.post_deliveries(session, run.get(session, run_id), row, awake_at(row, now))
    return run_id
