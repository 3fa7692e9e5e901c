"""The dead letters' decisions."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import dlq, limits
from domains.errors import GateClosed, InputError, Refused, Unavailable, UsageError
from domains.fault import ModelError

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LUCK = st.floats(0, 1, exclude_max=True)


def test_the_docstrings_tell_the_truth():
    assert doctest.testmod(dlq).failed == 0


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0.1, 3600))
def test_delays_lie_anywhere_below_a_bound_that_doubles_and_never_passes_the_cap(attempt, luck, base_s):
    delay_s = dlq.backoff_s(attempt, base_s=base_s, luck=luck)
    bound_s = dlq.backoff_s(attempt, base_s=base_s, luck=1)
    assert bound_s == min(base_s * 2.0 ** min(attempt - 1, 30), limits.DLQ_CAP_S)
    assert 0 <= delay_s <= bound_s
    assert delay_s == pytest.approx(luck * bound_s)


@given(st.sampled_from(["transient", "bug", "budget"]), st.integers(1, 10), LUCK, st.integers(1, 10))
def test_so_many_attempts_and_then_no_more_by_itself(kind, attempt, luck, attempts):
    verdict = dlq.judge(kind, attempt, NOW, base_s=60, luck=luck, attempts=attempts)
    assert (verdict.state == "permanent") == (attempt >= attempts)
    assert (verdict.next_at is None) == (verdict.state == "permanent")
    assert verdict.next_at is None or verdict.next_at >= NOW


def test_three_attempts_unless_a_kind_of_work_says_otherwise():
    states = [dlq.judge("bug", n, NOW, base_s=60, luck=0.5).state for n in (1, 2, 3)]
    assert states == ["scheduled", "scheduled", "permanent"]


def test_what_a_budget_stopped_waits_for_the_next_day():
    at = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)
    verdict = dlq.judge("budget", 1, at, base_s=60, luck=0.5)
    assert verdict.next_at == datetime(2026, 11, 22, 0, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["permanent", "poison"])
def test_what_cannot_heal_is_not_tried_again(kind):
    assert dlq.judge(kind, 1, NOW, base_s=60, luck=0.5) == dlq.Verdict("permanent", None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("x"), "transient"),
        (Refused("x"), "permanent"),
        (UsageError("x"), "permanent"),
        (GateClosed("x"), "permanent"),
        (InputError("x"), "bug"),
        (ZeroDivisionError(), "bug"),
        (ModelError("x", kind="server"), "transient"),
        (ModelError("x", kind="not_json"), "transient"),
        (ModelError("x", kind="open_circuit"), "transient"),
        (ModelError("x", kind="auth"), "permanent"),
        (ModelError("x", kind="budget"), "budget"),
        (ModelError("x", kind="unknown_price"), "budget"),
        (ModelError("x", kind="credit"), "budget"),
    ],
)
def test_errors_have_a_class(error, kind):
    assert dlq.kind_of(error) == kind


def test_equal_failures_share_a_fingerprint_whatever_their_numbers_and_names():
    one = dlq.fingerprint("Unavailable", "get:42", "host 'a.example' gave 503 after 12 s")
    two = dlq.fingerprint("Unavailable", "get:42", "host 'b.example' gave 502 after 3 s")
    other = dlq.fingerprint("Unavailable", "get:42", "host 'b.example' refused")
    assert one == two != other


def test_attempts_count_from_one():
    with pytest.raises(ValueError, match="from 1"):
        dlq.backoff_s(0, base_s=60, luck=0.5)


@given(st.integers(1, 2), LUCK, st.floats(0, 86_400))
def test_nobody_is_asked_again_before_they_said(attempt, luck, retry_after_s):
    verdict = dlq.judge("transient", attempt, NOW, base_s=60, luck=luck, retry_after_s=retry_after_s)
    assert verdict.next_at >= NOW + timedelta(seconds=retry_after_s)
    assert verdict.next_at >= dlq.judge("transient", attempt, NOW, base_s=60, luck=luck).next_at


def test_who_asks_to_be_left_alone_for_years_is_asked_again_after_a_day():
    verdict = dlq.judge("transient", 1, NOW, base_s=60, luck=0, retry_after_s=1e9)
    assert verdict.next_at == NOW + timedelta(days=1)


@given(st.integers(0, 100_000), st.floats(0.001, 1000))
def test_turns_come_at_their_rate_and_in_order(number, rate_s):
    at = dlq.turn_at(number, NOW, rate_s=rate_s)
    assert at <= dlq.turn_at(number + 1, NOW, rate_s=rate_s)
    assert (at - NOW).total_seconds() == pytest.approx(number / rate_s, abs=1e-6)


@pytest.mark.parametrize("rate_s", [0, -1, float("nan")])
def test_a_rate_is_above_nothing(rate_s):
    with pytest.raises(ValueError, match="above 0"):
        dlq.turn_at(1, NOW, rate_s=rate_s)


def test_every_state_is_open_or_an_end_and_only_permanent_is_both():
    assert set(dlq.STATES) == set(dlq.OPEN) | set(dlq.ENDS)
    assert set(dlq.OPEN) & set(dlq.ENDS) == {"permanent"}
    assert set(dlq.ALIVE) < set(dlq.OPEN)
