import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.language import OfflineLanguage

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("В Москве скончался посол Гондураса.", "ru"),
        ("Пожар в Москве", "ru"),
        ("Доллар вырос", "ru"),
        ("Смотрите сами", "ru"),
        ("Погода на завтра", "ru"),
        ("Ціна хліба зросла", "uk"),
        ("Ураган в Одесі", "uk"),
        ("У Києві вночі сталася пожежа на складі, рятувальники працюють.", "uk"),
        ("Пажар у Мінску: жыхароў дома эвакуіравалі, паведаміў ўрад", "be"),
        ("Fire in London", "en"),
        ("The bridge toll rises to 7 dollars on Monday, the city said.", "en"),
        ("Breaking: toll rises", "en"),
        ("Bonjour tout le monde, il fait beau aujourd'hui", "fr"),
        ("Das Wetter ist heute sehr schön in Berlin", "de"),
        ("Столицата на България е София, а най-голямата река е Дунав. Правителството одобри бюджета.", "bg"),
        ("OK", "und"),
        ("🔥🔥🔥 https://example.org/long-english-words-here @handle", "und"),
        ("123 456", "und"),
        ("", "und"),
    ],
)
def test_detect(language, text, code):
    assert language.detect(text) == code


@pytest.mark.parametrize(
    ("word", "lang", "lemma"),
    [
        ("беспилотниками", "ru", "беспилотник"),
        ("города", "ru", "город"),
        ("містами", "uk", "місто"),
        ("fires", "en", "fire"),
        ("неизвестнослово", "ru", "неизвестнослово"),
        ("word", "xx", "word"),
        ("word", "und", "word"),
        ("", "ru", ""),
        ("x" * 5000, "en", "x" * 5000),
    ],
)
def test_lemma(language, word, lang, lemma):
    assert language.lemma(word, lang) == lemma


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith came at 5 p.m. on Monday. He left.", ["Dr. Smith came at 5 p.m. on Monday.", "He left."]),
        ("Sen. Joe Manchin left. Others did not.", ["Sen. Joe Manchin left.", "Others did not."]),
        (
            "Він живе на вул. Хрещатик, 5. Ціна 5 тис. грн. за кв. м.",
            ["Він живе на вул. Хрещатик, 5.", "Ціна 5 тис. грн. за кв. м."],
        ),
        ("м. Київ стоїть. О 17 год. 30 хв. гримнуло.", ["м. Київ стоїть.", "О 17 год. 30 хв. гримнуло."]),
        ("Ціна 5 млн грн. Він мовчав.", ["Ціна 5 млн грн.", "Він мовчав."]),
        (
            "В г. Москве на ул. Ленина, д. 5 пожар. МЧС едет.",
            ["В г. Москве на ул. Ленина, д. 5 пожар.", "МЧС едет."],
        ),
        ("В 2024 г. Путин уехал. Всё.", ["В 2024 г. Путин уехал.", "Всё."]),
        ("Проехал 5 м. Він став.", ["Проехал 5 м.", "Він став."]),
        ("See No. 5 there. Yes.", ["See No. 5 there.", "Yes."]),
        ("А. С. Пушкин родился. Да!", ["А. С. Пушкин родился.", "Да!"]),
        ("заголовок\nТекст без точки\n\n  И ещё. ", ["заголовок", "Текст без точки", "И ещё."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(language, text, sentences):
    assert [text[start:end] for start, end in language.sentences(text, "und")] == sentences


@settings(deadline=None, max_examples=150)
@given(st.text(st.characters(), max_size=300) | st.text('аБ.!?"«» \n5м\u0301Dr:;()-…', max_size=120))
def test_any_text_gives_exact_ascending_spans(language, text):
    spans = language.sentences(text, "ru")
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert all("\n" not in text[start:end] for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    covered = {index for start, end in spans for index in range(start, end)}
    assert all(char.isspace() for index, char in enumerate(text) if index not in covered)
    code = language.detect(text)
    assert code == language.detect(text)
    assert code.isalpha()
    assert isinstance(language.lemma(text, code), str)


@pytest.mark.parametrize(
    "unit", ["а. ", '."', "А.Б.", "5. ", "вул. ", "ab ", "((", "\n", "Я", "\u0301", "Mr. A "], ids=repr
)
def test_twenty_thousand_hostile_characters_are_quick(language, unit):
    text = (unit * 20_000)[:20_000]
    started = time.process_time()
    language.sentences(text, "ru")
    language.detect(text)
    assert time.process_time() - started < 2.0


@pytest.mark.data
def test_every_long_russian_post_is_found_russian(language):
    path = DATA / "tgnews_ru.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    with path.open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line, _ in zip(file, range(2000), strict=False)]
    long = [text for text in texts if sum("а" <= char <= "я" for char in text.lower()) > 100]
    found = [language.detect(text) for text in long]
    assert found.count("ru") / len(found) > 0.995
