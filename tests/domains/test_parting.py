"""Stories that are two: the groups are a partition, the same in any order, and never what merging would undo."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.parting import LEAST, parts
from domains.story import FIRST_LOOK, Part, StoryIndex
from domains.vector import Vector

NOON = datetime(2024, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING = Vector(np.empty(0, np.uint32), np.empty(0, np.float32))


def axis(*weights):
    """Return a unit vector of word features."""
    values = np.array([weight for weight in weights if weight], dtype=np.float32)
    indices = np.array([at + 1 for at, weight in enumerate(weights) if weight], dtype=np.uint32)
    return Vector(indices, values / np.linalg.norm(values))


FIRE = [axis(2, 1, 0, 0, 0, 0), axis(2, 0, 1, 0, 0, 0), axis(2, 1, 1, 0, 0, 0)]
FARE = [axis(0, 0, 0, 2, 1, 0), axis(0, 0, 0, 2, 0, 1), axis(0, 0, 0, 2, 1, 1)]
BOTH = axis(2, 1, 0, 2, 1, 0)

VECTORS = (
    st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.0, 2.0]), min_size=6, max_size=6)
    .filter(any)
    .map(lambda weights: axis(*weights))
)
STORIES = st.lists(st.one_of(VECTORS, st.sampled_from([*FIRE, *FARE, NOTHING])), max_size=24)


def test_two_matters_chained_by_a_post_of_both_part():
    larger, lesser = parts([*FIRE, BOTH, *FARE, FARE[0]])
    assert {0, 1, 2} < larger | lesser
    assert {0, 1, 2} <= larger or {0, 1, 2} <= lesser
    assert {4, 5, 6, 7} <= larger or {4, 5, 6, 7} <= lesser
    assert not ({0, 4} <= larger)
    assert not ({0, 4} <= lesser)


@pytest.mark.parametrize(
    "posts",
    [[], FIRE, [*FIRE, *FIRE], [*FIRE, *FARE[:2]], [*FIRE, *FIRE, axis(0, 0, 0, 0, 0, 1)], [NOTHING] * 9],
    ids=["none", "few", "one matter", "two posts of another", "one stray post", "without content"],
)
def test_what_is_one_matter_stays_one(posts):
    assert parts(posts) is None


def test_of_two_equal_parts_the_first_has_the_first_post():
    assert parts([*FIRE, *FARE]) == (frozenset({0, 1, 2}), frozenset({3, 4, 5}))
    assert parts([*FARE, *FIRE]) == (frozenset({0, 1, 2}), frozenset({3, 4, 5}))


@settings(deadline=None)
@given(STORIES)
def test_parts_are_a_partition_the_larger_first(posts):
    found = parts(posts)
    if found is None:
        return
    first, second = found
    full = {at for at, vector in enumerate(posts) if len(vector)}
    assert first | second == set(range(len(posts)))
    assert not first & second
    assert len(first & full) >= len(second) >= LEAST
    assert second <= full


@settings(deadline=None)
@given(STORIES, st.randoms(use_true_random=False))
def test_the_order_of_the_posts_says_nothing(posts, drawn: random.Random):
    order = list(range(len(posts)))
    drawn.shuffle(order)
    one, other = parts(posts), parts([posts[at] for at in order])
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        full = {at for at, vector in enumerate(posts) if len(vector)}
        told = {frozenset(order[at] for at in group) & full for group in other}
        assert told == {group & full for group in one}


@settings(deadline=None, max_examples=200)
@given(STORIES)
def test_what_parts_is_never_merged_at_once(posts):
    found = parts(posts)
    if found is None:
        return
    index = StoryIndex()
    for number, group in enumerate(found, 1):
        for at in sorted(group):
            index.add(number, NOON, posts[at])
    assert index.same(1, [2]) == ()
    assert index.same(2, [1]) == ()


def made(count, vectors):
    return Part(NOON, NOON + HOUR, count, vectors)


def test_an_index_makes_a_story_two_and_is_restored_so():
    index = StoryIndex()
    for vector in [*FIRE, BOTH, *FARE]:
        index.add(1, NOON, vector)
    assert index.part(1, made(4, [*FIRE, BOTH]), 2, made(3, FARE))
    assert index.assign(NOON + HOUR, FIRE[0]).story == 1
    assert index.assign(NOON + HOUR, FARE[1]).story == 2
    assert StoryIndex.load(index.state()).state() == index.state()
    assert not index.due(1)
    assert not index.due(2)


def test_an_index_does_not_part_what_it_would_merge():
    index = StoryIndex()
    for vector in [*FIRE, *FIRE]:
        index.add(1, NOON, vector)
    before = index.state()
    assert not index.part(1, made(3, FIRE), 2, made(3, FIRE))
    assert index.state() == before


def test_a_story_is_looked_at_when_its_posts_have_doubled():
    index, looks = StoryIndex(), []
    for number in range(1, 70):
        index.add(1, NOON, FIRE[number % 3])
        if index.due(1):
            index.looked(1)
            looks.append(number)
            index = StoryIndex.load(index.state())
    assert looks == [FIRST_LOOK, 16, 32, 64]
    assert not index.due(2)
