"""The dead letters' decisions."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import dlq, limits
from domains.errors import GateClosed, InputError, Refused, Unavailable, UsageError

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LUCK = st.floats(0, 1, exclude_max=True)


def test_the_docstrings_tell_the_truth():
    assert doctest.testmod(dlq).failed == 0


@given(st.integers(1, 10_000), LUCK, st.floats(0.1, 3600))
def test_delays_double_within_jitter_and_never_pass_the_cap(attempt, luck, base_s):
    delay_s = dlq.backoff_s(attempt, base_s=base_s, luck=luck)
    ideal_s = base_s * 2.0 ** min(attempt - 1, 30)
    assert 0 < delay_s <= limits.DLQ_CAP_S
    assert delay_s == limits.DLQ_CAP_S or abs(delay_s / ideal_s - 1) <= dlq.JITTER + 1e-9


@given(st.sampled_from(["transient", "bug"]), st.integers(1, 10), LUCK)
def test_three_attempts_and_then_no_more_by_itself(kind, attempt, luck):
    verdict = dlq.judge(kind, attempt, NOW, base_s=60, luck=luck)
    assert (verdict.state == "permanent") == (attempt >= limits.DLQ_ATTEMPTS)
    assert (verdict.next_at is None) == (verdict.state == "permanent")
    assert verdict.next_at is None or verdict.next_at > NOW + timedelta(seconds=50)


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
