from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import ladder
from domains.ladder import Circuit

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def opened(times=1, at_s=0.0):
    circuit = Circuit()
    for _ in range(ladder.TRIP_FAILURES + times - 1):
        circuit = ladder.failed(circuit, at_s)
    return circuit


def test_a_circuit_opens_after_failures_in_a_row_only():
    circuit = Circuit()
    for _ in range(ladder.TRIP_FAILURES - 1):
        circuit = ladder.failed(circuit, 0.0)
    assert ladder.admit(circuit, 0.0, 10.0)[1]
    assert ladder.failed(ladder.succeeded(), 0.0).open_until is None
    assert not ladder.admit(ladder.failed(circuit, 0.0), 0.0, 10.0)[1]


def test_one_probe_goes_out_after_the_rest():
    circuit = opened()
    assert not ladder.admit(circuit, 29.9, 10.0)[1]
    circuit, first = ladder.admit(circuit, 30.0, 10.0)
    circuit, second = ladder.admit(circuit, 31.0, 10.0)
    assert (first, second) == (True, False)
    assert ladder.admit(circuit, 40.0, 10.0)[1], "a probe whose worker died does not close the door"
    assert ladder.admit(ladder.unfinished(circuit), 31.0, 10.0)[1]
    assert ladder.admit(ladder.succeeded(), 31.0, 10.0)[1]


@pytest.mark.parametrize(("times", "rest_s"), [(1, 30), (2, 60), (3, 120), (9, 600), (5000, 600)])
def test_each_failed_probe_doubles_the_rest(times, rest_s):
    assert opened(times).open_until == rest_s


def test_a_provider_that_asks_for_days_is_looked_at_again():
    assert ladder.failed(opened(), 0.0, 259_200.0).open_until == ladder.COOL_CAP_S


@given(st.integers(1, 10_000), st.one_of(st.none(), st.floats(0, 1e6)), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_bounded_and_never_shorter_than_asked(attempt, asked, luck):
    wait_s = ladder.backoff_s(attempt, asked, luck)
    assert wait_s >= (asked or 0)
    assert wait_s <= max(ladder.BACKOFF_CAP_S, asked or 0)
    assert wait_s >= ladder.BACKOFF_BASE_S / 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 2.5 ", 2.5),
        ("0", 0.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, ladder.LONGEST_WAIT_S),
        ("259200", 259_200.0),
        ("Fri, 20 Nov 2026 12:00:07 GMT", 7.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 20 Nov 9999 11:00:00 GMT", ladder.LONGEST_WAIT_S),
        ("Fri, 20 Nov 99999 11:00:00 GMT", None),
    ],
)
def test_retry_after_as_it_is_met(value, seconds):
    assert ladder.retry_after_s(value, NOW) == seconds


@given(st.text())
def test_retry_after_never_crashes(value):
    found = ladder.retry_after_s(value, NOW)
    assert found is None or 0 <= found <= ladder.LONGEST_WAIT_S


@given(st.integers(-10_000, 10_000_000))
def test_retry_after_reads_every_date(seconds):
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert ladder.retry_after_s(date, NOW) == max(seconds, 0)


def test_the_last_rung_gets_all_the_time_that_is_left():
    assert ladder.share_s(60.0, 1) == 60.0
    assert ladder.share_s(60.0, 2) < 60.0
