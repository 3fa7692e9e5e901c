"""The supervisor, with real servers and children: started in order, revived, and gone without a trace."""

import json
import os
import signal
import stat
import subprocess
import sys
from functools import partial

import psutil
import pytest
import redis

from domains.errors import Busy, Unavailable
from services import settings, stack
from services.clock import SystemClock
from services.database import Database, head
from services.stack import Child, Stack
from services.valkey import ONCE
from tests.servers import wait_until

pytestmark = pytest.mark.xdist_group("stack")

# Says what it was given; when told to stop, says whether the servers still answered.
CHILD = """
import os, signal, socket, sys, time
from urllib.parse import parse_qs, urlsplit

name, book = sys.argv[1:]

def say(what):
    with open(book, "a") as file:
        print(name, what, file=file)

def stop(*_):
    broker = urlsplit(os.environ["SVODKA_BROKER_URL"])
    socket.create_connection((broker.hostname, broker.port)).close()
    database = urlsplit(os.environ["SVODKA_DATABASE_URL"])
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(parse_qs(database.query)["host"][0] + "/.s.PGSQL.5432")
    say("stopped")
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
say(os.environ["EXTRA"])
while True:
    time.sleep(100)
"""
SUPERVISOR = """
import signal, sys
# Tests that a shell runs in the background inherit from it to ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from services import settings
from services.clock import SystemClock
from services.stack import Child, Stack

children = [Child(name, (sys.executable, "-c", sys.argv[3], name, sys.argv[2]), {"EXTRA": "begun"}) for name in "ab"]
with Stack(settings.load(var=Path(sys.argv[1])), SystemClock(), children) as one:
    print("up", flush=True)
    one.watch()
print("down", flush=True)
"""


@pytest.fixture(scope="module")
def var(tmp_path_factory):
    return tmp_path_factory.mktemp("stack") / "var"


@pytest.fixture
def book(tmp_path):
    return tmp_path / "book"


