"""What the ladder is built from: its rungs, the circuits of a process, and the ports to budgets and prices."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from domains import ladder
from domains.digest import Rung
from domains.fault import UNSENT, ModelError
from domains.ladder import Circuit
from domains.llm import Model, Payer
from domains.ports import Clock
from domains.price import Exchange, Price
from monitoring.meter import Counting, Meter
from services.budget import Entry, Held, Spending
from services.llm.cache import ReplyCache

# Who gives a provider less than this learns from its silence only that it is not that fast.
HURRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder and the model that stands on it."""

    rung: Rung
    model: Model


class Ledger(Protocol):
    """What the ladder needs of `services.budget.Budget`."""

    @property
    def lease_s(self) -> float:
        """How long a reservation holds."""
        ...

    def reserve(self, payer: Payer, entry: Entry, tokens: int, micros: int | None) -> Held:
        """Hold the worst case. Raises ModelError of kind budget or unknown_price."""
        ...

    def sending(self, held: Held) -> None:
        """Say that the call goes out."""
        ...

    def settle(self, held: Held, spending: Spending) -> None:
        """Charge what it cost."""
        ...

    def note(self, payer: Payer, entry: Entry, spending: Spending) -> None:
        """Write down what nobody pays for."""
        ...


class Prices(Protocol):
    """What the ladder needs of `services.llm.price.PriceBook`."""

    exchange: Exchange

    def price(self, provider: str, model: str, at: datetime) -> Price | None:
        """Return a price, or None when it is unknown."""
        ...


class Circuits:
    """The circuits of each provider, shared by the threads of one process: one for all, one for those in a hurry.

    A router that waits for 0.8 s must not have a provider left alone that answers digests well in two; it is the
    hurried alone who then leave it alone.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._by_name: dict[str, Circuit] = {}

    def admit(self, provider: str, attempt_s: float) -> bool:
        """Return whether ``provider`` may be asked now, for at most so many seconds."""
        with self._lock:
            if attempt_s < HURRY_S and self._get(provider).open_until is not None:
                # It is probed by somebody who has the time.
                return False
            name = _name(provider, attempt_s)
            circuit, ok = ladder.admit(self._get(name), self._timer(), attempt_s)
            self._by_name[name] = circuit
            return ok

    def ended(self, provider: str, error: ModelError | None, attempt_s: float) -> None:
        """Take note of how an attempt ended that had so many seconds."""
        if error is not None and error.kind == "open_circuit":
            return
        with self._lock:
            name = _name(provider, attempt_s)
            if error is not None and error.trait.trips and name != provider and error.kind != "timeout":
                # It was not for want of time.
                self._by_name[name] = ladder.unfinished(self._get(name))
                name = provider
            self._by_name[name] = self._after(name, error)
            if error is None:
                self._by_name[provider] = ladder.succeeded()

    def _after(self, name: str, error: ModelError | None) -> Circuit:
        if error is not None and error.trait.trips:
            return ladder.failed(self._get(name), self._timer(), error.retry_after_s)
        if error is not None and error.kind in UNSENT:
            return ladder.unfinished(self._get(name))
        # The provider works, also when its answer was not good enough.
        return ladder.succeeded()

    def is_open(self, provider: str) -> bool:
        """Return whether ``provider`` is left alone."""
        with self._lock:
            return self._get(provider).open_until is not None

    def _get(self, name: str) -> Circuit:
        return self._by_name.get(name, Circuit())


def _name(provider: str, attempt_s: float) -> str:
    return provider if attempt_s >= HURRY_S else f"{provider}, in a hurry"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a ladder works with. ``timer`` and ``sleep`` are monotonic seconds; a process has one `Circuits`.

    A replay has neither ``circuits`` nor ``ledger`` nor ``cache``: nothing is reserved, written or left alone.
    Without ``prices`` no price is known.
    """

    clock: Clock
    timer: Callable[[], float]
    sleep: Callable[[float], None]
    rng: random.Random
    circuits: Circuits | None = None
    ledger: Ledger | None = None
    prices: Prices | None = None
    cache: ReplyCache | None = None
    meter: Counting = field(default_factory=lambda: Meter(None))
