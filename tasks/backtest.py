"""What would it have sent? A stream replayed through the real pipeline in event time, on a stopped clock.

    file ─▶ intake.take ─▶ posts of a tenant of its own
         ─▶ for each window's end: index, trend.detect, trend.make, digest.make, delivery.send
         ─▶ OUT/digests/*, stories.jsonl, trends.jsonl, drops.jsonl, summary.json

Nothing here analyses, writes or sends by itself: each window's work goes through `tasks.job.perform`, as in a worker.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from domains import limits
from domains.errors import InputError, Unavailable, UsageError
from domains.post import Bad, Entry
from domains.window import Schedule
from services import inbox, intake, ledger, source, subscription, table, trend, watch, work
from services.channel.file import FileChannel
from services.clock import StoppedClock
from services.index import Indexer
from services.wiring import World
from tasks import job

# What lies before --from teaches boilerplate, duplicates and stories, as a running system would have learned them.
WARM_UP: Final = max(limits.STORY_WINDOW, limits.DUPLICATE_WINDOW)
WRITTEN: Final = ("stories.jsonl", "trends.jsonl", "drops.jsonl", "summary.json")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a backtest. Without ``start`` and ``end`` it covers the whole stream."""

    input: Path
    out: Path
    schedule: Schedule
    start: datetime | None = None
    end: datetime | None = None
    mapping: table.Mapping | None = None
    families: Mapping[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    """What passed by while the input was read."""

    first: datetime | None = None
    last: datetime | None = None
    before: int = 0
    after: int = 0


def backtest(world: World, wish: Wish, progress: Progress) -> dict[str, Any]:
    """Run the backtest, write its files into ``wish.out`` and return what summary.json says.

    Raises InputError for an input without a post in the asked time, UsageError for an empty time.
    """
    began = time.monotonic()
    if wish.start is not None and wish.end is not None and wish.start >= wish.end:
        raise UsageError("--from must lie before --to")
    inbox.sniff(wish.input)
    _prepare(wish.out, wish.input)
    clock = StoppedClock(world.clock.now())
    world = _stopped(world, clock, wish.out)
    tenant_id = _tenant(world, wish.out)
    seen = _Seen()
    report = _read(world, tenant_id, wish, seen, progress)
    if seen.first is None or seen.last is None:
        raise InputError(
            f"{wish.input}: no post {_between(wish)}",
            remedy="check --from, --to and the field mapping (--map)",
        )
    start = wish.start or seen.first
    end = wish.end or seen.last + timedelta(microseconds=1)
    subscription_id = _subscribe(world, tenant_id, wish, start)
    runs = _drive(world, tenant_id, subscription_id, clock, end, progress)
    summary = _write(world, tenant_id, runs, wish, start, end)
    summary |= {
        "outside": {"before": seen.before, "after": seen.after},
        "input": {"read": report.read, "edited": report.stored.edited, "known": report.stored.same,
                  "bad": report.bad_count, "bad_first": [f"{bad.where}: {bad.why}" for bad in report.bad[:20]]},
        "elapsed_s": round(time.monotonic() - began, 1),
    }  # fmt: skip
    (wish.out / "summary.json").write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return summary


def _prepare(out: Path, read: Path) -> None:
    """Make room for the results: only what an earlier backtest wrote there is removed."""
    ours = [out / name for name in WRITTEN]
    if read.resolve() in [path.resolve() for path in ours]:
        raise UsageError(f"--input {read} would be overwritten", remedy="choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / WRITTEN[-1]).exists():
        raise UsageError(f"{out} holds other files", remedy="choose a new or empty folder for --out")
    try:
        (out / "digests").mkdir(parents=True, exist_ok=True)
        for old in (*ours[:-1], *out.glob("digests/*_run-*")):
            old.unlink(missing_ok=True)
        # From here on the folder is known as ours, however this run ends.
        ours[-1].write_text("{}\n", "utf-8")
    except OSError as error:
        raise Unavailable(
            f"cannot write to {out}: {error.strerror}", remedy="choose another --out"
        ) from error


def _stopped(world: World, clock: StoppedClock, out: Path) -> World:
    return replace(
        world,
        clock=clock,
        intake=replace(world.intake, clock=clock),
        indexer=Indexer(world.database, clock, world.language, world.settings.lease_s),
        watcher=watch.Watcher(world.database, clock, world.settings.lease_s),
        channels={"file": FileChannel(out / "digests")},
    )


def _tenant(world: World, out: Path) -> int:
    """Return a fresh tenant for this output folder; what an earlier backtest into it left is removed."""
    name = f"backtest-{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:8]}"
    with world.database.transaction() as session:
        subscription.remove_tenant(session, name)
        return subscription.tenant(session, name, live=False)


def _read(world: World, tenant_id: int, wish: Wish, seen: _Seen, progress: Progress) -> intake.Report:
    entries = _chosen(inbox.read(wish.input, now=world.clock.now(), mapping=wish.mapping), wish, seen)
    default = source.Known(name=wish.input.stem, kind=inbox.sniff(wish.input), family=wish.input.stem)
    report = intake.Report()
    for report in intake.take(world.intake, tenant_id, entries, default, families=wish.families):
        progress("reading", report.read, 0)
    return report


def _chosen(entries: Iterator[Entry | Bad], wish: Wish, seen: _Seen) -> Iterator[Entry | Bad]:
    for entry in entries:
        if isinstance(entry, Bad):
            yield entry
        elif wish.end is not None and entry.at >= wish.end:
            seen.after += 1
        elif wish.start is not None and entry.at < wish.start:
            seen.before += 1
            if entry.at >= wish.start - WARM_UP:
                yield entry
        else:
            seen.first = min(seen.first or entry.at, entry.at)
            seen.last = max(seen.last or entry.at, entry.at)
            yield entry


def _subscribe(world: World, tenant_id: int, wish: Wish, start: datetime) -> int:
    schedule = wish.schedule
    if schedule.period is not None:
        schedule = replace(schedule, anchor=start)
    asked = subscription.Wish(
        name="backtest", schedule=schedule, starts_at=start, channels=(("file", ""),), settings=wish.settings
    )
    with world.database.transaction() as session:
        return subscription.subscribe(session, tenant_id, asked, world.channels)


def _drive(
    world: World, tenant_id: int, subscription_id: int, clock: StoppedClock, end: datetime, progress: Progress
) -> list[int]:
    """Move the clock from window to window, doing at each end what beat and the workers would do."""
    with world.database.transaction() as session:
        ends = subscription.ends_until(session, subscription_id, end)
    runs: list[int] = []
    for number, window_end in enumerate(ends):
        clock.move_to(window_end)
        with world.database.transaction() as session:
            due = subscription.close_windows(session, window_end, tenant_id=tenant_id)
            if window_end == end and not due:
                due = subscription.close_last(session, subscription_id, end)
        # Digests may have a section of trends, so these come first, as they would have by the quarter of an hour.
        with world.database.transaction() as session:
            work.wake_indexing(session, now=window_end, tenant_id=tenant_id)
        _follow(world, [(job.INDEX.name, tenant_id)], (job.INDEX.name,))
        _follow(world, [(job.TREND.name, watch.of(world.database, tenant_id, now=window_end))])
        _follow(world, [(job.DIGEST.name, run_id) for run_id in due])
        runs += due
        progress("digests", number + 1, len(ends))
    return runs


def _follow(world: World, waiting: list[tuple[str, int]], tasks: Sequence[str] = ()) -> None:
    """Do the work, and all that follows from it, or only what follows of these tasks."""
    while waiting:
        task, row_id = waiting.pop(0)
        errands = job.perform(world, job.kind_of(task), row_id)
        waiting += [errand for errand in errands if not tasks or errand[0] in tasks]


def _write(
    world: World, tenant_id: int, runs: Sequence[int], wish: Wish, start: datetime, end: datetime
) -> dict[str, Any]:
    """Write stories.jsonl, trends.jsonl and drops.jsonl and return the counts."""
    dropped: Counter[str] = Counter()
    states: Counter[str] = Counter()
    shown = posts = 0
    with (
        world.database.transaction() as session,
        (wish.out / "stories.jsonl").open("w", encoding="utf-8") as stories,
        (wish.out / "trends.jsonl").open("w", encoding="utf-8") as trends,
        (wish.out / "drops.jsonl").open("w", encoding="utf-8") as drops,
    ):
        for external_id, story in ledger.members(session, tenant_id, start, end):
            posts += 1
            stories.write(json.dumps({"post": external_id, "story": story}, ensure_ascii=False) + "\n")
        for line in trend.lines(session, tenant_id, start, end):
            states[line["state"]] += 1
            trends.write(json.dumps(line, ensure_ascii=False) + "\n")
        for fate in ledger.fates(session, tenant_id):
            if fate["reason"] is None:
                shown += 1
            else:
                dropped[fate["reason"]] += 1
                drops.write(json.dumps(fate, ensure_ascii=False) + "\n")
        windows = ledger.outcomes(session, runs)
    return {
        "posts": posts,
        "shown": shown,
        "dropped": dict(sorted(dropped.items())),
        "trends": states["emerging"],
        "digests": sum(one["state"] == "done" for one in windows),
        "from": start.isoformat(),
        "to": end.isoformat(),
        "windows": windows,
    }


def _between(wish: Wish) -> str:
    return f"between {wish.start.isoformat() if wish.start else '-'} and {wish.end.isoformat() if wish.end else '-'}"
