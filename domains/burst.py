"""How unusual a count is: expected rates from history, exact tails, and what stays after many tests.

    quiet hours of all units ─▶ Prior ─▶ expected (own history added) ─▶ tail ─▶ scanned ─▶ discoveries

A *mention* is a post that speaks of a unit (a story, a name, a term); *exposure* is the number of posts of the whole
stream in the same time, so that a busy hour, a night or a source that doubles its volume makes nothing unusual.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

_DAYS_A_YEAR: Final = 365.25
# Units that stand behind a prior before anything is learned, and the bounds of what may be learned.
_BELIEF: Final = 200.0
_RATES: Final = (1e-6, 0.05)


@dataclass(frozen=True, slots=True)
class Prior:
    """Mentions that units of a kind get by chance: a Gamma of mean ``rate`` (per post of the stream) and shape ``size``.

    ``noise`` is the shape of what is left when a unit's own rate is known (hours differ more than Poisson's do).
    """

    rate: float
    size: float
    noise: float = 10.0


@dataclass(frozen=True, slots=True)
class Expected:
    """A negative binomial: its mean, and its size (shape); variance = mean + mean² / size."""

    mean: float
    size: float


def expected(prior: Prior, past: float, past_exposure: float, exposure: float) -> Expected:
    """Return how many mentions to expect in ``exposure``, after ``past`` of them in ``past_exposure``.

    The Gamma-Poisson predictive (Gelman et al., Bayesian Data Analysis, section 2.6), never surer than ``noise`` allows.
    """
    shape = prior.size + past
    rate = shape / (prior.size / prior.rate + past_exposure)
    return Expected(exposure * rate, min(shape, prior.noise))


def settled(prior: Prior, past: float, past_exposure: float, exposure: float) -> Expected:
    """Return what to expect of a unit whose beginning nobody saw: its own past, where that says more than `expected`.

    So are words: the common ones are far commoner than any prior that fits the rare ones would have them.
    """
    law = expected(prior, past, past_exposure, exposure)
    own = exposure * past / past_exposure if past_exposure > 0 else 0.0
    return Expected(own, prior.noise) if own > law.mean else law


def tail(count: float, law: Expected) -> float:
    """Return P(X >= count) for a negative binomial, exact: the regularised incomplete beta function."""
    if count <= 0:
        return 1.0
    if law.mean <= 0:
        return 0.0
    return float(special.betainc(count, law.size, law.mean / (law.mean + law.size)))


def scanned(p: float, window: timedelta, horizon: timedelta, scales: int) -> float:
    """Return ``p`` after Bonferroni for every place of ``window`` in ``horizon``, and for how many scales were tried."""
    return min(1.0, p * scales * max(1.0, horizon / window))


def discoveries(
    p_values: Sequence[float], kinds: Sequence[str], tested: Mapping[str, int], rate: float
) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at false-discovery ``rate``: Benjamini-Hochberg, weighted by kind.

    ``tested`` counts all hypotheses of each kind, those without a p-value here (they count as 1) included. Each kind
    gets the same share of the weight (Genovese, Roeder and Wasserman, 2006), so that a million terms do not silence a
    hundred stories. Raises ValueError when more p-values of a kind are given than were tested.
    """
    given = {kind: kinds.count(kind) for kind in set(kinds)}
    if any(count > tested.get(kind, 0) for kind, count in given.items()):
        raise ValueError("more p-values than tests")
    if not p_values:
        return np.zeros(0, dtype=np.bool_)
    busy = {kind: count for kind, count in tested.items() if count}
    total = sum(busy.values())
    weight = {kind: total / (len(busy) * count) for kind, count in busy.items()}
    weighted = np.array([p / weight[kind] for p, kind in zip(p_values, kinds, strict=True)])
    order = np.argsort(weighted, kind="stable")
    passed = np.nonzero(weighted[order] <= rate * np.arange(1, len(order) + 1) / total)[0]
    found = np.zeros(len(order), dtype=np.bool_)
    if passed.size:
        found[order[: passed[-1] + 1]] = True
    return found


class Quiet:
    """Learns a kind's `Prior` from units when nothing happens to them: well after their news, before they are gone.

    Only whether a unit was mentioned in that time counts, not how often: chance comes singly, aftermath in runs (the
    zero assumption of Efron's empirical null, 2004). The shape is believed, not learned. Not safe for threads.
    """

    def __init__(self, default: Prior) -> None:
        self._default = default
        self._units = self._silent = self._exposures = 0.0

    def learn(self, count: float, exposure: float) -> None:
        """Count a unit that was mentioned ``count`` times in its quiet ``exposure``."""
        if exposure > 0:
            self._units += 1
            self._silent += count == 0
            self._exposures += exposure

    def prior(self) -> Prior:
        """Return what is believed now: the default as strong as `_BELIEF` units, and what was learned."""
        if not self._units:
            return self._default
        rate, size, noise = self._default.rate, self._default.size, self._default.noise
        exposure = self._exposures / self._units
        believed = _BELIEF * (1 + rate * exposure / size) ** -size
        silence = (self._silent + believed) / (self._units + _BELIEF)
        learned = size / exposure * (silence ** (-1 / size) - 1)
        return Prior(min(max(learned, _RATES[0]), _RATES[1]), size, noise)

    def state(self) -> tuple[float, ...]:
        """Return what was learned, for `restore`."""
        return (self._units, self._silent, self._exposures)

    def restore(self, state: Sequence[float]) -> None:
        """Bring back a `state`."""
        self._units, self._silent, self._exposures = state


def in_words(p: float, tests_a_day: float) -> str:
    """Return how often so small a p-value comes by chance when so many things are watched: "once in 3 years"."""
    per_day = p * tests_a_day
    if per_day >= 1:
        return "every day"
    days = 1 / per_day if per_day > 0 else math.inf
    if days > 1000 * _DAYS_A_YEAR:
        return "less than once in 1,000 years"
    for size, name in ((_DAYS_A_YEAR, "year"), (30.4, "month"), (7.0, "week"), (1.0, "day")):
        if days >= size:
            number = round(days / size)
            return f"once in {number} {name}s" if number > 1 else f"once a {name}"
    return "every day"
