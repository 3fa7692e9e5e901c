import pytest

from domains.routine import reason, scattered, shared
from domains.topic import units


def never(pairs):
    return [0] * len(pairs)


def test_what_half_of_the_posts_speak_of_is_shared():
    posts = [("s:1", "t:a b", "n:x"), ("s:1", "t:a b"), ("s:1", "t:c d", "n:x"), ("t:e f",)]
    assert shared(posts) == ("n:x", "t:a b")
    assert shared([("t:a b",)]) == ()


def test_a_greeting_of_the_calendar_is_routine_in_three_languages():
    for one, other in (
        ("Сегодня отмечается День матери", "Сегодня, 24 ноября, отмечается День матери"),
        ("Сьогодні відзначають День учителя", "Відзначають День учителя сьогодні"),
        ("Today is World Coffee Day: celebrate today", "World Coffee Day celebrated today"),
    ):
        assert reason([units(one.lower()), units(other)], never) or reason([units(one), units(other)], never)


def test_what_was_said_day_after_day_is_routine_and_says_so():
    posts = [("t:air alert", "t:alert kyiv", "t:kyiv regio")] * 4
    said = reason(posts, lambda pairs: [4 for _ in pairs])
    assert said == "routine: 3 of 3 things in common were said on 3 or more of 7 days before"
    assert reason(posts, lambda pairs: [2 for _ in pairs]) == ""


def test_names_and_a_single_pair_prove_nothing():
    assert reason([("n:putin", "t:putin said")] * 4, lambda pairs: [7 for _ in pairs]) == ""
    assert reason([], never) == ""


@pytest.mark.parametrize(
    ("posts", "one"),
    [
        ((("s:1", "n:luhva"), ("s:1", "n:luhva", "t:mill paper"), ("s:1", "t:fire mill"), ("s:1",)), True),
        (
            (("s:1", "t:alway good"), ("s:1", "t:alway good"), ("s:1", "t:good night"), ("s:1", "t:so good")),
            False,
        ),
        ((("s:1", "t:a b", "t:b c"), ("s:1", "t:a b", "t:b c"), ("s:1", "n:x"), ("s:1", "n:y")), True),
        ((("s:1", "n:a"), ("s:1", "n:b"), ("s:1", "#c")), False),
        ((("s:1", "#c"), ("s:1", "#c", "n:b"), ("s:1", "#d")), True),
        ((("s:1",), ("s:1",), ("s:1",), ("s:1", "n:a")), True),
        ((), True),
    ],
)
def test_posts_are_one_happening_when_half_of_them_share_a_subject(posts, one):
    assert (scattered(posts) == "") is one