@pytest.fixture
def supervise(var, book):
    """Start supervisors as processes of their own; each is killed at the test's end at the latest."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SUPERVISOR, str(var), str(book), CHILD],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "up\n", process.stderr.read()
        wait_until(lambda: book.exists() and book.read_text().count("begun") % 2 == 0)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def supervisor(var, *children, **overrides):
    return Stack(settings.load(var=var, **overrides), SystemClock(), children)


@pytest.fixture
def sleeper():
    return Child("sleeper", ("sleep", "1000"))


def pids_of(running):
    guards = [psutil.Process(one.pid).ppid() for one in running.processes]
    return {running.pid, *(one.pid for one in running.processes), *guards} - {1, os.getpid()}


def none_lives(pids):
    return not any(psutil.pid_exists(pid) and alive(pid) for pid in pids)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_starts_everything_and_says_what_runs(var, sleeper):
    assert stack.attach(var) is None
    with supervisor(var, sleeper) as one:
        running = stack.attach(var)
        assert running.pid == os.getpid()
        assert {process.name for process in running.processes} == {"postgres", "valkey", "sleeper"}
        # Between its fork and its exec a child is still called what its guard is.
        wait_until(lambda: psutil.Process(running.process("sleeper").pid).name() == "sleep")
        database = Database(running.database_url)
        assert database.revision() == head()
        database.dispose()
        assert redis.Redis.from_url(running.broker_url, retry=ONCE).ping()
        assert f":{running.ports['valkey']}/" in running.broker_url
        one.tend()
        pids = pids_of(running)
    assert none_lives(pids)
    assert stack.attach(var) is None
    assert not (var / "stack.json").exists()


def test_its_record_is_for_its_owner_only(var):
    with supervisor(var):
        assert stat.S_IMODE((var / "stack.json").stat().st_mode) == 0o600


def test_a_second_one_is_told_who_holds_the_folder(var, sleeper):
    with supervisor(var, sleeper):
        with pytest.raises(Busy, match=rf"held by process {os.getpid()} since \d{{4}}-") as caught:
            supervisor(var, sleeper).start()
        assert f"kill {os.getpid()}" in caught.value.remedy
        assert stack.attach(var).process("sleeper")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_stops_children_the_last_first_and_servers_after_them(var, book, supervise, ending):
    process = supervise()
    pids = pids_of(stack.attach(var))
    process.send_signal(ending)
    assert process.wait(100) == 0
    assert process.stdout.read() == "down\n"
    assert book.read_text().splitlines()[2:] == ["b stopped", "a stopped"]
    assert none_lives(pids)
    assert stack.attach(var) is None


def test_killed_with_9_it_leaves_nothing_and_the_next_one_starts(var, supervise, sleeper):
    killed = supervise()
    pids = pids_of(stack.attach(var))
    killed.kill()
    killed.wait()
    wait_until(partial(none_lives, pids), timeout_s=100)
    assert stack.attach(var) is None
    assert stack.attach(var) is None
    with supervisor(var, sleeper):
        assert stack.attach(var).pid == os.getpid()


def test_killed_with_9_the_next_one_need_not_wait_for_the_end(var, supervise, sleeper):
    killed = supervise()
    pids = pids_of(stack.attach(var))
    killed.kill()
    killed.wait()
    with supervisor(var, sleeper):
        assert redis.Redis.from_url(stack.attach(var).broker_url, retry=ONCE).ping()
        # The new one may have taken over the old PostgreSQL: it was never without a user.
        wait_until(lambda: none_lives(pids - pids_of(stack.attach(var))), timeout_s=100)


@pytest.mark.parametrize("name", ["postgres", "valkey", "sleeper"])
def test_what_dies_is_started_again_where_it_was(var, name, sleeper):
    with supervisor(var, sleeper) as one:
        before = stack.attach(var)
        os.kill(before.process(name).pid, signal.SIGKILL)

        def another():
            now = stack.attach(var).process(name)
            return now is not None and now.pid != before.process(name).pid

        one.ready(another, timeout_s=100)
        after = stack.attach(var)
        assert (after.database_url, after.broker_url) == (before.database_url, before.broker_url)
        database = Database(after.database_url)
        assert database.revision() == head()
        database.dispose()


def test_what_keeps_dying_stops_the_stack_and_its_last_words_are_told(var, monkeypatch):
    monkeypatch.setattr(stack, "BACKOFF_S", 0.001)
    broken = Child("broken", (sys.executable, "-c", "raise SystemExit('no such module: sense')"))
    with (
        pytest.raises(Unavailable, match=r"broken died 6 times within 60 s.*no such module: sense") as caught,
        supervisor(var, broken) as one,
    ):
        one.watch()
    assert "broken.log" in caught.value.remedy
    assert (var / "log" / "broken.log").read_text().count("sense") == 6
    assert stack.attach(var) is None


def test_what_keeps_dying_and_is_not_vital_is_tried_again_and_stops_nothing(var, monkeypatch, sleeper):
    monkeypatch.setattr(stack, "BACKOFF_S", 0.001)
    page = Child("page", (sys.executable, "-c", "raise SystemExit('port is taken')"), vital=False)
    with supervisor(var, sleeper, page) as one:
        begun = stack.attach(var).process(sleeper.name)
        one.ready(lambda: (var / "log" / "page.log").read_text().count("taken") > stack.RESTARTS + 2)
        assert stack.attach(var).process(sleeper.name) == begun


def test_waiting_for_what_does_not_come_ends(var, sleeper):
    with (
        supervisor(var, sleeper) as one,
        pytest.raises(Unavailable, match=r"not ready within 0\.1 s"),
    ):
        one.ready(lambda: False, timeout_s=0.1)


def test_servers_of_ones_own_are_used_and_left_alone(var, fresh_database, valkey_url, sleeper):
    url = fresh_database.engine.url.render_as_string(hide_password=False)
    with supervisor(var, sleeper, database_url=url, broker_url=valkey_url, redis_url=valkey_url):
        running = stack.attach(var)
        assert [one.name for one in running.processes] == ["sleeper"]
        assert (running.database_url, running.broker_url, running.ports) == (url, valkey_url, {})
    assert fresh_database.revision() == head()


def test_a_failed_start_leaves_nothing_behind(var, monkeypatch, sleeper):
    def fail(_):
        raise Unavailable("no")

    monkeypatch.setattr(Database, "migrate", fail)
    one = supervisor(var, sleeper)
    with pytest.raises(Unavailable, match="no"):
        one.start()
    assert not one._postgres.alive()
    assert stack.held_by(var) is None
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "var").write_text("")
    with pytest.raises(Unavailable, match=r"var needs a folder where a file stands"):
        supervisor(tmp_path / "var").start()


def test_a_record_that_is_no_record_is_nobody(tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"pid": 1}))
    assert stack.attach(tmp_path) is None
    (tmp_path / "lock").write_text("gibberish")
    assert stack.attach(tmp_path) is None


def test_a_log_that_has_grown_is_turned_while_its_writer_writes(var, monkeypatch):
    monkeypatch.setattr(stack, "ROTATE_S", 0)
    script = "yes a line of a log | head -c 11000000; while :; do echo more; sleep 0.01; done"
    chatty = Child("chatty", ("/bin/sh", "-c", script))
    with supervisor(var, chatty) as one:
        one.ready((var / "log" / "chatty.log.1").exists, timeout_s=100)
        log = var / "log" / "chatty.log"
        one.ready(lambda: log.read_text().endswith("more\n"))
    assert (var / "log" / "chatty.log.1").read_text().startswith("a line of a log\n")
    assert log.read_bytes().strip(b"a line of a log\nmore") == b""
