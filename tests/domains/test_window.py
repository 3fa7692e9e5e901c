"""Windows tile time: no gap, no overlap, whatever the zone, DST, the delay or the schedule."""

import itertools
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.errors import UsageError
from domains.window import AT_ONCE, Schedule, Window, closed_windows

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["UTC", "Europe/Kyiv", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
CRONS = st.sampled_from(["0 8 * * *", "30 8 * * 1-5", "0 3 * * *", "30 2 * * *", "15 */6 * * *", "0 0 1 * *"])
SCHEDULES = st.one_of(
    st.builds(Schedule, zone=ZONES, cron=CRONS),
    st.builds(
        Schedule, zone=ZONES, period=st.timedeltas(timedelta(hours=1), timedelta(days=3)), anchor=MOMENTS
    ),
)


def next_ends(schedule, after, count):
    return list(islice(schedule.ends(after), count))


@given(SCHEDULES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_windows_tile_time_without_gap_or_overlap(schedule, start, delay):
    windows = closed_windows(schedule, start, start + delay)
    assert [w.start for w in windows] == [start, *(w.end for w in windows[:-1])][: len(windows)]
    assert all(w.end <= start + delay for w in windows)
    upcoming = next_ends(schedule, windows[-1].end if windows else start, 1)[0]
    assert upcoming > start + delay


@given(SCHEDULES, MOMENTS, st.lists(st.timedeltas(timedelta(0), timedelta(days=5)), max_size=6))
def test_the_tiling_does_not_depend_on_when_beat_looked(schedule, start, delays):
    now, covered, seen = start, start, []
    for delay in delays:
        now += delay
        windows = closed_windows(schedule, covered, now)
        covered = windows[-1].end if windows else covered
        seen += windows
    assert seen == closed_windows(schedule, start, now)


@given(SCHEDULES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_one_catch_up_window_covers_what_each_would(schedule, start, delay):
    each = closed_windows(schedule, start, start + delay, "each")
    one = closed_windows(schedule, start, start + delay, "one")
    assert [(w.start, w.end) for w in one] == ([(each[0].start, each[-1].end)] if each else [])


def test_a_daily_digest_comes_at_the_same_local_time_across_dst():
    zone = ZoneInfo("Europe/Kyiv")
    ends = next_ends(
        Schedule(zone="Europe/Kyiv", cron="0 8 * * *"), datetime(2026, 10, 23, 12, tzinfo=UTC), 4
    )
    assert [end.astimezone(zone).hour for end in ends] == [8, 8, 8, 8]
    assert {b - a for a, b in itertools.pairwise(ends)} == {timedelta(hours=24), timedelta(hours=25)}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"zone": "Mars/Olympus", "cron": "0 8 * * *"}, "time zone"),
        ({"cron": "61 8 * * *"}, "cron"),
        ({"cron": "often"}, "cron"),
        ({"cron": "0 0 8 * * *"}, "five fields"),
        ({"cron": "0 8 * * *;"}, "five fields"),
        ({"cron": "0 8 * * *; 0 99 * * *"}, "0 99"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({}, "either"),
        ({"cron": "0 8 * * *", "period": timedelta(days=1)}, "either"),
        ({"period": timedelta(seconds=5)}, "one minute"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused(arguments, complaint):
    with pytest.raises(UsageError, match=complaint):
        Schedule(**arguments)


def test_a_window_holds_its_start_and_not_its_end():
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    assert window.start in window
    assert window.end not in window


def test_naive_and_empty_windows_are_refused():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        Window(at.replace(tzinfo=None), at)
    with pytest.raises(ValueError, match="after it starts"):
        Window(at, at)


@pytest.mark.parametrize("cron", [None, "* * * * *", "0 8 * * *", "0 0 29 2 *"])
def test_years_of_missed_windows_are_joined_into_one(cron):
    start, now = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, 7, tzinfo=UTC)
    period = None if cron else timedelta(minutes=1)
    schedule = Schedule(cron=cron, period=period, anchor=None if cron else start)
    (window,) = closed_windows(schedule, start, now, "one")
    assert window.start == start
    assert window.end <= now < next_ends(schedule, window.end, 1)[0]


def test_a_subscription_that_begins_years_ago_is_caught_up_bit_by_bit():
    schedule = Schedule(period=timedelta(minutes=1), anchor=datetime(2020, 1, 1, tzinfo=UTC))
    start, now = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 3, tzinfo=UTC)
    covered, passes = start, 0
    while windows := closed_windows(schedule, covered, now):
        assert len(windows) <= AT_ONCE
        assert windows[0].start == covered
        covered, passes = windows[-1].end, passes + 1
    assert (covered, passes) == (now, 3)


# The weeks in which clocks change, with the crons that meet the hours that come twice or never.
CHANGES = {
    "Europe/Kyiv": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Antarctica/Troll": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Antarctica/Casey": ["2010-03-04T15:00"],
}
CRITICAL = ["30 3 * * *", "15 1 * * *", "45 1 * * *", "30 2 * * *", "0 0 * * *", "0 0,3,6,9 * * *", "15 */6 * * *",
            "0 * * * *", "*/20 * * * *", "10 1-3 * * *", "*/15 3 * * *", "30 1 * * *; 0 2 * * *; 30 1 * * *"]  # fmt: skip
NEAR_CHANGES = st.sampled_from([(zone, text) for zone, texts in CHANGES.items() for text in texts])


@given(NEAR_CHANGES, st.sampled_from(CRITICAL), st.integers(-30 * 60, 30 * 60))
def test_what_comes_next_does_not_depend_on_where_one_looks_from(change, cron, minutes):
    """Looked at from inside an hour that comes twice, cronsim by itself names times that are gone by."""
    zone, text = change
    schedule = Schedule(zone=zone, cron=cron)
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    looked, until = moment + timedelta(minutes=minutes), moment + timedelta(days=2)
    ahead = list(itertools.takewhile(lambda end: end < until, schedule.ends(moment - timedelta(days=2))))
    assert ahead == sorted(set(ahead))
    assert list(itertools.takewhile(lambda end: end < until, schedule.ends(looked))) == [
        end for end in ahead if end > looked
    ]


@pytest.mark.parametrize(
    ("cron", "day", "ends"),
    [
        # Skipped: at once when clocks have gone forward. Twice: the first time.
        ("30 3 * * *", "2026-03-29", ["01:00"]),
        ("30 3 * * *", "2026-10-25", ["00:30"]),
        ("0 0,3,6 * * *", "2026-03-29", ["01:00", "03:00", "21:00"]),
        # Both the skipped time and the one at which clocks arrive are one end.
        ("0 3,4 * * *", "2026-03-29", ["01:00"]),
        # By elapsed time: an hour that is skipped has no quarter, one that comes twice has each quarter twice.
        ("*/30 3 * * *", "2026-03-29", []),
        ("*/30 3 * * *", "2026-10-25", ["00:00", "00:30", "01:00", "01:30"]),
    ],
)
def test_when_clocks_change_in_kyiv(cron, day, ends):
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    found = itertools.takewhile(
        lambda end: end < start + timedelta(days=1),
        Schedule(zone="Europe/Kyiv", cron=cron).ends(start - timedelta(microseconds=1)),
    )
    assert [f"{end:%H:%M}" for end in found] == ends


def test_an_hourly_digest_covers_an_hour_each_time_clocks_change():
    for day in ("2026-03-29", "2026-10-25"):
        ends = next_ends(
            Schedule(zone="Europe/Kyiv", cron="0 * * * *"),
            datetime.fromisoformat(day).replace(tzinfo=UTC),
            30,
        )
        assert {b - a for a, b in itertools.pairwise(ends)} == {timedelta(hours=1)}


def test_several_expressions_are_one_schedule():
    schedule = Schedule(cron="30 8 * * 1-5; 0 10 * * 0,6; 30 8 * * 1")
    ends = next_ends(schedule, datetime(2026, 11, 20, tzinfo=UTC), 4)
    assert [f"{end:%a %H:%M}" for end in ends] == ["Fri 08:30", "Sat 10:00", "Sun 10:00", "Mon 08:30"]


def test_a_tick_says_what_was_asked_for():
    schedule = Schedule(zone="Europe/Kyiv", cron="30 3 * * *")
    first = next(schedule.ticks(datetime(2026, 3, 28, 12, tzinfo=UTC)))
    assert (first.at.hour, first.wall) == (1, datetime(2026, 3, 29, 3, 30))  # noqa: DTZ001
