"""Entities: one key for an entity in three languages and all cases, spans that hold, and nothing invented."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.entity import KINDS, MOST, Finder, Proposal
from domains.gazetteer import Gazetteer
from domains.spelling import stem

FINDER = Finder()


def found(text, finder=FINDER):
    return finder.find(text, [(0, len(text))])


def kinds(text):
    return {text[slice(*one.span)]: one.kind for one in found(text)}


def keys(text, kind):
    return {one.key for one in found(text) if one.kind == kind}


@pytest.mark.parametrize(
    "texts",
    [
        ("Fire in Kyiv.", "Пожар в Киеве.", "Пожежа у Києві."),
        ("A train to Kharkov.", "Поезд из Харькова.", "Потяг до Харкова.", "Вибух у Харкові."),
        ("Talks with the USA.", "Переговоры с США.", "Переговори зі Сполученими Штатами і США."),
        ("The road to Kryvyi Rih.", "Дорога в Кривом Роге.", "Дорога у Кривому Розі."),
    ],
)
def test_a_place_is_one_in_three_languages_and_every_case(texts):
    assert len({frozenset(keys(text, "place")) for text in texts}) == 1
    assert all(keys(text, "place") for text in texts)


@pytest.mark.parametrize(
    "text",
    [
        "He met Oleksandr Petrenko there.",
        "Он встретил Александра Петренко там.",
        "Он говорил с Александром Ивановичем Петренко.",
        "Він зустрів Олександра Петренка там.",
        "Сказано Олександром Петренком.",
    ],
)
def test_a_person_whom_no_list_knows_is_one_in_three_languages(text):
    assert keys(text, "person") == {"=alexander ptrnk"}


def test_a_surname_alone_is_whom_the_post_names_in_full():
    mentions = found("Мэром стал Олег Сидорчук. Вчера Сидорчука поздравили.")
    assert [one.key for one in mentions] == ["=oleg sdrCk"] * 2


def test_kinds_come_from_what_stands_beside_a_name():
    assert kinds("У місті Луга на вулиці Заводській мер Гнатюк відкрив завод «Промінь».") == {
        "Луга": "place",
        "Заводській": "place",
        "Гнатюк": "person",
        "Промінь": "org",
    }
    assert kinds("It was Solvych Bank, said Dr. Brown of Riverton University.") == {
        "Solvych Bank": "org",
        "Brown": "person",
        "Riverton University": "org",
    }
    assert kinds("Купили iPhone 15 Pro и билет на Боинг 737.") == {
        "iPhone 15 Pro": "product",
        "Боинг 737": "product",
    }
    assert kinds("See #Luhva and https://a.example/news/1?utm_source=x now.") == {
        "#Luhva": "hashtag",
        "https://a.example/news/1?utm_source=x": "link",
    }


@pytest.mark.parametrize(
    "text",
    [
        "Yesterday it rained. Nobody came.",
        "Вчера шёл дождь. Никто не пришёл. Завтра обещают снег.",
        "Сергей пришёл.",
        "On Monday in May.",
        "ООО и завод.",
        "Look at https://a.example/ and @somebody and a#b.",
        "ПОЖАР НА СКЛАДЕ: ВСЕ ЖИВЫ",
    ],
)
def test_what_only_begins_a_sentence_is_no_name(text):
    assert found(text) == ()


def test_an_abbreviation_counts_in_capitals_only():
    assert kinds("They told us of the US.") == {"US": "place"}


def test_a_link_is_told_by_its_page_and_not_by_how_it_was_shared():
    first, second = (
        keys(text, "link")
        for text in ("See http://www.a.example/x/?utm_source=tg.", "Читайте https://a.example/x")
    )
    assert first == second == {"@a.example/x"}


def test_only_sentences_are_read():
    text = "Fire in Kyiv. Subscribe in Moscow."
    assert [one.name for one in FINDER.find(text, [(0, 13)])] == ["Kyiv"]


def test_a_model_may_add_what_is_written_and_nothing_else():
    text = "Вчера Лугва праздновала."
    kept = FINDER.accept(
        text,
        [
            Proposal("place", "Luhva", (6, 11)),
            Proposal("place", "Luhva", (0, 5)),
            Proposal("place", "Kyiv", (6, 11)),
            Proposal("place", "Luhva", (6, 999)),
            Proposal("planet", "Luhva", (6, 11)),
            Proposal("place", "", (5, 6)),
        ],
    )
    assert [(one.kind, one.name, one.span) for one in kept] == [("place", "Лугва", (6, 11))]


def test_more_names_can_be_known():
    finder = Finder(Gazetteer([("place", ("Luhva", "Лугва")), ("org", ("Київ",))]))
    assert [(one.kind, one.name) for one in found("Лугву затопило, Киев тоже.", finder)] == [
        ("place", "Luhva"),
        ("place", "Kyiv"),
    ]


@given(st.text(alphabet="аАбБвіїІ'aAbBzZ .#«»-12@/:\n", max_size=200))
def test_any_text_gives_spans_in_order_that_do_not_overlap(text):
    mentions = found(text)
    assert mentions == found(text)
    assert len(mentions) <= MOST
    assert all(one.kind in KINDS and one.key and one.name for one in mentions)
    assert all(0 <= one.span[0] < one.span[1] <= len(text) for one in mentions)
    assert all(a.span[1] <= b.span[0] for a, b in pairwise(mentions))


@given(st.text(max_size=30))
def test_a_stem_is_never_longer_in_words_than_what_it_is_of(word):
    assert " " not in stem(word.replace(" ", ""))


@pytest.mark.parametrize(
    "forms",
    [
        "Зеленский Зеленского Зеленским Зеленський Зеленському Zelensky Zelenskyy",
        "Петров Петрова Петрову Петровым Петрове Petrov",
        "Сергей Сергея Сергеем Сергій Сергію Serhii Sergey",
        "Крым Крыма Крыму Крымом",
        "Сольвич Сольвичем Сольвичу Solvych",
    ],
)
def test_cases_and_scripts_share_a_stem(forms):
    assert len({stem(form) for form in forms.split()}) == 1
