"""A digest as values: what is written down is what is read back, since replays rest on it."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains import digest
from domains.digest import REASONS, Briefing, Digest, Plan, Reason, Verdict
from domains.window import Window

AT = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
WINDOWS = st.builds(
    lambda start, length: Window(start, start + length),
    AT,
    st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
)
st.register_type_strategy(datetime, AT)
st.register_type_strategy(Window, WINDOWS)
st.register_type_strategy(
    digest.Settings,
    st.builds(
        digest.Settings,
        **{name: st.integers(*bounds) for name, bounds in digest.BOUNDS.items()},
        languages=st.lists(st.text()).map(tuple),
    ),
)
# JSON knows no infinity; scores and expectations are finite.
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


@pytest.mark.parametrize("kind", [Briefing, Plan, digest.Draft, Verdict, Digest])
@settings(max_examples=25)
@given(st.data())
def test_what_is_written_is_read_back_and_written_the_same(kind, data):
    value = data.draw(st.from_type(kind))
    body = msgspec.json.encode(value)
    again = msgspec.json.decode(body, type=kind)
    assert msgspec.json.encode(again) == body
    assert again == value


def test_every_reason_has_its_words():
    assert set(REASONS) == set(get_args(Reason))
    assert all(words and words[0].islower() and not words.endswith(".") for words in REASONS.values())


@settings(max_examples=10)
@given(st.from_type(Digest))
def test_a_digest_is_quiet_without_stories(value):
    assert value.quiet == (len(value.stories) == 0)
