"""The long form of chaos: many runs, a fault every few seconds, and a report of what became of all of them.

    python -m tests.chaos.storm --broker valkey --runs 500 --faults 100 --seed 1 --report docs/chaos-valkey.md

Runs are written by a scripted model over loopback. Whatever dies, each run has to end exactly one way; what "well" means
is in invariants.sql. An operator's part is played at the end: letters that gave up are replayed and counted.
"""

import argparse
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

import psutil
from sqlalchemy import func, select

from domains.errors import Unavailable
from services import deadletter, guard, settings, stack, wiring
from services.clock import SystemClock
from services.schema import DeadLetter, Delivery, Run
from tasks import job
from tests.chaos import broker as brokers
from tests.chaos.arena import CELERY, SHORT, Arena, processes
from tests.chaos.house import House
from tests.llm_server import LlmServer, hang, status
from tests.provider import Retelling, author

# A question to a model takes its time; a worker that waits for it is not dead.
LEASE_S = 10
JUMP_S = 3 * LEASE_S
SETTINGS = {**SHORT, "lease_s": str(LEASE_S), "worker_processes": "4", "model_attempt_s": "1"}
SUBSCRIPTIONS, DAYS = 5, 1
IN_FLIGHT = 6
SETTLE_S = 600.0
FAILING = """
CREATE OR REPLACE FUNCTION chaos_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER chaos_fail BEFORE {event} FOR EACH ROW EXECUTE FUNCTION chaos_fail()
"""


@dataclass
class Storm:
    """What is happening: the arena, the broker, the provider, and what has to be undone at its time."""

    arena: "Battered"
    broker: object
    provider: LlmServer
    rng: random.Random
    later: list = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def say(self, what):
        """Tell whoever waits, on standard error, how far the storm is."""
        print(f"{time.monotonic() - self.began:6.1f} s  {what}", file=sys.stderr, flush=True)  # noqa: T201

    def after(self, seconds, undo):
        self.later.append((time.monotonic() + seconds, undo))

    def tend(self, *, all_of_it=False):
        for due, undo in sorted(self.later, key=lambda pair: pair[0]):
            if all_of_it or due <= time.monotonic():
                self.later.remove((due, undo))
                undo()

    # The faults. Each returns at once; what lasts is undone later.

    def child_killed(self):
        self.arena.kill_child(self.rng)

    def worker_killed(self):
        self.arena.kill_worker()

    def beat_killed(self):
        self.arena.kill_beat()

    def supervisor_killed(self):
        self.arena.stack.kill()

    def child_asleep_beyond_its_lease(self):
        _, children = self.arena.worker()
        child = self.rng.choice(children)
        child.suspend()
        self.after(LEASE_S + 4, lambda: _resume(child))

    def broker_killed(self):
        self.broker.kill(empty=False)

    def broker_emptied(self):
        self.broker.kill(empty=True)

    def broker_silent(self):
        self.broker.tunnel.swallow()
        self.after(self.rng.uniform(3, 8), self.broker.tunnel.pass_on)

    def broker_cut_off(self):
        self.broker.tunnel.cut()

    def postgres_crashed(self):
        self.arena.crash_postgres()

    def sessions_cut(self):
        self.arena.cut_sessions()

    def disk_full_for_manifests(self):
        self._failing("could not extend file: No space left on device", "53100", "INSERT ON artifact")

    def serialization_failures(self):
        self._failing("could not serialize access due to concurrent update", "40001", "UPDATE ON run")

    def provider_hangs(self):
        self._answering(hang)

    def provider_fails(self):
        self._answering(status(500))

    def second_beat(self):
        beat = self.arena.beat()
        self.after(4, beat.stop)

    def clock_jumps(self):
        """Set the workers' clock forward or back by more than a lease, and right again after a while."""
        clock = self.arena.var / "clock"
        clock.write_text(str(self.rng.choice((-JUMP_S, JUMP_S))), "ascii")
        self.after(self.rng.uniform(2, 5), lambda: clock.unlink(missing_ok=True))

    def _failing(self, message, code, event):
        """Let PostgreSQL refuse a write for a while, with the very error it would give."""
        table = event.rsplit(" ", 1)[1]

        def undo():
            self.arena.patiently(f"DROP TRIGGER IF EXISTS chaos_fail ON {table}")

        self.arena.patiently(FAILING.format(message=message, code=code, event=event))
        self.after(self.rng.uniform(0.5, 2.0), undo)

    def _answering(self, behave):
        self.provider.answer = behave
        self.after(self.rng.uniform(1, 4), lambda: setattr(self.provider, "answer", author(Retelling())))


