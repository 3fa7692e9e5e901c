"""Locks on files (flock): the kernel drops them with their holder, so none is ever stale."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from domains.errors import Busy

POLL_S: Final = 0.03


def try_exclusive(path: Path) -> int | None:
    """Return a descriptor that holds ``path`` alone until it is closed, or None when somebody holds it."""
    return _take(path, fcntl.LOCK_EX)


def exclusive(path: Path, deadline: float) -> int:
    """Return a descriptor that holds ``path`` alone until it is closed.

    Raises Busy when somebody holds it past ``deadline`` (of `time.monotonic`).
    """
    return _await(path, fcntl.LOCK_EX, deadline)


def shared(path: Path, deadline: float) -> int:
    """Return a descriptor that holds ``path`` with others until it is closed.

    Raises Busy when somebody holds it alone past ``deadline`` (of `time.monotonic`).
    """
    return _await(path, fcntl.LOCK_SH, deadline)


def is_free(path: Path) -> bool:
    """Return whether nobody holds ``path`` in any way."""
    return _probe(path, fcntl.LOCK_EX)


def is_shared(path: Path) -> bool:
    """Return whether ``path`` could be held with others, because nobody holds it alone."""
    return _probe(path, fcntl.LOCK_SH)


def _await(path: Path, kind: int, deadline: float) -> int:
    while (held := _take(path, kind)) is None:
        if time.monotonic() > deadline:
            raise Busy(f"{path} is held", remedy="wait until the other command has stopped, then try again")
        time.sleep(POLL_S)
    return held


def _probe(path: Path, kind: int) -> bool:
    held = _take(path, kind)
    if held is not None:
        os.close(held)
    return held is not None


def _take(path: Path, kind: int) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
