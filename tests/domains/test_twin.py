import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.gloss import concept
from domains.post import Post
from domains.twin import DENSE, Speller, Window

MORNING = datetime(2026, 11, 10, 8, tzinfo=UTC)
PAIRS = Path(__file__).resolve().parents[3] / "shared" / "data" / "tgcontest_pairs.jsonl"
CINEMA = {
    "en": "Orion cinema reopens to a full house. All 274 seats were taken and 1,500 people watched outside.",
    "ru": "«Орион» открылся: полный зал. Заняты все 274 места, ещё 1 500 зрителей смотрели на площади.",
    "uk": "Кінотеатр «Оріон» відкрито. Усі 274 місця зайняті, 1500 глядачів дивилися надворі.",
}
CUP = {
    "en": "Luhva beat Avanhard 4-3 on penalties. Keeper Denys Rakochii saved two and took Luhva to the semi-final.",
    "ru": "Вчера «Лугва» прошла «Авангард» по пенальти 4:3. Вратарь Денис Ракочий отбил два, «Лугва» в полуфинале.",
}
OTHERS = (
    "Council raised the bus fare to 14 hryvnias after 27 of 36 deputies voted for it.",
    "Мэр Остап Вереско открыл в Заречье амбулаторию на шесть врачей за 9 миллионов.",
    "Hospital number two got a new scanner, doctors expect 40 patients a day.",
    "Водитель автобуса вернула пассажирке сумку с 84 тысячами гривен.",
    "Storm felled 31 trees and left 14 villages without power overnight.",
    "На дорозі до греблі перекинулася вантажівка з яблуками, рух закрито.",
)


def post(row: int, text: str, lang: str, hours: float = 0.0, url: str | None = None) -> Post:
    at = MORNING + timedelta(hours=hours)
    return Post(row, f"s/{row}", "s", "s", at, text, lang, "", url=url)


def window(*texts: tuple[str, str], hours: Sequence[float] = ()) -> Window:
    """Stories of one post each, among others that have nothing to do with them."""
    stories = [
        (row, [post(row, text, lang, hours[row - 1] if hours else 0.0)])
        for row, (text, lang) in enumerate(texts, 1)
    ]
    rest = [(row, [post(row, text, "en" if text.isascii() else "ru")]) for row, text in enumerate(OTHERS, 90)]
    return Window([*stories, *rest])


@pytest.mark.parametrize(
    "spellings",
    [
        ("Орион", "Оріон", "Orion", "Ориона", "Оріоном"),
        ("Ракочий", "Ракочій", "Rakochii"),
        ("Сольвич", "Сольвіч", "Solvych", "Solvych's"),
        ("Грабовский", "Грабівський", "Hrabivskyi", "Грабовского"),
        ("Тростын", "Тростин", "Trostyn"),
        ("Щербак", "Shcherbak"),
        ("Мостремсервис", "Mostremservis"),
        ("Хабаров", "Khabarov"),
    ],
)
def test_names_are_spelt_alike_in_every_script(spellings: tuple[str, ...]) -> None:
    assert len({Speller().spell(name) for name in spellings}) == 1


def test_different_names_are_spelt_differently() -> None:
    spell = Speller().spell
    assert len({spell(name) for name in ("Орион", "Арина", "Ракочий", "Рогачев", "Лугва", "Львов")}) == 6


@pytest.mark.parametrize(
    ("words", "alike"),
    [
        (("fire", "пожар", "пожежа", "пожежу"), True),
        (("seven", "семь", "сім", "семеро"), True),
        (("goalkeeper", "вратарь", "воротар"), True),
        (("bus", "автобуса", "автобуси"), True),
        (("fire", "flood"), False),
        (("card", "cart", "carpet"), True),
    ],
)
def test_the_glossary_knows_words_by_their_beginning(words: tuple[str, ...], alike: bool) -> None:
    assert (len({concept(word) for word in words}) == 1) is alike


def test_a_short_entry_is_a_whole_word() -> None:
    assert concept("car") is not None
    assert concept("card") is None


def test_one_happening_in_three_languages_is_one() -> None:
    made = window(
        *((text, lang) for lang, text in CINEMA.items()), *((text, lang) for lang, text in CUP.items())
    )
    assert made.groups() == ((1, 2, 3), (4, 5))


def test_two_matches_of_one_evening_stay_two() -> None:
    other = "Вчера «Звезда» прошла «Каменяр» по пенальти 5:4. Вратарь Олег Сидоренко отбил два, «Звезда» в полуфинале."
    assert window((CUP["en"], "en"), (other, "ru")).groups() == ()


def test_two_fires_share_words_and_stay_two() -> None:
    market = "Fire destroys 11 stalls at the River Market, nobody was hurt. Nine crews put it out by 5:05."
    house = "Пожар в жилом доме на Липовой: огонь потушили три экипажа, погиб один человек, двое пострадали."
    assert window((market, "en"), (house, "ru")).groups() == ()


def test_likeness_fades_with_time_and_names_its_evidence() -> None:
    pair = ((CINEMA["en"], "en"), (CINEMA["ru"], "ru"))
    near, far = window(*pair), window(*pair, hours=(0.0, 60.0))
    assert near.likeness(1, 2).score > 1.0 > far.likeness(1, 2).score
    assert {"#:274", "#:1500", "n:orion"} <= near.shared(1, 2).keys()