FAULTS = tuple(
    name
    for name, value in vars(Storm).items()
    if callable(value) and not name.startswith("_") and name not in {"say", "after", "tend"}
)


class Battered(Arena):
    """An arena whose stack is a process of its own, on a broker of the storm's."""

    def __init__(self, var, broker_url, provider_url):
        self.var = var
        model = {"model_provider": "vllm", "model_name": "scripted", "model_base_url": provider_url}
        self.values = {**SETTINGS, **model, "digest_dir": str(var / "digests"), "var": str(var)}
        self._env = settings.variables(**self.values)
        for name in ("snares", "sprung"):
            (var / name).mkdir(parents=True)
        environment = settings.child_environment(**self.values, broker_url=broker_url)
        self.stack = House(var, environment)
        self.stack.start()
        self.world = wiring.build(
            settings.load(var=var, database_url=stack.attach(var).database_url),
            SystemClock(),
            random.Random(7),
        )
        self.database = self.world.database

    def patiently(self, statements):
        """Execute statements, again after an outage."""

        def done():
            with self.database.transaction() as session:
                session.connection().exec_driver_sql(statements)
            return True

        self.wait(done)

    def beat(self):
        """Start one more beat and return its guard."""
        running = self.running
        urls = {name: getattr(running, name) for name in ("database_url", "broker_url", "redis_url")}
        env = {**settings.child_environment(var=str(self.var), **urls), **self._env}
        with (self.var / "log" / "beat2.log").open("ab") as log:
            return guard.Ward(guard.Orders((*CELERY, "beat")), log, env=env)

    def undone(self, run_ids):
        with self.database.transaction() as session:
            return session.scalar(
                select(func.count()).where(Run.id.in_(run_ids), Run.state.not_in(("done", "dead", "held")))
            )

    def permanent(self):
        with self.database.transaction() as session:
            return list(session.scalars(select(DeadLetter.id).where(DeadLetter.state == "permanent")))

    def tally(self, column, of=None):
        with self.database.transaction() as session:
            query = select(column, func.count()).group_by(column)
            return dict(session.execute(query if of is None else query.where(of)).all())


def _resume(process):
    with suppress(psutil.NoSuchProcess):
        process.resume()


def rage(storm, tenant_id, *, runs, faults, names=FAULTS):
    """Let ``faults`` faults happen to ``runs`` runs; return the runs and how often each fault struck."""
    struck, made = Counter(), []
    deck = [names[number % len(names)] for number in range(faults)]
    storm.rng.shuffle(deck)
    for number, name in enumerate(deck):
        strike(storm, tenant_id, name, made, wanted=round(runs * (number + 1) / faults), struck=struck)
    storm.tend(all_of_it=True)
    return made, struck


def strike(storm, tenant_id, name, made, *, wanted, struck):
    """Make runs up to ``wanted``, let one fault happen in their midst, and wait until most of them are done."""
    arena = storm.arena
    storm.say(f"{len(made)} runs, {sum(struck.values())} faults; next: {name}")

    def wait(predicate, timeout_s=SETTLE_S):
        return arena.wait(lambda: (storm.tend(), predicate())[1], timeout_s=timeout_s)

    while (number := len(made)) < wanted:
        made += wait(partial(more, arena, tenant_id, number))
    seen = wait(lambda: arena.steps(made) + 1) + storm.rng.randint(1, 30)
    wait(lambda: arena.steps(made) >= seen or not arena.undone(made))
    try:
        getattr(storm, name)()
        struck[name] += 1
    except (psutil.Error, Unavailable, AttributeError, IndexError):
        # What was to be broken is being started again just now; the next fault takes its turn.
        struck["found nothing to break"] += 1
    wait(lambda: arena.undone(made) <= IN_FLIGHT)


def more(arena, tenant_id, number):
    """Return new due runs."""
    with arena.database.transaction() as session:
        name = f"storm-{number}"
        return list(chain(*arena.runs(session, tenant_id, name, subscriptions=SUBSCRIPTIONS, days=DAYS)))


