"""Schedules on the command line: read from options, and previewed with what clocks do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import schedule, stamp
from domains.errors import UsageError

OCTOBER = ("--from", "2026-10-23T12:00:00Z", "--zone", "Europe/Kyiv")


def lines(answer):
    assert answer.code == 0, answer.err
    return answer.out.splitlines()


def test_a_preview_names_changes_of_clocks_and_times_that_come_twice(svodka):
    assert lines(svodka("schedule", "preview", "--phrase", "daily 3:30", *OCTOBER, "-n", "3")) == [
        "daily 3:30 (30 3 * * *) in Europe/Kyiv",
        "Sat 2026-10-24 03:30  +03:00",
        "Sun 2026-10-25 03:30  +03:00  03:30 comes twice: the first time",
        "Mon 2026-10-26 03:30  +02:00  clocks go back on 2026-10-25, 04:00 → 03:00",
    ]
    spring = svodka("schedule", "preview", "--cron", "30 3 * * *", "--zone", "Europe/Kyiv", "-n", "1",
                    "--from", "2026-03-28T12:00:00Z")  # fmt: skip
    assert lines(spring)[1] == (
        "Sun 2026-03-29 04:00  +03:00  clocks go forward on 2026-03-29, 03:00 → 04:00"
        "  03:30 does not come that day: at once when clocks skip it"
    )


def test_a_preview_is_ten_lines_for_programs_too(svodka):
    value = svodka("schedule", "preview", "--phrase", "щогодини", *OCTOBER, "--json").json
    assert (value["cron"], value["zone"], len(value["coming"])) == ("0 * * * *", "Europe/Kyiv", 10)
    for row in value["coming"]:
        assert datetime.fromisoformat(row["at"]) == datetime.fromisoformat(row["local"])
        assert (row["offset"], row["delivered_from"], row["notes"]) == ("+03:00", row["local"], [])


def test_a_preview_says_when_quiet_hours_let_it_through(svodka):
    answer = svodka(
        "schedule", "preview", "--phrase", "daily 23:00", *OCTOBER, "--quiet-hours", "22-7", "-n", "2"
    )
    assert lines(answer)[1:] == [
        "nothing is delivered from 22:00 to 07:00",
        "Fri 2026-10-23 23:00  +03:00  delivered from Sat 07:00",
        "Sat 2026-10-24 23:00  +03:00  delivered from Sun 07:00",
    ]


def test_a_subscription_is_previewed_as_it_is_kept(svodka):
    subscribed = ("--phrase", "weekdays 8:30", "--zone", "Europe/Kyiv", "--quiet-hours", "7:00-9:00")
    assert svodka("subscribe", *subscribed).code == 0
    kept = svodka("schedule", "preview", "daily", "--json").json
    tried = svodka("schedule", "preview", *subscribed, "--json").json
    assert kept == tried
    svodka("subscription", "pause", "daily")
    assert "paused" in lines(svodka("schedule", "preview", "daily"))[2]


def test_a_period_is_previewed_from_now_on(svodka):
    answer = svodka("schedule", "preview", "--every", "36h", "--from", "2026-11-20T12:00:00Z", "-n", "2")
    assert lines(answer) == ["36h in UTC", "Sun 2026-11-22 00:00  +00:00", "Mon 2026-11-23 12:00  +00:00"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ((), 2, "name a subscription"),
        (("daily", "--phrase", "daily 8:00"), 2, "name a subscription"),
        (("nobody",), 1, "nobody"),
        (("--phrase", "daily 8:00", "--cron", "0 8 * * *"), 2, "one of"),
        (("--phrase", "someday 8:00"), 2, "'someday'"),
        (("--phrase", "daily 8:00", "--zone", "Mars"), 2, "Mars"),
        (("--daily", "24:00"), 2, "24:00"),
        (("--phrase", "daily 8:00", "--quiet-hours", "8"), 2, "quiet hours"),
        (("daily", "--zone", "UTC"), 2, "--zone"),
        (("--phrase", "daily 8:00", "-n", "0"), 2, "-n"),
    ],
)
def test_what_cannot_be_previewed_says_why(svodka, arguments, code, word):
    answer = svodka("schedule", "preview", *arguments)
    assert answer.code == code
    assert word in answer.err
    assert "Traceback" not in answer.err


@given(st.integers(1, 9_999), st.sampled_from([("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)]))
def test_a_duration_is_a_number_and_a_unit(count, unit):
    letter, seconds = unit
    assert schedule.duration(f"{count}{letter}").total_seconds() == count * seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "6",
        "0h",
        "-6h",
        "1.5h",
        "10000d",
        "6 h",
        "6H",
        "²h",
    ],
)
def test_what_is_no_duration_is_named(text):
    with pytest.raises(UsageError, match="duration"):
        schedule.duration(text)


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (None, ""),
        ("2026-11-20T06:30:00+00:00", "11-20 08:30"),
        (datetime(2025, 1, 2, tzinfo=UTC), "2025-01-02"),
    ],
)
def test_a_stamp_is_short_and_local(at, shown):
    kyiv = ZoneInfo("Europe/Kyiv")
    assert stamp.short(at, datetime(2026, 12, 31, 12, tzinfo=UTC), kyiv) == shown
    assert (
        stamp.short(datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), kyiv)
        == "01-01 01:00"
    )
