"""Dead letters by the ten thousand: how long lists take, and that a bulk replay keeps its rate and runs each letter once.

    python -m benchmarks.letters [--letters 10000] [--fingerprints 20] [--rate 50] [--sweepers 2] [--json]

On a PostgreSQL of its own, with the sweeps' clock moved from tick to tick, so that 200 seconds of replaying take as
long as the work in them. Two operators ask for the same bulk replay at once, and ``--sweepers`` sweep at once, as two
beats would make them. Ends with 1 when a list takes 300 ms, a letter is replayed twice or never, or the rate is broken.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import insert, text

from services import bulk, deadletter, letter, replay, subscription
from services.database import Database
from services.embedded import Postgres
from services.letter import Filter
from services.schema import DeadLetter, Source
from tasks import job

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIST_MS = 300
TICK_S = 5
ROUNDS = 15
HOSTS = ("a.example", "b.example", "c.example")


def fill(database: Database, count: int, fingerprints: int) -> int:
    """Write ``count`` letters of failed fetches and twice as many closed ones; return their tenant."""
    with database.transaction() as session:
        tenant_id = subscription.tenant(session, "default")
        sources = [
            {
                "tenant_id": tenant_id, "name": f"feed {number}", "kind": "feed", "family": "f", "polled": True,
                "url": f"https://{HOSTS[number % 3]}/{number}", "state": "dead",
            }
            for number in range(3 * count)
        ]  # fmt: skip
        ids = list(session.scalars(insert(Source).returning(Source.id), sources))
        session.execute(
            insert(DeadLetter), [_letter(tenant_id, row, n, count, fingerprints) for n, row in enumerate(ids)]
        )
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    return tenant_id


def _letter(tenant_id: int, row_id: int, number: int, count: int, fingerprints: int) -> dict[str, object]:
    at = NOW - timedelta(seconds=number)
    return {
        "tenant_id": tenant_id, "task": "source.fetch", "row_id": row_id, "kind": "transient", "attempt": 3,
        "error": "Unavailable", "message": f"{HOSTS[number % 3]} does not answer ({number})", "place": "fetch:raise",
        "traceback": "Traceback (most recent call last):\n" + '  File "fetch.py", line 7, in get\n' * 150,
        "fingerprint": f"{number % fingerprints:016x}", "state": "permanent" if number < count else "resolved",
        "created_at": at, "failed_at": at, "updated_at": at, "payload": {"url": f"https://{HOSTS[number % 3]}/"},
        "history": [{"at": at.isoformat(), "what": "failed: Unavailable", "attempt": n} for n in (1, 2, 3)],
    }  # fmt: skip


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1_000


def lists(database: Database, tenant_id: int) -> dict[str, tuple[float, float]]:
    """Return the median and the longest time of each list, in milliseconds."""

    def page_as_shown(filter_: Filter) -> None:
        with database.transaction() as session:
            letter.groups(session, filter_)
            letter.total(session, filter_)
            letter.page(session, filter_)

    filters = {
        "open, every tenant": Filter(),
        "open, one tenant": Filter(tenant_id),
        "one fingerprint": Filter(tenant_id, fingerprint=f"{7:016x}"),
        "words of the message": Filter(tenant_id, text="b.example does not"),
        "an hour": Filter(tenant_id, since=NOW - timedelta(hours=1)),
        "every state": Filter(tenant_id, states=()),
    }
    found = {}
    for name, filter_ in filters.items():
        times = [timed(lambda filter_=filter_: page_as_shown(filter_)) for _ in range(ROUNDS)]
        found[name] = (median(times), max(times))
    return found


def plan(database: Database, tenant_id: int, rate_s: float, by: str, *, dry_run: bool) -> letter.Plan:
    with database.transaction() as session:
        return letter.bulk(
            session, Filter(tenant_id), job.LETTERS, rate_s=rate_s, dry_run=dry_run, now=NOW, by=by
        )


def sweep(database: Database, now: datetime) -> list[tuple[str, int]]:
    """Replay what is due, as the task ``dlq.sweep`` does."""
    with database.transaction() as session:
        deadletter.settle_finished(session, job.LETTERS, now=now)
        bulk.keep_pace(session, now=now, grace_s=2 * TICK_S)
    errands = []
    while True:
        with database.transaction() as session:
            released, found = letter.sweep(session, job.LETTERS, now=now)
        errands += released
        if found < replay.BATCH:
            return errands


def carry_out(database: Database, count: int, rate_s: float, sweepers: int) -> dict[str, object]:
    """Sweep tick by tick until nothing is left, as so many at once; return what came of it."""
    runs: Counter[tuple[str, int]] = Counter()
    most, took_s, now = 0, 0.0, NOW
    with ThreadPoolExecutor(sweepers) as pool:
        while sum(runs.values()) < count and now < NOW + timedelta(seconds=2 * count / rate_s + 60):
            began = time.perf_counter()
            ticks = list(pool.map(lambda now=now: sweep(database, now), [now] * sweepers))
            took_s += time.perf_counter() - began
            most = max(most, sum(map(len, ticks)))
            for errands in ticks:
                runs.update(errands)
            now += timedelta(seconds=TICK_S)
    return {
        "replayed": len(runs),
        "twice": sum(times > 1 for times in runs.values()),
        "most_in_a_tick": most,
        "allowed_in_a_tick": int(rate_s * TICK_S) + 1,
        "clock_s": (now - NOW).total_seconds() - TICK_S,
        "replays_per_s": sum(runs.values()) / took_s,
    }


def measure(database: Database, options: argparse.Namespace) -> dict[str, object]:
    tenant_id = fill(database, options.letters, options.fingerprints)
    found: dict[str, object] = {"letters": options.letters, "fingerprints": options.fingerprints}
    found["lists_ms"] = lists(database, tenant_id)
    found["dry_run_ms"] = timed(lambda: plan(database, tenant_id, options.rate, "alice", dry_run=True))
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.map(
            lambda by: plan(database, tenant_id, options.rate, by, dry_run=False).letters, ("alice", "bob")
        )
        found["asked_by_two"] = sorted(asked)
    found["ask_ms"] = (time.perf_counter() - began) * 1_000
    found |= carry_out(database, options.letters, options.rate, options.sweepers)
    return found


def show(found: dict[str, object]) -> None:
    print(f"{found['letters']} open letters of {found['fingerprints']} fingerprints, twice as many closed")
    for name, (middle, longest) in found["lists_ms"].items():  # type: ignore[attr-defined]
        print(f"  list: {name:22} {middle:7.1f} ms median {longest:7.1f} ms longest (allowed {LIST_MS})")
    print(f"  dry run of all         {found['dry_run_ms']:12.1f} ms")
    print(f"  two ask for all at once{found['ask_ms']:12.1f} ms; letters each got: {found['asked_by_two']}")
    print(
        f"  replayed {found['replayed']}, twice {found['twice']}; in {found['clock_s']:.0f} s of the clock, at most "
        f"{found['most_in_a_tick']} in {TICK_S} s (allowed {found['allowed_in_a_tick']}); "
        f"sweeps can do {found['replays_per_s']:.0f}/s"
    )


def broken(found: dict[str, object]) -> bool:
    slow = max(longest for _, longest in found["lists_ms"].values()) >= LIST_MS  # type: ignore[attr-defined]
    once = found["replayed"] == found["letters"] and not found["twice"] and sum(found["asked_by_two"]) == found["letters"]  # type: ignore[call-overload]  # fmt: skip
    return slow or not once or found["most_in_a_tick"] > found["allowed_in_a_tick"]  # type: ignore[operator]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--fingerprints", type=int, default=20)
    parser.add_argument("--rate", type=float, default=50.0, help="letters a second")
    parser.add_argument("--sweepers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        server = Postgres(Path(folder) / "postgres", log=Path(folder) / "postgres.log")
        with server:
            database = Database(server.url())
            database.migrate()
            found = measure(database, options)
            database.dispose()
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return int(broken(found))


if __name__ == "__main__":
    sys.exit(main())
