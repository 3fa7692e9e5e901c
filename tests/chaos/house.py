"""A stack as a process of its own, so that its supervisor can be killed: `python -m tests.chaos.house`."""

import subprocess
import sys

from cli.stack import CELERY
from cli.stack import children as product
from services import settings, stack
from services.clock import SystemClock
from tests.servers import wait_until

START_S = 90.0


def children(set_, env=None):
    """Return the product's worker, with snares in it, and beat."""
    worker, beat = product(set_)[:2]
    snared = (*CELERY[:-2], "-A", "tests.chaos.snared", *worker.argv[len(CELERY) :])
    return [stack.Child("worker", snared, env or {}), stack.Child("beat", beat.argv, env or {})]


class House:
    """The process and whoever starts it again when it has died, as systemd would."""

    def __init__(self, var, env):
        self.var, self.deaths = var, 0
        self._env = env
        self._process = None

    def start(self):
        log = self.var / "house.log"
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.house"], env=self._env, stdout=said, stderr=said
            )
        wait_until(self._running, timeout_s=START_S)

    def _running(self):
        if self._process.poll() is not None:
            raise AssertionError(f"the stack ended at its start: see {self.var / 'house.log'}")
        found = stack.attach(self.var)
        return found is not None and found.pid == self._process.pid

    def tend(self):
        """Start the supervisor again when it is gone."""
        if self._process.poll() is not None:
            self.deaths += 1
            self.start()

    def kill(self):
        """Kill the supervisor alone, with -9; its guards end what it had started."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.terminate()
        self._process.wait()


def main():
    set_ = settings.load()
    with stack.Stack(set_, SystemClock(), children(set_)) as supervisor:
        supervisor.watch()


if __name__ == "__main__":
    main()
