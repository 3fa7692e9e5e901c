"""Lanes: no more goes through than a lane lets, whoever asks, and a closed one lets nobody through for a while."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from domains.ports import Lane
from services import pace
from tests.rows import DAY

FAST, CHAT = Lane("telegram", 1 / 30), Lane("telegram:42", 1.0)
GROUP = Lane("telegram:-1", 6.0, 10)


def take(database, *lanes, after=0.0, **how):
    with database.transaction() as session:
        return pace.take(session, lanes, now=DAY + timedelta(seconds=after), **how)


def close(database, lane, *, after=0.0, for_s=None):
    with database.transaction() as session:
        pace.close(session, lane, now=DAY + timedelta(seconds=after), for_s=for_s)


def test_without_lanes_nothing_waits(database):
    assert take(database) == 0


def test_one_a_second_waits_a_second_then_comes_back_later(database):
    assert take(database, FAST, CHAT) == 0
    assert take(database, FAST, CHAT) == 1.0
    assert take(database, FAST, CHAT) == 2.0
    # The third took no slot: the next one is still two seconds after the first.
    assert take(database, FAST, CHAT, after=1) == 1.0


def test_a_burst_goes_through_at_once_then_one_at_a_time(database):
    assert [take(database, GROUP) for _ in range(11)] == [0.0] * 10 + [6.0]
    assert take(database, GROUP, after=6) == 0


def test_a_wait_in_one_lane_takes_no_slot_of_another(database):
    take(database, FAST, CHAT)
    take(database, FAST, CHAT)
    assert take(database, FAST, CHAT) > pace.PATIENCE_S
    assert take(database, FAST, Lane("telegram:43", 1.0)) == pytest.approx(2 / 30, abs=1e-5)


def test_a_closed_lane_lets_nobody_through_but_a_probe(database):
    close(database, FAST)
    assert take(database, FAST, CHAT) == pace.CLOSED_S
    assert take(database, FAST, CHAT, probing=True) == 0
    assert take(database, FAST, Lane("telegram:43", 1.0), after=pace.CLOSED_S) == 0


def test_each_failure_closes_it_for_longer_until_it_answers(database):
    waits = []
    for _ in range(8):
        close(database, FAST)
        waits.append(take(database, FAST))
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900]
    with database.transaction() as session:
        pace.reopen(session, [FAST, CHAT])
    assert take(database, FAST) == 0
    close(database, FAST)
    assert take(database, FAST) == 15


def test_it_is_left_alone_as_long_as_it_asks(database):
    close(database, CHAT, for_s=300)
    close(database, CHAT, for_s=5)
    assert take(database, FAST, CHAT) == 300
    assert take(database, FAST, CHAT, after=300) == 0


def test_old_lanes_are_forgotten(database):
    take(database, FAST, CHAT)
    close(database, GROUP, for_s=3 * 86_400)
    with database.transaction() as session:
        assert pace.purge(session, now=DAY + timedelta(hours=23)) == 0
        assert pace.purge(session, now=DAY + timedelta(days=2)) == 2
        assert session.scalars(select(pace.Pace.lane)).all() == [GROUP.key]


def test_workers_who_ask_at_once_each_get_a_slot_of_their_own(database):
    lanes = (Lane("shared", 0.1), Lane("a", 0.0), Lane("b", 0.0))
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda n: take(database, *(lanes if n % 2 else reversed(lanes))), range(8)))
    assert sorted(waits) == pytest.approx([n / 10 for n in range(8)])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.floats(0, 5), min_size=1, max_size=25),
    interval_s=st.floats(0.05, 3),
    burst=st.integers(1, 5),
)
def test_in_no_stretch_of_time_does_more_go_through_than_the_lane_lets(database, asked, interval_s, burst):
    lane, now, slots = Lane("law", interval_s, burst), 0.0, []
    with database.transaction() as session:
        session.execute(delete(pace.Pace))
    for pause in asked:
        now += pause
        wait = take(database, lane, after=now)
        if wait <= pace.PATIENCE_S:
            slots.append(now + wait)
    for first in range(len(slots)):
        for last in range(first, len(slots)):
            within = slots[last] - slots[first]
            assert last - first + 1 <= burst + within / interval_s + 1e-3