def test_an_article_that_both_link_to_is_evidence_and_a_channel_is_not() -> None:
    texts = ("Details of the Orion evening.", "Подробности вечера.")

    def scored(url: str) -> float:
        stories = [(row, [post(row, text, "en", url=url)]) for row, text in enumerate(texts, 1)]
        return Window([*stories, (3, [post(3, OTHERS[0], "en")])]).likeness(1, 2).hard

    assert scored("https://luhva.example/news/9156") > 1.0
    assert scored("https://t.me/luhva") == 0.0


def test_pieces_of_one_language_join_when_many_posts_agree() -> None:
    dollar = "Доллар поднялся выше 108 рублей на бирже, покупатели ждут решения"
    euro = "Евро растёт быстрее: на торгах 113 рублей, доллар 108 рублей"

    def joined(posts: int) -> tuple[tuple[int, ...], ...]:
        pieces = [
            (story, [post(story * 100 + number, text, "ru") for number in range(posts)])
            for story, text in ((1, dollar), (2, euro))
        ]
        rest = [(row, [post(row, text, "ru")]) for row, text in enumerate(OTHERS, 10)]
        return Window([*pieces, *rest]).groups()

    assert joined(DENSE) == ((1, 2),)
    assert joined(DENSE - 1) == ()


def test_small_talk_around_the_news_says_nothing_against_it() -> None:
    chatter = ("Ого, це ж треба", "Хто там був?", "Жах, звичайно", "А я спала")
    news = [post(1, CINEMA["uk"], "uk"), *(post(2 + row, text, "uk") for row, text in enumerate(chatter))]
    rest = [(row, [post(row, text, "en" if text.isascii() else "ru")]) for row, text in enumerate(OTHERS, 90)]
    made = Window([(1, news), (20, [post(20, CINEMA["en"], "en")]), *rest])
    assert made.groups() == ((1, 20),)


def test_what_a_channel_writes_under_every_post_is_no_evidence() -> None:
    footer = "Подписаться на «Типичный Сольвич» | Прислать новость"

    def signed(row: int, text: str) -> Post:
        whole = f"{text}\n\n{footer}"
        return replace(post(row, whole, "ru"), sentences=((0, len(text)),))

    bread, oaks = OTHERS[1], OTHERS[3]
    made = Window([(1, [signed(1, bread)]), (2, [signed(2, oaks)])])
    assert made.shared(1, 2) == Window([(1, [post(1, bread, "ru")]), (2, [post(2, oaks, "ru")])]).shared(1, 2)


def test_a_pair_far_above_the_bar_joins_what_else_is_told_of_it() -> None:
    detained = (
        "Director of Mostremservis, Taras Humenchuk, detained over 18.6 million meant for Hrabivskyi Bridge."
    )
    both = f"{detained} A pontoon opens at Hrabivskyi Bridge in four days for 142 million, mayor Ostap Veresko said."
    pontoon = (
        "Понтон у Грабовского моста откроют через четыре дня за 142 миллиона, сообщил мэр Остап Вереско."
    )
    arrest = "Директор «Мостремсервиса» Тарас Гуменчук задержан: 18,6 миллиона для Грабовского моста."
    made = window((both, "en"), (pontoon, "ru"), (arrest, "ru"))
    assert made.likeness(2, 3).score < 1.0
    assert made.groups() == ((1, 2, 3),)


@given(st.permutations([*CINEMA.items(), *CUP.items(), *(("ru", text) for text in OTHERS)]))
def test_order_changes_nothing_and_likeness_is_symmetric(order: list[tuple[str, str]]) -> None:
    rows = {text: row for row, text in enumerate([*CINEMA.values(), *CUP.values(), *OTHERS])}
    made = Window([(rows[text], [post(rows[text], text, lang)]) for lang, text in order])
    assert made.groups() == ((0, 1, 2), (3, 4))
    assert all(made.likeness(a, b) == made.likeness(b, a) for a in range(4) for b in range(4) if a != b)


def test_an_empty_window_has_no_pairs() -> None:
    assert Window([]).groups() == ()
    assert Window([(1, [])]).pairs() == []


@pytest.mark.skipif(not PAIRS.is_file(), reason="the public article pairs are not here")
def test_article_pairs_are_told_apart_well_enough() -> None:
    rows = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    verdicts = []
    for lang in ("ru", "en"):
        own = [row for row in rows if row["lang"] == lang]
        articles = [article for row in own for article in (row["a"], row["b"])]
        made = Window(
            [(n, [post(n, f"{one['title']}\n{one['text']}", lang)]) for n, one in enumerate(articles)]
        )
        verdicts += [
            (made.likeness(2 * n, 2 * n + 1).score >= 1.0, row["label"] == "OK") for n, row in enumerate(own)
        ]
    right = sum(said and gold for said, gold in verdicts)
    assert right / sum(said for said, _ in verdicts) >= 0.75
    assert right / sum(gold for _, gold in verdicts) >= 0.70
