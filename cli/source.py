"""`svodka source`: where posts come from."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from cli import frame, stamp
from domains.errors import InputError, UsageError
from services import intake
from services import source as sources
from services.table import Mapping
from services.wiring import World
from tasks import job


@click.group(cls=frame.Group)
def source() -> None:
    """Add, list, fetch and import what is read."""


@source.command()
@click.argument("address")
@click.option("--name", help="The source's name; by default from the address.")
@click.option("--family", help="The publisher family it belongs to; by default its name.")
@click.option("--every", "interval_s", type=float, metavar="SECONDS", help="Time between two fetches.")
@click.option("--no-fetch", is_flag=True, help="Register it only; the worker will fetch it.")
def add(address: str, name: str | None, family: str | None, interval_s: float | None, no_fetch: bool) -> None:
    """Add a feed by its URL, or a folder that is watched for exports, and fetch it once."""
    if interval_s is not None and not 60 <= interval_s <= 604_800:
        raise UsageError(f"cannot fetch every {interval_s:g} seconds", remedy="from 60 to 604800, a week")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UsageError(f"cannot read the address {address!r}: {error}") from error
    folder = Path(address)
    if parts.scheme in {"http", "https"} and parts.hostname:
        kind, url, own = "feed", address, parts.hostname.removeprefix("www.")
    elif folder.is_dir():
        kind, url, own = "directory", str(folder.resolve()), folder.resolve().name
    elif folder.is_file():
        raise UsageError(f"{address} is a file", remedy=f"import it: svodka source import {address}")
    else:
        raise UsageError(
            f"cannot add {address!r}", remedy="an http(s) address of a feed, or an existing folder"
        )
    with frame.world() as world:
        name = name or own
        known = sources.Known(
            name,
            kind,
            family or name,
            url,
            polled=True,
            interval_s=interval_s or world.settings.fetch_interval_s,
        )
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            row = sources.add(session, tenant_id, known, now=world.clock.now())
        if not no_fetch:
            frame.drive(world, [(job.FETCH.name, row)])
        _show_one(world, tenant_id, name)


@source.command("list")
def list_() -> None:
    """List the sources with their health. Times are those of this machine's zone."""
    with frame.world() as world:
        now = world.clock.now()
        with world.database.transaction() as session:
            rows = sources.listing(session, frame.tenant(session, world.settings.tenant))
    names = ("name", "kind", "posts", "newest", "fetched", "next", "health")
    table = frame.columns(None, names, [_cells(row, now) for row in rows], whole=names[2:6])
    frame.show(
        rows, table if rows else lambda console: console.print("No sources yet: svodka source add URL")
    )


@source.command()
@click.argument("name")
def pause(name: str) -> None:
    """Fetch it no more until it is resumed. Its posts stay, in digests too."""
    with frame.world() as world, world.database.transaction() as session:
        row = sources.find(session, frame.tenant(session, world.settings.tenant), name)
        sources.pause(session, row)
        value: dict[str, Any] = {"name": name, "paused": True, "subscriptions": sources.readers(session, row)}
    frame.show(value, lambda console: console.print(
        f"{name!r} is paused. What it says meanwhile comes on resuming, as far as it still offers it."
        + _read_by(value["subscriptions"]), markup=False
    ))  # fmt: skip


@source.command()
@click.argument("name")
def resume(name: str) -> None:
    """Fetch it again: at once by the worker, or now by `svodka source fetch`."""
    with frame.world() as world, world.database.transaction() as session:
        row = sources.find(session, frame.tenant(session, world.settings.tenant), name)
        was = row.paused
        sources.resume(session, row, now=world.clock.now())
    said = f"{name!r} is resumed: svodka source fetch {name}" if was else f"{name!r} was not paused."
    frame.show({"name": name, "paused": False}, lambda console: console.print(said, markup=False))


@source.command()
@click.argument("name")
@click.option("--purge", is_flag=True, help="Delete its posts too, and what digests cite of them.")
@click.option("--yes", is_flag=True, help="Yes, delete them.")
def remove(name: str, purge: bool, yes: bool) -> None:
    """Fetch and list it no more. Its posts are kept, unless --purge deletes them."""
    with frame.world() as world, world.database.transaction() as session:
        row = sources.find(session, frame.tenant(session, world.settings.tenant), name)
        value: dict[str, Any] = {
            "name": name,
            **sources.belongings(session, row),
            "subscriptions": sources.readers(session, row),
            "purged": purge,
        }
        if purge and not yes:
            raise UsageError(
                f"this deletes {value['posts']} posts of {name!r}, and {value['citations']} citations of them from the "
                "ledger of digests; stories that nobody else told go too",
                remedy="add --yes, or leave --purge out: they are kept then",
            )
        if purge:
            sources.purge(session, row)
        else:
            sources.remove(session, row, now=world.clock.now())
    frame.show(value, lambda console: console.print(_removed(value), markup=False))


