"""Subscribers, subscriptions, and the windows that close for them."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import digest, wall
from domains.digest import Settings
from domains.errors import NotFound, Refused, UsageError
from domains.ports import Channel
from domains.wall import QuietHours
from domains.window import CatchUp, Schedule, Window, closed_windows
from services.channel.target import shown
from services.schema import Run, Subscriber, Subscription, Tenant

logger = logging.getLogger("svodka.subscription")
NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,99}")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. ``channels`` are (channel, target) pairs, ``phrase`` the words the schedule was read from."""

    name: str
    schedule: Schedule
    starts_at: datetime
    subscriber: str = "me"
    domain: str = "digest"
    catch_up: CatchUp = "each"
    sources: tuple[str, ...] = ()
    channels: tuple[tuple[str, str], ...] = (("file", ""),)
    settings: dict[str, Any] = field(default_factory=dict)
    phrase: str | None = None
    quiet_hours: QuietHours | None = None


def tenant(session: Session, name: str, *, live: bool = True) -> int:
    """Return the tenant's row, made if it is not there."""
    # Due since ever: a backtest's clock stands in the past.
    row = insert(Tenant).values(name=name, live=live, next_at=EPOCH)
    session.execute(row.on_conflict_do_nothing())
    return session.execute(select(Tenant.id).where(Tenant.name == name)).scalar_one()


def remove_tenant(session: Session, name: str, *, live: bool = False) -> None:
    """Remove a tenant with all it owns; one that is live only when ``live`` says so."""
    session.execute(delete(Tenant).where(Tenant.name == name, Tenant.live == live))


def subscribe(
    session: Session,
    tenant_id: int,
    wish: Wish,
    channels: Mapping[str, Channel],
    *,
    paused: bool = False,
) -> int:
    """Write a subscription and return its row. Raises UsageError for a wish that cannot be met."""
    check_channels(wish.channels, channels)
    if wish.starts_at < EPOCH:
        raise UsageError(f"the first window cannot begin in {wish.starts_at.year}", remedy="1970 or later")
    if not NAME.fullmatch(wish.name):
        raise UsageError(
            f"{wish.name!r} cannot name a subscription", remedy="up to 100 characters on one line"
        )
    read_settings(wish.settings)
    taken = session.scalar(
        select(Subscription.id).where(Subscription.tenant_id == tenant_id, Subscription.name == wish.name)
    )
    if taken is not None:
        raise UsageError(f"there is a subscription {wish.name!r} already", remedy="choose another --name")
    session.execute(
        insert(Subscriber).values(tenant_id=tenant_id, name=wish.subscriber).on_conflict_do_nothing()
    )
    subscriber = session.execute(
        select(Subscriber.id).where(Subscriber.tenant_id == tenant_id, Subscriber.name == wish.subscriber)
    ).scalar_one()
    row = Subscription(
        tenant_id=tenant_id,
        subscriber_id=subscriber,
        name=wish.name,
        domain=wish.domain,
        zone=wish.schedule.zone,
        cron=wish.schedule.cron,
        period_s=wish.schedule.period.total_seconds() if wish.schedule.period else None,
        catch_up=wish.catch_up,
        sources=list(wish.sources),
        channels=[list(pair) for pair in wish.channels],
        settings=wish.settings,
        starts_at=wish.starts_at,
        covered_until=wish.starts_at,
        paused=paused,
        phrase=wish.phrase,
        quiet_hours=str(wish.quiet_hours) if wish.quiet_hours else None,
    )
    session.add(row)
    session.flush()
    return row.id


def check_channels(wanted: Sequence[tuple[str, str]], channels: Mapping[str, Channel]) -> None:
    """Raise UsageError when one of ``wanted`` (channel, target) can never be sent to here."""
    for name, target in wanted:
        if name not in channels:
            raise UsageError(f"unknown channel {name!r}", remedy=f"one of: {', '.join(sorted(channels))}")
        try:
            channels[name].check(target)
        except Refused as error:
            raise UsageError(str(error), remedy=error.remedy) from error
    if len({name for name, _ in wanted}) < len(wanted):
        raise UsageError("a channel may be named once", remedy="make another subscription for another target")


def find(session: Session, tenant_id: int, name: str) -> Subscription:
    """Return a subscription by name. Raises NotFound."""
    row = session.scalar(
        select(Subscription).where(
            Subscription.tenant_id == tenant_id, Subscription.name == name, Subscription.removed_at.is_(None)
        )
    )
    if row is None:
        raise NotFound(f"no subscription {name!r}", remedy="make one with `svodka subscribe`")
    return row


def listing(session: Session, tenant_id: int) -> list[dict[str, Any]]:
    """Return every subscription as its owner sees it, by name; removed ones are not among them."""
    query = (
        select(Subscription, Subscriber.name)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscription.tenant_id == tenant_id, Subscription.removed_at.is_(None))
        .order_by(Subscription.name)
    )
    return [
        {
            "name": row.name,
            "subscriber": subscriber,
            "schedule": row.phrase or row.cron or f"every {_words(row.period_s or 0)}",
            "cron": row.cron,
            "period_s": row.period_s,
            "zone": row.zone,
            "sources": row.sources,
            "quiet_hours": row.quiet_hours,
            "catch_up": row.catch_up,
            "channels": ", ".join(
                ":".join(part for part in (name, shown(name, target)) if part)
                for name, target in row.channels
            ),
            "settings": row.settings,
            "starts_at": row.starts_at.isoformat(),
            "covered_until": row.covered_until.isoformat(),
            "closes_at": _closes_at(row),
            "paused": row.paused,
        }
        for row, subscriber in session.execute(query)
    ]


