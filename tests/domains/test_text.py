import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import limits
from domains.text import clean_url, links, names, normalise, numbers, words

HOSTILE = (
    "a" + "\u0301\u0323" * 40_000,
    "\ufdfa" * 80_000,
    " " * 80_000,
    "\n " * 40_000,
    "1 " * 40_000,
    "1,111" * 16_000,
    "https://" + "(" * 30_000,
    "http://a" + ")" * 70_000,
    "a-" * 40_000,
    "www." * 20_000,
    "1:" * 40_000,
    "\ufe0f" * 80_000,
    "A. " * 20_000,
)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("  a \t b\u00a0c ", "a b c"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\n\n \n\n\nb", "a\n\nb"),
        ("pay\u200bpal \u202etxt\u202c\u2066x\u2069", "paypal txtx"),
        ("ﬁne ＡＢＣ и…", "fine ABC и..."),
        ("10² м², 1½, № 5, ①5, iPhone™", "10² м², 1½, № 5, ①5, iPhone™"),
        ("й", "й"),
        ("e\u200b\u0301", "é"),
        ("❤️\ufe0f\ufe0f ok", "❤️ ok"),
        ("hid\U000e0041\U000e0042den\x00\x07", "hidden"),
        ("bad \ud800 half", "bad half"),
        ("", ""),
    ],
)
def test_normal_form(raw, kept):
    assert normalise(raw) == kept


@given(
    st.text(st.characters(), max_size=200)
    | st.text("a \n\t\u0301\u0323\u0344…²\ufe0f\u200b1ﷺ가가\r\u2028", max_size=60)
)
def test_normalise_is_idempotent_bounded_and_clean(text):
    once = normalise(text)
    assert normalise(once) == once
    assert len(once) <= limits.POST_CHARS
    assert once == once.strip()
    assert "\n\n\n" not in once
    assert "  " not in once
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} and char != "\n" for char in once)
    once.encode()


@pytest.mark.parametrize("text", ["x" * 50_000, "ﷺ" * 50_000, "a " * 30_000, ("b" * 19_999) + " \n c"])
def test_normalise_caps_and_stays_idempotent(text):
    once = normalise(text)
    assert len(once) <= limits.POST_CHARS
    assert normalise(once) == once


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
@pytest.mark.parametrize("function", [normalise, links, words, numbers, names, clean_url])
def test_hostile_text_takes_linear_time(function, text):
    started = time.process_time()
    function(text)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://x.com/a?utm_source=t&id=3&fbclid=1&b=2", "https://x.com/a?id=3&b=2"),
        ("HTTPS://X.com/A?gclid=1", "https://x.com/A"),
        ("http://x.com/?yclid=1&ysclid=2&_openstat=3&mc_cid=4&mc_eid=5", "http://x.com/"),
        ("https://x.com/p#utm_medium=a", "https://x.com/p"),
        ("https://x.com/p#:~:text=abc", "https://x.com/p"),
        ("https://x.com/p#part-2", "https://x.com/p#part-2"),
        ("https://x.com/?q=a%20b&q=c", "https://x.com/?q=a%20b&q=c"),
        ("javascript:alert(1)", ""),
        ("ftp://x.com/a", ""),
        ("https://bank.com@evil.com/", ""),
        ("http://[", ""),
        ("https://x.com/a b", ""),
        ("https://x.com/" + "a" * 3000, ""),
        ("", ""),
    ],
)
def test_clean_url(url, cleaned):
    assert clean_url(url) == cleaned


@given(st.text(max_size=80) | st.text("htps:/?&=#.utm_a@[] ", max_size=60))
def test_clean_url_is_idempotent(url):
    assert clean_url(clean_url(url)) == clean_url(url)


@given(st.text(max_size=200))
def test_links_are_clean(text):
    assert all(clean_url(url) == url for url in links(text))


def test_links_in_order_and_once():
    text = (
        "[Читать](https://a.ru/x?utm_source=tg&n=1), (https://en.wikipedia.org/wiki/A_(b)), t.me/chan. "
        "www.b.com! снова https://a.ru/x?n=1 и mail@t.me/no"
    )
    assert links(text) == (
        "https://a.ru/x?n=1",
        "https://en.wikipedia.org/wiki/A_(b)",
        "https://t.me/chan",
        "https://www.b.com",
    )


def test_words_as_written():
    assert words("М'ята, м’ята — Івано-Франківськ; don't за́мок COVID-19 a_b 'x' -y-") == (
        "М'ята",
        "м’ята",
        "Івано-Франківськ",
        "don't",
        "за́мок",
        "COVID-19",
        "a",
        "b",
        "x",
        "y",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 200", {"1200"}),
        ("1\u00a0200 1,200 1200", {"1200"}),
        ("1,234,567 1 234 567 1.234.567", {"1234567"}),
        ("41,20 41.20 41.2", {"41.2"}),
        ("1,200.50", {"1200.5"}),
        ("0,125", {"0.125"}),
        ("5% 5 % 5 процентов 5 percent 5 відсотків", {"5%"}),
        ("18.11.2024 в 12:30", {"18.11.2024", "12:30"}),
        ("G20 и Су-57", {"20", "57"}),
        ("-5 и −5, 10–15", {"-5", "10", "15"}),
        ("007 и 0", {"7", "0"}),
        ("5, 6. 7", {"5", "6", "7"}),
        ("ни одного", set()),
        ("٣", {"3"}),
        ("2024, 100 человек", {"2024", "100"}),
    ],
)
def test_numbers(text, found):
    assert numbers(text) == found


@given(st.text("0123456789 .,:-−%'", max_size=40) | st.text(max_size=40))
def test_numbers_are_never_empty(text):
    assert all(any(char.isdecimal() for char in number) for number in numbers(text))


@given(st.integers(0, 10**12))
def test_numbers_spelt_with_marks_are_one(value):
    assert (
        numbers(f"{value:,}")
        == numbers(f"{value:,}".replace(",", " "))
        == numbers(str(value))
        == {str(value)}
    )


def test_names():
    text = (
        "Вчера Джейк Пол победил Майка Тайсона. Бой прошёл в г. Арлингтон. МЧС молчит\nОднако «Спартак» играл. "
        "I think I'm in New York"
    )
    assert names(text) == {"Джейк", "Пол", "Майка", "Тайсона", "Арлингтон", "МЧС", "Спартак", "New", "York"}


def test_a_shouted_line_holds_no_names():
    assert names("В МОСКВЕ ГОРИТ БОЛЬШОЙ СКЛАД\nвыехали МЧС") == {"МЧС"}


@given(st.text(max_size=200))
def test_names_are_words_of_the_text(text):
    assert names(text) <= set(words(text))
