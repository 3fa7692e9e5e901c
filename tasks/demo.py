"""The example stream as if it were of these days: its last full day becomes yesterday.

examples/stream.toml ─▶ inbox.read ─▶ every time moved by whole days of the stream's zone ─▶ intake.take
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from domains.errors import InputError
from domains.post import Bad, Entry
from domains.window import Schedule
from services import inbox, intake, source, subscription
from services.wiring import World

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
NAME: Final = "demo"


@dataclass(frozen=True, slots=True)
class Stream:
    """The example stream, moved by ``shift`` whole days so that it ends with yesterday."""

    zone: ZoneInfo
    first_day: date
    days: int
    shift: timedelta
    sources: tuple[tuple[source.Known, Path], ...]

    def begin(self) -> datetime:
        """Return the moment at which the moved stream's first day begins, in UTC."""
        day = self.first_day + self.shift
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


def stream(now: datetime, folder: Path = EXAMPLES) -> Stream:
    """Return the example stream as seen from ``now``. Raises InputError when it is not there."""
    try:
        value = tomllib.loads((folder / "stream.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{folder / 'stream.toml'}: {error}", remedy="run this from a clone of the project"
        ) from error
    zone = ZoneInfo(value["zone"])
    last = value["first_day"] + timedelta(days=value["days"] - 1)
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    sources = tuple(
        (source.Known(one["name"], one["kind"], one["family"]), folder / one["path"])
        for one in value["source"]
    )
    return Stream(zone, value["first_day"], value["days"], yesterday - last, sources)


def prepare(world: World, example: Stream) -> tuple[int, int]:
    """Begin afresh: a new tenant with the subscription of the demo; return both rows."""
    with world.database.transaction() as session:
        subscription.remove_tenant(session, NAME, live=True)
        tenant_id = subscription.tenant(session, NAME)
        wish = subscription.Wish(
            name="daily",
            schedule=Schedule(zone=str(example.zone), cron="0 0 * * *"),
            starts_at=example.begin(),
            subscriber="you",
        )
        return tenant_id, subscription.subscribe(session, tenant_id, wish, world.channels, paused=True)


def load(world: World, tenant_id: int, example: Stream) -> Iterator[int]:
    """Import the stream's sources one after the other; yield how many posts there are so far.

    Raises InputError when a part of the stream cannot be read: it is ours, so nothing of it may be bad.
    """
    count = 0
    for known, path in example.sources:
        report = intake.Report()
        entries = _moved(inbox.read(path, now=world.clock.now()), known.name, example)
        for report in intake.take(world.intake, tenant_id, entries, known):
            yield count + report.read
        if report.bad_count:
            raise InputError(
                f"{path}: {report.bad[0].where}: {report.bad[0].why}", remedy="git checkout examples/"
            )
        count += report.read


def _moved(entries: Iterator[Entry | Bad], name: str, example: Stream) -> Iterator[Entry | Bad]:
    for entry in entries:
        if isinstance(entry, Bad):
            yield entry
            continue
        at = entry.at if "undated" in entry.flags else _move(entry.at, example)
        edited = _move(entry.edited_at, example) if entry.edited_at else None
        yield replace(entry, at=at, edited_at=edited, source=name)


def _move(at: datetime, example: Stream) -> datetime:
    # By the wall clock: a post of 07:30 stays one of 07:30 when the clocks have changed in between.
    return (
        (at.astimezone(example.zone).replace(tzinfo=None) + example.shift)
        .replace(tzinfo=example.zone)
        .astimezone(UTC)
    )
