"""Posts as values: a span is what it says."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domains.post import Post


def post(text):
    return Post(1, "a/1", "a", "a", datetime(2026, 11, 20, tzinfo=UTC), text, "en", "0" * 64)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_spans_count_code_points(parts):
    one, at = post("".join(parts)), 0
    for part in parts:
        assert one.quote((at, at + len(part))) == part
        at += len(part)
    assert one.quote((0, at)) == one.text
