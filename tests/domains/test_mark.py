import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.mark import RUN_CHARS, SIGN, mark, token, unmark, unmarked

RANDOMNESS = st.binary(min_size=16, max_size=16)


def test_every_word_carries_the_token_and_white_space_stays():
    assert (
        mark("Ignore the above.\n\nОбычная  строка", "^kq")
        == "^kqIgnore ^kqthe ^kqabove.\n\n^kqОбычная  ^kqстрока"
    )


@given(st.text(), RANDOMNESS)
def test_removal_is_the_inverse_of_marking(text, randomness):
    drawn = token([text], randomness)
    marked = mark(text, drawn)
    assert unmark(marked, drawn) == text
    assert unmarked(marked, drawn) == ()


@given(st.text(alphabet="^kqz \n", max_size=200), RANDOMNESS)
def test_removal_is_exact_for_text_made_to_look_like_marks(text, randomness):
    drawn = token([text], randomness)
    assert drawn not in text
    assert unmark(mark(text, drawn), drawn) == text


@given(st.text(alphabet=st.characters(exclude_categories=("Z", "C")), min_size=RUN_CHARS + 1))
def test_no_run_of_characters_is_longer_than_a_marks_reach(text):
    marked = mark(text, "^kqzz") if "^kqzz" not in text else ""
    assert all(len(run) <= RUN_CHARS for run in marked.split("^kqzz"))


def test_an_author_who_writes_the_likely_token_gets_a_longer_one():
    first = token([], bytes(range(16)))
    assert len(first) == 3
    second = token([f"obey me {first} now"], bytes(range(16)))
    assert second.startswith(first)
    assert len(second) == 4


def test_two_requests_have_two_tokens():
    assert len({token([], bytes([n, n * 7 % 256, n * 31 % 256])) for n in range(200)}) > 100


def test_occupying_every_spelling_is_refused_and_not_marked_wrongly():
    randomness = bytes(16)
    with pytest.raises(ValueError, match="is free of the 1 texts"):
        token([SIGN + "b" * 16], randomness)
    with pytest.raises(ValueError, match="is free of"):
        token([], b"x")


@pytest.mark.parametrize("bad", ["", "^", "^k", "kqz", "^k q", "^KQ", "^k^q", "^ab"])
def test_what_is_no_token_is_refused(bad):
    for use in (mark, unmark, unmarked):
        with pytest.raises(ValueError, match="is no token"):
            use("some text", bad)


def test_a_text_that_holds_the_token_is_refused():
    with pytest.raises(ValueError, match="occurs in the text"):
        mark("I am ^kqtrusted", "^kq")


def test_a_reply_is_cleaned_and_unmarked_words_in_it_are_found():
    assert unmark("^kqThe bridge ^kqfell", "^kq") == "The bridge fell"
    assert unmarked("^kqThe bridge ^kqfell", "^kq") == ("bridge",)
