"""Laws of the measures of a ranking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.measure import ndcg, recall, reciprocal_rank

RANKED = st.lists(st.integers(0, 12), max_size=20)
WANTED = st.sets(st.integers(0, 12), max_size=8)
GAINS = st.dictionaries(st.integers(0, 12), st.floats(-1, 5), max_size=8)
DEPTH = st.integers(1, 15)


@given(RANKED, WANTED, GAINS, DEPTH)
def test_every_measure_lies_between_nothing_and_all(ranked, wanted, gains, at):
    for value in (recall(ranked, wanted, at), reciprocal_rank(ranked, wanted), ndcg(ranked, gains, at)):
        assert 0.0 <= value <= 1.0


@given(RANKED, WANTED, GAINS, DEPTH)
def test_ranking_something_twice_changes_nothing(ranked, wanted, gains, at):
    once = list(dict.fromkeys(ranked))
    assert recall(ranked, wanted, at) == recall(once, wanted, at)
    assert reciprocal_rank(ranked, wanted) == reciprocal_rank(once, wanted)
    assert ndcg(ranked, gains, at) == ndcg(once, gains, at)


@given(RANKED, WANTED, DEPTH)
def test_looking_deeper_finds_no_less(ranked, wanted, at):
    assert recall(ranked, wanted, at) <= recall(ranked, wanted, at + 1)


@given(GAINS, DEPTH)
def test_the_ideal_order_is_worth_one(gains, at):
    ideal = sorted(gains, key=lambda one: -gains[one])
    good = any(gain > 0 for gain in gains.values())
    assert ndcg(ideal, gains, at) == pytest.approx(1.0 if good else 0.0)


def test_the_numbers_are_the_textbooks():
    assert recall([7, 3, 9], {3, 9, 5}, 2) == pytest.approx(1 / 3)
    assert reciprocal_rank([7, 3, 9], {9}) == pytest.approx(1 / 3)
    assert ndcg([1, 2, 3], {1: 3.0, 2: 2.0, 3: 3.0}, 3) == pytest.approx(0.9778, abs=1e-3)
    assert ndcg([2], {1: 1.0}, 10) == 0.0
