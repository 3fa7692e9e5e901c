"""What signals make of a persona: wishes stand, ratings fade, everything names its evidence."""

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import limits, signal
from domains.signal import Background, Signal, decay, is_wishable, learn, tokens
from tests.domains.tastes import terms
from tests.rows import DAY

NOW = DAY + timedelta(days=30)
HEADLINES = (
    "council bus fares",
    "hockey cup match",
    "opera season opens",
    "council budget vote",
    "hockey school",
)
BACKGROUND = Background.of(frozenset(terms(one, "en")) for one in HEADLINES)


def did(row, kind, target, weight=1.0, *, target_kind="word", days=1.0, text="", **rest) -> Signal:
    return Signal(row, kind, target_kind, target, weight, NOW - timedelta(days=days), text, **rest)


def rated(row, text, weight=1.0, **rest) -> Signal:
    return did(row, "rate", str(row), weight, target_kind="story", text=text, **rest)


def made(*signals: Signal, now=NOW, subscribed=()) -> signal.Persona:
    return learn("me", signals, now, terms, BACKGROUND, subscribed)


def test_nobody_is_neutral():
    assert made().neutral
    assert (made().summary, made().confidence) == ("", 0.0)


def test_a_subscriptions_sources_are_followed_until_they_are_muted():
    assert [one.target for one in made(subscribed=("b", "a", "a")).follows] == ["a", "b"]
    reader = made(did(1, "mute", "a", target_kind="source"), subscribed=("a", "b"))
    assert ([x.target for x in reader.follows], [x.target for x in reader.mutes]) == (["b"], ["a"])


def test_the_last_word_on_a_target_counts_and_weight_nought_takes_it_back():
    follow, mute = did(1, "follow", "Hockey", days=3), did(2, "mute", "hockey", days=2)
    assert [one.evidence for one in made(follow, mute).mutes] == [2]
    assert made(follow, mute).follows == ()
    assert made(follow, mute, did(3, "mute", "hockey", 0.0, days=1)).neutral


def test_wishes_do_not_fade_and_ratings_do():
    later = NOW + limits.PERSONA_HORIZON
    reader = made(did(1, "follow", "opera"), rated(2, "hockey cup"), now=later)
    assert [one.target for one in reader.follows] == ["opera"]
    assert reader.terms == ()
    assert decay(1.0, NOW, NOW + limits.PERSONA_HALF_LIFE) == pytest.approx(0.5)
    assert decay(1.0, NOW + timedelta(hours=1), NOW) == 1.0


def test_the_future_is_not_known():
    assert made(rated(1, "hockey", days=-1)).neutral


def test_liked_words_rise_disliked_fall_and_each_names_its_signals():
    reader = made(rated(1, "hockey cup"), rated(2, "hockey match"), rated(3, "opera season", -1.0))
    weights = {one.name: one.weight for one in reader.terms}
    assert weights["hockey"] > 0 > weights["opera"]
    assert {one.name: one.evidence for one in reader.terms}["hockey"] == (2, 1)
    assert sum(one.weight**2 for one in reader.terms) == pytest.approx(1, abs=0.01)


def test_a_story_rated_again_was_rated_so():
    up = did(1, "rate", "7", target_kind="story", text="hockey", days=3)
    down = did(2, "rate", "7", -1.0, target_kind="story", text="hockey", days=2)
    back = did(3, "rate", "7", 0.0, target_kind="story", text="hockey", days=1)
    assert made(up, down).terms[0].weight < 0
    assert made(up, down, back).neutral


def test_the_first_signals_speak_softly():
    one, many = made(rated(1, "hockey")), made(*(rated(row, "hockey") for row in range(1, 20)))
    assert 0 < one.confidence < 0.4
    assert 0.8 < many.confidence < 1
    opened = made(did(1, "open", "1", signal.OPEN_WEIGHT, target_kind="story", text="hockey"))
    assert 0 < opened.confidence < one.confidence


def test_sources_and_languages_are_learned_with_doubt():
    reader = made(
        *(rated(row, "x y", sources=("a",), lang="uk") for row in (1, 2, 3)),
        rated(4, "z", -1.0, sources=("b",)),
    )
    weights = {one.name: one.weight for one in (*reader.sources, *reader.languages)}
    assert 0.5 < weights["a"] < 0.7
    assert -0.4 < weights["b"] < 0
    assert 0.3 < weights["uk"] < 0.4
    assert "und" not in weights


def test_length_is_what_was_asked_for_else_what_was_liked_when_it_differs():
    assert made(did(1, "follow", "2", target_kind="length")).sentences == 2
    assert made(did(1, "follow", "2", 0.0, target_kind="length")).sentences is None
    short = [rated(row, "a", sentences=1) for row in range(1, 6)]
    long = [rated(row, "a", -1.0, sentences=3) for row in range(6, 11)]
    assert made(*short, *long).sentences == 1
    assert made(*short, *long[:4]).sentences is None
    assert made(*short, *(rated(row, "a", -1.0, sentences=1) for row in range(6, 11))).sentences is None


@pytest.mark.parametrize(("text", "fit"), [("hockey", True), ("the", False), ("", False), ("!?", False), ("и", False),
                                           ("бюджет міста", True), ("a b c d e", False)])  # fmt: skip
def test_a_wish_is_a_word_that_says_something(text, fit):
    assert is_wishable(text) is fit


ANY = st.builds(
    Signal,
    st.integers(1, 10**6),
    st.sampled_from(signal.KINDS),
    st.sampled_from(("source", "word", "story", "language")),
    st.text(max_size=30),
    st.sampled_from((-1.0, 0.0, 0.3, 1.0)),
    st.integers(0, 300).map(lambda days: NOW - timedelta(days=days)),
    st.lists(st.sampled_from(("бюджет", "hockey", "їжа", "opera", "x" * 60)), max_size=6).map(" ".join),
    st.sampled_from(("en", "ru", "und")),
    st.lists(st.text(min_size=1, max_size=40), max_size=3).map(tuple),
)


@given(st.lists(ANY, max_size=30, unique_by=lambda one: one.id), st.randoms())
def test_any_signals_make_one_persona_whose_summary_fits_and_is_backed(signals, luck):
    reader = made(*signals)
    shuffled = list(signals)
    luck.shuffle(shuffled)
    assert made(*shuffled) == reader
    assert tokens(reader.summary) <= limits.PERSONA_SUMMARY_TOKENS
    assert set(reader.evidence) <= {one.id for one in signals}
    assert all(-1 <= one.weight <= 1 for one in (*reader.terms, *reader.sources, *reader.languages))


def test_a_summary_says_who_it_is_of():
    reader = made(did(1, "follow", "budget"), did(2, "mute", "war"), rated(3, "hockey cup", lang="en"))
    assert reader.summary.startswith("Follows: budget. Mutes: war. Likes: ")
    assert set(reader.evidence) == {1, 2, 3}


def test_ten_thousand_signals_are_learned_in_seconds():
    signals = [rated(row, f"{HEADLINES[row % 5]} case {row % 400}", days=row % 90) for row in range(10_000)]
    began = time.process_time()
    reader = made(*signals)
    assert time.process_time() - began < 5
    assert len(reader.terms) <= signal.INTERESTS
