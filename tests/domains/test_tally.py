from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domains.tally import DAY, TICK, Mention, Tally, end_of, kind_of, tick_of
from tests.domains.streams import START, post

FIRST = tick_of(START)


def say(*units, number=1, family="a", tick=0):
    return Mention(number, START + tick * TICK, family, units)


def test_ticks():
    assert tick_of(START) == FIRST
    assert end_of(FIRST) == START + TICK
    assert tick_of(end_of(FIRST)) == FIRST + 1


def test_kinds():
    assert [kind_of(unit) for unit in ("s:1", "#tag", "n:name", "t:a b")] == [
        "story",
        "hashtag",
        "name",
        "term",
    ]


def test_a_story_is_known_at_once_a_term_when_it_comes_again():
    tally = Tally(64)
    assert set(tally.take(FIRST, [say("s:1", "t:a b")])) <= {"s:1", "t:a b"}
    again = tally.take(FIRST + 1, [say("s:1", "t:a b", number=2, family="b")])
    assert [sight[2] for sight in again["t:a b"].sights] == [1, 2]
    assert [sight[1] for sight in again["s:1"].sights] == ["a", "b"]


def test_volumes_count_posts_between_ticks():
    tally = Tally(64)
    for tick, count in ((0, 3), (2, 1), (5, 4)):
        tally.take(FIRST + tick, [say("s:1", number=one) for one in range(count)])
    assert tally.volume(FIRST - 1, FIRST) == 3
    assert tally.volume(FIRST, FIRST + 4) == 1
    assert tally.volume(FIRST - 9, FIRST + 9) == 8


def test_what_is_older_than_a_day_is_only_counted():
    tally = Tally(64)
    for tick in (0, 5, DAY, DAY + 100):
        entry = tally.take(FIRST + tick, [say("s:1", number=tick)])["s:1"]
    assert (entry.gone, len(entry.sights)) == (2, 2)
    assert len(entry.after(FIRST + DAY)) == 1


@given(st.integers(0, 2**32))
def test_memory_is_bounded_by_a_day(seed):
    rng, tally = np.random.default_rng(seed), Tally(256)
    for day in range(6):
        for hour in range(0, 24, 3):
            tick = FIRST + day * DAY + hour * 12
            number = 100 * day + hour
            tally.take(tick, [post(number, end_of(tick), rng, f"s:{number}", f"t:{number} x")])
    assert len(tally.entries) < 2 * 8 * 5
    assert tally.tested()["story"] <= 8 * 2


def test_quiet_times_teach_what_chance_does():
    tally = Tally(64)
    before = tally.quiet["story"].prior()
    for hour in range(24 * 8):
        tick = FIRST + hour * 12
        tally.take(
            tick,
            [say(f"s:{hour}", number=hour, tick=hour * 12), say(f"s:{max(0, hour - 30)}", tick=hour * 12)],
        )
    after = tally.quiet["story"].prior()
    assert after.rate > 5 * before.rate
    assert timedelta(days=1) == DAY * TICK
