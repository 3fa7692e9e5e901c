import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.vector import CHAR_BIT, CHAR_SHARE, WORD_SHARE, Vector, Vectoriser

FIRE = "Пожар на складе в Воронеже тушат сто спасателей"
FIRES = "В Воронеже спасатели тушили пожары на складах"
TAX = "Парламент повысил налог на прибыль банков"


def same(word, _lang):
    return word


def vectors(*texts):
    vectoriser = Vectoriser(same)
    return [vectoriser.vector(text, "ru") for text in texts]


def test_inflected_texts_are_like_and_others_are_not():
    fire, fires, tax = vectors(FIRE, FIRES, TAX)
    assert fire.dot(fires) > 0.1
    assert fire.dot(tax) < 0.05


def test_a_vector_has_unit_length_and_two_blocks():
    _, vector = vectors(TAX, FIRE)
    chars = vector.indices >= CHAR_BIT
    assert vector.indices.dtype == np.uint32
    assert vector.values.dtype == np.float32
    assert np.all(np.diff(vector.indices.astype(np.int64)) > 0)
    assert np.isclose(np.sum(vector.values[chars] ** 2), CHAR_SHARE, atol=1e-5)
    assert np.isclose(np.sum(vector.values[~chars] ** 2), WORD_SHARE, atol=1e-5)


def test_lemmas_are_used():
    vectoriser = Vectoriser(
        lambda word, lang: {"fires": "blaze", "blazes": "blaze"}.get(word, f"{word}-{lang}")
    )
    first, second = (vectoriser.vector(text, "en") for text in ("fires", "blazes"))
    words = first.indices[first.indices < CHAR_BIT]
    assert np.array_equal(words, second.indices[second.indices < CHAR_BIT])


def test_common_words_weigh_less_than_rare_ones():
    vectoriser = Vectoriser(same)
    for number in range(50):
        vectoriser.vector(f"шторм событие{number}", "ru")
    storm, other = vectoriser.vector("шторм кафедра", "ru"), vectoriser.vector("кафедра", "ru")
    assert storm.dot(other) > vectoriser.vector("шторм", "ru").dot(storm)


def test_a_text_that_is_looked_at_again_is_not_counted_again():
    vectoriser = Vectoriser(same)
    vectoriser.vector(FIRE, "ru")
    before = vectoriser.state()
    again = vectoriser.again(FIRE, "ru")
    assert vectoriser.state() == before
    assert vectoriser.again(FIRES, "ru").dot(again) > 0.1


def test_texts_without_content_give_empty_vectors():
    for vector in vectors("", "и в на", "🔥", "https://example.org/fire"):
        assert len(vector) == 0
        assert vector.dot(vector) == 0.0


@given(st.lists(st.text(max_size=80), max_size=6))
def test_bytes_round_trip_and_cosines_are_bounded(texts):
    found = vectors(*texts)
    for one in found:
        assert Vector.from_bytes(one.to_bytes()) == one
        assert all(-1e-5 <= one.dot(other) <= 1.0 + 1e-4 for other in found)
        assert all(np.isclose(one.dot(other), other.dot(one), atol=1e-6) for other in found)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from([FIRE, FIRES, TAX, "", "Снег"]), max_size=8), st.integers(0, 8))
def test_a_loaded_vectoriser_goes_on_as_the_saved_one(texts, cut):
    whole = Vectoriser(same)
    for text in texts[:cut]:
        whole.vector(text, "ru")
    loaded = Vectoriser(same)
    loaded.load(whole.state())
    assert [whole.vector(text, "ru") for text in texts[cut:]] == [
        loaded.vector(text, "ru") for text in texts[cut:]
    ]


def test_a_vector_is_the_same_in_another_process():
    code = f"from domains.vector import Vectoriser; print(Vectoriser(lambda w, l: w).vector({FIRE!r}, 'ru').to_bytes().hex())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    )
    assert run.stdout.strip() == vectors(FIRE)[0].to_bytes().hex()


def test_a_hostile_text_gives_a_bounded_vector():
    assert len(vectors("Я" * 20_000)[0]) < 1_000
    assert len(vectors(" ".join(f"слово{number}" for number in range(5_000)))[0]) < 20_000


def test_a_text_leads_with_its_first_sentence_or_line():
    body = "Ветер сменился к вечеру"
    for text in (f"{FIRE}. {body}", f"{FIRE}\n{body}", f"Срочно!\n{FIRE}\n{body}"):
        lead, rest, whole = vectors(FIRE, body, text)
        assert {*lead.lead.tolist()} <= {*whole.lead.tolist()}
        assert not {*rest.lead.tolist()} & {*whole.lead.tolist()}
        assert whole.opening().covered(lead) > 0.5
        assert whole.opening().covered(rest) == 0.0


@given(st.text(max_size=200))
def test_a_text_covers_what_it_leads_with(text):
    (vector,) = vectors(text)
    assert {*vector.lead.tolist()} <= {*vector.indices[: vector.words].tolist()}
    assert vector.opening().covered(vector) == 1.0
    assert np.array_equal(vector.opening().lead, vector.opening().indices)
    assert 0.0 <= vectors(FIRE)[0].opening().covered(vector) <= 1.0
    assert vector.words == int((vector.indices < CHAR_BIT).sum())


def test_the_first_posts_that_share_their_words_are_alike_at_once():
    fire, fires = vectors(f"{FIRE}, погода ветреная", f"{FIRE}, дорога закрыта")
    assert fire.dot(fires) > 0.4
