"""Wall clocks: times that come twice or never, changes, and quiet hours."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domains import wall
from domains.errors import UsageError
from domains.wall import QuietHours
from tests.domains.test_window import MOMENTS

NAMES = ["UTC", "Europe/Kyiv", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo",
         "America/Santiago", "Antarctica/Troll", "Africa/Casablanca"]  # fmt: skip
ZONES = st.sampled_from(NAMES).map(ZoneInfo)
KYIV = ZoneInfo("Europe/Kyiv")
TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
NIGHTS = st.tuples(TIMES, TIMES).filter(lambda two: two[0] != two[1]).map(lambda two: QuietHours(*two))


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text):
    return datetime.fromisoformat(text)


@given(MOMENTS, ZONES)
def test_each_moment_is_one_of_those_of_its_local_time(moment, zone):
    found = wall.moments(wall.shown(moment, zone), zone)
    assert moment in found
    assert len(found) <= 2


def test_a_time_that_comes_twice_and_one_that_never_comes():
    twice, never = local("2026-10-25 03:30"), local("2026-03-29 03:30")
    assert wall.moments(twice, KYIV) == (at("2026-10-25 00:30"), at("2026-10-25 01:30"))
    assert (wall.earliest(twice, KYIV), wall.latest(twice, KYIV)) == wall.moments(twice, KYIV)
    assert wall.moments(never, KYIV) == ()
    assert wall.earliest(never, KYIV) == wall.latest(never, KYIV) == at("2026-03-29 01:00")


def test_a_day_that_never_came():
    skipped = local("2011-12-30 12:00")
    assert wall.earliest(skipped, ZoneInfo("Pacific/Apia")) == at("2011-12-30 10:00")


def test_changes_are_named():
    year = list(wall.changes(KYIV, at("2026-01-01"), at("2027-01-01")))
    assert [str(one) for one in year] == [
        "clocks go forward on 2026-03-29, 03:00 → 04:00",
        "clocks go back on 2026-10-25, 04:00 → 03:00",
    ]
    assert [one.at for one in year] == [at("2026-03-29 01:00"), at("2026-10-25 01:00")]
    assert list(wall.changes(KYIV, year[0].at, year[1].at - timedelta(seconds=1))) == []
    assert not list(wall.changes(ZoneInfo("Asia/Kathmandu"), at("2026-01-01"), at("2027-01-01")))
    (skipped,) = wall.changes(ZoneInfo("Pacific/Apia"), at("2011-12-29"), at("2011-12-31"))
    assert str(skipped) == "clocks go forward on 2011-12-30/2011-12-31, 00:00 → 00:00"


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_a_zone_that_is_none_is_named(name):
    with pytest.raises(UsageError, match="zone"):
        wall.zone_of(name)


@given(NIGHTS, MOMENTS, ZONES)
@example(QuietHours(time(3, 10), time(3, 5)), datetime(2026, 3, 29, 0, 59, tzinfo=UTC), KYIV)
def test_quiet_hours_end_and_it_is_quiet_until_then(night, moment, zone):
    over = night.over(moment, zone)
    assert moment <= over <= moment + timedelta(days=2)
    assert night.over(over, zone) == over
    for part in (0, 0.3, 0.7, 0.999):
        assert night.over(moment + part * (over - moment), zone) == over


@given(NIGHTS, MOMENTS)
def test_without_changes_it_is_quiet_when_the_clock_says_so(night, moment):
    clock = moment.time()
    inside = (
        night.start <= clock < night.end if night.start < night.end else not night.end <= clock < night.start
    )
    assert (night.over(moment, ZoneInfo("UTC")) > moment) is inside


@pytest.mark.parametrize(
    ("hours", "moment", "over"),
    [
        ("22:00-07:00", "2026-11-20 19:59", "2026-11-20 19:59"),
        ("22:00-07:00", "2026-11-20 20:00", "2026-11-21 05:00"),
        ("22:00-07:00", "2026-11-21 03:00", "2026-11-21 05:00"),
        ("22:00-07:00", "2026-11-21 05:00", "2026-11-21 05:00"),
        ("13-15", "2026-11-20 12:30", "2026-11-20 13:00"),
        # The night of the change has 10 hours, and one of its hours comes twice.
        ("22:00-07:00", "2026-10-24 19:00", "2026-10-25 05:00"),
        ("22:00-03:30", "2026-10-25 00:45", "2026-10-25 01:30"),
        # Clocks skip 03:00 to 04:00: a night that ends in there ends with the skip, and one inside it is none.
        ("22:00-03:30", "2026-03-28 23:00", "2026-03-29 01:00"),
        ("03:10-03:50", "2026-03-29 01:00", "2026-03-29 01:00"),
    ],
)
def test_nights_in_kyiv(hours, moment, over):
    assert QuietHours.of(hours).over(at(moment), KYIV) == at(over)


@given(NIGHTS)
def test_quiet_hours_are_read_as_they_are_written(night):
    assert QuietHours.of(str(night)) == night


@pytest.mark.parametrize(
    "text", ["", "22:00", "22:00-24:00", "8:60-9:00", "at night", "22:00-07:00-09:00", "22-22"]
)
def test_hours_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="quiet hours"):
        QuietHours.of(text)
