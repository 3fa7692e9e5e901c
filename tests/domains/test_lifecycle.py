from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.lifecycle import STATES, Life, Pulse

START = datetime(2024, 11, 20, tzinfo=UTC)
TICK = timedelta(minutes=5)
NEXT = {
    "emerging": {"emerging", "rising", "peaking", "fading"},
    "rising": {"rising", "peaking", "fading"},
    "peaking": {"peaking", "rising", "fading"},
    "fading": {"fading", "rising", "over"},
    "over": {"over"},
}


def live(counts, first=4):
    """Return the states of a trend noticed with ``first`` posts that then gets ``counts``, tick by tick."""
    life = Life.noticed(Pulse.begun(START).beat(START, first, START))
    states = [life.state]
    for number, count in enumerate(counts, 1):
        at = START + number * TICK
        life = life.beat(at, count, at if count else None)
        states.append(life.state)
    return states


def order(states):
    return [state for at, state in enumerate(states) if at == 0 or state != states[at - 1]]


def test_a_wave_lives_through_every_state():
    wave = [2] * 6 + [5] * 12 + [2] * 12 + [1] * 12 + [0] * 300
    assert order(live(wave)) == ["emerging", "rising", "peaking", "fading", "over"]


def test_a_small_one_fades_without_rising():
    assert order(live([0] * 300)) == ["emerging", "peaking", "fading", "over"]


def test_a_second_wave_rises_again_but_never_from_the_dead():
    states = order(live([6] * 12 + [0] * 48 + [9] * 12 + [0] * 300))
    assert states[states.index("fading") + 1] == "rising"
    assert states[-1] == "over"
    assert order(live([0] * 400 + [9] * 20))[-1] == "over"


def test_noise_around_the_brink_does_not_flap():
    states = order(live([3, 0, 1, 0, 2, 0] * 60))
    assert len(states) <= 8


@given(st.lists(st.integers(0, 9), max_size=120))
def test_states_follow_each_other_as_drawn(counts):
    states = live(counts)
    assert all(after in NEXT[before] for before, after in pairwise(states))
    assert set(states) <= set(STATES)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_the_pulse_does_not_depend_on_when_it_was_looked_at(counts):
    often = seldom = Pulse.begun(START)
    for number, count in enumerate(counts, 1):
        at = START + number * TICK
        often = often.beat(at, count, at)
        if count:
            seldom = seldom.beat(at, count, at)
    assert seldom.faded(often.at) == pytest.approx(often.speed)


def test_speed_is_posts_an_hour_and_velocity_its_change():
    pulse = Pulse.begun(START)
    for number in range(1, 12 * 30):
        pulse = pulse.beat(START + number * TICK, 1, START + number * TICK)
    assert pulse.speed == pytest.approx(12, rel=0.02)
    assert pulse.velocity == pytest.approx(0, abs=0.2)
    assert pulse.acceleration == pytest.approx(0, abs=0.2)
    faster = pulse
    for _ in range(12):
        faster = faster.beat(faster.at + TICK, 4)
    assert faster.velocity > 5
