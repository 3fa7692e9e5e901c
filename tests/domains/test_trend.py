from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.tally import Mention
from domains.trend import Detector, Support
from tests.domains.streams import FAMILIES, START, background, burst, post

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SMALL = 1 << 12


def run(mentions, days, support=None, start=START):
    detector = Detector(support, SMALL)
    detector.take(mentions)
    return detector.advance(start + days * DAY)


def alarms(changes):
    return [change for change in changes if change.state == "emerging" and not change.why]


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.fixture
def stream(rng):
    return background(rng, 3) + burst(rng, "s:fire", START + 2 * DAY + 10 * HOUR, 9)


def test_a_burst_is_a_trend_that_lives_and_ends(stream):
    changes = run(stream, 5)
    (alarm,) = alarms(changes)
    assert (alarm.unit, alarm.wave) == ("s:fire", 1)
    assert START + 2 * DAY + 10 * HOUR < alarm.at < START + 2 * DAY + 14 * HOUR
    assert alarm.p_value < 1e-4
    assert alarm.families >= 3
    assert alarm.since <= alarm.at
    assert changes[-1].state == "over"
    assert len(changes[-1].posts) == 9
    assert [change.at for change in changes] == sorted(change.at for change in changes)


def test_the_order_of_arrival_changes_nothing(stream, rng):
    assert run([stream[at] for at in rng.permutation(len(stream))], 5) == run(stream, 5)


def test_small_steps_are_one_big_step(stream):
    detector, changes = Detector(width=SMALL), []
    for hour in range(24 * 5):
        now = START + (hour + 1) * HOUR
        detector.take(one for one in stream if now - HOUR <= one.at < now)
        changes += detector.advance(now)
    assert changes == run(stream, 5)
    assert detector.late == 0


def test_who_comes_after_its_tick_was_read_is_late(stream):
    detector = Detector(width=SMALL)
    detector.advance(START + DAY)
    detector.take([post(1, START, np.random.default_rng(1), "s:1")])
    assert detector.late == 1


def test_a_steady_story_is_no_trend(rng):
    steady = [post(one, START + one * timedelta(minutes=4), rng, "s:1", "t:a b") for one in range(7 * 360)]
    assert run(steady, 8) == []


def test_a_steady_publisher_with_a_footer_is_no_trend(rng):
    steady = [
        post(one, START + one * timedelta(minutes=4), rng, f"s:{one}", "t:news subsc", "n:telegr")
        for one in range(7 * 360)
    ]
    assert run(steady, 8) == []


def test_one_publisher_alone_is_no_trend_however_loud(rng):
    flood = [replace(one, family="loud") for one in burst(rng, "s:ad", START + 2 * DAY, 200)]
    assert alarms(run(background(rng, 3) + flood, 4)) == []


def test_a_channel_that_posts_twice_as_much_is_no_trend(rng):
    doubled = [
        Mention(10**6 + one, START + 2 * DAY + one * timedelta(minutes=3), FAMILIES[0], (f"s:x{one}",))
        for one in range(400)
    ]
    assert alarms(run(background(rng, 3) + doubled, 4)) == []


def test_the_first_hours_raise_no_storm(rng):
    begun = [
        post(40 * story + one, START + (story + 7 * one) * timedelta(minutes=1), rng, f"s:{story}")
        for story in range(20)
        for one in range(40)
    ]
    assert alarms(run(begun, 2)) == []


def test_every_story_at_once_is_no_storm_of_terms(rng):
    stream = [replace(one, units=(*one.units, "t:daily word", "n:city")) for one in background(rng, 5)]
    assert alarms(run(stream, 5)) == []


def test_two_terms_that_burst_together_inside_an_old_story_are_a_trend(rng):
    quiet = background(rng, 5)
    number = 10**6
    wave = [
        post(
            number + one,
            START + 4 * DAY + one * 9 * timedelta(minutes=1),
            rng,
            "s:war",
            "n:shado",
            "t:kyiv missi",
        )
        for one in range(8)
    ]
    wave = [replace(one, family=FAMILIES[at % 5]) for at, one in enumerate(wave)]
    war = [post(2 * number + one, START + one * 2 * HOUR, rng, "s:war") for one in range(12 * 5)]
    units = {change.unit for change in alarms(run(quiet + wave + war, 5))}
    assert units <= {"s:war", "n:shado", "t:kyiv missi"}
    assert len(units) == 1


def test_what_is_said_every_day_is_refused_with_its_reason(rng):
    units = ("t:air alert", "t:alert kyiv", "t:kyiv regio")
    alerts = [
        post(10**6 + 100 * day + one, START + day * DAY + 9 * HOUR + one * 5 * timedelta(minutes=1), rng,
             f"s:alert{day}", *units, family=FAMILIES[one])
        for day in range(6)
        for one in range(5)
    ]  # fmt: skip
    last = [change for change in run(background(rng, 6) + alerts, 7) if change.unit == "s:alert5"]
    assert [change.why.split(":")[0] for change in last] == ["routine"]


def test_a_story_that_flares_up_again_is_a_second_wave(rng):
    first = burst(rng, "s:fire", START + 2 * DAY, 12, hours=2)
    second = burst(rng, "s:fire", START + 3 * DAY + 6 * HOUR, 12, hours=2, number=2_000_000)
    found = alarms(run(background(rng, 4) + first + second, 5))
    assert [(one.unit, one.wave) for one in found] == [("s:fire", 1), ("s:fire", 2)]
    assert not set(found[0].posts) & set(found[1].posts)


def test_support_is_asked_for(stream):
    assert alarms(run(stream, 5, Support(posts=10))) == []
    assert alarms(run(stream, 5, Support(families=10))) == []


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(5, 40))
def test_each_trend_begins_once_and_time_goes_forward(seed, size):
    rng = np.random.default_rng(seed)
    changes = run(background(rng, 3, 150) + burst(rng, "s:a", START + 2 * DAY, size), 5)
    begun = [(one.unit, one.wave) for one in alarms(changes)]
    assert len(begun) == len(set(begun))
    for one in changes:
        assert one.since < one.at
        assert len(one.posts) == len(set(one.posts))
        assert 0 <= one.p_value <= 1
