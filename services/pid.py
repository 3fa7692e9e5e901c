"""Processes by their ids: which one a guard holds, and since when one runs."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import psutil

from services import guard

FORK_S: Final = 5.0


def guarded_pid(ward: guard.Ward) -> int | None:
    """Return the process id of a guard's child, or None when it has ended."""
    deadline = time.monotonic() + FORK_S
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(ward.pid)
        while ward.exit_code() is None and time.monotonic() < deadline:
            for child in process.children():
                return int(child.pid)
            time.sleep(0.01)
    return None


def begun(pid: int) -> datetime:
    """Return when a process began, or the epoch when it has ended."""
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
    except psutil.NoSuchProcess:
        return datetime.fromtimestamp(0, UTC)
