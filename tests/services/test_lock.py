"""Locks on files: one alone, or many together, until the holder ends in whatever way."""

import os
import subprocess
import sys
import time

import pytest

from domains.errors import Busy
from services import lock
from tests.servers import wait_until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def test_one_holds_it_alone(path):
    held = lock.try_exclusive(path)
    assert lock.try_exclusive(path) is None
    assert not lock.is_shared(path)
    os.close(held)
    assert lock.is_free(path)


def test_many_hold_it_together_and_nobody_alone(path):
    held = [lock.shared(path, time.monotonic()) for _ in range(3)]
    assert lock.is_shared(path)
    assert lock.try_exclusive(path) is None
    for one in held:
        os.close(one)
    assert lock.is_free(path)


@pytest.mark.parametrize("take", [lock.exclusive, lock.shared])
def test_waiting_ends_at_the_deadline(path, take):
    held = lock.try_exclusive(path)
    with pytest.raises(Busy, match="lock is held"):
        take(path, time.monotonic() + 0.05)
    os.close(held)
    os.close(take(path, time.monotonic()))


def test_a_holder_killed_with_9_holds_nothing(path):
    script = (
        "import sys, time; from pathlib import Path; from services import lock\n"
        "held = lock.try_exclusive(Path(sys.argv[1])); print('held', flush=True); time.sleep(100)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    with holder:
        holder.stdout.readline()
        assert not lock.is_free(path)
        holder.kill()
    wait_until(lambda: lock.is_free(path))


def test_a_lock_is_for_its_owner_only(path):
    os.close(lock.try_exclusive(path))
    assert path.stat().st_mode & 0o077 == 0
