"""`svodka subscribe` and `svodka subscription`: who gets what, when, and what becomes of it later."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from sqlalchemy.orm import Session

from cli import frame, schedule, stamp
from cli.digest import pairs
from domains.errors import UsageError
from domains.wall import QuietHours
from domains.window import CatchUp
from services import bulletin, change
from services import source as sources
from services import subscription as subscriptions
from services.schema import Subscription
from services.wiring import World
from tasks import job
from tasks import replay as replays

POLICIES: dict[bool, CatchUp] = {True: "each", False: "one"}
MISSED: dict[str, change.Missed] = {"each": "each", "joined": "one", "silent": "silent"}


@click.command(cls=frame.Command)
@click.option("--name", default="daily", show_default=True, help="The subscription's name.")
@click.option("--subscriber", default="me", show_default=True, help="Who gets it.")
@click.option(
    "--zone", default="UTC", show_default=True, help="IANA time zone in which the schedule is read."
)
@schedule.options
@click.option("--since", callback=frame.moment, help="Where the first window begins [default: 7 days ago].")
@click.option("--source", "names", multiple=True, help="Only this source; may be repeated.")
@click.option(
    "--channel", "channels", multiple=True, default=("file",), metavar="NAME[:TARGET]", show_default=True
)
@click.option(
    "--each/--joined", "each", default=False, help="Windows missed: a digest each, or one for all [joined]."
)
@click.option("--quiet-hours", metavar="HH:MM-HH:MM", help="When nothing is delivered, in the zone.")
@click.option(
    "--quiet", type=click.Choice(["send", "skip"]), help="Digests in which nothing happened [send]."
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A digest setting, such as max_stories=8."
)
@click.option(
    "--trends",
    "rising",
    is_flag=True,
    help="Trends instead of a digest: alerts at once, and a digest of them.",
)
def subscribe(
    name: str, subscriber: str, zone: str, since: datetime | None, names: tuple[str, ...], channels: tuple[str, ...],
    each: bool, quiet_hours: str | None, quiet: str | None, changes: tuple[str, ...], rising: bool, **said: Any,
) -> None:  # fmt: skip
    """Ask for a digest on a schedule; without one, daily at 08:00."""
    with frame.world() as world:
        now = world.clock.now()
        starts_at = (since or now - timedelta(days=7)).astimezone(UTC)
        if starts_at >= now:
            raise UsageError("--since lies in the future", remedy="the first window begins in the past")
        if not any(said.values()):
            said["daily_at"] = "08:00"
        wanted = schedule.read(zone, starts_at, **said)
        if wanted is None:
            raise UsageError("a schedule cannot be empty", remedy='such as --phrase "weekdays 8:30"')
        wish = subscriptions.Wish(
            name=name,
            schedule=wanted,
            starts_at=starts_at,
            subscriber=subscriber,
            domain=bulletin.DIGEST if rising else "digest",
            catch_up=POLICIES[each],
            sources=names,
            channels=_channels(channels),
            settings=_settings(changes, quiet),
            phrase=said["phrase"],
            quiet_hours=QuietHours.of(quiet_hours) if quiet_hours else None,
        )
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            sources.check_names(session, tenant_id, names)
            subscriptions.subscribe(session, tenant_id, wish, world.channels)
        first = next(wanted.ends(now))
    value = {"name": name, "starts_at": starts_at.isoformat(), "next": first.isoformat(), "zone": zone,
             "cron": wanted.cron}  # fmt: skip
    frame.show(value, lambda console: console.print(
        f"Subscribed as {name!r}: posts since {starts_at:%Y-%m-%d %H:%M} UTC, next digest at "
        f"{_local(first, zone)}.\nNow: svodka digest run {name}", markup=False
    ))  # fmt: skip


@click.group(cls=frame.Group)
def subscription() -> None:
    """List, pause, resume, change and remove what is subscribed to."""


@subscription.command("list")
def list_() -> None:
    """List what is subscribed to. Times are those of each subscription's zone."""
    with frame.world() as world:
        now = world.clock.now()
        with world.database.transaction() as session:
            rows = subscriptions.listing(session, frame.tenant(session, world.settings.tenant))
    names = ("name", "schedule", "covered", "closes", "channels", "")
    cells = [_cells(row, now) for row in rows]
    frame.show(rows, frame.columns(None, names, cells, whole=("name", "covered", "closes")))


