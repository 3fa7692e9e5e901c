"""Leaving alone what does not answer, for a while: `domains.ladder`'s circuits for anything that has a name."""

import threading
from collections.abc import Callable

from domains import ladder
from domains.ladder import Circuit


class Breaker:
    """The circuits of one process. Safe for threads."""

    def __init__(self, timer: Callable[[], float], attempt_s: float) -> None:
        self._timer, self._attempt_s = timer, attempt_s
        self._lock = threading.Lock()
        self._circuits: dict[str, Circuit] = {}

    def admits(self, name: str) -> bool:
        """Return whether it may be asked now; after a rest one caller is let through to probe."""
        with self._lock:
            circuit, admitted = ladder.admit(
                self._circuits.get(name, Circuit()), self._timer(), self._attempt_s
            )
            self._circuits[name] = circuit
            return admitted

    def answered(self, name: str) -> None:
        """Say that it answered: everything is forgiven."""
        with self._lock:
            self._circuits[name] = ladder.succeeded()

    def failed(self, name: str) -> None:
        """Say that it did not answer."""
        with self._lock:
            self._circuits[name] = ladder.failed(self._circuits.get(name, Circuit()), self._timer())
