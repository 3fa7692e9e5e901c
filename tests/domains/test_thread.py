"""Threads: a matter is known by its thing and what is said of it, in any language, and not by numbers or places alone."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domains.digest import Opening
from domains.thread import Threads
from tests.rows import DAY

FELL = "Обрушился пролёт Грабовского моста. Пострадали 12 человек, погибших нет."
MORE = "Hrabivskyi Bridge: number of injured rises to 14. Its span collapsed with a bus."
AGAIN = "Грабівський міст: постраждалих уже 15. П'ятьох виписали з лікарні."
LYNX = "First lynx in 30 years walks past a camera in Hrabivskyi Forest."
FARE = "Council raises bus fare to 14 hryvnias. 27 of 36 deputies voted for it."


def told(number, text, days=0):
    return number, [Opening(DAY + timedelta(days=days), text)]


def test_a_matter_goes_on_in_other_languages():
    threads = Threads(
        [told(1, FELL), told(2, MORE, 1), told(3, LYNX, 1), told(4, FARE, 1), told(5, AGAIN, 2)]
    )
    assert threads.linked([2, 3, 4], {1: ()}) == {2: (1,)}
    assert threads.linked([5], {1: (), 2: (1,)}) == {5: (1, 2)}


def test_what_was_continued_when_it_was_told_belongs_to_the_thread():
    threads = Threads([told(1, FARE), told(2, MORE), told(3, AGAIN, 1)])
    assert threads.linked([3], {2: (1,), 1: ()})[3] == (1, 2)


def test_likeness_fades_over_days():
    threads = Threads([told(1, FELL), told(2, MORE, 1), told(3, MORE, 7)])
    assert threads.bond(1, 2).evidence > threads.bond(1, 3).evidence
    assert threads.linked([3], {1: ()}) == {}


@given(st.lists(st.sampled_from([FELL, MORE, AGAIN, LYNX, FARE, ""]), min_size=2, max_size=6))
def test_bonds_are_symmetric_and_order_does_not_matter(texts):
    stories = [told(number, text) for number, text in enumerate(texts, 1)]
    one, other = Threads(stories), Threads(stories[::-1])
    for a in range(1, len(texts) + 1):
        for b in range(1, len(texts) + 1):
            assert one.bond(a, b) == other.bond(b, a)
    former = dict.fromkeys(range(2, len(texts) + 1), ())
    assert one.linked([1], former) == other.linked([1], former)