@subscription.command()
@click.argument("name")
def pause(name: str) -> None:
    """Make no digests until it is resumed. What is missed is caught up then: nothing is lost."""
    with frame.world() as world, world.database.transaction() as session:
        row = _find(world, session, name)
        waiting = change.pause(session, row)
        value = {
            "name": name,
            "paused": True,
            "covered_until": row.covered_until.isoformat(),
            "waiting": waiting,
        }
        until = _local(row.covered_until, row.zone)
    also = f"\n{_digests(waiting)} that had closed before will still come." if waiting else ""
    frame.show(value, lambda console: console.print(
        f"{name!r} is paused. Posts from {until} on wait for `svodka subscription resume {name}`.{also}", markup=False
    ))  # fmt: skip


@subscription.command()
@click.argument("name")
@click.option(
    "--missed",
    type=click.Choice(list(MISSED)),
    help="A digest for each window missed, one for all, or one that is kept and sent to nobody "
    "[default: each or joined, as subscribed].",
)
def resume(name: str, missed: str | None) -> None:
    """Make digests again, those for what was missed too."""
    with frame.world() as world, world.database.transaction() as session:
        row = _find(world, session, name)
        was = row.paused
        runs = change.resume(session, row, world.clock.now(), MISSED[missed] if missed else None)
        value = {"name": name, "paused": False, "runs": runs, "covered_until": row.covered_until.isoformat()}
    said = f"{name!r} {'is resumed' if was else 'was not paused'}"
    said += f": {_digests(len(runs))} for what was missed" if runs else "; nothing was missed"
    said += " will be made and kept, not sent." if runs and missed == "silent" else "."
    frame.show(value, lambda console: console.print(said, markup=False))


