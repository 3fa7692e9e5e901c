"""How much work passes a worker, against a bare Celery no-op on the same broker in the same run.

    uv run python benchmarks/throughput.py [--processes 1 2 4] [--nudges 600] [--rounds 3] [--runs 60] [--json]

Each line is one worker with so many processes, started with the product's settings. `bare` is an empty Celery task;
`idle` a nudge to a row that is not due, `work` one to a row that is: claimed, settled, its letter looked for, as every
kind of work is. They are queued first and then let loose, in turn, `--rounds` times; rates are medians. `cost` is how
many times a no-op's time the mechanism takes; `cpu` the same of processor time, PostgreSQL's and the worker's together,
which is what a machine with nothing else to do would show: at most 2. `runs` are real digests of small windows, made and written to
a file. Brokers: Valkey from its wheel, and RabbitMQ with quorum queues where Debian's package is installed.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy import func, select, update

from cli.stack import CELERY, children
from services import disk, guard, settings, subscription, wiring, work
from services.clock import SystemClock
from services.database import Database
from services.embedded import Postgres
from services.schema import Delivery, Run, Source
from services.valkey import Valkey
from tasks import job
from tasks.celery import app, process
from tests import rabbit, rows, worlds
from tests.servers import wait_until

QUEUE = "fetch"
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
LIMIT_S = 120.0
MOST_COST = 2.0


def settle(world: wiring.World, lease: work.Lease) -> job.Errands:
    """The least that work can do: end, in its transaction."""
    with world.database.transaction() as session:
        work.settle(session, lease, "due", next_at=NEVER)
    return ()


EMPTY = job.Kind("source.fetch", Source, settle)


def tick() -> None:
    """Count one task, the same way for each kind, in a file that all processes append to."""
    descriptor = os.open(settings.environment("BENCH_TICKS"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b".")
    os.close(descriptor)


@app.task(name="bench.bare")
def bare(_: int) -> None:
    """Do nothing."""
    tick()


@app.task(name="bench.work")
def look(row_id: int) -> None:
    """Do what every task of the product does, with no work inside."""
    job.perform(process.world, EMPTY, row_id)
    tick()


@dataclass(frozen=True)
class Line:
    """One row of the table; rates a second, ``cost`` and ``cpu`` in no-ops."""

    broker: str
    processes: int
    bare: float
    idle: float
    work: float
    cost: float
    cpu: float
    runs: float


@dataclass(frozen=True)
class Pace:
    """Tasks a second, and processor seconds a task."""

    rate: float
    cpu_s: float


class Bench:
    """One worker with its queue closed until it is let loose."""

    def __init__(self, database: Database, folder: Path, processes: int) -> None:
        self.database, self.folder, self.processes = database, folder, processes
        self.roots = [psutil.Process(int(settings.environment("BENCH_POSTGRES")))]
        self.ticks = folder / "ticks"
        self.ticks.touch()

    @contextmanager
    def worker(self) -> Iterator[None]:
        set_ = settings.load()
        argv = (*CELERY, "worker", "-I", "benchmarks.throughput", *children(set_)[0].argv[len(CELERY) + 1 :])
        env = settings.child_environment(worker_processes=str(self.processes), log_level="warning")
        env["BENCH_TICKS"] = str(self.ticks)
        with (self.folder / "worker.log").open("ab") as log:
            ward = guard.Ward(guard.Orders(argv, grace_s=20), log, env=env)
        self.roots = [self.roots[0], psutil.Process(ward.pid)]
        try:
            # Each process loads what it works with before it is measured.
            self.let("bench.work", [0] * 100)
            yield
        finally:
            ward.stop()

    def let(self, task: str, ids: Sequence[int]) -> Pace:
        """Queue a message for each row, open the queue, and return how fast they passed."""
        self.command(app.control.cancel_consumer)
        before = self.done()
        with app.producer_or_acquire() as producer:
            for row_id in ids:
                app.send_task(task, args=[row_id], queue=QUEUE, producer=producer)
        began, burnt = time.perf_counter(), self.burnt()
        self.command(app.control.add_consumer)
        self.await_(lambda: self.done() - before >= len(ids), every_s=0.005)
        return Pace(len(ids) / (time.perf_counter() - began), (self.burnt() - burnt) / len(ids))

    def burnt(self) -> float:
        """Return the processor seconds of the worker and of PostgreSQL so far, their dead children's too."""
        total = 0.0
        for root in self.roots:
            for one in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
        return total

    def await_(self, predicate: Callable[[], bool], *, every_s: float) -> None:
        try:
            wait_until(predicate, timeout_s=LIMIT_S, every_s=every_s)
        except AssertionError as error:
            raise SystemExit(f"{error}; the worker said:\n{disk.tail(self.folder / 'worker.log')}") from None

    @staticmethod
    def command(say: Callable[..., object]) -> None:
        """Say it until the worker answers that it has heard."""
        wait_until(lambda: say(QUEUE, reply=True, limit=1, timeout=2), timeout_s=120)

    def done(self) -> int:
        return self.ticks.stat().st_size

    def rows(self, count: int) -> list[int]:
        """Return so many rows that are due."""
        past = datetime.now(UTC) - timedelta(hours=1)
        with self.database.transaction() as session:
            tenant_id = subscription.tenant(session, "bench", live=False)
            known = session.scalars(select(Source.id).where(Source.tenant_id == tenant_id)).all()
        for number in range(len(known), count):
            rows.feed(self.database, tenant_id, f"feed-{number}", now=past)
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    update(Source)
                    .where(Source.tenant_id == tenant_id)
                    .values(state="due", next_at=past)
                    .returning(Source.id)
                )
            )[:count]

    def nudges(self, count: int) -> dict[str, Pace]:
        """Return the paces of a no-op, of a nudge that finds work, and of one that finds none."""
        due = self.rows(count)
        found = {"bare": self.let("bench.bare", due)}
        found["work"] = self.let("bench.work", due)
        found["idle"] = self.let("bench.work", due)
        return found

    def digests(self, count: int) -> float:
        """Return real runs a second, from the first nudge to the last delivery."""
        ids = self.due_runs(count)
        began = time.perf_counter()
        for run_id in ids:
            app.send_task(job.DIGEST.name, args=[run_id])
        self.await_(partial(self.delivered, ids), every_s=0.05)
        return count / (time.perf_counter() - began)

    def due_runs(self, count: int) -> list[int]:
        """Return runs of as many subscriptions on one analysed day of news."""
        name = f"news-{self.processes}-{time.monotonic_ns()}"
        with self.database.transaction() as session:
            tenant_id = subscription.tenant(session, name, live=False)
        worlds.with_news(self.database, name=name, tenant_id=tenant_id)
        world = wiring.build(settings.load(), SystemClock(), random.Random(7))
        worlds.drive(world, job.INDEX, tenant_id)
        world.close()
        return [rows.run(self.database, tenant_id, name=f"daily-{number}") for number in range(count)]

    def delivered(self, ids: Sequence[int]) -> bool:
        with self.database.transaction() as session:
            runs = select(func.count()).where(Run.id.in_(ids), Run.state == "done")
            sent = select(func.count()).where(Delivery.run_id.in_(ids), Delivery.state == "done")
            return session.scalar(runs) == len(ids) == session.scalar(sent)


