"""A stack to be broken: real servers, a real worker with snares, beat, one tenant with news, and what must hold after."""

import hashlib
import os
import random
import re
import shutil
import signal
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from cli.stack import CELERY
from domains.errors import Unavailable
from domains.window import Schedule
from services import deadletter, guard, post, settings, stack, subscription, wiring
from services.clock import SystemClock
from services.schema import Claim, Delivery, Run, RunStep, Subscription
from tasks import demo, replay
from tests import rows
from tests.chaos.house import children
from tests.servers import wait_until

INVARIANTS = Path(__file__).with_name("invariants.sql").read_text(encoding="utf-8")
CHANNELS = (("file", ""), ("pigeon", ""))
# Leases and sweeps as short as settings allow. Many processes: Celery replaces dead ones about once a second.
SHORT = {"sweep_s": "1", "lease_s": "2", "retry_base_s": "0.5", "worker_processes": "6", "log_level": "info"}
WAIT_S = 200.0
TELLING = {"run": "id", "run_step": "run_id", "claim": "run_id", "fate": "run_id", "delivery": "run_id"}


class Arena:
    """The stack, and ways to break it. The supervisor tends it only inside `wait`."""

    def __init__(self, var):
        self.var = var
        set_ = settings.load(var=var, digest_dir=var / "digests")
        self._env = settings.variables(**SHORT, digest_dir=str(set_.digests))
        for name in ("snares", "sprung"):
            (var / name).mkdir(parents=True)
        self.stack = stack.Stack(set_, SystemClock(), children(set_, self._env))
        self.stack.start()
        self.world = wiring.build(
            settings.load(var=var, database_url=self.running.database_url),
            SystemClock(),
            random.Random(7),
        )
        self.database = self.world.database

    @property
    def running(self):
        return stack.attach(self.var)

    def close(self):
        self.world.close()
        self.stack.stop()

    def wait(self, predicate, timeout_s=WAIT_S):
        """Return the predicate's first true value; the supervisor works meanwhile, and an outage is only "not yet"."""

        def holds():
            self.stack.tend()
            try:
                return predicate()
            except (Unavailable, OperationalError):
                return False

        try:
            return wait_until(holds, timeout_s=timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.explain()}") from None

    def explain(self):
        """Return what is broken and what the worker said of it, without the noise of messages that come and go."""
        log = (self.var / "log" / "worker.log").read_text(encoding="utf-8", errors="replace")
        said = [line for line in log.splitlines() if " info    celery." not in line]
        try:
            broken = [str(row) for row in self.broken()]
        except OperationalError as error:
            broken = [str(error)]
        return "\n".join([*broken[:20], f"{len(broken)} laws are broken", *said[-40:]])

    # What there is to be done.

    def tenant(self, name, *, sources, live=True):
        """Return a tenant with the example stream's posts, stored and to be analysed; sweeps look only at live ones."""
        example = demo.stream(datetime.now(UTC))
        with self.database.transaction() as session:
            tenant_id = subscription.tenant(session, name, live=live)
        for _ in demo.load(self.world, tenant_id, replace(example, sources=example.sources[:sources])):
            pass
        return tenant_id

    def analysed(self, tenant_id):
        with self.database.transaction() as session:
            return not post.pending(session, tenant_id)

    def subscribe(self, session, tenant_id, name, *, days, paused=True, channels=CHANNELS):
        """Return a subscription to the last ``days`` days; one that is paused has its windows closed by the test."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        wish = subscription.Wish(
            name=name,
            schedule=Schedule(period=timedelta(days=1), anchor=midnight - timedelta(days=days)),
            starts_at=midnight - timedelta(days=days),
            channels=channels,
        )
        return subscription.subscribe(session, tenant_id, wish, rows.anywhere(*dict(channels)), paused=paused)

    def runs(self, session, tenant_id, name, *, subscriptions, days, **rest):
        """Return new due runs, one list a subscription. Nobody sees them before the session's commit."""
        lists = []
        for number in range(subscriptions):
            row_id = self.subscribe(session, tenant_id, f"{name}-{number}", days=days, **rest)
            row = session.get_one(Subscription, row_id)
            lists.append(subscription.close_due(session, row, row.starts_at + timedelta(days=days)))
        return lists

    def snare(self, place, *, times=1, strike="KILL"):
        for number in range(times):
            (self.var / "snares" / f"{place}.{number}.{strike}").touch()

    def sprung(self, place):
        """Return the pids that were struck at ``place``."""
        return [int(path.suffix[1:]) for path in sorted((self.var / "sprung").glob(f"{place}.*"))]

    def set_snares(self):
        return [path.name for path in (self.var / "snares").iterdir()]

    def lines(self, name):
        with suppress(FileNotFoundError):
            return (self.var / name).read_text(encoding="utf-8").splitlines()
        return []

    def done(self, *run_ids):
        """Return whether these runs are done and all their deliveries settled."""
        with self.database.transaction() as session:
            waiting = select(func.count()).where(Run.id.in_(run_ids), Run.state != "done")
            # A run's deliveries are written with its end.
            unsent = select(func.count()).where(
                Delivery.run_id.in_(run_ids), Delivery.state.not_in(("done", "unknown"))
            )
            return not session.scalar(waiting) and not session.scalar(unsent)

    def snapshot(self, run_ids):
        """Return every cell that tells of the runs, and the hashes of their files, as a set that shows what changed."""
        cells = "SELECT id, cell FROM (SELECT {key}, to_jsonb(t) FROM {table} AS t) AS row (id, value), "
        cells += "jsonb_each_text(value) AS cell WHERE id = ANY(%s)"
        with self.database.transaction() as session:
            connection = session.connection()
            found = {
                (table, *row)
                for table, key in TELLING.items()
                for row in connection.exec_driver_sql(cells.format(table=table, key=key), (list(run_ids),))
            }
        files = {path for run_id in run_ids for path in self.files(run_id)}
        return found | {(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}

    def files(self, run_id):
        return sorted((self.var / "digests").rglob(f"*_run-{run_id}-*"))

    def steps(self, run_ids):
        with self.database.transaction() as session:
            return session.scalar(select(func.count()).where(RunStep.run_id.in_(run_ids)))

    def unknown(self, run_ids):
        with self.database.transaction() as session:
            query = select(Delivery.run_id).where(Delivery.run_id.in_(run_ids), Delivery.state == "unknown")
            return set(session.scalars(query))

    def settle(self, run_ids):
        """Wait until the runs are done and nothing is in flight, then return what is broken."""
        self.wait(lambda: self.done(*run_ids))
        with suppress(AssertionError):
            # A lease or a letter may be given up a moment after its work was seen to be done.
            self.wait(lambda: not self.broken(), timeout_s=5)
        return self.broken()

    def broken(self, *spoil):
        """Return every violation of invariants.sql, after the statements ``spoil``, of which nothing is kept."""
        with self.database.engine.connect() as connection:
            connection.exec_driver_sql("CREATE TEMP TABLE sent (key text) ON COMMIT DROP")
            if keys := self.lines("sent.log"):
                connection.exec_driver_sql("INSERT INTO sent VALUES (%s)", [(key,) for key in keys])
            for statement in spoil:
                connection.exec_driver_sql(statement)
            found = [tuple(row) for row in connection.exec_driver_sql(INVARIANTS)]
            connection.rollback()
            return found

    def letter(self, run_id):
        """Return the run's open letter, or None."""
        with self.database.transaction() as session:
            return deadletter.of_row(session, "digest.make", run_id)

    def told_twice(self, run_ids):
        """Return the sentences that more than one of these runs of one subscription tells from the same post."""
        query = (
            select(Claim.sentence)
            .where(Claim.run_id.in_(run_ids))
            .group_by(Claim.post_id, Claim.start, Claim.sentence)
            .having(func.count(func.distinct(Claim.run_id)) > 1)
        )
        with self.database.transaction() as session:
            return list(session.scalars(query))

    def files_of(self, run_ids):
        """Return how many digests in each form lie in the folder for these runs."""
        return sorted(Counter(path.suffix for run_id in run_ids for path in self.files(run_id)).items())

    def resumed_otherwise(self, run_ids):
        """Return the runs whose digest is not what an unbroken run makes of the same window."""
        return [run_id for run_id in run_ids if not replay.replay(self.world, run_id, {}).identical]

    # What is done to it.

    def worker(self):
        """Return the worker's main process and its children."""
        main = psutil.Process(self.running.process("worker").pid)
        return main, main.children()

    def kill_child(self, rng):
        _, children = self.worker()
        with suppress(psutil.NoSuchProcess):
            rng.choice(children).kill()

    def kill_worker(self):
        """Kill the worker with all its children at once, as a machine without power would."""
        main, _ = self.worker()
        os.killpg(main.pid, signal.SIGKILL)

    def kill_beat(self):
        psutil.Process(self.running.process("beat").pid).kill()

    def empty_valkey(self):
        """Kill the broker and delete all it kept; the supervisor starts it again at the same port."""
        guard_or_server = psutil.Process(self.running.process("valkey").pid)
        server = next(
            one for one in (guard_or_server, *guard_or_server.children()) if "valkey-server" in one.name()
        )
        server.kill()
        psutil.wait_procs([server], timeout=10)
        for path in (self.var / "valkey").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def crash_postgres(self):
        """Stop PostgreSQL in its "immediate" mode: no goodbye, recovery from its log at the next start."""
        os.kill(self.running.process("postgres").pid, signal.SIGQUIT)

    def cut_sessions(self):
        """End every session of PostgreSQL but the one that does it."""
        with self.database.transaction() as session:
            session.connection().exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    @contextmanager
    def second_beat(self):
        running = self.running
        urls = {name: getattr(running, name) for name in ("database_url", "broker_url", "redis_url")}
        env = {**settings.child_environment(var=str(self.var), **urls), **self._env}
        with (self.var / "log" / "beat2.log").open("ab") as log:
            ward = guard.Ward(guard.Orders((*CELERY, "beat")), log, env=env)
        try:
            yield
        finally:
            ward.stop()


def processes(var):
    """Return the processes that belong to ``var``: by their arguments, environment or working directory."""
    own = re.compile(rf"{re.escape(str(var))}(/|$|\b)")
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            marks = [*process.cmdline(), process.cwd(), process.environ().get("SVODKA_VAR", "")]
            if any(own.search(mark) for mark in marks):
                found.append(process)
    return found
