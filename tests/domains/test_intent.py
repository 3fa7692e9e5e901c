from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.errors import InputError
from domains.intent import QUERY_CHARS, ROUTES, Example, bundled, canonical, parse

LANGS = ("en", "ru", "uk")


def _judged() -> list[Example]:
    """The set that is split in half; the rest is only for training."""
    held = [one for one in bundled() if one.split == "held_out"]
    return [*bundled()[: 2 * len(held)]]


def test_the_labelled_set_covers_every_route_in_three_languages_half_held_out():
    judged = _judged()
    assert len(judged) >= 300
    count = Counter((one.lang, one.route, one.split) for one in judged)
    assert {(lang, route) for lang, route, _ in count} == set(product(LANGS, ROUTES))
    assert all(
        count[lang, route, "train"] == count[lang, route, "held_out"] for lang in LANGS for route in ROUTES
    )
    assert min(Counter(one.lang for one in judged).values()) >= 100


def test_no_query_is_labelled_twice_and_none_is_both_trained_on_and_held_out():
    repeated = [
        query for query, times in Counter(canonical(one.query) for one in bundled()).items() if times > 1
    ]
    assert repeated == []


@given(st.text(max_size=2 * QUERY_CHARS))
def test_the_canonical_form_is_one_short_line(text):
    once = canonical(text)
    assert "\n" not in once
    assert len(once) <= QUERY_CHARS
    assert once == once.strip()


def test_spelling_that_readers_do_not_see_changes_nothing():
    assert canonical("  Ещё\u200b  РАЗ ") == canonical("еще раз")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "line 1: expected query"),
        ("query\tlang\troute\n", "line 1: expected query"),
        ("query\tlang\troute\tsplit\nhi\ten\tgreeting\ttrain\n", "line 2: 'greeting' is no route"),
        ("query\tlang\troute\tsplit\nhi\ten\tsmall_talk\ttest\n", "line 2: 'test' is no split"),
        ("query\tlang\troute\tsplit\nhi\ten\tsmall_talk\n", "line 2: expected four columns, found 3"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(table, complaint):
    with pytest.raises(InputError, match=f"queries.tsv, {complaint}"):
        parse(table, "queries.tsv")
