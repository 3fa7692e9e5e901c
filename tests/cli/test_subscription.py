"""Subscriptions on the command line: asked for, listed, paused, changed, removed."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from services import subscription as subscriptions
from services import wiring
from services.language import OfflineLanguage
from services.schema import Delivery, Run, Subscription
from tests import worlds

NOW = datetime.now(UTC)
DAY = NOW - timedelta(days=2)
words = cache(OfflineLanguage)


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """Read the word lists once: they take half a second, and each command is a process's beginning."""
    monkeypatch.setattr(wiring, "OfflineLanguage", words)


def ok(answer):
    assert answer.code == 0, answer.err
    return answer


def beat(database, now=NOW):
    with database.transaction() as session:
        return subscriptions.close_windows(session, now)


def test_subscriptions_are_listed(svodka):
    for name, when in (("a", ("--daily", "07:05")), ("b", ("--every", "6h")), ("c", ("--cron", "0 8 * * 1"))):
        answer = svodka("subscribe", "--name", name, *when, "--zone", "Europe/Kyiv", "--json")
        assert answer.code == 0
        assert datetime.fromisoformat(answer.json["next"]) > NOW
    listed = {row["name"]: row["schedule"] for row in svodka("subscriptions", "--json").json}
    assert listed == {"a": "5 7 * * *", "b": "every 6h", "c": "0 8 * * 1"}
    assert svodka("subscribe", "--name", "a").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--daily", "08:00", "--every", "6h"),
        ("--since", (NOW + timedelta(days=1)).isoformat()),
        ("--cron", "0 0 31 2 *"),
        ("--every", "0h"),
        ("--source", "nobody"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(svodka, arguments):
    answer = svodka("subscribe", *arguments)
    assert answer.code in {1, 2}
    assert "Traceback" not in answer.err
    assert svodka("subscriptions", "--json").json == []


def test_a_phrase_is_kept_as_it_was_said(svodka):
    ok(svodka("subscribe", "--phrase", "по будням в 8:30, по выходным в 10", "--zone", "Europe/Kyiv"))
    (row,) = svodka("subscription", "list", "--json").json
    assert (row["schedule"], row["cron"]) == (
        "по будням в 8:30, по выходным в 10", "30 8 * * 1-5; 0 10 * * 0,6",
    )  # fmt: skip
    assert row["zone"] == "Europe/Kyiv"


def test_a_list_fits_eighty_columns(svodka, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ok(svodka("subscribe", "--phrase", "weekdays 8:30", "--zone", "Europe/Kyiv"))
    out = ok(svodka("subscription", "list")).out.splitlines()
    assert all(len(line) <= 80 for line in out)
    assert len(out) == 2
    assert "+00:00" not in out[1]


def test_a_pause_loses_nothing(svodka, database):
    ok(svodka("subscribe", "--since", (NOW - timedelta(days=3)).isoformat(), "--every", "1d", "--each"))
    assert "wait for `svodka subscription resume daily`" in ok(svodka("subscription", "pause", "daily")).out
    assert beat(database) == []
    answer = ok(svodka("subscription", "resume", "daily", "--json")).json
    assert len(answer["runs"]) == 3
    assert "was not paused" in ok(svodka("subscription", "resume", "daily")).out


@pytest.mark.parametrize(("missed", "count"), [("each", 2), ("joined", 1), ("silent", 1)])
def test_what_was_missed_comes_as_it_is_wished(svodka, database, missed, count):
    worlds.with_news(database, name="default", day=DAY)
    ok(svodka("subscribe", "--since", DAY.isoformat(), "--every", "20h"))
    ok(svodka("subscription", "pause", "daily"))
    runs = ok(svodka("subscription", "resume", "daily", "--missed", missed, "--json")).json["runs"]
    assert len(runs) == count
    with database.transaction() as session:
        assert [session.get_one(Run, one).silent for one in runs] == [missed == "silent"] * count


def test_a_schedule_is_changed_from_where_the_last_window_ended(svodka, database):
    ok(svodka("subscribe", "--since", (NOW - timedelta(days=2)).isoformat(), "--every", "1d", "--each"))
    value = ok(svodka("subscription", "set", "daily", "--phrase", "every 3 hours", "--zone", "Europe/Kyiv",
                      "--quiet-hours", "22-7", "--quiet", "skip", "--channel", "file:a", "--joined",
                      "--set", "max_stories=3", "--json")).json  # fmt: skip
    assert len(value["runs"]) == 2
    assert (value["schedule"], value["quiet_hours"], value["channels"], value["catch_up"], value["settings"]) == (
        "every 3 hours", "22:00-07:00", "file:a", "one", {"max_stories": 3, "quiet": "skip"},
    )  # fmt: skip
    assert datetime.fromisoformat(value["closes_at"]) - datetime.fromisoformat(
        value["covered_until"]
    ) <= timedelta(hours=4)
    out = ok(svodka("subscription", "set", "daily", "--quiet-hours", "none")).out
    assert "The open window closes at" in out
    assert "nothing delivered" not in out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "nothing to change"),
        (("--zone", "Mars"), "Mars"),
        (("--phrase", "someday"), "someday"),
        (("--quiet-hours", "late"), "late"),
        (("--channel", "pigeon"), "pigeon"),
        (("--channel", "file:../etc"), "target"),
        (("--set", "max_stories=0"), "max_stories"),
        (("--source", "nobody"), "nobody"),
        (("--quiet", "maybe"), "maybe"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(svodka, arguments, word):
    ok(svodka("subscribe"))
    before = svodka("subscription", "list", "--json").json
    answer = svodka("subscription", "set", "daily", *arguments)
    assert answer.code in {1, 2}
    assert word in answer.err
    assert svodka("subscription", "list", "--json").json == before


def test_a_removed_subscription_leaves_its_digests_and_its_name(svodka, database):
    worlds.with_news(database, name="default", day=DAY)
    ok(svodka("subscribe", "--since", DAY.isoformat()))
    number = ok(svodka("digest", "run", "--json")).json["run"]
    out = ok(svodka("subscription", "remove", "daily")).out
    assert "Kept: 1 digest, see svodka digest list" in out
    assert svodka("subscription", "list", "--json").json == []
    assert ok(svodka("digest", "show", number)).out
    assert svodka("subscription", "pause", "daily").code == 1
    ok(svodka("subscribe"))


def test_a_last_digest_may_come_before_it_is_removed(svodka, database):
    worlds.with_news(database, name="default", day=DAY)
    ok(svodka("subscribe", "--since", DAY.isoformat()))
    ok(svodka("subscription", "remove", "daily", "--last"))
    with database.transaction() as session:
        assert {row.state for row in session.query(Run)} == {"done"}
        assert {row.state for row in session.query(Delivery)} == {"done"}


def test_a_purge_says_what_goes_and_waits_for_yes(svodka, database):
    worlds.with_news(database, name="default", day=DAY)
    ok(svodka("subscribe", "--since", DAY.isoformat()))
    ok(svodka("digest", "run"))
    asked = svodka("subscription", "remove", "daily", "--purge")
    assert asked.code == 2
    assert "1 digest of 'daily'" in asked.err
    assert "--yes" in asked.err
    assert len(svodka("digest", "list", "--json").json) == 1
    assert "deleted" in ok(svodka("subscription", "remove", "daily", "--purge", "--yes")).out
    assert svodka("digest", "list", "--json").json == []


def test_a_clock_that_stood_ahead_is_mended(svodka, database):
    ok(svodka("subscribe", "--every", "1d"))
    beat(database, NOW + timedelta(days=400))
    listed = ok(svodka("subscription", "list")).out
    assert "rewind" in listed
    answer = svodka("digest", "run")
    assert answer.code == 2
    assert "rewind" in answer.err
    assert "1 runs taken back" in ok(svodka("subscription", "rewind", "daily")).out
    assert svodka("subscription", "rewind", "daily").code == 2
    with database.transaction() as session:
        assert session.query(Subscription).one().covered_until < datetime.now(UTC)


def test_quiet_hours_hold_the_delivery_and_not_the_digest(svodka, database):
    worlds.with_news(database, name="default", day=DAY)
    hour = NOW.hour
    night = f"{(hour - 1) % 24}:00-{(hour + 3) % 24}:00"
    ok(svodka("subscribe", "--since", DAY.isoformat(), "--quiet-hours", night))
    assert "quiet hours: it is delivered from" in ok(svodka("digest", "run")).out
    with database.transaction() as session:
        (one,) = session.query(Delivery)
    assert (one.state, one.next_at.hour, one.next_at.minute) == ("due", (hour + 3) % 24, 0)
    assert one.next_at > NOW


def test_a_skipped_digest_says_why_it_was_sent_to_nobody(svodka, database):
    ok(svodka("subscribe", "--quiet", "skip"))
    assert "sent to nobody: nothing happened" in ok(svodka("digest", "run")).out
    (row,) = svodka("digest", "list", "--json").json
    assert (row["state"], row["decision"]) == ("done", "skip")
