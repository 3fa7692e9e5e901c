import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.fingerprint import SKETCH_HASHES, DuplicateIndex, Sketch, exact_hash

NOON = datetime(2024, 11, 20, 12, tzinfo=UTC)
NEWS = (
    "В Воронежской области беспилотники атаковали завод по производству майонеза, произошло возгорание. "
    "Сотрудники эвакуированы, сообщил губернатор Александр Гусев"
)


def match_all(*texts):
    index = DuplicateIndex()
    return [index.match(number, NOON + timedelta(minutes=number), text) for number, text in enumerate(texts)]


def test_exact_hash_ignores_dress():
    assert exact_hash("⚡️Ещё один ПОЖАР! https://t.me/x") == exact_hash("еще один пожар.")
    assert exact_hash("один пожар") != exact_hash("два пожара")
    assert len(exact_hash("")) == 64


def test_a_copy_and_a_light_edit_repeat_the_first():
    edited = NEWS.replace("произошло возгорание", "начался пожар")
    assert match_all(NEWS, f"❗️{NEWS}!", edited) == [None, 0, 0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("При взрыве на складе в порту погибли 5 человек, сообщили спасатели", "При взрыве на складе в порту погибли 7 человек, сообщили спасатели"),
        ("Сбиты три беспилотника, летевших на столицу, обломки упали в лесу", "Сбиты пять беспилотников, летевших на столицу, обломки упали в лесу"),
        ("Суд в пятницу решил арестовать бывшего министра до конца месяца по делу о взятке", "Суд в пятницу решил не арестовать бывшего министра до конца месяца по делу о взятке"),
        ("Силы ПВО ночью сбили беспилотник над Курской областью, пострадавших и разрушений нет", "Силы ПВО ночью сбили беспилотник над Брянской областью, пострадавших и разрушений нет"),
        ("Вырос доллар до 100 рублей за день", "Упал доллар до 100 рублей за день"),
        ("Снег идёт", "Снег пошёл"),
    ],
)  # fmt: skip
def test_changed_news_is_no_repeat(old, new):
    assert match_all(old, new, new) == [None, None, 1]


def test_the_same_figure_in_another_spelling_is_a_repeat():
    old = "Власти выделили 1 200 рублей каждому жителю посёлка на покупку дров перед зимой"
    assert match_all(old, old.replace("1 200", "1200")) == [None, 0]


def test_a_shorter_copy_repeats_but_a_longer_one_is_news():
    longer = f"{NEWS}. Позже стало известно, что огонь потушили, а завод возобновит работу уже завтра утром"
    assert match_all(longer, NEWS) == [None, 0]
    assert match_all(NEWS, f"{longer}. Кроме того, отменены рейсы из аэропорта, ждут тысячи пассажиров") == [
        None,
        None,
    ]


def test_texts_without_words_never_repeat():
    assert match_all("🔥", "🔥", "https://a.ru/b", "https://a.ru/b", "") == [None] * 5


def test_short_texts_repeat_only_when_equal():
    assert match_all("В Москве снегопад", "❄️ В Москве снегопад.", "В Москве сильный снегопад") == [
        None,
        0,
        None,
    ]


def test_the_window_is_event_time():
    index = DuplicateIndex(timedelta(days=3))
    assert index.match(1, NOON, NEWS) is None
    assert index.match(2, NOON + timedelta(days=3, seconds=1), NEWS) is None
    assert index.match(3, NOON + timedelta(days=2), NEWS) == 2
    assert len(index) == 1


def test_a_late_post_finds_its_representative():
    index = DuplicateIndex()
    index.match(1, NOON, NEWS)
    assert index.match(2, NOON - timedelta(hours=5), NEWS) == 1


def test_an_edited_post_does_not_repeat_itself():
    index = DuplicateIndex()
    assert index.match(1, NOON, NEWS) is None
    assert index.match(1, NOON, f"{NEWS}.") is None
    assert len(index) == 1
    assert index.match(1, NOON, "Совсем другой текст о совсем другом деле, которого не было") is None
    assert index.match(2, NOON, NEWS) is None


def test_sketch_is_the_same_in_another_process():
    code = f"from domains.fingerprint import Sketch; print(Sketch.of({NEWS!r}).to_bytes().hex())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert run.stdout.strip() == Sketch.of(NEWS).to_bytes().hex()


@given(st.text(max_size=400))
def test_sketch_round_trip(text):
    sketch = Sketch.of(text)
    assert Sketch.from_bytes(sketch.to_bytes()) == sketch
    assert list(sketch.hashes) == sorted(set(sketch.hashes))
    assert len(sketch.hashes) <= SKETCH_HASHES


WORDS = ("пожар", "склад", "москва", "ночь", "Иванов", "5", "не", "дом")
STREAM = st.lists(
    st.tuples(st.integers(0, 6 * 24), st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)), max_size=40
)


@settings(deadline=None)
@given(STREAM, st.integers(0, 40))
def test_a_restored_index_answers_like_the_one_that_saw_all(stream, cut):
    posts = [
        (number, NOON + timedelta(hours=hours), text)
        for number, (hours, text) in enumerate(sorted(stream, key=lambda one: one[0]))
    ]
    seen = DuplicateIndex()
    answers = {post[0]: seen.match(*post) for post in posts[:cut]}
    every, chosen = DuplicateIndex(), DuplicateIndex()
    every.restore(posts[:cut])
    chosen.restore(post for post in posts[:cut] if answers[post[0]] is None)
    for post in posts[cut:]:
        assert seen.match(*post) == every.match(*post) == chosen.match(*post)


@settings(deadline=None)
@given(STREAM)
def test_a_repeat_points_at_a_representative_within_the_window(stream):
    index = DuplicateIndex()
    kept = {}
    for number, (hours, text) in enumerate(stream):
        at = NOON + timedelta(hours=hours)
        found = index.match(number, at, text)
        if found is None:
            kept[number] = at
        else:
            assert abs(kept[found] - at) <= timedelta(days=3)


def test_a_template_posted_a_thousand_times_stays_quick():
    index = DuplicateIndex()
    template = (
        "Колонка котировок на эту минуту: доллар {} рублей, евро {} рублей, нефть растёт и золото тоже растёт"
    )
    found = [
        index.match(number, NOON + timedelta(seconds=number), template.format(number, number + 5))
        for number in range(3000)
    ]
    assert found == [None] * 3000
