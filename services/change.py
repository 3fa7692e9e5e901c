"""What becomes of a subscription later: paused, resumed, changed, removed, and mended after a clock that stood ahead.

Windows tile time through all of it: what has closed by the old schedule closes by the old one, and the next begins there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from domains import wall
from domains.errors import Busy, UsageError
from domains.ports import Channel
from domains.wall import QuietHours
from domains.window import CatchUp, Schedule
from services import run, subscription, work
from services.schema import Claim, Delivery, Fate, Run, RunStep, Subscription

Missed = Literal["each", "one", "silent"]
REMOVED: Final = "its subscription was removed"
TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be different; None leaves a thing as it is. ``quiet_hours`` may also be "none"."""

    schedule: Schedule | None = None
    phrase: str | None = None
    zone: str | None = None
    quiet_hours: QuietHours | Literal["none"] | None = None
    catch_up: CatchUp | None = None
    channels: tuple[tuple[str, str], ...] | None = None
    sources: tuple[str, ...] | None = None
    settings: dict[str, Any] | None = None


def pause(session: Session, row: Subscription) -> int:
    """Close no more windows until `resume`; return how many digests that had closed before are still to be made."""
    session.refresh(row, with_for_update=True)
    row.paused = True
    return session.scalar(_open_runs(row)) or 0


def resume(session: Session, row: Subscription, now: datetime, missed: Missed | None = None) -> list[int]:
    """Close windows again and return the runs for those missed.

    ``missed``: a digest for "each" window, "one" for all of them, or one that is "silent": made and kept, not sent. None
    goes by the subscription's own policy. Nothing is left out by any of them.
    """
    session.refresh(row, with_for_update=True)
    row.paused, row.active_since = False, now
    policy: CatchUp | None = "one" if missed == "silent" else missed
    runs = subscription.close_due(session, row, now, policy)
    if missed == "silent":
        session.execute(update(Run).where(Run.id.in_(runs)).values(silent=True))
    return runs


def change(
    session: Session, row: Subscription, wish: Wish, channels: Mapping[str, Channel], now: datetime
) -> list[int]:
    """Change a subscription and return the runs of the windows that had closed before, by the schedule they closed by.

    While it is paused nothing closes: on resuming, the new schedule says where the missed windows end. Raises
    UsageError for a wish that cannot be met; the caller's transaction is to be rolled back then.
    """
    session.refresh(row, with_for_update=True)
    subscription.check_channels(wish.channels or (), channels)
    moved = wish.schedule is not None or wish.zone is not None
    runs = subscription.close_due(session, row, now) if moved and not row.paused else []
    if wish.schedule is not None:
        period = wish.schedule.period
        row.cron, row.phrase, row.zone = wish.schedule.cron, wish.phrase, wish.schedule.zone
        row.period_s = period.total_seconds() if period else None
    row.zone = wish.zone or row.zone
    # Whatever was changed has to be readable together.
    subscription.schedule_of(row)
    if wish.quiet_hours is not None:
        row.quiet_hours = None if wish.quiet_hours == "none" else str(wish.quiet_hours)
        _reschedule(session, row, now)
    row.catch_up = wish.catch_up or row.catch_up
    if wish.channels is not None:
        row.channels = [list(pair) for pair in wish.channels]
    if wish.sources is not None:
        row.sources = list(wish.sources)
    if wish.settings:
        row.settings = {**row.settings, **wish.settings}
        subscription.read_settings(row.settings)
    session.flush()
    return runs


def remove(session: Session, row: Subscription, now: datetime) -> dict[str, int]:
    """Make no more digests of a subscription; return how many of its runs and deliveries are called off.

    Digests made so far, what they claim and what they dropped stay; the name is free again.
    """
    session.refresh(row, with_for_update=True)
    row.paused, row.removed_at = True, now
    row.name = f"{row.name} (removed {row.id})"
    runs = session.scalars(
        update(Run)
        .where(Run.subscription_id == row.id, Run.state == "due")
        .values(state="held", decision="hold", why=REMOVED, ended_at=now)
        .returning(Run.id)
    ).all()
    deliveries = session.scalars(
        update(Delivery)
        .where(Delivery.run_id.in_(_runs_of(row)), Delivery.state == "due")
        .values(state="held")
        .returning(Delivery.id)
    ).all()
    return {"runs": len(runs), "deliveries": len(deliveries)}


def belongings(session: Session, row: Subscription) -> dict[str, int]:
    """Return how much goes with a subscription that is purged: digests, their sentences, and fates of posts."""
    own = _runs_of(row)
    counts = {
        "digests": select(func.count()).where(Run.id.in_(own)),
        "sentences": select(func.count()).where(Claim.run_id.in_(own)),
        "fates": select(func.count()).where(Fate.run_id.in_(own)),
        "deliveries": select(func.count()).where(Delivery.run_id.in_(own)),
    }
    return {name: session.scalar(query) or 0 for name, query in counts.items()}


