"""Guards, with real processes: what they own never outlives its reason."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from services import guard, lock
from services.guard import Orders, Ward
from tests.servers import wait_until

# Writes its process ids, then sleeps; its own child is in its process group and deaf to SIGTERM.
FAMILY = """
trap '' TERM
sh -c 'trap "" TERM; echo $$ >> "$0"; while :; do sleep 100; done' "$0" &
{trap}
echo $$ >> "$0"
while :; do sleep 100 & wait $!; done
"""
OBEDIENT = FAMILY.format(trap="trap 'exit 7' TERM")
STUBBORN = FAMILY.format(trap=":")


@pytest.fixture
def log(tmp_path):
    with (tmp_path / "guard.log").open("ab") as file:
        yield file


@pytest.fixture
def family(tmp_path):
    """Return how to run a family of two, and wait for their process ids."""
    path = tmp_path / "pids"

    def argv(script):
        return ["/bin/sh", "-c", script, str(path)]

    def pids():
        return wait_until(
            lambda: path.exists() and len(path.read_text().split()) == 2 and path.read_text().split()
        )

    return argv, lambda: [int(pid) for pid in pids()]


def gone(pids):
    return lambda: not any(psutil.pid_exists(pid) and not is_zombie(pid) for pid in pids)


def is_zombie(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 128 + signal.SIGKILL)]
)
def test_the_exit_code_is_the_childs_or_what_a_shell_would_say(log, script, code):
    ward = Ward(Orders(["/bin/sh", "-c", script]), log)
    wait_until(lambda: ward.exit_code() is not None)
    assert ward.stop() == code


def test_stopping_ends_the_child_and_what_it_leaves_behind(family, log):
    argv, pids = family
    ward = Ward(Orders(argv(OBEDIENT)), log)
    started = pids()
    assert ward.exit_code() is None
    assert ward.stop() == 7
    wait_until(gone(started))


def test_a_child_that_does_not_stop_is_killed_after_its_grace(family, log):
    argv, pids = family
    ward = Ward(Orders(argv(STUBBORN), grace_s=0.3), log)
    started = pids()
    assert ward.stop() == 128 + signal.SIGKILL
    wait_until(gone(started))


def test_an_owner_killed_with_9_leaves_nothing(family, tmp_path):
    argv, pids = family
    script = f"""
    import time
    from services.guard import Orders, Ward
    ward = Ward(Orders({argv(STUBBORN)!r}, grace_s=0.3), open({str(tmp_path / "log")!r}, "ab"))
    print(ward.pid, flush=True)
    time.sleep(100)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
    with owner:
        guard_pid = int(owner.stdout.readline())
        started = [guard_pid, *pids()]
        owner.kill()
    wait_until(gone(started))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_guard_killed_with_9_takes_its_child_along(log):
    ward = Ward(Orders(["sleep", "100"]), log)
    child = wait_until(lambda: psutil.Process(ward.pid).children())[0]
    wait_until(lambda: child.name() == "sleep")
    os.kill(ward.pid, signal.SIGKILL)
    wait_until(gone([child.pid]))
    assert ward.stop() == -signal.SIGKILL


def test_a_guard_that_waits_for_a_lock_lives_apart_and_stops_when_nobody_holds_it(family, log, tmp_path):
    argv, pids = family
    users = [lock.shared(tmp_path / "use", deadline=0) for _ in range(2)]
    first = guard.spawn(Orders(argv(OBEDIENT), lock=str(tmp_path / "use")), log)
    assert first.wait(60) == 0
    started = pids()
    os.close(users.pop())
    assert not gone(started)()
    os.close(users.pop())
    wait_until(gone(started))
    wait_until(lambda: lock.is_free(tmp_path / "use"))


def test_a_kept_descriptor_lives_as_long_as_the_childs_processes(family, log, tmp_path):
    argv, pids = family
    held = lock.try_exclusive(tmp_path / "run")
    ward = Ward(Orders(argv(OBEDIENT), keep=[held]), log)
    os.close(held)
    pids()
    assert not lock.is_free(tmp_path / "run")
    ward.stop()
    wait_until(lambda: lock.is_free(tmp_path / "run"))


def test_output_goes_to_the_log_and_signals_are_heard_by_the_child(log, tmp_path):
    script = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)"
    ward = Ward(Orders([sys.executable, "-c", script]), log)
    wait_until(lambda: ward.exit_code() is not None)
    assert (tmp_path / "guard.log").read_text() == "set()\n"


def test_a_child_hears_ctrl_c_though_we_were_told_to_ignore_it(log):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ward = Ward(Orders(["sleep", "100"], stop_signal=signal.SIGINT), log)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ward.stop() == 128 + signal.SIGINT


def test_a_working_directory_with_modules_named_like_pythons_changes_nothing(log, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    ward = Ward(Orders(["pwd"]), log, cwd=tmp_path)
    wait_until(lambda: ward.exit_code() is not None)
    assert ward.stop() == 0
    assert (tmp_path / "guard.log").read_text().strip() == str(tmp_path)


def test_a_command_that_does_not_exist_says_so_in_the_log(log, tmp_path):
    ward = Ward(Orders(["/no/such/command"]), log)
    wait_until(lambda: ward.exit_code() is not None)
    assert ward.stop() == 1
    assert "/no/such/command" in (tmp_path / "guard.log").read_text()
