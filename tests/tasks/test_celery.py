"""The Celery application on a real broker: nudges arrive, sweeps see what is due, and a broker away costs seconds."""

import base64
import json
import logging
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from kombu import pools
from sqlalchemy import select

from cli import stack
from domains.errors import Unavailable
from services import settings
from services.clock import SystemClock
from services.schema import DeadLetter, Delivery, Run, Source, Tenant
from services.valkey import free_port
from tasks import celery as tasks
from tasks import job
from tests import rows, worlds
from tests.servers import wait_until

QUEUE = {name: route["queue"] for name, route in tasks.app.conf.task_routes.items()}
# Three seconds of socket timeout, once to connect and once to ask, and the machine's own slowness.
PATIENCE_S = 30.0


@contextmanager
def pointed_at(url):
    """Let the application publish to ``url``, with connections of its own."""
    before = tasks.app.conf.broker_url
    names = ("broker_url", "broker_read_url", "broker_write_url")
    tasks.app.conf.update(dict.fromkeys(names, url))
    tasks.app._after_fork()
    try:
        yield
    finally:
        pools.reset()
        tasks.app.conf.update(dict.fromkeys(names, before))
        tasks.app._after_fork()


@pytest.fixture
def queues(valkey_url):
    """Return what lies in each queue: (task, row) pairs in their order."""
    with pointed_at(valkey_url), redis.Redis.from_url(valkey_url) as client:
        # What a command of an earlier test sent late is nothing of this one's.
        client.flushall()

        def read():
            return {
                queue: [message(body) for body in reversed(client.lrange(queue, 0, -1))]
                for queue in tasks.app.amqp.queues
                if client.llen(queue)
            }

        yield read


def message(body):
    value = json.loads(body)
    args, kwargs, _ = json.loads(base64.b64decode(value["body"]))
    assert kwargs == {}
    assert value["headers"]["eta"] is None
    return value["headers"]["task"], *args


