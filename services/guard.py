"""A guard: a small process that owns one child and never outlives the reason for it. Standard library only.

    owner ──(pipe or lock)──▶ guard ──(process group)──▶ server, worker, beat

The owner may be killed with -9, so the guard does not wait for its goodbye: it waits for the end of a pipe that only the
owner holds open, or for a lock that only owners hold. Then it asks the child to stop, and after a deadline kills the
child's whole process group. If the guard itself is killed, Linux signals the child (PR_SET_PDEATHSIG).
"""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

PR_SET_PDEATHSIG: Final = 1
LATE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run and when to stop it. ``keep``: descriptors, such as held locks, that the child's processes share."""

    argv: Sequence[str]
    stop_signal: int = signal.SIGTERM
    grace_s: float = 10.0
    pipe: int | None = None  # stop at this descriptor's end
    lock: str | None = (
        None  # stop when this file can be locked exclusively, and live apart from who started it
    )
    keep: Sequence[int] = ()
    uid: int | None = None
    gid: int | None = None


class Ward:
    """A child process that ends when it is told to, or when this process ends in whatever way."""

    def __init__(
        self, orders: Orders, log: BinaryIO, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.grace_s = orders.grace_s
        end, self._held = os.pipe()
        with ExitStack() as undo:
            undo.callback(self.ask_to_stop)
            try:
                self._guard = spawn(replace(orders, pipe=end), log, env=env, cwd=cwd)
            finally:
                os.close(end)
            undo.pop_all()

    @property
    def pid(self) -> int:
        """The guard's process id; the child is its child."""
        return self._guard.pid

    def exit_code(self) -> int | None:
        """Return None while the child runs, else its exit code, or 128 plus the signal that ended it."""
        return self._guard.poll()

    def ask_to_stop(self) -> None:
        """Begin to stop the child; returns at once."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def stop(self) -> int:
        """Stop the child, by force after its grace; return the exit code."""
        self.ask_to_stop()
        try:
            return self._guard.wait(self.grace_s + LATE_S)
        except subprocess.TimeoutExpired:
            # Only a guard that was itself stopped (SIGSTOP) is this late; its death signals the child.
            self._guard.kill()
            return self._guard.wait()


def spawn(
    orders: Orders, log: BinaryIO, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a guard with its child and return it; output goes to ``log``. SIGTERM to the guard stops both.

    With a ``lock`` the returned process ends at once, while the guard goes on by itself.
    """
    # By file and isolated (-I), so that neither the working directory nor this folder can shadow a module.
    return subprocess.Popen(
        [sys.executable, "-IS", str(Path(__file__).resolve()), json.dumps(asdict(orders))],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=env,
        cwd=cwd,
        start_new_session=True,
        pass_fds=[fd for fd in (orders.pipe, *orders.keep) if fd is not None],
    )


def run(orders: Orders) -> int:
    """Run the child until it ends or its reason does; return its exit code, or 128 plus the signal that ended it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = subprocess.Popen(
        orders.argv,
        process_group=0,
        pass_fds=tuple(orders.keep),
        user=orders.uid,
        group=orders.gid,
        extra_groups=None if orders.gid is None else [],
        preexec_fn=_dying_with(os.getpid(), orders.stop_signal),  # noqa: PLW1509  no thread runs yet
    )

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, orders.grace_s)
        child.send_signal(orders.stop_signal)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, lambda *_: _kill_group(child.pid))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_watch, args=(orders,), daemon=True).start()
    code = child.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    _kill_group(child.pid)
    return code if code >= 0 else 128 - code


def _dying_with(guard: int, signal_: int) -> Callable[[], None]:
    """Return what the child does between fork and exec: die with its guard, and hear signals again."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal_)
        if os.getppid() != guard:
            os._exit(1)
        # A shell lets what it starts in the background ignore Ctrl-C; our signals are meant for the child alone.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    return prepare


def _watch(orders: Orders) -> None:
    """Wait, without polling, until the reason for the child is gone; then stop this guard."""
    if orders.lock is not None:
        fcntl.flock(os.open(orders.lock, os.O_RDWR), fcntl.LOCK_EX)
    elif orders.pipe is not None:
        os.read(orders.pipe, 1)
    else:
        return
    os.kill(os.getpid(), signal.SIGTERM)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _main(orders: Orders) -> int:
    if orders.lock is not None and os.fork():
        return 0
    return run(orders)


if __name__ == "__main__":
    sys.exit(_main(Orders(**json.loads(sys.argv[1]))))
