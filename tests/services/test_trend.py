"""Trends over rows: found live, in steps and at once alike; drafts taken back; told once; shown with their posts."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domains.digest import Settings
from domains.errors import NotFound
from services import trend, watch
from services.almanac import Trend, TrendAlert, TrendPoint, TrendRefusal, Watch
from services.diary import Episode
from services.schema import Post
from tasks import job
from tests import rows, worlds
from tests.rows import DAY, entry
from tests.trending import HOUR, MINUTE, by_time, detect, entries, store


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path, now=DAY + timedelta(days=4))
    yield world
    world.close()


@pytest.fixture
def tenant_id(world):
    tenant_id = rows.tenant(world.database)
    store(world.database, tenant_id, by_time(entries()))
    return tenant_id


def shown(world, tenant_id):
    with world.database.transaction() as session:
        found = trend.lines(session, tenant_id, DAY, DAY + timedelta(days=30))
        return [{**line, "trend": 0} for line in found]


def count(world, model, *where):
    with world.database.transaction() as session:
        return session.execute(select(func.count()).select_from(model).where(*where)).scalar_one()


def test_a_fire_is_a_trend_with_its_posts(world, tenant_id):
    detect(world, tenant_id)
    (known,) = listed(world, tenant_id)
    assert known.trend.kind == "story"
    assert "Luhva" in known.trend.title
    assert known.trend.families >= 3
    assert known.chance.startswith("once in")
    with world.database.transaction() as session:
        found, points, posts = trend.trend(session, tenant_id, known.trend.id)
    assert [one["post"] for one in posts] == [f"fire{number}" for number in range(6)]
    assert points[0].state == "emerging"
    assert found.point.state == points[-1].state == "over" or found.point.state == "fading"
    assert all(point.expected_low <= point.expected_high for point in points)


def listed(world, tenant_id, **rest):
    with world.database.transaction() as session:
        return trend.trends(session, tenant_id, **rest)


def test_live_and_at_once_find_the_same(world, tenant_id, tmp_path):
    detect(world, tenant_id)
    at_once = shown(world, tenant_id)
    live = worlds.build(world.database, tmp_path, now=DAY)
    other = rows.tenant(world.database, "live")
    waiting = by_time(entries())
    try:
        for quarter in range(4 * 24 * 4):
            now = DAY + 15 * (quarter + 1) * MINUTE
            if not waiting or waiting[0][1].at >= now + HOUR:
                continue
            store(world.database, other, [one for one in waiting if one[1].at < now])
            waiting = [one for one in waiting if one[1].at >= now]
            live.clock.move_to(now)
            if quarter % 16 == 0 or now > DAY + timedelta(days=3, hours=9):
                detect(live, other)
        live.clock.move_to(world.clock.now())
        detect(live, other)
    finally:
        live.close()
    for line in (*at_once, *(found := shown(world, other))):
        line.pop("unit")
    assert found == at_once
    assert at_once


def test_who_detects_again_doubles_nothing(world, tenant_id):
    detect(world, tenant_id)
    before, episodes = shown(world, tenant_id), count(world, Episode, Episode.kind == "trend_changed")
    world.clock.move_to(world.clock.now() + timedelta(days=2))
    detect(world, tenant_id)
    fresh = worlds.build(world.database, world.settings.var, now=world.clock.now() + HOUR)
    try:
        detect(fresh, tenant_id)
    finally:
        fresh.close()
    after = shown(world, tenant_id)
    assert after[: len(before)] == before
    assert after[-1]["state"] == "over"
    settled = count(world, TrendPoint, TrendPoint.settled)
    assert count(world, Episode, Episode.kind == "trend_changed") == settled >= episodes


def test_the_last_hour_is_a_draft_that_is_taken_back(world, tenant_id):
    at = DAY + timedelta(days=3, hours=11, minutes=30)
    world.clock.move_to(at)
    detect(world, tenant_id)
    (known,) = listed(world, tenant_id)
    assert not known.point.settled
    with world.database.transaction() as session:
        for post in session.scalars(select(Post).where(Post.external_id.like("fire%"))):
            post.boilerplate = "advertisement"
    world.clock.move_to(at + 5 * MINUTE)
    detect(world, tenant_id)
    assert listed(world, tenant_id) == []
    assert count(world, TrendPoint) == 0


def test_nothing_is_said_of_what_waits_for_analysis(world, tenant_id):
    job.perform(world, job.TREND, watch.of(world.database, tenant_id, now=world.clock.now()))
    assert listed(world, tenant_id) == []
    assert count(world, Watch, Watch.state == "due", Watch.next_at > world.clock.now()) == 1


def test_a_subscriber_of_trends_is_told_once(world, tenant_id):
    rows.subscribed(world.database, tenant_id, name="news")
    rows.subscribed(world.database, tenant_id, name="trends", domain="trend")
    world.clock.move_to(DAY + timedelta(days=3, hours=11, minutes=30))
    detect(world, tenant_id)
    assert count(world, TrendAlert) == 1
    for minutes in (35, 45, 200):
        world.clock.move_to(DAY + timedelta(days=3, hours=11, minutes=minutes))
        detect(world, tenant_id)
    assert count(world, TrendAlert) == 1


def test_a_live_tenant_with_posts_is_watched_and_a_backtest_is_not(world, tenant_id):
    rows.tenant(world.database, "empty")
    replayed = rows.tenant(world.database, "backtest", live=False)
    store(world.database, replayed, list(entries())[:2])
    for _ in range(2):
        watch.wake(world.database, now=world.clock.now())
    with world.database.transaction() as session:
        assert session.scalars(select(Watch.tenant_id)).all() == [tenant_id]


def test_lists_can_be_narrowed_and_tenants_do_not_see_each_other(world, tenant_id):
    detect(world, tenant_id)
    (known,) = listed(world, tenant_id)
    assert listed(world, tenant_id, states=["emerging"]) == []
    assert listed(world, tenant_id, states=[known.point.state]) != []
    assert listed(world, tenant_id, since=known.point.at + MINUTE) == []
    other = rows.tenant(world.database, "other")
    assert listed(world, other) == []
    with world.database.transaction() as session, pytest.raises(NotFound, match="no trend"):
        trend.trend(session, other, known.trend.id)


def test_what_is_refused_is_kept_with_its_reason(world):
    tenant_id = rows.tenant(world.database)
    greetings = [
        (
            "abcd"[number % 4],
            entry(f"day{number}", text, at=DAY + timedelta(days=3, hours=7, minutes=9 * number)),
        )
        for number, text in enumerate(
            [
                "Сегодня отмечается День матери. Поздравляем всех мам!",
                "Сегодня отмечается День матери, поздравляем мам.",
            ]
            * 2
            + ["Сегодня в стране отмечается День матери: поздравляем мам!"]
        )
    ]
    found = by_time([*entries(fire_at=DAY + timedelta(days=9)), *greetings])
    store(world.database, tenant_id, [one for one in found if one[1].at < world.clock.now()])
    detect(world, tenant_id)
    assert listed(world, tenant_id) == []
    with world.database.transaction() as session:
        (refusal,) = trend.refusals(session, tenant_id, since=DAY)
        assert refusal.why == "routine: a greeting of the calendar"
    assert count(world, TrendRefusal) == 1
    assert count(world, Trend) == 0


@pytest.mark.parametrize(
    ("settings", "families", "days", "above"),
    [
        (Settings(), 3, 0.5, True),
        (Settings(), 2, 1e9, False),
        (Settings(alert_days=30), 9, 29.0, False),
        (Settings(alert_days=30), 9, 30.0, True),
        (Settings(alert_publishers=10), 9, 1e9, False),
        (Settings(alerts="skip"), 99, 1e9, False),
    ],
)
def test_a_bar_is_publishers_and_how_rarely_chance_does_as_much(settings, families, days, above):
    assert trend.is_above(settings, families, days) is above
