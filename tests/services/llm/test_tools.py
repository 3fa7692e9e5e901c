"""Circuits: who is in a hurry learns of a provider that it is slow, and leaves the others their provider."""

import pytest

from domains import ladder
from domains.fault import ModelError
from services.llm.tools import HURRY_S, Circuits

QUICK, LONG = 0.8, 20.0


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def circuits(time):
    return Circuits(time)


def fails(circuits, seconds, kind="timeout", times=ladder.TRIP_FAILURES):
    for _ in range(times):
        assert circuits.admit("p", seconds)
        circuits.ended("p", ModelError("no", kind=kind), seconds)


def test_the_hurried_alone_leave_a_slow_provider(circuits, time):
    assert QUICK < HURRY_S <= LONG
    fails(circuits, QUICK)
    assert not circuits.admit("p", QUICK)
    assert not circuits.is_open("p")
    assert circuits.admit("p", LONG)
    circuits.ended("p", None, LONG)
    assert not circuits.admit("p", QUICK), "that it answers in twenty seconds says nothing of one"
    time.now += ladder.COOL_S
    assert circuits.admit("p", QUICK)
    circuits.ended("p", None, QUICK)
    assert circuits.admit("p", QUICK)


def test_a_provider_that_is_down_is_left_by_all_and_probed_by_who_has_time(circuits, time):
    fails(circuits, LONG)
    assert circuits.is_open("p")
    time.now += ladder.COOL_S
    assert not circuits.admit("p", QUICK)
    assert circuits.admit("p", LONG)
    circuits.ended("p", None, LONG)
    assert circuits.admit("p", QUICK)


def test_what_fails_at_once_is_no_matter_of_hurry(circuits):
    fails(circuits, QUICK, kind="unreachable")
    assert circuits.is_open("p")
    assert not circuits.admit("p", LONG)


@pytest.mark.parametrize("seconds", [QUICK, LONG])
def test_what_was_never_sent_says_nothing(circuits, seconds):
    fails(circuits, seconds, kind="budget", times=3 * ladder.TRIP_FAILURES)
    assert circuits.admit("p", QUICK)
    assert circuits.admit("p", LONG)


def test_one_provider_says_nothing_of_another(circuits):
    fails(circuits, LONG)
    assert circuits.admit("q", LONG)