def operate(arena):
    """Replay what gave up, as an operator would, until nothing has; return how many replays that took."""
    replays = 0

    def quiet():
        nonlocal replays
        for letter in arena.permanent():
            job.replay(arena.world, letter, by="operator")
            replays += 1
        with arena.database.transaction() as session:
            waiting = session.scalar(select(func.count()).where(DeadLetter.state.in_(deadletter.dlq.OPEN)))
        return not waiting

    arena.wait(quiet, timeout_s=SETTLE_S)
    return replays


def weather(options):
    """Run the storm and return (what is broken, the report's text)."""
    began = time.monotonic()
    with ExitStack() as opened:
        var = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="storm-"))) / "var"
        var.mkdir()
        broker = opened.enter_context(brokers.opened(options.broker, var.parent / "broker"))
        provider = opened.enter_context(LlmServer(author(Retelling())))
        arena = Battered(var, broker.url, provider.url)
        try:
            storm = Storm(arena, broker, provider, random.Random(options.seed))
            tenant_id = arena.tenant("storm", sources=2)
            arena.wait(lambda: arena.analysed(tenant_id), timeout_s=SETTLE_S)
            runs, struck = rage(
                storm, tenant_id, runs=options.runs, faults=options.faults, names=options.only or FAULTS
            )
            arena.wait(lambda: not arena.undone(runs), timeout_s=SETTLE_S)
            replays = operate(arena)
            arena.wait(lambda: arena.done(*runs), timeout_s=SETTLE_S)
            broken = arena.settle(runs)
            arena.wait(lambda: not arena.world.gateways.budget.expire() or True)
            text = report(options, arena, runs, struck, replays, broken, time.monotonic() - began)
        except BaseException:
            print(arena.explain(), file=sys.stderr)  # noqa: T201
            raise
        finally:
            arena.close()
        left = [process.cmdline() for process in processes(var)]
    return [*broken, *(("no process is left", str(line), "") for line in left)], text


def report(options, arena, runs, struck, replays, broken, took_s):
    """Return the storm's report in Markdown."""
    only = f" --only {' '.join(options.only)}" if options.only else ""
    ours = Delivery.run_id.in_(runs)
    tables = {
        "Faults": dict(sorted(struck.items())),
        "Runs by state": arena.tally(Run.state, Run.id.in_(runs)),
        "Runs by the lowest rung among their stories (a scripted model writes most)": arena.tally(
            Run.rung, Run.id.in_(runs)
        ),
        "Deliveries by state": arena.tally(Delivery.state, ours),
        "Deliveries unknown, by channel": arena.tally(Delivery.channel, ours & (Delivery.state == "unknown")),
        "Dead letters by class": arena.tally(DeadLetter.kind),
    }
    lines = [
        f"# A storm on {options.broker}",
        "",
        (
            f"Written by `python -m tests.chaos.storm --broker {options.broker} --runs {options.runs} --faults "
            f"{options.faults} --seed {options.seed}{only}` on {datetime.now(UTC):%Y-%m-%d}, Python "
            f"{platform.python_version()}, {psutil.cpu_count()} cores, in {took_s / 60:.1f} minutes."
        ),
        "",
        (
            f"{len(runs)} runs, {sum(struck.values())} faults, {arena.stack.deaths} supervisors started again, "
            f"{replays} letters replayed by an operator. **Laws broken: {len(broken)}.**"
        ),
        "",
    ]
    for title, counts in tables.items():
        lines += [f"| {title} | |", "|---|---:|"]
        lines += [f"| {str(name).replace('_', ' ')} | {count} |" for name, count in counts.items()] or [
            "| none | 0 |"
        ]
        lines.append("")
    lines += [f"- {' / '.join(map(str, row))}" for row in broken]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--broker", choices=brokers.BROKERS, required=True)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=FAULTS, help="these faults alone")
    parser.add_argument("--report", type=Path, help="write the report to this file as well")
    options = parser.parse_args()
    why = brokers.absent(options.broker)
    if why:
        print(f"skipped: {why}")  # noqa: T201
        return
    broken, text = weather(options)
    print(text)  # noqa: T201
    if options.report:
        options.report.write_text(text, encoding="utf-8")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