@source.command()
@click.argument("names", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Fetch sources now (all of them when none is named); analyse what came."""
    with frame.world() as world:
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
            sources.check_names(session, tenant_id, names)
            rows = sources.hasten(session, tenant_id, names, now=world.clock.now())
        frame.drive(world, [(job.FETCH.name, row) for row in rows])
        with world.database.transaction() as session:
            found = [row for row in sources.listing(session, tenant_id) if not names or row["name"] in names]
        failed = [row for row in found if row["failures"]]

        def human(console: Console) -> None:
            for row in found:
                state = f"failed: {row['last_error']}" if row["failures"] else f"{row['posts']} posts"
                console.print(f"{row['name']}: {state}", markup=False)

        frame.show(found, human)
    if failed:
        raise click.exceptions.Exit(1)


@source.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="One source name for every entry, whatever the file says.")
@click.option(
    "--map",
    "fields",
    multiple=True,
    metavar="FIELD=NAME",
    help="For JSONL and CSV: at=date, id={channel}/{message_id} ...",
)
@click.option(
    "--families",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON of source → family.",
)
def import_(
    paths: tuple[Path, ...], name: str | None, fields: tuple[str, ...], families: Path | None
) -> None:
    """Import Telegram Desktop exports, JSONL, CSV or feed files. What is good is kept, what is bad is listed."""
    mapping = Mapping.of(fields) if fields else None
    known = read_families(families)
    broken = False
    results: list[dict[str, Any]] = []
    with frame.world() as world:
        with world.database.transaction() as session:
            tenant_id = frame.tenant(session, world.settings.tenant)
        for path in paths:
            report, error = _import_one(world, tenant_id, path, name, mapping, known)
            broken = broken or error is not None or bool(report.bad_count)
            results.append(_result(path, report, error))
        frame.drive(world, [(job.INDEX.name, tenant_id)])
    frame.show(results, lambda console: _print_results(console, results))
    if broken:
        raise click.exceptions.Exit(1)


def _cells(row: dict[str, Any], now: datetime) -> tuple[Any, ...]:
    if row["paused"]:
        health = "paused"
    elif row["failures"]:
        health = f"failed {row['failures']}×: {row['last_error']}"
    else:
        health = "ok" if row["last_success_at"] or row["next_at"] is None else "not fetched yet"
    times = (stamp.short(row[key], now) for key in ("newest", "last_success_at", "next_at"))
    return (row["name"], row["kind"], row["posts"], *times, health)


def _read_by(names: list[str]) -> str:
    return f"\nSubscriptions that name it: {', '.join(names)}" if names else ""


def _removed(value: dict[str, Any]) -> str:
    name = value["name"]
    if value["purged"]:
        said = f"{name!r} is deleted with {value['posts']} posts; digests sent before keep their text."
    else:
        said = (
            f"{name!r} is removed. Its {value['posts']} posts are kept, and those that no digest has answered for yet "
            f"come in the next one; svodka source add under the name {name!r} goes on with them."
        )
    return said + _read_by(value["subscriptions"])


def read_families(path: Path | None) -> dict[str, str]:
    """Return the families that a JSON file names. Raises InputError for a file that is not an object of texts."""
    if path is None:
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: {error}", remedy='expected {"source": "family", ...}') from error
    if not isinstance(value, dict) or not all(isinstance(family, str) for family in value.values()):
        raise InputError(f"{path}: expected an object of texts", remedy='expected {"source": "family", ...}')
    return value


def _import_one(
    world: World,
    tenant_id: int,
    path: Path,
    name: str | None,
    mapping: Mapping | None,
    families: dict[str, str],
) -> tuple[intake.Report, InputError | None]:
    report = intake.Report()
    try:
        for report in intake.take_file(  # noqa: B007  the last one is kept on purpose
            world.intake, tenant_id, path, name=name, mapping=mapping, families=families
        ):
            pass
    except InputError as error:
        return report, error
    return report, None


def _result(path: Path, report: intake.Report, error: InputError | None) -> dict[str, Any]:
    return {
        "file": str(path),
        "read": report.read,
        "new": report.stored.new,
        "edited": report.stored.edited,
        "known": report.stored.same,
        "sources": report.sources,
        "bad": [{"where": bad.where, "why": bad.why} for bad in report.bad],
        "bad_count": report.bad_count,
        "error": str(error) if error else None,
        "remedy": error.remedy if error else None,
    }


def _print_results(console: Console, results: list[dict[str, Any]]) -> None:
    for one in results:
        console.print(
            f"{one['file']}: {one['read']} posts read: {one['new']} new, {one['edited']} edited, {one['known']} known",
            markup=False,
        )
        for bad in one["bad"]:
            console.print(f"  bad: {bad['where']}: {bad['why']}", markup=False)
        if one["bad_count"] > len(one["bad"]):
            console.print(f"  ... and {one['bad_count'] - len(one['bad'])} more")
        if one["error"]:
            console.print(f"  error: {one['error']}", markup=False, style="red")
            if one["remedy"]:
                console.print(f"  → {one['remedy']}", markup=False)


def _show_one(world: World, tenant_id: int, name: str) -> None:
    with world.database.transaction() as session:
        row = next(row for row in sources.listing(session, tenant_id) if row["name"] == name)

    def human(console: Console) -> None:
        console.print(
            f"{name}: {row['posts']} posts" + (f", newest {row['newest']}" if row["newest"] else ""),
            markup=False,
        )
        if row["failures"]:
            console.print(f"  error: {row['last_error']}", markup=False, style="red")
            console.print(f"  → it is kept and tried again at {row['next_at']}")

    frame.show(row, human)
    if row["failures"]:
        raise click.exceptions.Exit(1)
