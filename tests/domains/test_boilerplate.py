import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.boilerplate import KEPT_LINES, MEMORY_POSTS, Profile, unmasked, verdict


def masked(profile, text):
    return [text[start:end] for start, end in profile.mask(text)]


@pytest.mark.parametrize(
    "line",
    [
        "❤ Подписаться | Прислать новость",
        "🔴 [Подписаться на Москву](https://t.me/moskva)",
        "Подпишись на нас",
        "Підписатися | Надіслати новину",
        "Subscribe to our channel",
        "https://t.me/a",
        "@banksta",
        "#новости #москва",
        "👉 t.me/x | @abc",
    ],
)
def test_known_forms_are_masked_wherever_they_stand(line):
    for text in (
        f"В Москве выпал снег.\n{line}",
        f"{line}\nВ Москве выпал снег.",
        f"Снег.\n\n{line}\nДождь.",
    ):
        assert masked(Profile(), text) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "Пользователи смогут подписаться на обновления ведомства через портал госуслуг с первого января, сообщил министр связи.",
        "В Москве выпал снег.",
        "Снег @banksta",
    ],
)
def test_news_is_not_masked(line):
    assert masked(Profile(), line) == []


def test_a_repeated_last_line_is_learned():
    texts = [f"Новость номер {number}\n🚇 Метро и люди" for number in range(20)]
    profile = Profile().learn(texts)
    assert masked(profile, "Открыта станция\nМетро и люди!") == ["Метро и люди!"]
    assert masked(profile, "Метро и люди\nОткрыта станция") == []
    assert masked(Profile().learn(texts[:3]), "Открыта станция\nМетро и люди!") == []


def test_a_repeated_first_line_is_learned_and_rare_lines_are_not():
    texts = [
        f"Коротко о главном\nНовость {number}\nДеталь {number}\nЕщё {number}\nКонец {number}\nТочка {number}"
        for number in range(20)
    ]
    texts += [f"Другое {number}\nДругая деталь {number}" for number in range(60)]
    profile = Profile().learn(texts)
    assert masked(profile, "Коротко о главном\nСнег") == ["Коротко о главном"]
    assert masked(profile, "Другое 1\nСнег") == []


def test_a_post_that_is_only_an_often_repeated_line_stays_news():
    texts = ["Объявлена воздушная тревога"] * 30 + [
        f"Отбой {number}\nОбъявлена воздушная тревога" for number in range(9)
    ]
    profile = Profile().learn(texts)
    assert masked(profile, "Объявлена воздушная тревога") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("🔥🔥", "empty"),
        ("https://t.me/x", "link only"),
        ("👉 @handle", "link only"),
        ("❤ Подписаться | Прислать новость", "signature only"),
        ("Скидки на всё!\nРеклама. ООО «Ромашка» ИНН 7700000000", "advertisement"),
        ("Курс по Python, erid: 2SDnjcEYLNF", "advertisement"),
        ("Наш друг открыл кафе\n#промо", "advertisement"),
        ("Скидка 20% по промокоду МОСКВА", "advertisement"),
        ("Купи ріпу\nРеклама: ТОВ Ріпа", "advertisement"),
        ("Минцифры хочет запретить рекламу казино в интернете.", None),
        ("Мошенники выманивают деньги через поддельный промокод, предупредили в МВД.", None),
        ("Реклама в метро подорожает, сообщили в мэрии.", None),
        ("Снег\n❤ Подписаться", None),
        ("ОК", None),
    ],
)
def test_verdict(text, reason):
    assert verdict(text, Profile().mask(text)) == reason


def test_profile_survives_json():
    profile = Profile().learn([f"Новость {number}\nфутер" for number in range(9)])
    assert msgspec.json.decode(msgspec.json.encode(profile), type=Profile) == profile
    assert msgspec.convert({}, Profile) == Profile()


def test_learning_in_batches_is_learning_at_once():
    texts = [f"Новость {number}\nфутер {number % 3}" for number in range(30)]
    assert Profile().learn(texts[:10]).learn(texts[10:]) == Profile().learn(texts)


def test_memory_is_bounded_and_furniture_may_change():
    profile = Profile()
    for batch in range(0, 6000, 500):
        footer = "старый футер" if batch < 3000 else "новый футер"
        profile = profile.learn(f"a{batch} {number}\nb{batch} {number}\n{footer}" for number in range(500))
        assert len(profile.lines) <= KEPT_LINES
        assert profile.posts <= MEMORY_POSTS + 500
    assert masked(profile, "Снег\nновый футер") == ["новый футер"]


LINES = st.lists(
    st.sampled_from(["Снег идёт", "Подписаться", "", "@abcd", "футер", "https://a.ru", "Дождь 5"]), max_size=6
)


@given(st.lists(LINES.map("\n".join), max_size=12), LINES.map("\n".join) | st.text(max_size=60))
def test_mask_is_whole_lines_in_order(texts, text):
    profile = Profile().learn(texts)
    spans = profile.mask(text)
    assert all("\n" not in text[start:end] and text[start:end].strip() for start, end in spans)
    assert all(f"\n{text}\n"[start] == f"\n{text}\n"[end + 1] == "\n" for start, end in spans)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))
    # What was only learned takes lines away, never a whole post.
    assert verdict(text, spans) == verdict(text, Profile().mask(text))
    assert unmasked(text, ()) == text.strip()
