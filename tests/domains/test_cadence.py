"""Schedules in words: three languages, one meaning; what cannot be read is named."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domains import cadence
from domains.errors import UsageError
from domains.window import Schedule

DAYS = (
    ("monday", "понедельник", "понеділок", 1), ("tue", "вторникам", "щовівторка", 2), ("wed", "среду", "середу", 3),
    ("thursdays", "чт", "четверга", 4), ("friday", "пятницу", "п’ятницю", 5), ("sat", "субботам", "суботам", 6),
    ("sunday", "вс", "неділю", 0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("phrase", "cron"),
    [
        ("weekdays 8:30", "30 8 * * 1-5"),
        ("Weekdays at 8:30 AM", "30 8 * * 1-5"),
        ("daily 7:00", "0 7 * * *"),
        ("7.00", "0 7 * * *"),
        ("daily 7:00, 12:00 and 19:30", "0 7,12 * * *; 30 19 * * *"),
        ("every monday 9am", "0 9 * * 1"),
        ("12 am daily", "0 0 * * *"),
        ("every day at 12 p.m.", "0 12 * * *"),
        ("noon on weekends", "0 12 * * 0,6"),
        ("fri-mon 9pm", "0 21 * * 0,1,5,6"),
        ("mon – wed, sat 6", "0 6 * * 1,2,3,6"),
        ("weekdays 8:30, weekends 10:00", "30 8 * * 1-5; 0 10 * * 0,6"),
        ("at 8:30 on weekdays and at 10 on weekends", "30 8 * * 1-5; 0 10 * * 0,6"),
        ("hourly", "0 * * * *"),
        ("every 60 minutes", "0 * * * *"),
        ("every 3 hours", "0 0,3,6,9,12,15,18,21 * * *"),
        ("every 24 hours", "0 0 * * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("every 15 minutes from 9 to 18", "*/15 9-17 * * *; 0 18 * * *"),
        ("weekdays every 2 hours between 9:15 and 18", "15 9,11,13,15,17 * * 1-5"),
        ("monthly on the 1st at 9:00", "0 9 1 * *"),
        ("monthly at 9", "0 9 1 * *"),
        ("on the 5th and 20th at 9", "0 9 5,20 * *"),
        ("last day of the month 18:00", "0 18 L * *"),
        ("last friday of the month 17:00", "0 17 * * 5L"),
        ("по будням в 8:30", "30 8 * * 1-5"),
        ("каждый день в 8 часов утра", "0 8 * * *"),
        ("с понедельника по пятницу в 9, по выходным в 11", "0 9 * * 1-5; 0 11 * * 0,6"),
        ("каждые 3 часа", "0 0,3,6,9,12,15,18,21 * * *"),
        ("раз в неделю по пятницам в 6 вечера", "0 18 * * 5"),
        ("1 и 15 числа в 9:00", "0 9 1,15 * *"),
        ("щодня о 7:00", "0 7 * * *"),
        ("щогодини", "0 * * * *"),
        ("щопонеділка о 9 ранку", "0 9 * * 1"),
        ("у будні о 8:30, у вихідні об 11", "30 8 * * 1-5; 0 11 * * 0,6"),
        ("останній день місяця о 18:00", "0 18 L * *"),
        ("кожні 30 хвилин з 9 до 12 по буднях", "*/30 9-11 * * 1-5; 0 12 * * 1-5"),
    ],
)
def test_a_phrase_means(phrase, cron):
    assert cadence.read(phrase) == cron
    Schedule(cron=cron)


@pytest.mark.parametrize(("english", "russian", "ukrainian", "number"), DAYS)
def test_a_day_has_its_name_in_three_languages(english, russian, ukrainian, number):
    for day in (english, russian, ukrainian):
        assert cadence.read(f"{day} 8:30") == f"30 8 * * {number}"


@pytest.mark.parametrize("phrase", cadence.EXAMPLES)
def test_what_is_shown_as_an_example_can_be_read(phrase):
    Schedule(cron=cadence.read(phrase))


@pytest.mark.parametrize(
    ("phrase", "complaint"),
    [
        ("weekdsys 8:30", "'weekdsys', is it 'weekdays'"),
        ("someday 8:30", "'someday'"),
        ("weekdays", "at what time"),
        ("", "empty"),
        ("daily 25:00", "'25:00'"),
        ("daily 8:70", "'8:70'"),
        ("13 pm", "'13 pm'"),
        ("weekly 9:00", "which day"),
        ("8:00, weekdays 9:00", "each needs its days"),
        ("8:30 - 9:30", "how often"),
        ("every", "'every'"),
        ("weekdays 8:30!", "'!'"),
        ("monday to weekend 8", "'monday to weekend'"),
        ("every 2nd monday 9:00", "'2nd'"),
        ("every month on friday at 9:00", "at once"),
        ("every 2 hours at 9:00", "say one"),
        ("every 2 hours every 3 hours", "second step"),
        ("every 2 hours from 18 to 9", "earlier hour"),
        ("on the 32nd at 9", "'32nd'"),
        ("last weekend of the month 9:00", "'weekend'"),
        ("at day", "'day'"),
        ("pm", "'pm'"),
        ("x" * 201, "200 characters"),
    ],
)
def test_a_phrase_that_means_nothing_is_refused_by_its_word(phrase, complaint):
    with pytest.raises(UsageError) as caught:
        cadence.read(phrase)
    assert complaint in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("phrase", ["every 5 hours", "every 7 minutes", "every 3 days", "every 0 hours"])
def test_a_step_that_divides_nothing_is_left_to_periods(phrase):
    with pytest.raises(UsageError, match="every") as caught:
        cadence.read(phrase)
    assert "--every" in caught.value.remedy


WORDS = st.sampled_from([word for _, words in cadence._WORDS for word in words.split()])
PIECES = st.one_of(WORDS, st.from_regex(r"\A\d{1,3}([:.]\d\d)?(st|nd|th|-го)?\Z"), st.sampled_from(",;-–+&!"))


@given(st.lists(PIECES, max_size=8).map(" ".join))
@example("² o'clock")
@example("9" * 200)
@example("٣ pm")
def test_whatever_is_said_is_a_schedule_or_an_error_of_ours(phrase):
    try:
        cron = cadence.read(phrase)
    except UsageError:
        return
    Schedule(cron=cron)


@given(st.text(max_size=60))
def test_any_text_is_a_schedule_or_an_error_of_ours(text):
    try:
        cron = cadence.read(text)
    except UsageError:
        return
    Schedule(cron=cron)
