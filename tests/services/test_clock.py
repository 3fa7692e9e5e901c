"""Clocks: aware, in UTC, and still when they are told to be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clock import StoppedClock, SystemClock

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAIVE = datetime(2026, 11, 20, 12)  # noqa: DTZ001


def test_the_machines_clock_is_aware_and_goes_on():
    first, second = SystemClock().now(), SystemClock().now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=5)


@given(st.lists(st.integers(-10_000, 10_000)))
def test_a_stopped_clock_moves_by_what_it_is_told(steps_s):
    clock = StoppedClock(AT)
    for step_s in steps_s:
        clock.advance(seconds=step_s)
    assert clock.now() == clock.now() == AT + timedelta(seconds=sum(steps_s))
    clock.move_to(AT)
    assert clock.now() == AT


def test_a_clock_does_not_begin_without_a_zone():
    with pytest.raises(ValueError, match="aware"):
        StoppedClock(NAIVE)


def test_a_clock_is_not_moved_to_a_time_without_a_zone():
    clock = StoppedClock(AT)
    with pytest.raises(ValueError, match="aware"):
        clock.move_to(NAIVE)
