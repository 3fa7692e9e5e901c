"""Bringing posts in: a file, a feed or a watched folder becomes stored posts, in short transactions.

    read (network, disk) ─▶ parse: Entry | Bad ─▶ batches by source ─▶ post.store, one transaction a batch

What is good is kept even when the rest is not: a `Bad` part is listed and counted, the entries before it are stored.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from domains import post as domain
from domains.errors import InputError, Refused, Unavailable
from domains.ports import Clock
from monitoring import metrics
from monitoring.meter import Counting, Meter
from services import feed, inbox, post, source, table, work
from services.database import Database
from services.fetch import Fetcher
from services.schema import Source

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
    meter: Counting = field(default_factory=lambda: Meter(None))


def take(
    intake: Intake,
    tenant_id: int,
    entries: Iterable[domain.Entry | domain.Bad],
    default: source.Known,
    *,
    families: Mapping[str, str] | None = None,
    lease: work.Lease | None = None,
) -> Iterator[Report]:
    """Store ``entries`` batch by batch, and yield the same growing report after each; each batch extends the lease.

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
            if lease is not None:
                work.extend(session, lease, now=now, lease_s=intake.lease_s)
            for name, group in by_source.items():
                if name not in rows:
                    family = (families or {}).get(name) or group[0].family
                    known = replace(
                        default,
                        name=name,
                        family=family or (default.family if name == default.name else name),
                    )
                    rows[name] = source.register(session, tenant_id, known, now=now)
                stored = post.store(session, tenant_id, rows[name], group, now)
                report.stored += stored
                for outcome in ("new", "edited", "same"):
                    intake.meter.count(metrics.POSTS_IN, getattr(stored, outcome), outcome=outcome)
                report.sources[name] = report.sources.get(name, 0) + len(group)
            work.wake_indexing(session, now=now, tenant_id=tenant_id)
        yield report
    intake.meter.count(metrics.POSTS_IN, report.bad_count, outcome="bad")
    yield report


def take_file(
    intake: Intake,
    tenant_id: int,
    path: Path,
    *,
    name: str | None = None,
    mapping: table.Mapping | None = None,
    families: Mapping[str, str] | None = None,
    lease: work.Lease | None = None,
) -> Iterator[Report]:
    """Import a file of any known kind, as `take` does. Raises InputError for a file that is none."""
    kind = inbox.sniff(path)
    own = name or path.stem
    known = source.Known(name=own, kind=kind, family=(families or {}).get(own, own))
    entries = inbox.read(path, now=intake.clock.now(), mapping=mapping)
    if name:
        entries = (replace(one, source=None) if isinstance(one, domain.Entry) else one for one in entries)
    return take(intake, tenant_id, entries, known, families=families, lease=lease)


def fetch(intake: Intake, lease: work.Lease) -> set[int]:
    """Fetch a claimed source and settle it with its health; return the tenants that have new posts.

    An outage, a refusal that may pass (robots, private address) or a feed that is broken today is the source's health
    and not a failure of ours; what nobody foresaw is raised.
    """
    with intake.database.transaction() as session:
        row = source.get(session, lease.id)
    try:
        came = _scan(intake, row, lease) if row.kind == "directory" else _get(intake, row, lease)
    except (Unavailable, InputError, Refused) as error:
        with intake.database.transaction() as session:
            source.failed(session, lease, error, now=intake.clock.now())
        intake.meter.count(metrics.FETCHES, outcome="failed")
        return set()
    with intake.database.transaction() as session:
        now = intake.clock.now()
        if came.wait_s is None:
            source.succeeded(session, lease, now=now, **came.settled)
        elif came.busy:
            source.failed(session, lease, Unavailable("the server is busy"), now=now, wait_s=came.wait_s)
        else:
            work.settle(session, lease, "due", next_at=now + timedelta(seconds=came.wait_s), expiries=0)
    intake.meter.count(metrics.FETCHES, outcome="failed" if came.busy else "ok")
    return {row.tenant_id} if came.report.stored.new or came.report.stored.edited else set()


@dataclass(frozen=True, slots=True)
class _Came:
    """What a fetch brought, and the columns of the source that it settles.

    ``wait_s`` says that nothing came because the host asked to wait, or was asked a moment ago; ``busy`` that it told
    us so itself.
    """

    report: Report
    settled: dict[str, Any]
    wait_s: float | None = None
    busy: bool = False


def _get(intake: Intake, row: Source, lease: work.Lease) -> _Came:
    """Fetch a feed and store it."""
    got = intake.fetcher.get(row.url or "", etag=row.etag, modified=row.last_modified)
    if got.retry_after_s is not None:
        return _Came(Report(), {}, wait_s=got.retry_after_s, busy=got.status != 0)
    if got.not_modified:
        return _Came(Report(), {})
    entries = feed.parse(got.body, url=got.final_url, content_type=got.content_type, now=intake.clock.now())
    mine = (replace(one, source=None) if isinstance(one, domain.Entry) else one for one in entries)
    known = source.Known(row.name, row.kind, row.family, row.url)
    report = _last(take(intake, row.tenant_id, mine, known, lease=lease))
    settled = {"etag": got.etag, "last_modified": got.modified, "last_error": _complaint(report.bad)}
    if got.moved_to:
        settled["url"] = got.moved_to
    return _Came(report, settled)


def _scan(intake: Intake, row: Source, lease: work.Lease) -> _Came:
    """Import the new and changed files of a watched folder; one that cannot be read waits until it changes."""
    seen = {name: inbox.Stamp(*stamp) for name, stamp in row.cursor.get("files", {}).items()}
    found = inbox.scan(Path(row.url or ""), seen, now=intake.clock.now())
    report = Report(bad=list(found.skipped), bad_count=len(found.skipped))
    for file in found.fresh:
        try:
            one = _last(take_file(intake, row.tenant_id, file.path, lease=lease))
        except InputError as error:
            report.add_bad(domain.Bad(file.name, str(error)))
            continue
        report.stored += one.stored
        for bad in one.bad:
            report.add_bad(bad)
        # File by file, so that a worker that dies over the third does not begin with the first again.
        seen[file.name] = file.stamp
        with intake.database.transaction() as session:
            work.note(session, lease, cursor=_cursor(seen))
    stamps = seen | {file.name: file.stamp for file in (*found.fresh, *found.touched)}
    return _Came(report, {"cursor": _cursor(stamps), "last_error": _complaint(report.bad)})


def _cursor(stamps: Mapping[str, inbox.Stamp]) -> dict[str, Any]:
    files = {name: [stamp.size, stamp.mtime_ns, stamp.sha256] for name, stamp in sorted(stamps.items())}
    return {"files": files}


def _last(reports: Iterator[Report]) -> Report:
    """Run an import to its end and return its last report."""
    return deque(reports, maxlen=1).pop()


def _complaint(bad: list[domain.Bad]) -> str | None:
    """Return what could not be read, for the source's health, or None."""
    if not bad:
        return None
    rest = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"{bad[0].where}: {bad[0].why}{rest}"[: source.ERROR_CHARS]


def _sort_out(entries: Iterable[domain.Entry | domain.Bad], report: Report) -> Iterator[domain.Entry]:
    for entry in entries:
        if isinstance(entry, domain.Bad):
            report.add_bad(entry)
        else:
            yield entry
