"""What the ladder is built from: its rungs, the circuits of a process, and the ports to budgets and prices."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

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
    """The circuit of each provider, shared by the threads of one process."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._by_provider: dict[str, Circuit] = {}

    def admit(self, provider: str, attempt_s: float) -> bool:
        """Return whether ``provider`` may be asked now."""
        with self._lock:
            circuit, ok = ladder.admit(self._get(provider), self._timer(), attempt_s)
            self._by_provider[provider] = circuit
            return ok

    def ended(self, provider: str, error: ModelError | None) -> None:
        """Take note of how an attempt ended."""
        with self._lock:
            if error is None:
                circuit = ladder.succeeded()
            elif error.kind == "open_circuit":
                return
            elif error.trait.trips:
                circuit = ladder.failed(self._get(provider), self._timer(), error.retry_after_s)
            elif error.kind in UNSENT:
                circuit = ladder.unfinished(self._get(provider))
            else:
                # The provider works; it is the answer that was not good enough.
                circuit = ladder.succeeded()
            self._by_provider[provider] = circuit

    def is_open(self, provider: str) -> bool:
        """Return whether ``provider`` is left alone."""
        with self._lock:
            return self._get(provider).open_until is not None

    def _get(self, provider: str) -> Circuit:
        return self._by_provider.get(provider, Circuit())


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
