"""The example stream is always of these days: its last day is yesterday, and the clock on the wall stands still."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from domains.errors import InputError
from services.schema import Post, Run, Source, Subscription, Tenant
from tasks import demo
from tests import worlds

ZONES = [
    "Europe/Kyiv",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "UTC",
]
NOWS = st.datetimes(datetime(2000, 1, 2), datetime(2037, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
# The hours around the changes of the clocks, in any year.
CHANGES = st.builds(
    lambda year, month, day, minutes: datetime(year, month, day, tzinfo=UTC) + timedelta(minutes=minutes),
    st.integers(2010, 2035), st.sampled_from([3, 4, 10, 11]), st.integers(1, 30), st.integers(0, 24 * 60),
)  # fmt: skip
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a stream of a zone, a first day and some days."""
    path = tmp_path_factory.mktemp("examples")

    def write(zone, first_day, days):
        (path / "stream.toml").write_text(
            f'zone = "{zone}"\nfirst_day = {first_day.isoformat()}\ndays = {days}\nsource = []\n'
        )
        return path

    return write


@given(st.one_of(NOWS, CHANGES), st.sampled_from(ZONES), DAYS, st.integers(1, 30))
def test_the_last_day_is_yesterday_whenever_it_is_looked_at(folder, now, zone, first_day, days):
    found = demo.stream(now, folder(zone, first_day, days))
    here = now.astimezone(ZoneInfo(zone))
    last = found.first_day + timedelta(days=days - 1) + found.shift
    assert last == here.date() - timedelta(days=1)
    begin = found.begin()
    assert begin.utcoffset() == timedelta(0)
    assert begin < now
    assert begin.astimezone(found.zone).date() == last - timedelta(days=days - 1)
    assert found.shift % timedelta(days=1) == timedelta(0)


@given(st.one_of(NOWS, CHANGES), st.sampled_from(ZONES), DAYS, st.times())
def test_the_clock_on_the_wall_stands_still(folder, now, zone, day, at):
    found = demo.stream(now, folder(zone, day, 1))
    written = datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
    wall = written.astimezone(found.zone).time()
    moved = demo._move(written, found)
    assert moved.utcoffset() == timedelta(0)
    shown = moved.astimezone(found.zone)
    skipped = datetime.combine(shown.date(), wall, found.zone).astimezone(UTC).astimezone(found.zone)
    if skipped.time() == wall:
        assert (shown.date(), shown.time()) == (day + found.shift, wall)
    else:
        # The clocks were put forward over this time: it is an hour (or half of one) later.
        ahead = shown.replace(tzinfo=None) - datetime.combine(day + found.shift, wall)
        assert timedelta(0) < ahead <= timedelta(hours=1)


@given(st.one_of(NOWS, CHANGES), st.sampled_from(ZONES), DAYS, st.times())
def test_no_post_of_the_stream_lies_in_the_future(folder, now, zone, day, at):
    found = demo.stream(now, folder(zone, day, 1))
    written = datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
    assert found.begin() <= demo._move(written, found) < now


@pytest.mark.parametrize("text", [None, "zone = ", "zone = [1"])
def test_a_stream_that_is_not_there_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "stream.toml").write_text(text)
    with pytest.raises(InputError, match=r"stream\.toml") as caught:
        demo.stream(datetime(2026, 11, 20, tzinfo=UTC), tmp_path)
    assert caught.value.remedy


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path, now=datetime(2027, 3, 29, 9, tzinfo=UTC))
    yield world
    world.close()


def load(world):
    example = demo.stream(world.clock.now())
    tenant_id, subscription_id = demo.prepare(world, example)
    counts = list(demo.load(world, tenant_id, example))
    return example, tenant_id, subscription_id, counts


def test_the_whole_stream_is_of_the_days_up_to_yesterday(world, database):
    """Over a change of the clocks in the stream's zone, which was on the day before."""
    example, tenant_id, subscription_id, counts = load(world)
    with database.transaction() as session:
        posts = session.execute(select(Post.at, Post.flags).where(Post.tenant_id == tenant_id)).all()
        paused = session.get_one(Subscription, subscription_id).paused
        runs = session.scalar(select(func.count()).select_from(Run))
        families = dict(session.execute(select(Source.name, Source.family)).all())
    # What has no date is of the moment at which it was read.
    ats = [at for at, flags in posts if "undated" not in flags]
    assert len(posts) - len(ats) < len(posts) / 100
    days = {at.astimezone(example.zone).date() for at in ats}
    assert max(days) == date(2027, 3, 28)
    assert len(days) == example.days
    assert min(ats) >= example.begin()
    assert (paused, runs) == (True, 0)
    assert all(first <= second for first, second in pairwise(counts))
    assert counts[-1] == len(posts)
    assert families == {known.name: known.family for known, _ in example.sources}


def test_most_posts_keep_their_time_of_day_in_another_season(world, database):
    _, tenant_id, _, _ = load(world)
    with database.transaction() as session:
        summer = dict(session.execute(select(Post.external_id, Post.at).filter_by(tenant_id=tenant_id)).all())
    world.clock.move_to(datetime(2026, 12, 10, 9, tzinfo=UTC))
    example, tenant_id, _, _ = load(world)
    with database.transaction() as session:
        winter = dict(session.execute(select(Post.external_id, Post.at).filter_by(tenant_id=tenant_id)).all())
    assert set(summer) == set(winter)

    def wall(at) -> time:
        return at.astimezone(example.zone).time()

    changed = [name for name in summer if wall(summer[name]) != wall(winter[name])]
    # What has no date is of the moment of reading, and one night of the first stream has no hour between 3 and 4.
    assert len(changed) < len(summer) / 20


def test_it_begins_afresh_each_time(world, database):
    _, first, _, _ = load(world)
    _, second, _, _ = load(world)
    assert first != second
    with database.transaction() as session:
        assert session.scalars(select(Tenant.name)).all() == [demo.NAME]
        assert session.scalar(select(func.count()).where(Post.tenant_id == first)) == 0
