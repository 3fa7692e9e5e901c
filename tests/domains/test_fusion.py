"""Laws of fused and varied rankings."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domains.fusion import RRF_K, fused, ranking, shares, varied

SCORES = st.floats(-10, 10, allow_nan=False)
LISTS = st.lists(st.lists(st.tuples(st.integers(1, 30), SCORES), max_size=20), max_size=5)


@given(LISTS)
def test_each_id_once_in_falling_order_and_only_what_was_found(lists):
    result = fused(lists)
    ids = [one for one, _ in result]
    assert len(ids) == len(set(ids))
    assert result == sorted(result, key=lambda one: (-one[1], one[0]))
    assert set(ids) == {one for found in lists for one, score in found if score > 0}
    assert all(0 < score <= len(lists) / (RRF_K + 1) + 1e-12 for _, score in result)


@given(LISTS, st.randoms())
def test_the_order_of_lists_and_within_ties_does_not_matter(lists, rng):
    shuffled = [rng.sample(found, len(found)) for found in rng.sample(lists, len(lists))]
    again = dict(fused(shuffled))
    before = dict(fused(lists))
    assert again.keys() == before.keys()
    assert all(abs(again[one] - before[one]) < 1e-12 for one in before)


def test_a_score_of_zero_is_not_found():
    assert fused([[(1, 0.0), (2, 0.5)], [(1, -1.0)]]) == [(2, 1 / (RRF_K + 1))]
    assert ranking([(3, 1.0), (2, 1.0), (3, 0.5), (1, 2.0)]) == [1, 2, 3]


def test_two_lists_that_agree_beat_one_that_is_sure():
    assert next(one for one, _ in fused([[(1, 9.0), (2, 1.0)], [(2, 1.0), (3, 0.5)]])) == 2


@given(st.dictionaries(st.integers(), SCORES))
def test_shares_lie_between_nothing_and_all(scores):
    found = shares(scores)
    assert found.keys() == scores.keys()
    assert all(0 <= one <= 1 for one in found.values())
    if any(one > 0 for one in scores.values()):
        assert max(found.values()) == 1


@st.composite
def worlds(draw):
    size = draw(st.integers(0, 12))
    relevance = np.array(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    upper = np.array(draw(st.lists(st.floats(0, 1), min_size=size * size, max_size=size * size))).reshape(
        size, size
    )
    return relevance, np.maximum(upper, upper.T)


@given(worlds(), st.integers(0, 15), st.floats(0.1, 1))
def test_variety_takes_each_once_the_best_first_and_never_the_same_twice(world, limit, weight):
    relevance, likeness = world
    chosen = varied(relevance, likeness, limit, weight)
    assert len(chosen) == len(set(chosen)) <= limit
    if chosen:
        assert relevance[chosen[0]] * weight == max(relevance * weight)
    for at, one in enumerate(chosen):
        assert all(likeness[one, before] < 1 for before in chosen[:at])
    assert chosen == varied(relevance, likeness, limit, weight)


def test_without_likeness_variety_is_relevance():
    assert varied(np.array([0.2, 0.9, 0.5]), np.zeros((3, 3)), 3, 0.5) == [1, 2, 0]


def test_what_is_like_the_first_waits():
    likeness = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1.0]])
    assert varied(np.array([1.0, 0.95, 0.8]), likeness, 3, 0.6) == [0, 2, 1]
