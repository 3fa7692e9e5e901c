"""Subscriptions: their windows tile time in the database, whoever closes them, when, and how often."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from domains.errors import NotFound, UsageError
from domains.window import Schedule
from services import subscription
from services.schema import Run, Subscription
from services.subscription import Wish
from tests import rows
from tests.rows import DAY

ONE_DAY = timedelta(days=1)
KYIV = "Europe/Kyiv"
SCHEDULES = st.one_of(
    st.builds(Schedule, zone=st.sampled_from([KYIV, "America/New_York", "Asia/Kathmandu", "UTC"]),
              cron=st.sampled_from(["0 8 * * *", "30 3 * * *", "0 */5 * * *", "0 9 * * 1-5"])),
    st.builds(Schedule, period=st.timedeltas(timedelta(hours=2), timedelta(days=2)), anchor=st.just(DAY)),
)  # fmt: skip
DELAYS = st.timedeltas(timedelta(minutes=-30), timedelta(days=2))
# What may happen to a subscription: beat looks, somebody asks for a digest now, it is paused, it is resumed.
EVENTS = st.lists(
    st.tuples(st.sampled_from(["beat", "beat", "now", "pause", "resume"]), DELAYS), min_size=1, max_size=8
)
numbers = count()


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def subscribe(database, tenant_id, schedule, *, starts_at=DAY, **rest):
    wish = Wish(name=f"s{next(numbers)}", schedule=schedule, starts_at=starts_at, **rest)
    with database.transaction() as session:
        return subscription.subscribe(session, tenant_id, wish, rows.anywhere("file", "stdout"))


def beat(database, now, **rest):
    with database.transaction() as session:
        return subscription.close_windows(session, now, **rest)


def now_(database, row_id, until):
    with database.transaction() as session:
        return subscription.close_now(session, session.get_one(Subscription, row_id), until)


def pause(database, row_id, *, paused=True):
    with database.transaction() as session:
        session.get_one(Subscription, row_id).paused = paused


def windows(database, row_id):
    with database.transaction() as session:
        runs = session.scalars(select(Run).where(Run.subscription_id == row_id).order_by(Run.window_start))
        return [(run.window_start, run.window_end) for run in runs]


def covered(database, row_id):
    with database.transaction() as session:
        return session.get_one(Subscription, row_id).covered_until


def assert_tiles(found, start, until):
    """From ``start`` to ``until``, without a gap and without an overlap."""
    assert [begin for begin, _ in found] == [start, *(end for _, end in found)][: len(found)]
    assert (found[-1][1] if found else start) == until


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(SCHEDULES, st.sampled_from(["each", "one"]), EVENTS)
def test_windows_tile_whatever_happens(database, schedule, catch_up, events):
    row_id = subscribe(database, rows.tenant(database), schedule, catch_up=catch_up)
    now, paused = DAY, False
    for what, delay in events:
        now += delay
        before = windows(database, row_id)
        if what == "beat":
            beat(database, now)
            assert not paused or windows(database, row_id) == before
            assert catch_up == "each" or len(windows(database, row_id)) <= len(before) + 1
        elif what == "now" and now > covered(database, row_id):
            now_(database, row_id, now)
            assert covered(database, row_id) == now
        elif what in {"pause", "resume"}:
            paused = what == "pause"
            pause(database, row_id, paused=paused)
        assert_tiles(windows(database, row_id), DAY, covered(database, row_id))
        assert covered(database, row_id) <= max(now, covered(database, row_id))


def test_each_missed_window_has_its_run_or_one_covers_them_all(database, tenant_id):
    daily = Schedule(cron="0 0 * * *")
    each = subscribe(database, tenant_id, daily)
    one = subscribe(database, tenant_id, daily, catch_up="one")
    assert len(beat(database, DAY + timedelta(days=3, hours=5))) == 4
    assert windows(database, each) == [(DAY + n * ONE_DAY, DAY + (n + 1) * ONE_DAY) for n in range(3)]
    assert windows(database, one) == [(DAY, DAY + 3 * ONE_DAY)]


def test_looking_again_changes_nothing(database, tenant_id):
    row_id = subscribe(database, tenant_id, Schedule(period=ONE_DAY, anchor=DAY))
    assert beat(database, DAY + ONE_DAY - timedelta(microseconds=1)) == []
    (run_id,) = beat(database, DAY + ONE_DAY)
    assert beat(database, DAY + ONE_DAY) == beat(database, DAY) == []
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
    assert (run.state, run.next_at, run.subscription_id) == ("due", DAY + ONE_DAY, row_id)


def test_several_beats_at_once_close_each_window_once(database, tenant_id):
    """The second beat either skips the row that the first holds, or finds it covered."""
    daily = Schedule(period=ONE_DAY, anchor=DAY)
    ids = [subscribe(database, tenant_id, daily, catch_up=policy) for policy in ("each", "one") * 5]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: beat(database, DAY + (1 + n % 3) * ONE_DAY), range(24)))
    closed = [run for runs in found for run in runs]
    closed += beat(database, DAY + 3 * ONE_DAY)
    assert len(closed) == len(set(closed))
    for row_id in ids:
        assert_tiles(windows(database, row_id), DAY, DAY + 3 * ONE_DAY)
    with database.transaction() as session:
        assert set(session.scalars(select(Run.id))) == set(closed)


def test_a_beat_skips_what_another_is_just_closing(database, tenant_id):
    row_id = subscribe(database, tenant_id, Schedule(period=ONE_DAY, anchor=DAY))
    with database.transaction() as session:
        assert len(subscription.close_windows(session, DAY + ONE_DAY)) == 1
        assert beat(database, DAY + 2 * ONE_DAY) == []
    assert len(beat(database, DAY + 2 * ONE_DAY)) == 1
    assert_tiles(windows(database, row_id), DAY, DAY + 2 * ONE_DAY)


def test_a_person_and_a_beat_at_once_close_no_time_twice(database, tenant_id):
    row_id = subscribe(database, tenant_id, Schedule(period=ONE_DAY, anchor=DAY), catch_up="one")
    with database.transaction() as session:
        row = subscription.find(session, tenant_id, session.get_one(Subscription, row_id).name)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(beat, database, DAY + ONE_DAY).result(timeout=60)
        subscription.close_now(session, row, DAY + ONE_DAY + timedelta(hours=3))
    assert_tiles(windows(database, row_id), DAY, covered(database, row_id))


def test_a_paused_subscription_catches_up_when_it_is_resumed(database, tenant_id):
    row_id = subscribe(database, tenant_id, Schedule(cron="0 0 * * *"))
    beat(database, DAY + ONE_DAY)
    pause(database, row_id)
    assert beat(database, DAY + 4 * ONE_DAY) == []
    with database.transaction() as session:
        subscription.resume(session, row_id)
    assert len(beat(database, DAY + 4 * ONE_DAY)) == 3
    assert_tiles(windows(database, row_id), DAY, DAY + 4 * ONE_DAY)


def test_a_subscription_may_begin_paused(database, tenant_id):
    wish = Wish(name="later", schedule=Schedule(cron="0 0 * * *"), starts_at=DAY)
    with database.transaction() as session:
        subscription.subscribe(session, tenant_id, wish, rows.anywhere("file"), paused=True)
    assert beat(database, DAY + 3 * ONE_DAY) == []


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2026, 3, 28, tzinfo=UTC), [24, 23, 24]), (datetime(2026, 10, 24, tzinfo=UTC), [24, 25, 24])],
)
def test_a_day_has_23_or_25_hours_when_the_clocks_change(database, tenant_id, day, hours):
    zone = ZoneInfo(KYIV)
    starts_at = datetime(day.year, day.month, day.day - 1, 8, tzinfo=zone).astimezone(UTC)
    row_id = subscribe(database, tenant_id, Schedule(zone=KYIV, cron="0 8 * * *"), starts_at=starts_at)
    beat(database, starts_at + timedelta(days=3, hours=1))
    found = windows(database, row_id)
    assert [(end - start) / timedelta(hours=1) for start, end in found] == hours
    assert {end.astimezone(zone).hour for _, end in found} == {8}
    assert all(first[1] == second[0] for first, second in pairwise(found))


def test_sweeps_leave_backtests_alone_and_a_backtest_names_itself(database):
    past = rows.tenant(database, "past", live=False)
    row_id = subscribe(database, past, Schedule(period=ONE_DAY, anchor=DAY))
    assert beat(database, DAY + ONE_DAY) == []
    assert len(beat(database, DAY + ONE_DAY, tenant_id=past)) == 1
    with database.transaction() as session:
        assert subscription.ends_until(session, row_id, DAY + 2.5 * ONE_DAY) == [
            DAY + 2 * ONE_DAY,
            DAY + 2.5 * ONE_DAY,
        ]
        assert len(subscription.close_last(session, row_id, DAY + 1.5 * ONE_DAY)) == 1
    assert windows(database, row_id)[-1] == (DAY + ONE_DAY, DAY + 1.5 * ONE_DAY)


@pytest.mark.parametrize(("catch_up", "ends"), [("each", [1, 2, 2.5]), ("one", [2.5])])
def test_a_digest_asked_for_now_covers_what_was_missed_and_the_open_window(
    database, tenant_id, catch_up, ends
):
    row_id = subscribe(
        database, tenant_id, Schedule(period=ONE_DAY, anchor=DAY + timedelta(0)), catch_up=catch_up
    )
    now_(database, row_id, DAY + 2.5 * ONE_DAY)
    assert [end for _, end in windows(database, row_id)] == [DAY + n * ONE_DAY for n in ends]
    with pytest.raises(UsageError, match="already"):
        now_(database, row_id, DAY + 2.5 * ONE_DAY)
    beat(database, DAY + 3 * ONE_DAY)
    assert windows(database, row_id)[-1] == (DAY + 2.5 * ONE_DAY, DAY + 3 * ONE_DAY)


def test_what_cannot_be_met_is_not_subscribed_to(database, tenant_id):
    good = {"schedule": Schedule(cron="0 8 * * *")}
    subscribe(database, tenant_id, **good)
    for wrong, word in (
        ({"channels": (("pigeon", ""),)}, "pigeon"),
        ({"settings": {"max_stores": 3}}, "max_stores"),
        ({"settings": {"max_stories": "many"}}, "max_stories"),
    ):
        with pytest.raises(UsageError, match=word):
            subscribe(database, tenant_id, **good, **wrong)
    with database.transaction() as session:
        assert len(session.scalars(select(Subscription)).all()) == 1


def test_a_name_is_taken_once_a_tenant(database, tenant_id):
    rows.subscribed(database, tenant_id, name="daily")
    with pytest.raises(UsageError, match="daily"):
        rows.subscribed(database, tenant_id, name="daily")
    other = rows.tenant(database, "other")
    rows.subscribed(database, other, name="daily")
    with database.transaction() as session:
        assert subscription.find(session, other, "daily").tenant_id == other
        with pytest.raises(NotFound, match="weekly"):
            subscription.find(session, tenant_id, "weekly")


def test_subscriptions_are_listed_as_their_owner_sees_them(database, tenant_id):
    rows.subscribed(database, tenant_id, name="b", channels=(("file", "family"), ("stdout", "")))
    with database.transaction() as session:
        wish = Wish(name="a", schedule=Schedule(zone=KYIV, cron="0 8 * * *"), starts_at=DAY, sources=("x",))
        subscription.subscribe(session, tenant_id, wish, rows.anywhere("file"))
        first, second = subscription.listing(session, tenant_id)
        assert subscription.listing(session, rows.tenant(database, "other")) == []
    assert (first["name"], first["schedule"], first["zone"], first["sources"]) == (
        "a",
        "0 8 * * *",
        KYIV,
        ["x"],
    )
    assert (second["schedule"], second["channels"]) == ("every 1d", "file:family, stdout")


@given(SCHEDULES)
def test_a_schedule_comes_back_from_its_row(schedule):
    row = Subscription(
        zone=schedule.zone,
        cron=schedule.cron,
        period_s=schedule.period.total_seconds() if schedule.period else None,
        starts_at=DAY,
    )
    assert subscription.schedule_of(row) == schedule


def test_a_tenant_is_made_once(database):
    assert rows.tenant(database, "x") == rows.tenant(database, "x")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: rows.tenant(database, "y"), range(8)))) == 1


def test_two_clocks_have_to_say_that_it_is_time(database, caplog):
    """A worker's clock that has jumped ahead closes nothing before the database's says so too; one behind may wait."""
    with database.transaction() as session:
        theirs = session.scalars(select(func.clock_timestamp())).one()
        assert (
            theirs <= subscription.agreed(session, theirs + timedelta(days=400)) < theirs + timedelta(hours=1)
        )
        assert "400 days, 0:0" in caplog.text or "399 days, 23:59" in caplog.text
        caplog.clear()
        behind = theirs - timedelta(days=400)
        assert subscription.agreed(session, behind) == behind
        assert caplog.text == ""
