from datetime import UTC, datetime

import numpy as np
import pytest

from domains.forecast import COVERAGE, Forecaster, to_come
from domains.lifecycle import Pulse

START = datetime(2024, 11, 20, tzinfo=UTC)


def pulse(posts):
    return Pulse.begun(START).beat(START, posts, START)


def test_what_is_to_come_halves_with_the_speed():
    assert to_come(pulse(8)) == pytest.approx(8 * (1 - 2**-3))
    assert to_come(Pulse.begun(START)) == 0


def test_silence_is_forecast_as_silence():
    assert Forecaster().forecast(Pulse.begun(START)).high == 0


def test_a_forecaster_learns_level_and_coverage():
    rng = np.random.default_rng(11)
    forecaster, inside = Forecaster(), []
    for _ in range(3000):
        now = pulse(int(rng.integers(2, 30)))
        told = forecaster.forecast(now)
        truth = int(rng.poisson(0.6 * to_come(now) * rng.gamma(2, 0.5)))
        forecaster.learn(now, told, truth)
        inside.append(told.holds(truth))
    assert np.mean(inside[1000:]) == pytest.approx(COVERAGE, abs=0.05)
    assert forecaster.forecast(pulse(20)).mean == pytest.approx(0.6 * to_come(pulse(20)), rel=0.15)
    again = Forecaster()
    again.restore(forecaster.state())
    assert again.forecast(pulse(9)) == forecaster.forecast(pulse(9))
    assert again.judged == 3000


def test_a_faster_trend_is_expected_to_get_more():
    forecaster = Forecaster()
    slow, fast = forecaster.forecast(pulse(3)), forecaster.forecast(pulse(30))
    assert fast.mean > slow.mean
    assert fast.high > slow.high
