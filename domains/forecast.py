"""How many posts a trend will get next: a mean, an interval, and a `Forecaster` that keeps the interval honest.

speed ─▶ what is still to come if speed halves as ever ─▶ × what that was wrong by so far ─▶ negative binomial
                 └─ when the time is over: was the truth inside? ─▶ wider or narrower next time
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from scipy import special

from domains.lifecycle import HALF_LIFE, Pulse

HORIZON: Final = timedelta(hours=6)
COVERAGE: Final = 0.8
# Step of the correction of coverage (Gibbs and Candès, 2021: adaptive conformal inference), and its bounds.
_STEP: Final = 0.02
_MISS: Final = (0.01, 0.6)
# Forecasts of ratio 1 that stand behind what is learned, and how fast old lessons fade.
_BELIEF: Final = 10.0
_KEPT: Final = 0.998
_SIZE: Final = 1.5


@dataclass(frozen=True, slots=True)
class Forecast:
    """Posts expected within `HORIZON`: the mean, and the interval that should hold the truth in `COVERAGE` of cases."""

    mean: float
    low: int
    high: int

    def holds(self, count: int) -> bool:
        """Return whether ``count`` lies within the interval."""
        return self.low <= count <= self.high


class Forecaster:
    """Learns from forecasts whose time is over. Not safe for threads."""

    def __init__(self) -> None:
        self._expected = self._actual = 0.0
        self._square = self._excess = 0.0
        self._miss = 1 - COVERAGE
        self.judged = self.held = 0

    def forecast(self, pulse: Pulse) -> Forecast:
        """Return how many posts to expect within `HORIZON` after the pulse's moment."""
        mean = to_come(pulse) * (self._actual + _BELIEF) / (self._expected + _BELIEF)
        if mean <= 0:
            return Forecast(0.0, 0, 0)
        size = (self._square + _BELIEF) / (max(self._excess, 0.0) + _BELIEF / _SIZE)
        law = Law(size, mean)
        low, high = law.quantile(self._miss / 2), law.quantile(1 - self._miss / 2)
        # An interval that begins at 1 excludes silence, which is likelier than either end.
        return Forecast(mean, 0 if law.at_most(0) > self._miss / 2 else low, high)

    def learn(self, pulse: Pulse, told: Forecast, actual: int) -> None:
        """Learn from a forecast made at ``pulse``: ``actual`` posts came within `HORIZON`."""
        raw = to_come(pulse)
        self._expected = self._expected * _KEPT + raw
        self._actual = self._actual * _KEPT + actual
        self._square = self._square * _KEPT + told.mean**2
        self._excess = self._excess * _KEPT + (actual - told.mean) ** 2 - told.mean
        inside = told.holds(actual)
        self.judged += 1
        self.held += inside
        missed = 0.0 if inside else 1.0
        self._miss = min(max(self._miss + _STEP * ((1 - COVERAGE) - missed), _MISS[0]), _MISS[1])

    def state(self) -> tuple[float, ...]:
        """Return what was learned, for `restore`."""
        return (
            self._expected, self._actual, self._square, self._excess, self._miss, float(self.judged), float(self.held)
        )  # fmt: skip

    def restore(self, state: Sequence[float]) -> None:
        """Bring back a `state`."""
        self._expected, self._actual, self._square, self._excess, self._miss = state[:5]
        self.judged, self.held = int(state[5]), int(state[6])


@dataclass(frozen=True, slots=True)
class Law:
    """The negative binomial law of this ``size`` and ``mean`` > 0.

    By the incomplete beta function: scipy.stats says the same, and takes a second and 50 MB to load.
    """

    size: float
    mean: float

    def at_most(self, count: int) -> float:
        """Return the chance of ``count`` or fewer."""
        return float(special.betainc(self.size, count + 1, self.size / (self.size + self.mean)))

    def quantile(self, chance: float) -> int:
        """Return the least count that is not passed with this chance, in (0, 1)."""
        high = 1
        while self.at_most(high) < chance:
            high *= 2
        return bisect_left(range(high), chance, key=self.at_most)


def to_come(pulse: Pulse) -> float:
    """Return how many posts come within `HORIZON` when speed halves every `HALF_LIFE` from now on."""
    hours = HALF_LIFE / timedelta(hours=1) / math.log(2)
    return pulse.speed * hours * (1 - float(2.0 ** (-(HORIZON / HALF_LIFE))))
