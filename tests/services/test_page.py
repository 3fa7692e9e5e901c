from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from domains.digest import Citation, Sentence
from services.page import clean, locale_of, page, safe_url
from tests.services.digestdesk import DAY, DigestDesk, said, trilingual


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://t.me/a/1", "https://t.me/a/1"),
        ("http://example.org:8080/a?b=1&c=2#d", "http://example.org:8080/a?b=1&c=2#d"),
        ("HTTPS://Example.ORG/Путь", "https://example.org/%D0%9F%D1%83%D1%82%D1%8C"),
        ("https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/"),
        ('https://e.org/a b"c<d>(e)`f\\g', "https://e.org/a%20b%22c%3Cd%3E%28e%29%60f%5Cg"),
        ("https://e.org/%D0%9F", "https://e.org/%D0%9F"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("JaVaScRiPt://example.org/%0aalert(1)", None),
        ("data:text/html,<script>", None),
        ("tg://resolve?domain=x", None),
        ("//example.org/x", None),
        ("/x", None),
        ("https://", None),
        ("https://bank.example@evil.example/", None),
        ("https://evil.example\\@bank.example/", None),
        ("https://[bad", None),
        ("https://e.org:port/", None),
        ("https://" + "a" * 64 + ".org/", None),
        ("https://e.org/" + "a" * 2_000, None),
        ("", None),
        (None, None),
    ],
)
def test_only_plain_web_addresses_are_linked(url, safe):
    assert safe_url(url) == safe


@given(st.text(max_size=80), st.sampled_from(["https://e.org/", "https://", "http://e.org?", "", "java"]))
def test_a_safe_address_is_inert_in_every_markup(tail, head):
    url = safe_url(head + tail)
    if url is not None:
        assert url.isascii()
        assert not set(url) & set(" \t\n<>()\"'`\\*|^{}")
        assert safe_url(url) == url


def test_what_is_not_seen_is_removed():
    assert clean("a\u202eb\u200b\x1b[31mc\n\t d\x00\u2066 e\ud800") == "ab[31mc d e"
    assert clean("👩\u200d🚀") == "👩\u200d🚀"


def test_the_language_is_that_of_most_shown_posts():
    desk = DigestDesk()
    for lang in ("uk", "ru", "fr", "fr", "ru"):
        desk.post("a_b", "Раз.", lang, 1)
    assert locale_of(desk.digest()) == "ru"
    assert locale_of(replace(desk.digest(), posts=desk.posts[:2])) == "uk"
    assert locale_of(replace(desk.digest(), posts=desk.posts[2:4])) == "en"
    assert locale_of(DigestDesk().digest()) == "en"


def test_marks_number_the_posts_in_reading_order():
    desk = DigestDesk()
    one, two = desk.post("a_b", "One.", "en", 1), desk.post("c_d", "Two.", "en", 2)
    desk.story("brief", said(two), said(one))
    desk.story("main", said(one))
    made = page(desk.digest(("main", "brief")), run=1)
    assert [(note.mark, note.post) for note in made.notes] == [(1, one.id), (2, two.id)]
    assert [[note.mark for note in item.notes] for item in made.items] == [[1], [1, 2]]


def test_a_section_that_nobody_planned_is_shown_by_its_own_name():
    desk = DigestDesk()
    desk.story("weather", said(desk.post("a_b", "One.", "en", 1)))
    desk.story("main", said(desk.post("a_b", "Two.", "en", 1)))
    made = page(desk.digest(("main", "empty")), run=1)
    assert [section.title for section in made.sections] == ["Top stories", "weather"]


def test_a_citation_of_a_post_that_is_not_there_is_shown_as_such():
    desk = DigestDesk()
    desk.story("main", Sentence("Said.", (Citation(99, (0, 5), "Said."),)))
    note = page(desk.digest(), run=1).notes[0]
    assert (note.source, note.url, note.time) == ("post no. 99", None, "")


