"""Vectors of texts and questions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.lexical import Lexical, rarity
from services.language import OfflineLanguage

LANGUAGE = OfflineLanguage()
LEXICAL = Lexical(LANGUAGE.lemma)


def common(one, other, lang="ru"):
    """Return how much two words' vectors share, against what the first has."""
    own = LEXICAL.question(one, lang)
    return len(np.intersect1d(own.indices, LEXICAL.document(other, lang).indices)) / len(own)


@given(st.text(max_size=300), st.sampled_from(["en", "ru", "uk", "de", "und"]))
def test_any_text_gives_ascending_distinct_indices_and_bounded_values(text, lang):
    for vector in (LEXICAL.document(text, lang), LEXICAL.question(text, lang)):
        assert (np.diff(vector.indices.astype(np.int64)) > 0).all()
        assert (vector.values > 0).all()
    assert (LEXICAL.document(text, lang).values < 1).all()


def test_inflections_share_their_lemma_and_their_grams():
    assert common("пожара", "пожар") > 0.5
    assert common("переименовали", "переименованный") > 0.4
    assert common("пожар", "огурец") == 0


def test_a_name_is_itself_in_another_script_and_a_word_in_another_language():
    assert common("Kharkiv", "Харків", "uk") > 0
    assert common("earthquake", "землетрус", "uk") > 0
    assert common("kharkiv", "огірок", "uk") == 0


def test_the_same_text_gives_the_same_vector_in_every_process():
    assert LEXICAL.document("Пожар на фабрике", "ru") == Lexical(LANGUAGE.lemma).document(
        "Пожар на фабрике", "ru"
    )


def test_words_that_say_nothing_links_and_marks_are_left_out():
    assert len(LEXICAL.question("что это и как? the of https://example.org/path", "ru")) == 0
    assert LEXICAL.lemmas("Пожары и пожар на фабрике", "ru") == ("пожар", "фабрика")


@pytest.mark.parametrize(
    ("asked", "told"), [("Covid", "Covid-19"), ("UN-Sekretär", "UN"), ("хокею", "віце-чемпіони-хокею")]
)
def test_what_a_hyphen_joins_is_found_by_itself(asked, told):
    lang = "uk" if asked == "хокею" else "de"
    assert set(LEXICAL.lemmas(asked, lang)) & set(LEXICAL.lemmas(told, lang))
    assert common(asked, told, lang) > 0


def test_a_longer_text_gives_each_word_less():
    short, long = (
        LEXICAL.document("mill fire", "en"),
        LEXICAL.document("mill fire " + "other words here " * 80, "en"),
    )
    at = np.searchsorted(long.indices, short.indices)
    assert (long.values[at] <= short.values).all()
    assert long.values[at].sum() < 0.8 * short.values.sum()


def test_rarity_falls_with_every_document_and_is_never_negative():
    rare = rarity(10.0, np.arange(12, dtype=np.float64))
    assert (np.diff(rare) <= 0).all()
    assert rare.min() >= 0
    assert rare[1] == pytest.approx(np.log(1 + 9.5 / 1.5))