@pytest.fixture(scope="module")
def _process(_clone, tmp_path_factory):
    """The process's world on the tests' database: built once, since its word lists take a second to read."""
    env = {
        "database_url": _clone[0].engine.url.render_as_string(hide_password=False),
        "var": str(tmp_path_factory.mktemp("process") / "var"),
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in settings.variables(**env).items():
            patched.setenv(name, value)
        tasks.process.close()
        yield tasks.process
        tasks.process.close()


@pytest.fixture
def process(_process, database):
    """The process with a database without rows."""
    return _process


@pytest.fixture
def now():
    return SystemClock().now()


def get(database, model, row_id):
    with database.transaction() as session:
        return session.get_one(model, row_id)


def test_a_nudge_reaches_the_queue_it_is_routed_to(queues):
    errands = [(kind.name, number) for number, kind in enumerate(job.KINDS)]
    assert tasks.nudge(errands) == len(errands)
    assert queues() == {QUEUE[name]: [(name, number)] for name, number in errands}


def test_nudges_keep_their_order(queues):
    tasks.nudge(("digest.make", number) for number in (3, 1, 2))
    assert queues() == {"digest": [("digest.make", 3), ("digest.make", 1), ("digest.make", 2)]}


def test_nothing_to_nudge_needs_no_broker():
    with pointed_at(f"redis://127.0.0.1:{free_port()}/0"):
        assert tasks.nudge([]) == 0


@contextmanager
def silent():
    """A broker that takes connections and swallows what is said."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
        yield f"redis://:hunter2@127.0.0.1:{listening.getsockname()[1]}/0"


def test_a_broker_that_swallows_what_is_said_costs_seconds_and_nothing_else(caplog):
    with silent() as url, pointed_at(url), caplog.at_level(logging.WARNING):
        began = time.monotonic()
        assert tasks.nudge(("digest.make", number) for number in range(1_000)) == 0
        assert time.monotonic() - began < PATIENCE_S
    (record,) = [one for one in caplog.records if one.name == "svodka.tasks"]
    assert "sweeps will" in record.getMessage()
    assert "hunter2" not in caplog.text


def test_a_broker_that_is_full_costs_nothing_but_a_warning(valkey_url):
    with redis.Redis.from_url(valkey_url) as client:
        client.config_set("maxmemory", "1")
        try:
            with pointed_at(valkey_url):
                assert tasks.nudge([("digest.make", 1)]) == 0
        finally:
            client.config_set("maxmemory", "0")


def test_a_broker_that_comes_back_takes_nudges_again(queues, valkey_url):
    with redis.Redis.from_url(valkey_url) as client:
        assert tasks.nudge([("digest.make", 1)]) == 1
        client.client_kill_filter(_type="normal", skipme=True)
        assert wait_until(lambda: tasks.nudge([("digest.make", 2)]))
    assert queues()["digest"][-1] == ("digest.make", 2)


def test_work_is_done_and_its_sequel_nudged_once(process, database, queues, now):
    tenant_id, _ = worlds.with_news(database, day=now - timedelta(days=2))
    run_id = rows.run(
        database, tenant_id, starts_at=now - timedelta(days=2), period=timedelta(days=2), now=now
    )
    tasks.make(run_id)
    (delivery,) = [row for _, row in queues()["delivery"]]
    assert get(database, Run, run_id).state == "done"
    tasks.send(delivery)
    assert get(database, Delivery, delivery).state == "done"
    assert queues() == {"delivery": [("delivery.send", delivery)]}


def test_work_is_kept_when_its_sequel_cannot_be_nudged(process, database, now):
    tenant_id, _ = worlds.with_news(database, day=now - timedelta(days=2))
    run_id = rows.run(
        database, tenant_id, starts_at=now - timedelta(days=2), period=timedelta(days=2), now=now
    )
    with pointed_at(f"redis://127.0.0.1:{free_port()}/0"):
        began = time.monotonic()
        tasks.make(run_id)
        assert time.monotonic() - began < PATIENCE_S
    assert get(database, Run, run_id).state == "done"
    with database.transaction() as session:
        assert session.scalars(select(Delivery.state)).all() == ["due"]


def in_every_state(database, now):
    """Feeds of a live and a past tenant in each state; return those that a sweep must see, oldest first."""
    live, past = rows.tenant(database, "live"), rows.tenant(database, "past", live=False)
    hour = timedelta(hours=1)
    wanted = {}
    for tenant_id in (live, past):
        for name, state, next_at, lease_until in (
            ("due", "due", now - hour, None),
            ("oldest", "due", now - 2 * hour, None),
            ("later", "due", now + hour, None),
            ("leased", "leased", now - hour, now + hour),
            ("expired", "leased", now - 3 * hour, now - hour),
            ("done", "done", now - hour, None),
            ("dead", "dead", now - hour, None),
            ("held", "held", now - hour, None),
            ("unknown", "unknown", now - hour, None),
        ):
            row_id = rows.feed(database, tenant_id, name, now=now)
            with database.transaction() as session:
                row = session.get_one(Source, row_id)
                row.state, row.next_at, row.lease_until = state, next_at, lease_until
            wanted[tenant_id, name] = row_id
    return [wanted[live, name] for name in ("expired", "oldest", "due")]


def test_a_sweep_nudges_exactly_what_is_due_and_again_until_it_is_claimed(process, database, queues, now):
    wanted = in_every_state(database, now)
    expected = [("source.fetch", row) for row in wanted]
    assert tasks.source_due() == 3
    assert queues() == {"fetch": expected}
    assert tasks.source_due() == 3
    assert queues() == {"fetch": expected * 2}


def test_a_sweep_does_not_flood_the_broker(process, database, queues, now, monkeypatch):
    in_every_state(database, now)
    monkeypatch.setattr(tasks, "LIMIT", 2)
    assert tasks.source_due() == 2


def test_windows_close_and_their_runs_are_nudged(process, database, queues, now):
    tenant_id = rows.tenant(database)
    rows.subscribed(database, tenant_id, starts_at=now - timedelta(days=2, hours=1))
    assert tasks.digest_due() == 2
    with database.transaction() as session:
        ids = session.scalars(select(Run.id).order_by(Run.window_end)).all()
    assert queues() == {"digest": [("digest.make", one) for one in ids]}


def test_a_tenant_is_nudged_when_it_has_posts_to_be_analysed(process, database, queues, now):
    idle, busy = rows.tenant(database, "idle"), rows.tenant(database, "busy")
    with database.transaction() as session:
        for one in (idle, busy):
            session.get_one(Tenant, one).state = "done"
    rows.posts(database, busy, rows.feed(database, busy), rows.entry(1, "Something happened."), now=now)
    assert tasks.index_due() == 1
    assert queues() == {"index": [("index.posts", busy)]}


def letter(database, tenant_id, name, state, now, next_at):
    row_id = rows.feed(database, tenant_id, name, now=now)
    with database.transaction() as session:
        session.get_one(Source, row_id).state = "dead"
        row = DeadLetter(
            tenant_id=tenant_id, task="source.fetch", row_id=row_id, kind="transient", error="Unavailable",
            message="", traceback="", fingerprint="", attempt=1, state=state, next_at=next_at, created_at=now,
            updated_at=now, history=[],
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id, row_id


def test_the_sweep_of_letters_replays_what_is_due_once(process, database, queues, now):
    tenant_id, minute = rows.tenant(database), timedelta(minutes=1)
    first, feed = letter(database, tenant_id, "due", "scheduled", now, now - minute)
    for name, state, next_at in (
        ("later", "scheduled", now + 10 * minute),
        ("permanent", "permanent", None),
        ("leased", "leased", None),
    ):
        letter(database, tenant_id, name, state, now, next_at)
    assert tasks.dlq_sweep() == 1
    assert tasks.dlq_sweep() == 0
    assert queues() == {"fetch": [("source.fetch", feed)]}
    assert get(database, DeadLetter, first).state == "pending"
    assert get(database, Source, feed).state == "due"


def test_the_operators_buttons(process, database, queues, now):
    tenant_id = rows.tenant(database)
    one, feed = letter(database, tenant_id, "one", "permanent", now, None)
    other, _ = letter(database, tenant_id, "other", "permanent", now, None)
    tasks.dlq_replay(one)
    tasks.dlq_replay(one)
    tasks.dlq_discard(other)
    assert queues() == {"fetch": [("source.fetch", feed)]}
    assert get(database, DeadLetter, one).state == "pending"
    assert get(database, DeadLetter, other).state == "discarded"


def test_closed_letters_move_into_a_file_by_night(process, database, now):
    tenant_id, long_ago = rows.tenant(database), now - timedelta(days=31)
    old, _ = letter(database, tenant_id, "old", "resolved", long_ago, None)
    letter(database, tenant_id, "open", "permanent", long_ago, None)
    assert tasks.dlq_retain() == 1
    (path,) = (process.world.settings.var / "letters").iterdir()
    assert f'"id": {old},' in path.read_text()
    with database.transaction() as session:
        assert session.scalars(select(DeadLetter.state)).all() == ["permanent"]


def test_a_database_that_is_away_fails_the_sweep_alone(process, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setenv("SVODKA_DATABASE_URL", f"postgresql+psycopg://x@127.0.0.1:{free_port()}/x")
        process.close()
        with pytest.raises(Unavailable):
            tasks.source_due()
    process.close()


def test_a_process_has_one_world_until_it_is_closed(process):
    world = process.world
    assert process.world is world
    process.close()
    assert process.world is not world


def test_a_real_worker_does_a_nudged_run(process, database, queues, valkey_url, tmp_path, now):
    day = now - timedelta(days=2)
    tenant_id, _ = worlds.with_news(database, day=day)
    run_id = rows.run(database, tenant_id, starts_at=day, period=timedelta(days=2), now=now)
    set_ = settings.load()
    worker, _ = stack.children(set_)
    env = settings.child_environment(broker_url=valkey_url, redis_url=valkey_url, worker_processes="1")
    with (tmp_path / "worker.log").open("wb") as log:
        running = subprocess.Popen(worker.argv, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        tasks.nudge([(job.DIGEST.name, run_id)])

        def delivered():
            assert running.poll() is None, (tmp_path / "worker.log").read_text()
            with database.transaction() as session:
                return session.scalars(select(Delivery.state)).all() == ["done"]

        wait_until(delivered, timeout_s=150)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert get(database, Run, run_id).state == "done"
    assert list(set_.digests.glob(f"*run-{run_id}-*.html"))
    assert queues() == {}
    assert "Traceback" not in (tmp_path / "worker.log").read_text()