def purge(session: Session, row: Subscription) -> None:
    """Delete a subscription with every digest it ever made. Raises Busy while one is being made."""
    session.refresh(row, with_for_update=True)
    if session.scalar(select(func.count()).where(Run.id.in_(_runs_of(row)), Run.state == "leased")):
        raise Busy(f"a digest of {row.name!r} is being made", remedy="try again in a minute")
    session.execute(delete(Subscription).where(Subscription.id == row.id))


def rewind(session: Session, row: Subscription, now: datetime) -> dict[str, int]:
    """Cut windows that a clock standing ahead had closed back to ``now``; return how many were taken back and cut.

    Runs not begun are taken back as if they had never been. Digests made stay, with windows that end in the last
    microseconds before ``now``, so that time is tiled and the order kept; what comes from now on has its digest again.
    Raises UsageError when nothing lies ahead, Busy while a run is being made.
    """
    session.refresh(row, with_for_update=True)
    if row.covered_until <= now:
        raise UsageError(
            f"no window of {row.name!r} ends after {now:%Y-%m-%d %H:%M} UTC",
            remedy="there is nothing to mend",
        )
    ahead = list(
        session.scalars(
            select(Run)
            # An alert to trends closes no window.
            .where(Run.subscription_id == row.id, Run.domain == row.domain, Run.window_end > now)
            .order_by(Run.window_end)
            .with_for_update()
        )
    )
    if any(one.state == "leased" for one in ahead):
        raise Busy(f"a digest of {row.name!r} is being made", remedy="try again in a minute")
    begun = set(session.scalars(select(RunStep.run_id).where(RunStep.run_id.in_([one.id for one in ahead]))))
    kept = [one for one in ahead if one.state != "due" or one.id in begun]
    start = ahead[0].window_start if ahead else row.starts_at
    _check_room(row, start, now, kept)
    for one in ahead:
        if one not in kept:
            session.delete(one)
    session.flush()
    for number, one in enumerate(kept):
        one.window_start, one.window_end = start, now - (len(kept) - 1 - number) * TICK
        start = one.window_end
        session.flush()
    row.covered_until = start
    session.flush()
    return {"taken_back": len(ahead) - len(kept), "cut": len(kept)}


def put_off(session: Session, lease: work.Lease, now: datetime) -> bool:
    """Leave a delivery that falls into its subscriber's quiet hours for their end; return whether it was."""
    row = session.scalars(
        select(Subscription)
        .join(Run, Run.subscription_id == Subscription.id)
        .join(Delivery, Delivery.run_id == Run.id)
        .where(Delivery.id == lease.id)
    ).one()
    awake = subscription.awake_at(row, now)
    if awake > now:
        work.settle(session, lease, "due", next_at=awake)
    return awake > now


def remark(session: Session, run_id: int, now: datetime) -> str:
    """Return why a run's digest is not sent at all, or not yet; "" when neither."""
    made = run.get(session, run_id)
    row = session.get_one(Subscription, made.subscription_id)
    if made.decision == run.SKIP:
        return f"sent to nobody: {made.why}"
    awake = subscription.awake_at(row, now)
    waiting = select(func.count()).where(Delivery.run_id == run_id, Delivery.state == "due")
    if awake == now or not session.scalar(waiting):
        return ""
    local = awake.astimezone(wall.zone_of(row.zone))
    return f"quiet hours: it is delivered from {local:%Y-%m-%d %H:%M} {row.zone} on"


def _check_room(row: Subscription, start: datetime, now: datetime, kept: Sequence[Run]) -> None:
    if start + len(kept) * TICK > now:
        raise UsageError(
            f"the windows of {row.name!r} begin after {now:%Y-%m-%d %H:%M} UTC too",
            remedy="is this machine's clock right? if so, remove the subscription and make it again",
        )


def _reschedule(session: Session, row: Subscription, now: datetime) -> None:
    """Let what waits for the end of the old quiet hours wait for that of the new ones."""
    session.execute(
        update(Delivery)
        .where(Delivery.run_id.in_(_runs_of(row)), Delivery.state == "due", Delivery.expiries == 0)
        .where(Delivery.next_at > now)
        .values(next_at=subscription.awake_at(row, now))
    )


def _runs_of(row: Subscription) -> Any:
    return select(Run.id).where(Run.subscription_id == row.id)


def _open_runs(row: Subscription) -> Any:
    return select(func.count()).where(Run.subscription_id == row.id, Run.state.in_(("due", "leased")))