def close_windows(
    session: Session, now: datetime, *, tenant_id: int | None = None, limit: int = 500
) -> list[int]:
    """Insert the runs of every window that has closed and return their rows.

    Sweeps look at live tenants; a backtest names its own. A subscription that another beat is just closing is skipped,
    and so is one that cannot be read, as when a zone has gone from the system: it must not stop the others.
    """
    query = select(Subscription).where(Subscription.covered_until < now, ~Subscription.paused)
    if tenant_id is None:
        query = query.where(Subscription.tenant_id.in_(select(Tenant.id).where(Tenant.live)))
    else:
        query = query.where(Subscription.tenant_id == tenant_id)
    runs: list[int] = []
    for row in session.scalars(
        query.order_by(Subscription.covered_until).limit(limit).with_for_update(skip_locked=True)
    ):
        try:
            runs += close_due(session, row, now)
        except UsageError as error:
            logger.error("subscription %s closes no windows: %s", row.id, error)  # noqa: TRY400  no place but the row
    return runs


def agreed(session: Session, now: datetime) -> datetime:
    """Return the earlier of a worker's clock and the database's.

    A window that a clock standing ahead closes too early is closed for good, so two clocks have to say that it is time.
    One that stands behind costs only time.
    """
    theirs: datetime = session.scalars(select(func.clock_timestamp())).one()
    if now - theirs > AHEAD:
        logger.warning(
            "this worker's clock is %s ahead of the database's; windows wait for the latter", now - theirs
        )
    return min(now, theirs)


def close_due(
    session: Session, row: Subscription, now: datetime, catch_up: CatchUp | None = None
) -> list[int]:
    """Insert the runs of one subscription's windows that have closed, by its own policy unless one is given."""
    policy = catch_up or _catch_up(row)
    return _close(session, row, closed_windows(schedule_of(row), row.covered_until, now, policy))


def close_now(session: Session, row: Subscription, until: datetime) -> list[int]:
    """Insert the runs that cover everything up to ``until``, the last of which ends the open window before its time.

    By the subscription's policy that is one run for all, or one for each window. Windows go on tiling from there.
    Raises UsageError when all of it is covered already.
    """
    session.refresh(row, with_for_update=True)
    if until <= row.covered_until:
        raise UsageError(
            f"everything until {row.covered_until:%Y-%m-%d %H:%M} UTC has its digest already",
            remedy="see `svodka digest list`, or `svodka subscription rewind` if a clock stood ahead",
        )
    due = close_due(session, row, until) if _catch_up(row) == "each" else []
    rest = [Window(row.covered_until, until)] if until > row.covered_until else []
    return due + _close(session, row, rest)


def resume(session: Session, subscription_id: int) -> None:
    """Let a paused subscription's windows close again; what was missed is caught up."""
    row = session.get_one(Subscription, subscription_id)
    row.paused, row.active_since = False, session.execute(select(func.now())).scalar_one()


def close_last(session: Session, subscription_id: int, until: datetime) -> list[int]:
    """Insert the run of a window that ends at ``until`` before its time."""
    return close_now(session, session.get_one(Subscription, subscription_id), until)


def ends_until(session: Session, subscription_id: int, until: datetime) -> list[datetime]:
    """Return the closing times of a subscription's open windows up to ``until``, which is always the last."""
    row = session.get_one(Subscription, subscription_id)
    ends = list(takewhile(lambda end: end < until, schedule_of(row).ends(row.covered_until)))
    return [*ends, until]


def awake_at(row: Subscription, now: datetime) -> datetime:
    """Return the first moment from ``now`` on at which something may be delivered: the end of its quiet hours."""
    return QuietHours.of(row.quiet_hours).over(now, wall.zone_of(row.zone)) if row.quiet_hours else now


def schedule_of(row: Subscription) -> Schedule:
    """Return the subscription's schedule as a value."""
    period = timedelta(seconds=row.period_s) if row.period_s else None
    return Schedule(zone=row.zone, cron=row.cron, period=period, anchor=row.starts_at if period else None)


def read_settings(values: dict[str, Any]) -> Settings:
    """Return the digest settings that ``values`` set. Raises UsageError that names the setting."""
    unknown = set(values) - set(Settings.__dataclass_fields__)
    if unknown:
        known = ", ".join(Settings.__dataclass_fields__)
        raise UsageError(f"unknown setting {min(unknown)!r}", remedy=f"one of: {known}")
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"wrong digest settings {values}", remedy=digest.settings_help()) from error


def _close(session: Session, row: Subscription, windows: Sequence[Window]) -> list[int]:
    ids: list[int] = []
    for window in windows:
        query = (
            insert(Run)
            .values(
                tenant_id=row.tenant_id,
                subscription_id=row.id,
                domain=row.domain,
                window_start=window.start,
                window_end=window.end,
                next_at=window.end,
            )
            .on_conflict_do_nothing()
            .returning(Run.id)
        )
        ids += session.scalars(query).all()
        row.covered_until = window.end
    session.flush()
    return ids


def _closes_at(row: Subscription) -> str | None:
    """Return when the open window closes, None where the row's zone or schedule can no longer be read."""
    try:
        return next(schedule_of(row).ends(row.covered_until)).isoformat()
    except UsageError:
        return None


def _words(seconds: float) -> str:
    """Return a period as `--every` takes it."""
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return str(timedelta(seconds=seconds))


def _catch_up(row: Subscription) -> CatchUp:
    return "one" if row.catch_up == "one" else "each"
