import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.extract import Candidate, centrality, lexrank, mmr, similarity, submodular

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
METHODS = [submodular, mmr]


def candidate(number: int, terms: str, weight: float = 1.0, group: str = "a") -> Candidate:
    return Candidate(number, (0, 60), NOON + timedelta(minutes=number), tuple(terms.split()), weight, group)


FLOOD = [
    candidate(1, "flood bridge cut solvych"),
    candidate(2, "flood bridge cut solvych road", group="b"),
    candidate(3, "diver inspect pillar bridge", group="b"),
    candidate(4, "pupil keep ticket council", group="c"),
]


@st.composite
def pools(draw: st.DrawFn) -> list[Candidate]:
    count = draw(st.integers(0, 9))
    return [
        Candidate(
            post=draw(st.integers(1, 4)),
            span=(number * 50, number * 50 + draw(st.integers(1, 49))),
            at=NOON + timedelta(minutes=draw(st.integers(0, 2))),
            terms=tuple(draw(st.lists(st.sampled_from("abcdefg"), max_size=6))),
            weight=draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])),
            group=draw(st.sampled_from("xyz")),
        )
        for number in range(count)
    ]


def test_similarity_is_a_cosine() -> None:
    similar = similarity([item.terms for item in FLOOD] + [()])
    assert similar.shape == (5, 5)
    np.testing.assert_allclose(similar, similar.T)
    np.testing.assert_allclose(np.diag(similar), [1, 1, 1, 1, 0])
    assert similar[0, 1] > similar[0, 2] > similar[0, 3] == 0
    assert similarity([]).shape == (0, 0)


def test_lexrank_of_a_star_is_highest_in_its_middle() -> None:
    similar = np.array([[1, 0.5, 0.5, 0.5], [0.5, 1, 0, 0], [0.5, 0, 1, 0], [0.5, 0, 0, 1]])
    rank = lexrank(similar, np.ones(4))
    assert rank.sum() == pytest.approx(1.0)
    assert rank.argmax() == 0
    # By symmetry the leaves share what the middle leaves: r0 = .85 * 3 r1 + .15 / 4.
    assert rank[0] == pytest.approx(0.85 * 3 * rank[1] + 0.15 / 4, abs=1e-6)
    assert len(lexrank(np.zeros((0, 0)), np.zeros(0))) == 0


def test_a_sentence_like_no_other_keeps_its_prior() -> None:
    rank = lexrank(np.eye(3), np.array([2.0, 1.0, 1.0]))
    np.testing.assert_allclose(rank, [0.5, 0.25, 0.25])


def test_centrality_is_one_at_the_top_whatever_the_order() -> None:
    forward, backward = centrality(FLOOD), centrality(FLOOD[::-1])
    assert forward.max() == 1.0
    np.testing.assert_array_equal(forward, backward[::-1])


@pytest.mark.parametrize("choose", METHODS)
def test_the_second_sentence_is_not_the_first_again(choose) -> None:
    first, second = choose(FLOOD, 2)
    assert {first, second} != {0, 1}


@pytest.mark.parametrize("choose", METHODS)
def test_what_is_said_already_is_not_returned_and_counts(choose) -> None:
    # The headline said all of 1; of what is left, its near copy comes last.
    order = choose(FLOOD[:3], 9, [0])
    assert order == (2, 1)


@pytest.mark.parametrize("choose", METHODS)
def test_weight_decides_between_equals_and_time_between_twins(choose) -> None:
    assert choose([candidate(1, "a b", 0.4), candidate(2, "a b", 0.9)], 1) == (1,)
    assert choose([candidate(2, "a b"), candidate(1, "a b")], 1) == (1,)


@pytest.mark.parametrize("choose", METHODS)
@settings(max_examples=60, deadline=None)
@given(pools(), st.integers(0, 6), st.randoms(use_true_random=False))
def test_choice_is_distinct_bounded_and_blind_to_order(
    choose, pool: list[Candidate], count: int, rng: random.Random
) -> None:
    chosen = choose(pool, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(pool))
    shuffled = pool[:]
    rng.shuffle(shuffled)
    assert [pool[index] for index in chosen] == [shuffled[index] for index in choose(shuffled, count)]


def test_submodular_draws_on_another_publisher() -> None:
    pool = [
        candidate(1, "flood bridge cut", group="a"),
        candidate(2, "flood bridge lane", group="a"),
        candidate(3, "flood bridge road", group="b"),
    ]
    assert submodular(pool, 2) == (0, 2)
