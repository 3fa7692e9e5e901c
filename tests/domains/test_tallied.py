"""What sentences count: the same thing in three languages, and nothing where it is not sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.tallied import counts
from domains.twin import Speller

INJURED = [
    ("Число пострадавших на Грабовском мосту выросло до 14.", "14"),
    ("Грабівський міст: постраждалих уже 14", "14"),
    ("Bridge collapse: number of injured rises to 14.", "14"),
    ("Of 15 injured, five have been discharged.", "15"),
    ("Постраждалих на мосту 15, п'ятьох уже виписали", "15"),
    ("The toll of injured rose from 12 to 17, rescuers say", "17"),
    ("Ещё 2 пострадавших нашли, всего 17 пострадавших", "17"),
]


@pytest.mark.parametrize(("sentence", "value"), INJURED)
def test_one_thing_is_counted_in_three_languages(sentence, value):
    (found,) = counts(sentence, Speller())
    (other,) = counts("12 injured", Speller())
    assert (found.value, found.marks, found.telling) == (value, other.marks, True)
    assert found.follows(other)
    assert not other.follows(found)
    assert found.shown in sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "Автобус № 9 сошёл с маршрута.",
        "The bus leaves at 7:38 from School No. 15.",
        "5 of the injured are children.",
        "The interval was cut from 12 to 8 minutes.",
        "18,6 миллиона гривен за усиление опор",
        "2 more injured were found.",
        "In 2024",
        "12 injured, 3 injured badly",
    ],
)
def test_what_is_not_surely_a_count_is_none(sentence):
    assert [one for one in counts(sentence, Speller()) if one.telling] == []


def test_things_are_told_apart():
    trees, villages = counts("Storm fells 31 trees, 14 villages lose power.", Speller())
    assert (trees.value, villages.value) == ("31", "14")
    assert not trees.follows(villages)
    (dollar, euro) = counts("Доллар выше 103, евро выше 108", Speller())
    assert (dollar.value, euro.value) == ("103", "108")
    assert dollar.marks != euro.marks


@given(st.text(alphabet="ab 0123456789,.:→-–«»№injured пострадавших\n", max_size=80))
def test_every_count_stands_in_its_sentence(sentence):
    for one in counts(sentence, Speller()):
        assert one.shown in sentence
        assert sentence[one.span[0] : one.span[1]].strip()
        assert one.marks
