"""Bringing posts in: a file, a feed or a watched folder becomes stored posts, in short transactions.

    read (network, disk) ─▶ parse: Entry | Bad ─▶ batches by source ─▶ post.store, one transaction a batch

What is good is kept even when the rest is not: a `Bad` part is listed and counted, the entries before it are stored.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from domains import post as domain
from domains.errors import InputError, Refused, Unavailable
from domains.ports import Clock
from services import inbox, post, source, table, work
from services.database import Database
from services.fetch import Fetcher

BATCH: Final = 500
LISTED: Final = 100


@dataclass(slots=True)
class Report:
    """What an import did. ``bad`` lists the first parts that could not be read; ``bad_count`` counts them all."""

    stored: post.Stored = field(default_factory=post.Stored)
    sources: dict[str, int] = field(default_factory=dict)
    bad: list[domain.Bad] = field(default_factory=list)
    bad_count: int = 0

    @property
    def read(self) -> int:
        """How many entries were read."""
        return self.stored.new + self.stored.edited + self.stored.same

    def add_bad(self, bad: domain.Bad) -> None:
        """Count a part that could not be read, and list it if the list is not full."""
        self.bad_count += 1
        if len(self.bad) < LISTED:
            self.bad.append(bad)


@dataclass(frozen=True, slots=True)
class Intake:
    """What bringing posts in needs."""

    database: Database
    clock: Clock
    fetcher: Fetcher
    lease_s: float


def take(
    intake: Intake,
    tenant_id: int,
    entries: Iterable[domain.Entry | domain.Bad],
    default: source.Known,
    *,
    families: Mapping[str, str] | None = None,
) -> Iterator[Report]:
    """Store ``entries`` batch by batch, and yield the same growing report after each.

    Entries that name no source go to ``default``; ``families`` names the publisher family of sources.
    """
    report = Report()
    good = _sort_out(entries, report)
    rows: dict[str, int] = {}
    while batch := list(itertools.islice(good, BATCH)):
        by_source: dict[str, list[domain.Entry]] = {}
        for entry in batch:
            by_source.setdefault(entry.source or default.name, []).append(entry)
        with intake.database.transaction() as session:
            now = intake.clock.now()
            for name, group in by_source.items():
                if name not in rows:
                    family = (families or {}).get(name) or group[0].family
                    known = replace(default, name=name, family=family or _family(name, default))
                    rows[name] = source.register(session, tenant_id, known, now=now)
                report.stored += post.store(session, tenant_id, rows[name], group, now)
                report.sources[name] = report.sources.get(name, 0) + len(group)
            work.wake_indexing(session, now=now, tenant_id=tenant_id)
        yield report
    yield report


def take_file(
    intake: Intake,
    tenant_id: int,
    path: Path,
    *,
    name: str | None = None,
    mapping: table.Mapping | None = None,
    families: Mapping[str, str] | None = None,
) -> Iterator[Report]:
    """Import a file of any known kind, as `take` does. Raises InputError for a file that is none."""
    kind = inbox.sniff(path)
    own = name or path.stem
    known = source.Known(name=own, kind=kind, family=(families or {}).get(own, own))
    entries = inbox.read(path, now=intake.clock.now(), mapping=mapping)
    if name:
        entries = (replace(one, source=None) if isinstance(one, domain.Entry) else one for one in entries)
    return take(intake, tenant_id, entries, known, families=families)


def fetch(intake: Intake, lease: work.Lease) -> set[int]:
    """Fetch a claimed source and settle it with its health; return the tenants that have new posts.

    An outage, a refusal that may pass (robots, private address) or a feed that is broken today is the source's health
    and not a failure of ours; what nobody foresaw is raised.
    """
    with intake.database.transaction() as session:
        row = source.get(session, lease.id)
        session.expunge(row)
    retry_after_s: float | None = None
    try:
        if row.kind == "directory":
            report, cursor = _scan(intake, row, lease)
        else:
            report, cursor, retry_after_s = _get(intake, row, lease)
    except (Unavailable, InputError, Refused) as error:
        with intake.database.transaction() as session:
            source.failed(session, lease, error, now=intake.clock.now(), retry_after_s=retry_after_s)
        return set()
    with intake.database.transaction() as session:
        source.succeeded(session, lease, now=intake.clock.now(), **cursor)
    return {row.tenant_id} if report.stored.new or report.stored.edited else set()


def _sort_out(entries: Iterable[domain.Entry | domain.Bad], report: Report) -> Iterator[domain.Entry]:
    for entry in entries:
        if isinstance(entry, domain.Bad):
            report.add_bad(entry)
        else:
            yield entry


def _get(
    intake: Intake, row: Source, tenant_id: int
) -> tuple[Report, dict[str, Any]]:
    """Fetch a feed and store it; return what came and the cursor for next time."""
    url = row.url or ""
    got = intake.fetcher.get(url, etag=row.etag, modified=row.last_modified)
    report = Report()
    if got.not_modified:
        return report, {}
    entries = feed.parse(got.body, url=got.final_url, content_type=got.content_type, now=intake.clock.now())
    known = source.Known(row.name, row.kind, row.family, row.url)
    mine = (replace(one, source=None) if isinstance(one, domain.Entry) else one for one in entries)
    for report in take(intake, tenant_id, mine, known):  # noqa: B007  the last one is kept on purpose
        pass
    return report, {"etag": got.etag, "last_modified": got.modified}