@subscription.command("set")
@click.argument("name")
@schedule.options
@click.option("--zone", help="IANA time zone in which the schedule is read.")
@click.option("--quiet-hours", metavar="HH:MM-HH:MM", help='When nothing is delivered, or "none".')
@click.option("--quiet", type=click.Choice(["send", "skip"]), help="Digests in which nothing happened.")
@click.option("--each/--joined", "each", default=None, help="Windows missed: a digest each, or one for all.")
@click.option(
    "--channel", "channels", multiple=True, metavar="NAME[:TARGET]", help="Instead of those before."
)
@click.option(
    "--source", "names", multiple=True, help='Only these, instead of those before; "all" for every one.'
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A digest setting.")
def set_(
    name: str, zone: str | None, quiet_hours: str | None, quiet: str | None, each: bool | None,
    channels: tuple[str, ...], names: tuple[str, ...], changes: tuple[str, ...], **said: Any,
) -> None:  # fmt: skip
    """Change a subscription. Windows go on from where the last one ended: no time is left out or told twice."""
    with frame.world() as world, world.database.transaction() as session:
        row = _find(world, session, name)
        wish = change.Wish(
            schedule=schedule.read(zone or row.zone, row.starts_at, **said),
            phrase=said["phrase"],
            zone=zone,
            quiet_hours=None if quiet_hours is None else "none" if quiet_hours == "none" else QuietHours.of(quiet_hours),
            catch_up=None if each is None else POLICIES[each],
            channels=_channels(channels) or None,
            sources=None if not names else () if names == ("all",) else names,
            settings=_settings(changes, quiet) or None,
        )  # fmt: skip
        if wish == change.Wish():
            raise UsageError("nothing to change", remedy="`svodka subscription set --help` lists what can be")
        sources.check_names(session, row.tenant_id, wish.sources or ())
        runs = change.change(session, row, wish, world.channels, world.clock.now())
        (value,) = [one for one in subscriptions.listing(session, row.tenant_id) if one["name"] == name]
    value["runs"] = runs
    frame.show(value, lambda console: _print_changed(console, value))


@subscription.command()
@click.argument("name")
@click.option("--last", is_flag=True, help="First make a digest of what has come since the last one.")
@click.option("--purge", is_flag=True, help="Delete every digest it ever made, too.")
@click.option("--yes", is_flag=True, help="Yes, delete them.")
def remove(name: str, last: bool, purge: bool, yes: bool) -> None:
    """Make no more digests of it. Those made are kept, unless --purge deletes them."""
    with frame.world() as world:
        if last:
            with world.database.transaction() as session:
                runs = subscriptions.close_now(session, _find(world, session, name), world.clock.now())
            frame.drive(world, [(job.DIGEST.name, run_id) for run_id in runs])
        with world.database.transaction() as session:
            row = _find(world, session, name)
            until, zone = row.covered_until, row.zone
            value: dict[str, Any] = {"name": name, **change.belongings(session, row), "purged": purge}
            if purge and not yes:
                raise UsageError(
                    f"this deletes {_digests(value['digests'])} of {name!r} with {value['sentences']} sentences, and what "
                    "became of each post in them",
                    remedy="add --yes, or leave --purge out: they are kept then",
                )
            if purge:
                change.purge(session, row)
            else:
                value["called_off"] = change.remove(session, row, world.clock.now())
    frame.show(value, lambda console: _print_removed(console, value, _local(until, zone)))


@subscription.command()
@click.argument("name")
def rewind(name: str) -> None:
    """Mend windows that a clock standing ahead had closed: they are cut back to the present.

    Until then posts would wait for that time to come. Digests that were made stay.
    """
    with frame.world() as world, world.database.transaction() as session:
        row = _find(world, session, name)
        value = {"name": name, **change.rewind(session, row, world.clock.now())}
        value["covered_until"] = row.covered_until.isoformat()
        until = _local(row.covered_until, row.zone)
    frame.show(value, lambda console: console.print(
        f"{name!r} is covered until {until}: {value['taken_back']} runs taken back, {value['cut']} cut.", markup=False
    ))  # fmt: skip


def _find(world: World, session: Session, name: str) -> Subscription:
    return subscriptions.find(session, frame.tenant(session, world.settings.tenant), name)


def _cells(row: dict[str, Any], now: datetime) -> Sequence[Any]:
    zone = ZoneInfo(row["zone"])
    remarks = ["paused"] if row["paused"] else []
    remarks += [f"quiet {row['quiet_hours']}"] if row["quiet_hours"] else []
    if row["covered_until"] > now.isoformat():
        remarks.append("ahead of the clock: svodka subscription rewind")
    times = (stamp.short(row[key], now, zone) for key in ("covered_until", "closes_at"))
    return (
        row["name"],
        f"{row['schedule']}, {row['zone']}",
        *times,
        row["channels"],
        ", ".join(remarks),
    )


def _settings(changes: tuple[str, ...], quiet: str | None) -> dict[str, Any]:
    return replays.changes_only({**pairs(changes), **({"quiet": quiet} if quiet else {})})


def _channels(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, target) for name, _, target in (text.partition(":") for text in texts))


def _local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def _digests(count: int) -> str:
    return f"{count} digest{'' if count == 1 else 's'}"


def _print_changed(console: Console, value: dict[str, Any]) -> None:
    quiet = f", nothing delivered {value['quiet_hours']}" if value["quiet_hours"] else ""
    console.print(f"{value['name']!r}: {value['schedule']} in {value['zone']}{quiet}", markup=False)
    at = datetime.fromisoformat(value["closes_at"])
    console.print(
        f"The open window closes at {_local(at, value['zone'])}." if not value["paused"] else "It is paused."
    )
    if value["runs"]:
        console.print(f"{_digests(len(value['runs']))} had closed by the old schedule and will come.")


def _print_removed(console: Console, value: dict[str, Any], until: str) -> None:
    if value["purged"]:
        console.print(f"{value['name']!r} is deleted with {_digests(value['digests'])}.", markup=False)
        return
    off = value["called_off"]
    console.print(
        f"{value['name']!r} is removed. Kept: {_digests(value['digests'] - off['runs'])}, see svodka digest list",
        markup=False,
    )
    if off["runs"] or off["deliveries"]:
        console.print(f"{off['runs']} not made yet and {off['deliveries']} not sent yet are called off.")
    console.print(f"Posts from {until} on are in no digest of it.", markup=False)
