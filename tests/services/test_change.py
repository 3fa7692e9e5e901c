"""What becomes of subscriptions: their windows tile time through pauses, changes and clocks that jump; nothing is lost."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from agents import loop
from domains.errors import Busy, NotFound, UsageError
from domains.wall import QuietHours
from domains.window import Schedule
from services import change, manifest, subscription, work
from services.change import Wish
from services.schema import Delivery, Fate, Post, Run, Subscription
from tasks import job
from tests import rows, worlds
from tests.rows import DAY

HOUR = timedelta(hours=1)
ONE_DAY = timedelta(days=1)
KYIV = "Europe/Kyiv"
NIGHT = QuietHours.of("22:00-07:00")
# Clocks in Kyiv and New York change within this week, so the schedules meet hours that come twice.
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)
SCHEDULES = st.one_of(
    st.builds(
        Schedule,
        zone=st.sampled_from([KYIV, "America/New_York", "Australia/Lord_Howe", "UTC"]),
        cron=st.sampled_from(
            ["30 3 * * *", "0 */5 * * *", "*/20 1-4 * * *", "30 8 * * 1-5; 0 10 * * 0,6", "0 * * * *"]
        ),
    ),
    st.builds(Schedule, period=st.timedeltas(timedelta(hours=2), timedelta(days=2)), anchor=st.just(AUTUMN)),
)
# Beat looks a minute, an hour or days later; the clock goes back by up to a day, or ahead by weeks.
STEPS = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=2)),
    st.timedeltas(timedelta(0), timedelta(days=3)),
    st.timedeltas(-ONE_DAY, timedelta(0)),
    st.timedeltas(timedelta(days=10), timedelta(days=20)),
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["beat", "beat", "two beats", "now", "pause", "rewind"]), STEPS),
        st.tuples(st.just("resume"), STEPS, st.sampled_from([None, "each", "one", "silent"])),
        st.tuples(st.just("set"), STEPS, SCHEDULES),
        st.tuples(st.just("policy"), STEPS, st.sampled_from(["each", "one"])),
    ),
    min_size=1,
    max_size=10,
)
names = count()


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def world(database, tmp_path):
    built = worlds.build(database, tmp_path)
    yield built
    built.close()


def subscribed(database, tenant_id, schedule=None, *, starts_at=DAY, **rest):
    wish = subscription.Wish(
        name=f"s{next(names)}",
        schedule=schedule or Schedule(period=ONE_DAY, anchor=DAY),
        starts_at=starts_at,
        **rest,
    )
    with database.transaction() as session:
        return subscription.subscribe(session, tenant_id, wish, rows.anywhere("file", "stdout"))


def do(database, row_id, what, *arguments):
    """Call a function of `change` or `subscription` on the row in a transaction of its own."""
    with database.transaction() as session:
        return what(session, session.get_one(Subscription, row_id), *arguments)


def alter(database, row_id, now, **wish):
    return do(database, row_id, change.change, Wish(**wish), rows.anywhere("file", "stdout"), now)


def beat(database, now):
    with database.transaction() as session:
        return subscription.close_windows(session, now)


def get(database, row_id):
    with database.transaction() as session:
        return session.get_one(Subscription, row_id)


def windows(database, row_id):
    with database.transaction() as session:
        found = session.scalars(select(Run).where(Run.subscription_id == row_id).order_by(Run.window_start))
        return [(one.window_start, one.window_end) for one in found]


def assert_tiles(database, row_id, start):
    found, row = windows(database, row_id), get(database, row_id)
    assert [begin for begin, _ in found] == [start, *(end for _, end in found)][: len(found)]
    assert (found[-1][1] if found else start) == row.covered_until


def happen(database, row_id, event, now):
    what, _, *rest = event
    if what == "beat":
        beat(database, now)
    elif what == "two beats":
        beat(database, now)
        before = windows(database, row_id)
        beat(database, now)
        assert windows(database, row_id) == before
    elif what == "now" and now > get(database, row_id).covered_until:
        do(database, row_id, subscription.close_now, now)
    elif what == "pause":
        do(database, row_id, change.pause)
    elif what == "resume":
        do(database, row_id, change.resume, now, *rest)
    elif what == "set":
        alter(database, row_id, now, schedule=rest[0])
    elif what == "policy":
        alter(database, row_id, now, catch_up=rest[0])
    elif what == "rewind" and AUTUMN < now < get(database, row_id).covered_until:
        do(database, row_id, change.rewind, now)
        assert get(database, row_id).covered_until <= now


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(SCHEDULES, EVENTS)
def test_windows_tile_whatever_becomes_of_a_subscription(database, schedule, events):
    """Beats, two beats, none for days, jumps of the clock, pauses, and other schedules on the way."""
    row_id = subscribed(database, rows.tenant(database), schedule, starts_at=AUTUMN)
    now = AUTUMN
    for event in events:
        now += event[1]
        before = windows(database, row_id)
        happen(database, row_id, event, now)
        assert_tiles(database, row_id, AUTUMN)
        if event[0] != "rewind":
            assert windows(database, row_id)[: len(before)] == before
    do(database, row_id, change.resume, now)
    later = max(now, get(database, row_id).covered_until) + timedelta(days=8)
    for _ in range(3):
        beat(database, later)
    assert_tiles(database, row_id, AUTUMN)
    # Nothing that a schedule would have closed is open: no gap can grow.
    row = get(database, row_id)
    assert next(subscription.schedule_of(row).ends(row.covered_until)) > later


def test_no_beat_for_an_hour_or_two_days_leaves_no_gap(database, tenant_id):
    for catch_up, counts in (("each", [1, 48]), ("one", [1, 1])):
        row_id = subscribed(database, tenant_id, Schedule(cron="0 * * * *"), catch_up=catch_up)
        found = []
        for now in (DAY + 1.9 * HOUR, DAY + 2.5 * ONE_DAY + 1.9 * HOUR - 12 * HOUR):
            before = len(windows(database, row_id))
            beat(database, now)
            found.append(len(windows(database, row_id)) - before)
        assert found == counts
        assert_tiles(database, row_id, DAY)
        do(database, row_id, change.pause)


def test_a_clock_that_goes_back_closes_nothing_twice(database, tenant_id):
    row_id = subscribed(database, tenant_id)
    assert len(beat(database, DAY + 3 * ONE_DAY)) == 3
    for now in (DAY + 2 * ONE_DAY, DAY - 9 * ONE_DAY, DAY + 3.5 * ONE_DAY):
        assert beat(database, now) == []
    assert len(beat(database, DAY + 4 * ONE_DAY)) == 1
    assert_tiles(database, row_id, DAY)


@pytest.mark.parametrize(
    ("missed", "ends", "silent"),
    [(None, [1, 2, 3], False), ("each", [1, 2, 3], False), ("one", [3], False), ("silent", [3], True)],
)
def test_what_a_pause_missed_comes_by_policy_or_by_wish(database, tenant_id, missed, ends, silent):
    row_id = subscribed(database, tenant_id)
    do(database, row_id, change.pause)
    assert beat(database, DAY + 3 * ONE_DAY) == []
    runs = do(database, row_id, change.resume, DAY + 3.5 * ONE_DAY, missed)
    assert [end for _, end in windows(database, row_id)] == [DAY + n * ONE_DAY for n in ends]
    with database.transaction() as session:
        assert {session.get_one(Run, one).silent for one in runs} == {silent}
    assert (get(database, row_id).catch_up, get(database, row_id).paused) == ("each", False)
    assert_tiles(database, row_id, DAY)


def test_a_pause_says_how_much_is_still_to_come(database, tenant_id):
    row_id = subscribed(database, tenant_id)
    beat(database, DAY + 2 * ONE_DAY)
    assert do(database, row_id, change.pause) == 2


def test_what_closed_by_the_old_schedule_ends_by_it(database, tenant_id):
    row_id = subscribed(database, tenant_id)
    now = DAY + 2.5 * ONE_DAY
    runs = alter(
        database, row_id, now, schedule=Schedule(zone=KYIV, cron="0 */6 * * *"), phrase="every 6 hours"
    )
    assert len(runs) == 2
    beat(database, DAY + 3 * ONE_DAY)
    ends = [end for _, end in windows(database, row_id)]
    assert ends[:3] == [DAY + ONE_DAY, DAY + 2 * ONE_DAY, DAY + 2 * ONE_DAY + 4 * HOUR]
    row = get(database, row_id)
    assert (row.phrase, row.cron, row.period_s, row.zone) == ("every 6 hours", "0 */6 * * *", None, KYIV)
    assert_tiles(database, row_id, DAY)
    alter(database, row_id, now, schedule=Schedule(period=7 * HOUR))
    assert (get(database, row_id).phrase, get(database, row_id).period_s) == (None, 25_200)


def test_a_paused_subscription_is_changed_without_closing(database, tenant_id):
    row_id = subscribed(database, tenant_id)
    do(database, row_id, change.pause)
    assert alter(database, row_id, DAY + 3 * ONE_DAY, schedule=Schedule(cron="0 12 * * *")) == []
    assert len(do(database, row_id, change.resume, DAY + 3 * ONE_DAY)) == 3
    assert_tiles(database, row_id, DAY)


@pytest.mark.parametrize(
    "wish",
    [{"zone": "Mars/Olympus"}, {"channels": (("pigeon", ""),)}, {"settings": {"max_stories": 0}}],
    ids=str,
)
def test_a_change_that_cannot_be_is_not_written(database, tenant_id, wish):
    row_id = subscribed(database, tenant_id)
    with pytest.raises(UsageError):
        alter(database, row_id, DAY, catch_up="one", **wish)
    row = get(database, row_id)
    assert (row.catch_up, row.zone, row.settings) == ("each", "UTC", {})


def test_one_that_cannot_be_read_stops_no_other(database, tenant_id, caplog):
    broken = subscribed(database, tenant_id)
    subscribed(database, tenant_id)
    with database.transaction() as session:
        session.get_one(Subscription, broken).zone = "Gone/Away"
    assert len(beat(database, DAY + ONE_DAY)) == 1
    assert f"subscription {broken} closes no windows: unknown time zone 'Gone/Away'" in caplog.text
    with database.transaction() as session:
        first, second = subscription.listing(session, tenant_id)
    assert (first["closes_at"], second["closes_at"]) == (None, (DAY + 2 * ONE_DAY).isoformat())


def test_quiet_hours_hold_deliveries_and_no_windows(database, world):
    """The night from 22:00 to 07:00 in Kyiv is 20:00 to 05:00 in UTC."""
    tenant_id, _ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id, Schedule(zone=KYIV, cron="0 23 * * *"), quiet_hours=NIGHT)
    closed, morning = DAY + 21 * HOUR, DAY + 29 * HOUR
    world.clock.move_to(closed)
    (run_id,) = beat(database, closed)
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        assert session.get_one(Run, run_id).state == "done"
        (one,) = session.scalars(select(Delivery))
    assert (one.state, one.next_at) == ("due", morning)
    assert get(database, row_id).covered_until == closed
    # Whoever looks at it all the same finds nothing to claim.
    worlds.drive(world, job.DELIVERY, one.id)
    world.clock.move_to(morning)
    worlds.drive(world, job.DELIVERY, one.id)
    with database.transaction() as session:
        assert session.get_one(Delivery, one.id).state == "done"


def test_a_delivery_that_was_late_does_not_come_at_night(database, world):
    tenant_id, _ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id, Schedule(zone=KYIV, cron="0 21 * * *"))
    world.clock.move_to(DAY + 19 * HOUR)
    (run_id,) = beat(database, DAY + 19 * HOUR)
    assert job.perform(world, job.DIGEST, run_id)
    alter(database, row_id, DAY + 19 * HOUR, quiet_hours=NIGHT)
    world.clock.move_to(DAY + 22 * HOUR)
    with database.transaction() as session:
        (one,) = session.scalars(select(Delivery))
        assert (one.state, one.next_at) == ("due", DAY + 19 * HOUR)
    assert job.perform(world, job.DELIVERY, one.id) == ()
    with database.transaction() as session:
        again = session.get_one(Delivery, one.id)
        assert (again.state, again.next_at, again.lease_owner) == ("due", DAY + 29 * HOUR, None)
    alter(database, row_id, DAY + 22 * HOUR, quiet_hours="none")
    worlds.drive(world, job.DELIVERY, one.id)
    with database.transaction() as session:
        assert session.get_one(Delivery, one.id).state == "done"


@pytest.mark.parametrize(("quiet", "decision", "deliveries"), [("send", "ship", 1), ("skip", "skip", 0)])
def test_a_quiet_digest_is_sent_or_skipped_by_preference(database, world, quiet, decision, deliveries):
    tenant_id = rows.tenant(database)
    subscribed(database, tenant_id, settings={"quiet": quiet})
    (run_id,) = beat(database, DAY + ONE_DAY)
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        done = session.get_one(Run, run_id)
        assert (done.state, done.decision, done.digest_sha256 is None) == ("done", decision, False)
        assert ("skips quiet digests" in done.why) is (quiet == "skip")
        assert len(session.scalars(select(Delivery)).all()) == deliveries
        manifest.check(manifest.assemble(session, run_id))


def test_a_quiet_wish_skips_no_news(database, world):
    tenant_id, _ = worlds.with_news(database)
    subscribed(database, tenant_id, settings={"quiet": "skip"})
    (run_id,) = beat(database, DAY + ONE_DAY)
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        assert session.get_one(Run, run_id).decision == "ship"
        assert len(session.scalars(select(Delivery)).all()) == 1


def test_a_silent_catch_up_answers_for_every_post_and_is_sent_to_nobody(database, world):
    tenant_id, count_ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id)
    do(database, row_id, change.pause)
    (run_id,) = do(database, row_id, change.resume, DAY + ONE_DAY, "silent")
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        done = session.get_one(Run, run_id)
        assert (done.state, done.decision) == ("done", "skip")
        assert len(session.scalars(select(Fate).where(Fate.run_id == run_id)).all()) == count_
        assert session.scalars(select(Delivery)).all() == []


def test_a_removed_subscription_sends_nothing_more_and_keeps_what_it_sent(database, world):
    tenant_id, _ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id)
    first, second = beat(database, DAY + 2 * ONE_DAY)
    world.clock.move_to(DAY + 2 * ONE_DAY)
    assert job.perform(world, job.DIGEST, first)
    name = get(database, row_id).name
    assert do(database, row_id, change.remove, DAY + 2 * ONE_DAY) == {"runs": 1, "deliveries": 1}
    assert beat(database, DAY + 9 * ONE_DAY) == []
    with database.transaction() as session:
        assert work.due(session, Run, now=DAY + 9 * ONE_DAY) == []
        assert work.due(session, Delivery, now=DAY + 9 * ONE_DAY) == []
        called_off = session.get_one(Run, second)
        assert (called_off.state, called_off.why) == ("held", change.REMOVED)
        assert session.get_one(Run, first).digest_sha256 is not None
        assert subscription.listing(session, tenant_id) == []
        with pytest.raises(NotFound, match=name):
            subscription.find(session, tenant_id, name)
        wish = subscription.Wish(name=name, schedule=Schedule(cron="0 8 * * *"), starts_at=DAY)
        assert subscription.subscribe(session, tenant_id, wish, rows.anywhere("file")) != row_id


def test_one_removed_while_its_digest_is_made_sends_nothing(database, world, monkeypatch):
    tenant_id, _ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id)
    (run_id,) = beat(database, DAY + ONE_DAY)
    think = loop.run

    def removed_meanwhile(*arguments):
        do(database, row_id, change.remove, DAY + ONE_DAY)
        return think(*arguments)

    monkeypatch.setattr(loop, "run", removed_meanwhile)
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        assert session.get_one(Run, run_id).decision == "skip"
        assert session.scalars(select(Delivery)).all() == []


def test_a_purge_takes_everything_but_not_while_a_digest_is_made(database, world):
    tenant_id, count_ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id)
    (run_id,) = beat(database, DAY + ONE_DAY)
    with database.transaction() as session:
        lease = work.claim(session, Run, run_id, owner="me", now=DAY + ONE_DAY, lease_s=60)
    with pytest.raises(Busy, match="being made"):
        do(database, row_id, change.purge)
    with database.transaction() as session:
        work.settle(session, lease, "due")
    worlds.drive(world, job.DIGEST, run_id)
    assert do(database, row_id, change.belongings)["digests"] == 1
    do(database, row_id, change.purge)
    with database.transaction() as session:
        assert session.scalars(select(Run)).all() == session.scalars(select(Subscription)).all() == []
        assert len(session.scalars(select(Post)).all()) == count_


@pytest.mark.parametrize("catch_up", ["each", "one"])
def test_windows_that_a_clock_ahead_closed_are_cut_back(database, world, catch_up):
    """Two were made before anybody saw it, the rest not begun; what comes then is told by the next digest, as late."""
    tenant_id, _ = worlds.with_news(database)
    row_id = subscribed(database, tenant_id, catch_up=catch_up)
    ahead = DAY + 5 * ONE_DAY
    world.clock.move_to(ahead)
    runs = beat(database, ahead)
    for one in runs[:2]:
        worlds.drive(world, job.DIGEST, one) if one == runs[0] else job.perform(world, job.DIGEST, one)
    with database.transaction() as session:
        made = {one.id for one in session.scalars(select(Run).where(Run.state == "done"))}
    now = DAY + 10 * HOUR
    world.clock.move_to(now)
    cut = do(database, row_id, change.rewind, now)
    assert cut == {"taken_back": len(runs) - len(made), "cut": len(made)}
    assert_tiles(database, row_id, DAY)
    assert get(database, row_id).covered_until == now
    with database.transaction() as session:
        assert {one.id for one in session.scalars(select(Run))} == made
    worlds.with_news(database, day=DAY + 3 * HOUR, tenant_id=tenant_id)
    world.clock.move_to(DAY + ONE_DAY)
    (next_,) = beat(database, DAY + ONE_DAY)
    worlds.drive(world, job.DIGEST, next_)
    with database.transaction() as session:
        posts = session.scalars(select(Post.id)).all()
        answered = session.scalars(select(Fate.post_id)).all()
        assert sorted(answered) == sorted(posts)
    assert_tiles(database, row_id, DAY)


def test_nothing_ahead_is_nothing_to_mend(database, tenant_id):
    row_id = subscribed(database, tenant_id)
    beat(database, DAY + ONE_DAY)
    with pytest.raises(UsageError, match="no window"):
        do(database, row_id, change.rewind, DAY + ONE_DAY)
    beat(database, DAY + 5 * ONE_DAY)
    with pytest.raises(UsageError, match="begin after"):
        do(database, row_id, change.rewind, DAY - ONE_DAY)
    with database.transaction() as session:
        last = max(session.scalars(select(Run.id)))
        work.claim(session, Run, last, owner="me", now=DAY + 9 * ONE_DAY, lease_s=60)
    with pytest.raises(Busy, match="being made"):
        do(database, row_id, change.rewind, DAY + 2.5 * ONE_DAY)
