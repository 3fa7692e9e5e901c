"""`svodka schedule`: when digests come; and how a schedule is read from options."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import click
from rich.console import Console

from cli import frame, stamp
from domains import cadence
from domains.errors import UsageError
from domains.wall import QuietHours
from domains.window import Coming, Schedule, coming
from services import subscription
from services.clock import SystemClock

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """Add the options that say a schedule, of which one may be given."""
    for option in (
        click.option("--every", metavar="DURATION", help="A period, such as 36h, 45m, 7d."),
        click.option("--cron", help='Cron expressions, such as "0 8,18 * * 1-5"; several with ";" between.'),
        click.option("--daily", "daily_at", metavar="HH:MM", help="Every day at this time."),
        click.option(
            "--phrase",
            help='Words, such as "weekdays 8:30, weekends 10:00", "every 3 hours", «щодня о 7:00».',
        ),
    ):
        command = option(command)
    return command


def read(
    zone: str,
    anchor: datetime,
    *,
    phrase: str | None,
    daily_at: str | None,
    cron: str | None,
    every: str | None,
) -> Schedule | None:
    """Return the schedule that the options say, None when they say none. Raises UsageError."""
    if sum(option is not None for option in (phrase, daily_at, cron, every)) > 1:
        raise UsageError("choose one of --phrase, --daily, --cron and --every")
    if every is not None:
        return Schedule(zone=zone, period=duration(every), anchor=anchor)
    if phrase is not None:
        cron = cadence.read(phrase)
    elif daily_at is not None:
        cron = _cron(daily_at)
    return None if cron is None else Schedule(zone=zone, cron=cron)


@click.group(cls=frame.Group)
def schedule() -> None:
    """See when digests come."""


@schedule.command()
@click.argument("name", required=False)
@options
@click.option("--zone", help="IANA time zone [default: the subscription's, else UTC].")
@click.option("--quiet-hours", metavar="HH:MM-HH:MM", help="When nothing is to be delivered.")
@click.option("--from", "after", callback=frame.moment, help="Begin after this moment [default: now].")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
def preview(
    name: str | None,
    zone: str | None,
    quiet_hours: str | None,
    after: datetime | None,
    count: int,
    **said: Any,
) -> None:
    """Print when the next digests come: those of subscription NAME, or of a schedule that is only tried out.

    Local times with their distance from UTC, and what clocks do in between.
    """
    after = after or SystemClock().now()
    quiet = QuietHours.of(quiet_hours) if quiet_hours else None
    given = read(zone or "UTC", after, **said)
    if (name is None) == (given is None):
        raise UsageError(
            "name a subscription, or say a schedule",
            remedy='svodka schedule preview daily, or svodka schedule preview --phrase "weekdays 8:30"',
        )
    paused, words = False, said["phrase"] or said["cron"] or said["every"] or said["daily_at"]
    if given is None:
        given, stored, paused, words = _stored(str(name), zone)
        quiet = quiet or stored
    ticks = list(islice(coming(given, after, quiet), count))
    value = {"schedule": words, "cron": given.cron, "zone": given.zone, "paused": paused,
             "quiet_hours": str(quiet) if quiet else None, "coming": [_row(tick) for tick in ticks]}  # fmt: skip
    frame.show(value, lambda console: _print(console, value, ticks))


def _stored(name: str, zone: str | None) -> tuple[Schedule, QuietHours | None, bool, str]:
    if zone is not None:
        raise UsageError(
            "--zone is for a schedule that is tried out", remedy="change it: svodka subscription set"
        )
    with frame.world() as world, world.database.transaction() as session:
        row = subscription.find(session, frame.tenant(session, world.settings.tenant), name)
        quiet = QuietHours.of(row.quiet_hours) if row.quiet_hours else None
        return subscription.schedule_of(row), quiet, row.paused, row.phrase or row.cron or name


def _row(tick: Coming) -> dict[str, Any]:
    return {
        "local": tick.local.isoformat(),
        "offset": stamp.offset(tick.local),
        "at": tick.local.astimezone(UTC).isoformat(),
        "delivered_from": tick.deliverable.isoformat(),
        "notes": list(tick.notes),
    }


def _print(console: Console, value: dict[str, Any], ticks: list[Coming]) -> None:
    cron = f" ({value['cron']})" if value["cron"] not in {None, value["schedule"]} else ""
    console.print(f"{value['schedule']}{cron} in {value['zone']}", markup=False)
    if value["quiet_hours"]:
        console.print(f"nothing is delivered from {value['quiet_hours'].replace('-', ' to ')}")
    if value["paused"]:
        console.print("paused: none of these comes before `svodka subscription resume`")
    for tick in ticks:
        line = f"{tick.local:%a %Y-%m-%d %H:%M}  {stamp.offset(tick.local)}"
        if tick.deliverable != tick.local:
            line += f"  delivered from {tick.deliverable:%a %H:%M}"
        console.print(line + "".join(f"  {note}" for note in tick.notes), markup=False)


def duration(text: str) -> timedelta:
    """Return a duration such as 30m, 6h, 7d. Raises UsageError for a text that is none."""
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    count = text[:-1]
    plain = count.isascii() and count.isdecimal() and len(count) < 5
    if not plain or text[-1:] not in units or int(count) == 0:
        raise UsageError(
            f"cannot read the duration {text!r}", remedy="a number and m, h, d or w, such as 24h"
        )
    return timedelta(**{units[text[-1]]: int(count)})


def _cron(at: str) -> str:
    hour, colon, minute = at.partition(":")
    if not colon or not re.fullmatch("[0-9]{1,2}:[0-9]{2}", at) or int(hour) > 23 or int(minute) > 59:
        raise UsageError(f"cannot read the time {at!r}", remedy="expected HH:MM, such as 08:00")
    return f"{int(minute)} {int(hour)} * * *"
