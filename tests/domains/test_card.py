"""A card's facts: a course in bars that counts every post, block letters for it, and how rare chance is."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.card import BARS, STEPS, Course, course, rarity

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AGES = st.lists(st.integers(0, 60 * 24 * 20), min_size=1, max_size=60)


@given(AGES)
def test_a_course_counts_every_post_in_bars_that_fit(ages):
    times = [NOW - timedelta(minutes=age) for age in ages]
    made = course(times, NOW)
    assert sum(made.counts) == len(times)
    assert len(made.counts) <= BARS
    assert timedelta(seconds=made.step_s) in STEPS
    assert made.start <= min(times) < made.start + timedelta(seconds=made.step_s)
    assert len(made.spark) == len(made.counts)


def test_a_course_without_posts_is_empty():
    assert course([], NOW).counts == ()
    assert course([], NOW).spark == ""


@pytest.mark.parametrize(
    ("counts", "spark"), [((0, 0), "▁▁"), ((0, 1), "▁█"), ((1, 2, 4, 8), "▂▃▅█"), ((5,), "█")]
)
def test_a_course_is_drawn_in_block_letters(counts, spark):
    assert Course(NOW, 900, counts).spark == spark


def test_what_chance_never_does_takes_for_ever():
    assert rarity(0.0, 100) == math.inf
    assert rarity(0.001, 100) == pytest.approx(10)
