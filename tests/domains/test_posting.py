"""Segments and shards against a search that looks at everything."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import posting
from domains.lexical import rarity
from domains.point import Point, Scope
from domains.posting import SEGMENT_POINTS, Segment, Shard, merged
from domains.vector import Vector

AT = datetime(2026, 11, 20, tzinfo=UTC)
OWN = Scope(1)


def vector(values):
    indices = np.array(sorted(values), np.uint32)
    return Vector(indices, np.array([values[one] for one in sorted(values)], np.float32))


def point(number, values, **rest):
    return Point(number, 1, vector(values), rest.pop("source", 1), rest.pop("lang", "en"), AT, **rest)


TERMS = st.dictionaries(st.integers(0, 15), st.integers(1, 254).map(lambda one: one / 255), max_size=6)
BATCHES = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 12), TERMS, max_size=6), st.sets(st.integers(1, 12), max_size=3)
    ),
    max_size=5,
)
QUESTION = st.dictionaries(st.integers(0, 15), st.floats(0.125, 2), min_size=1, max_size=5)


def segments(batches):
    return [Segment.of([point(one, values) for one, values in own.items()], gone) for own, gone in batches]


def latest(batches):
    rows = {}
    for own, gone in batches:
        # What a batch deletes is older than what it brings.
        rows = {one: values for one, values in rows.items() if one not in gone} | own
    return rows


def exhaustive(rows, question):
    size = float(len(rows))
    held = np.array([sum(term in values for values in rows.values()) for term in question], float)
    weights = dict(zip(question, rarity(size, held), strict=True))
    scores = {
        one: sum(values.get(term, 0) * weight * weights[term] for term, weight in question.items())
        for one, values in rows.items()
    }
    return sorted(
        ((one, score) for one, score in scores.items() if score > 0), key=lambda one: (-one[1], one[0])
    )


@given(BATCHES, QUESTION)
def test_merged_segments_find_what_an_exhaustive_search_finds(batches, question):
    rows = latest(batches)
    own = segments(batches)
    shard = Shard([merged(own, first=True)] if own else [])
    found = shard.search(vector(question), OWN, 20)
    expected = exhaustive(rows, question)
    assert shard.points == len(rows)
    assert dict(found) == pytest.approx(dict(expected), rel=1e-4)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@given(BATCHES, QUESTION)
def test_unmerged_segments_hold_the_same_points(batches, question):
    shard = Shard(segments(batches))
    rows = latest(batches)
    assert shard.points == len(rows)
    assert {one for one, _ in shard.search(vector(question), OWN, 20)} == {
        one for one, values in rows.items() if values.keys() & question.keys()
    }


@given(BATCHES)
def test_a_segment_survives_its_bytes(batches):
    for one in segments(batches):
        again = Segment.from_buffer(one.to_bytes())
        assert again.to_bytes() == one.to_bytes()
        assert again.ids.tolist() == one.ids.tolist()


@pytest.mark.parametrize("damage", [b"", b"nothing", b"SVP1" + bytes(24), lambda data: data[:-9]])
def test_bytes_that_are_no_segment_are_refused(damage):
    data = Segment.of([point(1, {3: 0.5})]).to_bytes()
    with pytest.raises(ValueError, match="segment"):
        Segment.from_buffer(damage(data) if callable(damage) else damage)


def test_of_many_postings_only_the_best_are_made_exact_and_the_best_stays(monkeypatch):
    monkeypatch.setattr(posting, "BUDGET", 40)
    rows = {one: {0: 0.5, 1 + one % 7: 0.9} for one in range(1, 200)}
    rows[77] |= {8: 0.9}
    shard = Shard([Segment.of([point(one, values) for one, values in rows.items()])])
    found = shard.search(vector({0: 1.0, 3: 1.0, 8: 1.0}), OWN, 3)
    assert found[0][0] == 77
    assert found[0][1] == pytest.approx(exhaustive(rows, {0: 1.0, 3: 1.0, 8: 1.0})[0][1], rel=1e-2)


def test_a_segment_that_would_be_too_large_is_refused():
    with pytest.raises(ValueError, match="holds"):
        Segment.of([point(one, {}) for one in range(SEGMENT_POINTS + 1)])