def test_a_story_says_how_much_stands_behind_it():
    items = page(trilingual(), run=1).items
    assert items[0].facts == (
        "17 постов", "5 источников от 3 издателей", "украинский, русский, английский", "с 06:12", "ещё 22 повтора",
    )  # fmt: skip
    assert items[1].facts[3] == "с 1 нояб., 15:00"
    assert items[2].badges == ("продолжение", "пришло с опозданием")
    assert items[4].facts[1] == "1 источник"


def test_a_sentence_that_its_post_left_open_ends_in_a_full_stop():
    desk = DigestDesk()
    lines = [said(desk.post("a_b", text, "en", 1)) for text in ("Mill burns", "Nobody was hurt", "It rains!")]
    desk.story("main", *lines)
    (item,) = page(desk.digest(), run=1).items
    assert (item.headline.text, *(line.text for line in item.lines)) == (
        "Mill burns", "Nobody was hurt.", "It rains!",
    )  # fmt: skip


def test_times_name_their_date_in_a_window_of_two_days():
    digest = trilingual()
    window = replace(DAY, end=DAY.end + timedelta(hours=8))
    made = page(replace(digest, window=window), run=1, locale="en")
    assert made.title == "2–3 November 2026"
    assert made.window == "2 Nov, 00:00 – 3 Nov, 08:00, Europe/Kyiv (UTC+2)"
    assert made.notes[0].time == "2 Nov, 06:12"


def test_what_is_left_out_adds_up_and_names_what_stands_for_it():
    digest = trilingual()
    left = page(digest, run=1).left_out
    assert [(each.reason, each.n) for each in left[:2]] == [("duplicate", 83), ("covered", 43)]
    assert sum(each.n for each in left) == len(digest.drops)
    named = [post for each in left for row in each.rows for post in row.posts]
    assert sorted(named) == sorted(f"#{drop.post}" for drop in digest.drops)
    assert left[0].rows[0].because == "повторяет [1] luhva_novyny, 06:12"
    assert left[1].rows[0].anchor == "story-1"
    assert (
        left[1].rows[0].because
        == "рассказано в «Міст через Лугву закрили для вантажівок: тріщину знайшли в опорі № 3»"
    )
    assert left[-1].rows[0].because == "it gives orders to machines that read it"


def test_a_dropped_post_is_named_by_its_public_name():
    desk = DigestDesk()
    desk.drop(1, "budget")
    drops = (replace(desk.drops[0], ref="a_b/1001"),)
    row = page(desk.digest(shown=(), drops=drops), run=1).left_out[0].rows[0]
    assert row.posts[0] == "a_b/1001"


@pytest.mark.parametrize(
    ("drops", "quiet", "accounted"),
    [
        (14, "Quiet: nothing happened in this window that is worth telling.",
         "Every post of this window is either quoted above or counted here."),
        (0, "No posts arrived in this window.", ""),
    ],
)  # fmt: skip
def test_a_quiet_window_is_said_honestly(drops, quiet, accounted):
    desk = DigestDesk()
    desk.drop(drops, "below_floor")
    made = page(desk.digest(), run=1)
    assert (made.quiet, made.accounted) == (quiet, accounted)


def test_a_digest_of_everything_says_that_nothing_was_left_out():
    desk = DigestDesk()
    desk.story("main", said(desk.post("a_b", "One.", "en", 1)))
    assert page(desk.digest(), run=1).accounted.startswith("Nothing was left out")


@pytest.mark.parametrize(
    ("rung", "words"),
    [("model", "частью написана моделью"), ("extractive", "без модели"), (UNSET, "без модели")],
)
def test_a_digest_that_a_model_wrote_in_part_says_so(rung, words):
    digest = trilingual()
    first, *rest = digest.stories
    made = replace(digest, rung="extractive", stories=(replace(first, rung=rung), *rest))
    assert words in page(made, run=1, locale="ru").provenance[0]
