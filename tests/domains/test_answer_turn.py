"""What a question of a conversation leans on, and what is remembered of it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.answer import QUESTION_CHARS
from domains.answer_turn import followed, kept, leaning, leans_on_person, subject
from domains.intent import Turn

AT = datetime(2026, 11, 20, tzinfo=UTC)
CHESS = Turn("Who won the chess championship?", "search", AT)


def test_a_follow_up_looks_for_what_was_asked_before():
    assert followed("and when?", Turn("bus fare", "search", AT)) == "bus fare and when?"
    assert followed("bus fare", None) == "bus fare"


@given(st.text(max_size=QUESTION_CHARS).filter(str.strip), st.text(min_size=1, max_size=QUESTION_CHARS))
def test_what_is_asked_now_is_looked_for_whole(text, before):
    found = followed(text, Turn(before, "search", AT))
    assert text.strip() in found
    assert len(found) <= QUESTION_CHARS


def test_a_conversation_is_remembered_by_how_it_began_and_what_came_last():
    turn = Turn(kept("How many were injured?", None), "search", AT)
    for text in ("and the lorry?", "and the driver?", "and the bus?"):
        turn = Turn(kept(text, turn), "search", AT)
    assert turn.query == "How many were injured?\nand the bus?"
    assert subject(turn) == "How many were injured? and the bus?"


@pytest.mark.parametrize(
    "text", ["How old is she?", "Сколько ей лет?", "Скільки їй років?", "коли це сталося?"]
)
def test_a_pronoun_leans_on_what_was_asked_before(text):
    assert leaning(text, [CHESS, Turn("thanks", "small_talk", AT)]) == CHESS
    assert leaning(text, []) is None


@pytest.mark.parametrize(
    "text",
    [
        "What is the bus fare?",
        "Did they say that the bridge over the Luhva will be rebuilt?",
        "Хто такий Роман Кучерявець?",
    ],
)
def test_a_question_that_says_what_it_is_about_leans_on_nothing(text):
    assert leaning(text, [CHESS]) is None
    assert not leans_on_person(text)


def test_somebody_unnamed_was_named_before():
    assert leans_on_person("How old is she?")
    assert not leans_on_person("Is it raining?")
