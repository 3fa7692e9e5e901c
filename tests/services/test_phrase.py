from dataclasses import fields
from datetime import datetime, timedelta
from string import Formatter
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from agents.planner import SECTIONS
from domains.digest import Reason, Rung
from services import phrase

KYIV = ZoneInfo("Europe/Kyiv")
EVERY = list(phrase.LOCALES.values())


@pytest.mark.parametrize(
    ("lang", "n", "expected"),
    [
        ("ru", 0, "0 постов"), ("ru", 1, "1 пост"), ("ru", 2, "2 поста"), ("ru", 4, "4 поста"), ("ru", 5, "5 постов"),
        ("ru", 11, "11 постов"), ("ru", 12, "12 постов"), ("ru", 14, "14 постов"), ("ru", 21, "21 пост"),
        ("ru", 22, "22 поста"), ("ru", 25, "25 постов"), ("ru", 111, "111 постов"), ("ru", 121, "121 пост"),
        ("ru", 12_003, "12\u00a0003 поста"),
        ("uk", 1, "1 допис"), ("uk", 3, "3 дописи"), ("uk", 7, "7 дописів"), ("uk", 13, "13 дописів"),
        ("uk", 101, "101 допис"),
        ("en", 0, "0 posts"), ("en", 1, "1 post"), ("en", 2, "2 posts"), ("en", 21, "21 posts"),
        ("en", 9_999, "9999 posts"), ("en", 12_003, "12,003 posts"),
    ],
)  # fmt: skip
def test_counts_follow_the_plural_rules(lang, n, expected):
    phrases = phrase.LOCALES[lang]
    assert phrase.plural(phrases, phrases.posts, n) == expected


@pytest.mark.parametrize("phrases", EVERY, ids=lambda each: each.lang)
def test_every_language_says_everything(phrases):
    assert set(phrases.reasons) == set(get_args(Reason))
    assert set(phrases.rungs) == set(get_args(Rung))
    assert set(SECTIONS) <= set(phrases.sections)
    assert (len(phrases.months), len(phrases.months_short), len(phrases.weekdays)) == (12, 12, 7)
    forms = 2 if phrases.lang == "en" else 3
    counted = (phrases.stories, phrases.posts, phrases.sources, phrases.publishers, phrases.repeats)
    assert {len(each) for each in counted} == {forms}


@pytest.mark.parametrize("phrases", EVERY, ids=lambda each: each.lang)
def test_every_language_fills_in_the_same_blanks(phrases):
    for each in fields(phrases):
        if isinstance(value := getattr(phrases, each.name), str):
            assert _blanks(value) == _blanks(getattr(phrase.ENGLISH, each.name)) or each.name == "thousands"


def _blanks(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-02T00:00", "2026-11-03T00:00", "Monday, 2 November 2026"),
        ("2026-11-02T08:00", "2026-11-02T20:30", "Monday, 2 November 2026, 08:00–20:30"),
        ("2026-11-02T08:00", "2026-11-03T08:00", "2–3 November 2026"),
        ("2026-11-02T00:00", "2026-11-09T00:00", "2–8 November 2026"),
        ("2026-10-30T08:00", "2026-11-02T08:00", "30 October – 2 November 2026"),
        ("2026-12-31T08:00", "2027-01-01T08:00", "31 December 2026 – 1 January 2027"),
    ],
)
def test_a_window_is_named_by_the_days_it_covers(start, end, expected):
    local = [datetime.fromisoformat(text).replace(tzinfo=KYIV) for text in (start, end)]
    assert phrase.span(phrase.ENGLISH, *local) == expected


def test_days_are_named_in_each_language():
    start = datetime(2026, 11, 2, tzinfo=KYIV)
    named = [phrase.span(each, start, start + timedelta(days=1)) for each in EVERY]
    assert named == ["Monday, 2 November 2026", "Понедельник, 2 ноября 2026", "Понеділок, 2 листопада 2026"]


def test_a_time_names_its_date_and_year_only_where_they_differ():
    at = datetime(2026, 5, 2, 6, 5, tzinfo=KYIV)
    assert phrase.moment(phrase.RUSSIAN, at, year=2026) == "2 мая, 06:05"
    assert phrase.moment(phrase.RUSSIAN, at, year=2027) == "2 мая 2026, 06:05"
    assert phrase.moment(phrase.RUSSIAN, at, year=2026, today=at.date()) == "06:05"


def test_a_zone_shows_both_offsets_when_the_clocks_change():
    autumn = datetime(2026, 10, 25, tzinfo=KYIV)
    assert phrase.zone("Europe/Kyiv", autumn, autumn + timedelta(days=1)) == "Europe/Kyiv (UTC+3 → UTC+2)"
    kolkata = datetime(2026, 10, 25, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert phrase.zone("Asia/Kolkata", kolkata, kolkata) == "Asia/Kolkata (UTC+5:30)"
    newfoundland = datetime(2026, 1, 25, tzinfo=ZoneInfo("America/St_Johns"))
    assert phrase.zone("America/St_Johns", newfoundland, newfoundland) == "America/St_Johns (UTC−3:30)"
    utc = datetime(2026, 10, 25, tzinfo=ZoneInfo("UTC"))
    assert phrase.zone("UTC", utc, utc) == "UTC"
