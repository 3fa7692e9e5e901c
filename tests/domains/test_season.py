from datetime import UTC, datetime, timedelta

import pytest

from domains.season import Season
from domains.sketch import code

DAY = datetime(2024, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(days, hour, season=None):
    """Return a season of a stream of 10 posts an hour in which "weather" comes twice at ``hour`` each day."""
    season = season or Season()
    for number in range(24 * days):
        at = DAY + number * HOUR
        season.add([code("weather")] * 2 if at.hour == hour else [], 10, at)
    return season


def test_what_comes_every_morning_is_expected_in_the_morning():
    season, end = told(10, 6), DAY + timedelta(days=10)
    morning = season.factor(code("weather"), end + 6 * HOUR, end + 7 * HOUR, ())
    evening = season.factor(code("weather"), end + 18 * HOUR, end + 19 * HOUR, ())
    assert morning > 10
    assert evening == 1.0
    assert season.factor(code("weather"), end, end + timedelta(days=1), ()) == 1.0


def test_little_past_means_little_season():
    season, at = told(1, 6), DAY + timedelta(days=1, hours=6)
    assert 1 < season.factor(code("weather"), at, at + HOUR, ()) < 12
    assert season.factor(code("nothing"), at, at + HOUR, ()) == pytest.approx(1.0)


def test_today_is_no_evidence_of_what_is_usual():
    season = Season()
    recent = [DAY + HOUR * 6] * 9
    season.add([code("fire")] * 9, 20, recent[0])
    assert season.factor(code("fire"), DAY + 6 * HOUR, DAY + 7 * HOUR, recent) == pytest.approx(1.0)


def test_a_weekday_is_believed_after_two_weeks():
    season = Season()
    for number in range(28):
        at = DAY + timedelta(days=number, hours=14)
        season.add([code("registry")] * 3 if at.weekday() == 4 else [], 10, at)
    friday = DAY + timedelta(days=28)
    assert friday.weekday() == 4
    assert season.factor(code("registry"), friday, friday + timedelta(days=1), ()) > 2


def test_it_comes_back():
    season = told(3, 6)
    again = Season.load(season.state())
    at = DAY + timedelta(days=3, hours=6)
    assert again.state() == season.state()
    assert again.factor(code("weather"), at, at + HOUR, ()) == season.factor(
        code("weather"), at, at + HOUR, ()
    )
    assert again.past(code("weather"), at) == pytest.approx(6, rel=0.1)
    assert again.volume(at) == pytest.approx(720, rel=0.1)