def measure(options: argparse.Namespace) -> Iterator[Line]:
    """Yield the lines of the broker that the environment names."""
    set_ = settings.load()
    assert set_.database_url
    for processes in options.processes:
        with TemporaryDirectory() as folder:
            database = Database(set_.database_url.get_secret_value())
            bench = Bench(database, Path(folder), processes)
            with bench.worker():
                rounds = [bench.nudges(options.nudges) for _ in range(options.rounds)]
                runs = bench.digests(options.runs) if options.runs else 0.0
            database.dispose()
        rates = {name: statistics.median(one[name].rate for one in rounds) for name in rounds[0]}
        cost = statistics.median(one["bare"].rate / one["work"].rate for one in rounds)
        cpu = statistics.median(one["work"].cpu_s / one["bare"].cpu_s for one in rounds)
        yield Line(options.broker, processes, **rates, cost=cost, cpu=cpu, runs=runs)


def brokers(folder: Path) -> Iterator[tuple[str, Callable[[ExitStack], str]]]:
    """Yield each broker that this machine has: its name, and what starts it and returns its URL."""
    yield (
        "valkey",
        lambda stack: stack.enter_context(Valkey(folder / "valkey", log=folder / "valkey.log")).url(),
    )
    if why := rabbit.absent():
        print(f"rabbitmq: {why}", file=sys.stderr)
        return
    yield "rabbitmq", lambda stack: stack.enter_context(rabbit.node(folder / "rabbit")).url


def main() -> int:
    """Print the table, or JSON; 1 when the mechanism costs more than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--nudges", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", help="one broker")
    parser.add_argument("--broker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.broker:
        for line in measure(options):
            print(json.dumps(line.__dict__), flush=True)
        return 0
    lines: list[Line] = []
    if not options.json:
        print(
            f"{'broker':10}{'processes':>10}{'bare/s':>9}{'idle/s':>9}{'work/s':>9}{'cost':>7}{'cpu':>7}{'runs/s':>8}"
        )
    with (
        TemporaryDirectory() as name,
        Postgres(Path(name) / "postgres", log=Path(name) / "postgres.log") as postgres,
    ):
        for broker, start in brokers(Path(name)):
            if options.only in {None, broker}:
                lines += _of(broker, start, postgres, Path(name), quiet=options.json)
    if options.json:
        print(json.dumps([line.__dict__ for line in lines], indent=2))
    return int(any(min(line.cost, line.cpu) > MOST_COST for line in lines))


def _of(
    broker: str, start: Callable[[ExitStack], str], postgres: Postgres, folder: Path, *, quiet: bool
) -> Iterator[Line]:
    """Yield the broker's lines, measured by a process that has the broker in its settings from the start."""
    database = Database(postgres.url())
    database.migrate()
    database.dispose()
    with ExitStack() as stack:
        url = start(stack)
        env = settings.child_environment(
            database_url=postgres.url(), broker_url=url, redis_url=url if url.startswith("redis") else "",
            var=str(folder / "var"), log_level="warning",
        )  # fmt: skip
        env["BENCH_POSTGRES"] = str(postgres.pid())
        argv = [sys.executable, __file__, *sys.argv[1:], "--broker", broker]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env=env, text=True) as child:
            for text in child.stdout or ():
                line = Line(**json.loads(text))
                if not quiet:
                    print(
                        f"{line.broker:10}{line.processes:>10}{line.bare:>9.0f}{line.idle:>9.0f}{line.work:>9.0f}"
                        f"{line.cost:>7.2f}{line.cpu:>7.2f}{line.runs:>8.2f}",
                        flush=True,
                    )
                yield line
        if child.returncode:
            raise SystemExit(child.returncode)


if __name__ == "__main__":
    sys.exit(main())
