from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.sketch import Counts, Days, Doorkeeper, code

START = datetime(2024, 11, 20, tzinfo=UTC)
DAYS = timedelta(days=14)


def test_a_key_has_one_code_for_ever():
    assert code("пожар") == code("пожар") != code("пожары")
    assert code("a") == 3405396810240292928


@given(st.lists(st.sampled_from("abcdefghij"), max_size=80))
def test_counts_never_say_less_and_hardly_more(keys):
    counts = Counts(START, DAYS, 1 << 10)
    for key in keys:
        counts.add([code(key)], START)
    for key, true in Counter(keys).items():
        assert true <= counts.get(code(key), START) <= true + 1


def test_a_crowd_costs_little_accuracy():
    counts = Counts(START, DAYS, 1 << 12)
    for number in range(0, 4000, 50):
        counts.add([code(f"term {one}") for one in range(number, number + 50)], START)
    errors = [counts.get(code(f"term {number}"), START) - 1 for number in range(0, 4000, 40)]
    assert min(errors) >= 0
    assert sum(errors) / len(errors) < 1.5


def test_counts_fade_by_half():
    counts = Counts(START, DAYS)
    counts.add([1] * 8, START)
    assert counts.get(1, START + DAYS) == pytest.approx(4)
    counts.add([1] * 4, START + DAYS)
    assert counts.get(1, START + DAYS) == pytest.approx(8)


def test_counts_survive_years():
    counts = Counts(START, timedelta(days=1), 16)
    for day in range(0, 400, 20):
        counts.add([7] * 3, START + timedelta(days=day))
    assert counts.get(7, START + timedelta(days=380)) == pytest.approx(3, rel=1e-3)


def test_counts_come_back():
    counts = Counts(START, DAYS, 64)
    for number in range(30):
        counts.add([code(str(number))], START + timedelta(hours=number))
    again = Counts.load(counts.state())
    assert again.state() == counts.state()
    assert again.get(code("7"), START + DAYS) == counts.get(code("7"), START + DAYS)


def test_a_width_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power"):
        Counts(START, DAYS, 100)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 99)), max_size=60))
def test_a_doorkeeper_forgets_but_never_invents(seen):
    keeper, last = Doorkeeper(4), {}
    for name, value in seen:
        assert keeper.swap(code(name), value) in {None, last.get(name)}
        last[name] = value


def test_a_doorkeeper_comes_back():
    keeper, again = Doorkeeper(64), Doorkeeper(64)
    keeper.swap(code("a"), 5)
    again.restore(keeper.state())
    assert again.swap(code("a"), 6) == 5


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(100, 140)), max_size=40))
def test_days_never_say_too_few(seen):
    days, true = Days(1 << 10), {}
    for name, day in sorted(seen, key=lambda one: one[1]):
        days.add([code(name)], day)
        true.setdefault(name, set()).add(day)
    newest = max((day for _, day in seen), default=100)
    for name in "abcd":
        expected = len({day for day in true.get(name, ()) if newest - 7 <= day < newest})
        assert days.count([code(name)], newest, 7).tolist() == [expected]
    assert Days.load(days.state()).state() == days.state()


def test_today_is_not_a_day_before():
    days = Days()
    days.add([1, 2], 10)
    assert days.count([1, 2, 3], 10, 7).tolist() == [0, 0, 0]
    assert days.count([1, 2, 3], 11, 7).tolist() == [1, 1, 0]
    assert days.count([1], 18, 7).tolist() == [0]
