"""A trend from its posts to the alert: through a real broker, worker and beat; the same in a backtest, and shuffled."""

import json
import random
from contextlib import closing
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from cli.stack import children
from domains.window import Schedule
from services import card, post, settings, stack, trend, watch, wiring
from services.almanac import TrendAlert, TrendCard
from services.clock import SystemClock
from services.schema import DeadLetter, Delivery
from tasks import backtest
from tests import rows, worlds
from tests.rows import entry
from tests.servers import wait_until
from tests.trending import FIRE, HOUR, MINUTE, detect, entries, store

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]
DAYS = 4
FIRE_AGO, FLOOD_AGO = 40 * HOUR, 80 * MINUTE
FLOOD = (
    "The river Sula flooded the lower town of Terniv; a hundred families were moved to a school.",
    "Flood in Terniv: the river Sula is in the lower town, a hundred families sleep in a school.",
    "Terniv's lower town lies under the Sula's water, and families were moved to the school.",
    "A hundred families moved to a school in Terniv as the river Sula flooded the lower town.",
    "The Sula river flooded Terniv; its lower town is empty, a hundred families are in a school.",
)
# What shuffling within an hour may change: at most one trend of ten is another, and an alarm comes an hour later.
SHUFFLED = 0.9


def stream(now):
    """Return (source, entry) pairs of the last days: small talk, a fire that is over, and a flood that has just begun."""
    begin = now - timedelta(days=DAYS)
    quiet = [pair for pair in entries(DAYS, texts=()) if pair[1].at < rows.DAY + timedelta(days=DAYS)]
    moved = [(name, entry(one.external_id, one.text, at=one.at - rows.DAY + begin)) for name, one in quiet]
    fire = [
        ("abcd"[number % 4], entry(f"fire{number}", text, at=now - FIRE_AGO + 11 * number * MINUTE))
        for number, text in enumerate(FIRE)
    ]
    flood = [
        ("abcd"[number % 4], entry(f"flood{number}", text, at=now - FLOOD_AGO + 9 * number * MINUTE))
        for number, text in enumerate(FLOOD)
    ]
    return sorted([*moved, *fire, *flood], key=lambda pair: pair[1].at)


def told(found, until):
    """Return the lines of trends that began and ended before ``until``, without what each installation numbers itself."""
    settled = {line["trend"] for line in found if line["state"] == "over" and line["at"] < until.isoformat()}
    own = ("trend", "unit")
    return [{key: line[key] for key in line if key not in own} for line in found if line["trend"] in settled]


@pytest.fixture
def now():
    return SystemClock().now().replace(microsecond=0)


@pytest.fixture
def world(database, tmp_path, now):
    with closing(worlds.build(database, tmp_path, now=now)) as world:
        yield world


def test_the_worker_and_a_backtest_find_the_same_trends_and_the_worker_tells_of_the_new_one(
    world, tmp_path, now
):
    pairs = stream(now)
    until = now - 3 * HOUR
    live = through_a_worker(tmp_path, pairs, now, until)
    assert live == told(replayed(world, tmp_path, pairs, now), until)
    assert (live[0]["state"], live[-1]["state"]) == ("emerging", "over")
    assert live[-1]["posts"] == [f"fire{number}" for number in range(len(FIRE))]


def through_a_worker(tmp_path, pairs, now, until):
    set_ = settings.load(var=tmp_path / "var", digest_dir=tmp_path / "told")
    env = settings.variables(sweep_s="1", digest_dir=str(set_.digests))
    kids = [stack.Child(one.name, one.argv, env) for one in children(set_)]
    with stack.Stack(set_, SystemClock(), kids) as supervisor:
        running = stack.attach(set_.var)
        url = settings.load(var=set_.var, database_url=running.database_url)
        with closing(wiring.build(url, SystemClock(), random.Random(7))) as world:
            tenant_id = rows.tenant(world.database)
            store(world.database, tenant_id, pairs)
            subscribe(world, tenant_id, now)

            def holds(predicate):
                supervisor.tend()
                with world.database.transaction() as session:
                    return predicate(session, tenant_id)

            wait_until(lambda: holds(lambda *at: not post.pending(*at)), timeout_s=300)

            def told_of():
                # The watch may have looked, or be looking, at less than all posts: it would look again in some minutes.
                if not holds(alerted):
                    watch.of(world.database, tenant_id, now=world.clock.now())
                return holds(done)

            wait_until(told_of, timeout_s=300, every_s=1)
            with world.database.transaction() as session:
                assert session.scalar(select(func.count()).select_from(DeadLetter)) == 0
                (known,) = [
                    one for one in trend.trends(session, tenant_id) if one.trend.began_at > now - 2 * HOUR
                ]
                made = card.load(session, known, now=now)
                lines = list(trend.lines(session, tenant_id, now - timedelta(days=DAYS), now))
            assert "Terniv" in made.story.headline.text
            (page,) = set_.digests.rglob("*.md")
            assert "Terniv" in page.read_text("utf-8")
    return told(lines, until)


def subscribe(world, tenant_id, now):
    rows.subscribed(
        world.database,
        tenant_id,
        name="trends",
        domain="trend",
        starts_at=now - MINUTE,
        period=timedelta(days=1),
    )


def done(session, tenant_id):
    """Return whether the new trend's alert was delivered, and no card waits."""
    sent = session.scalars(select(Delivery.state).where(Delivery.tenant_id == tenant_id)).all()
    cards = session.scalars(select(TrendCard.state).where(TrendCard.tenant_id == tenant_id)).all()
    return alerted(session, tenant_id) == 1 and sent == ["done"] and set(cards) == {"done"}


def alerted(session, tenant_id):
    return session.scalar(select(func.count()).select_from(TrendAlert))


def replayed(world, tmp_path, pairs, now):
    path, out = tmp_path / "posts.jsonl", tmp_path / "out"
    posts = (
        {"id": one.external_id, "at": one.at.isoformat(), "source": name, "text": one.text}
        for name, one in pairs
    )
    path.write_text("\n".join(map(json.dumps, posts)), "utf-8")
    wish = backtest.Wish(path, out, Schedule(period=timedelta(days=1)), end=now)
    backtest.backtest(world, wish, lambda *_: None)
    return [json.loads(line) for line in (out / "trends.jsonl").read_text("utf-8").splitlines()]


def test_posts_that_come_shuffled_within_an_hour_give_nearly_the_same_trends(database, tmp_path, clock):
    now = clock.now()
    pairs = stream(now)
    rng = random.Random(11)
    arrivals = sorted((one.at + timedelta(seconds=rng.uniform(0, 3600)), name, one) for name, one in pairs)
    with closing(worlds.build(database, tmp_path, now=now)) as live:
        tenant_id = rows.tenant(live.database, "shuffled")
        begin, waiting = now - timedelta(days=DAYS), list(arrivals)
        for at in looks(begin, now):
            store(live.database, tenant_id, [(name, one) for came, name, one in waiting if came < at])
            waiting = [one for one in waiting if one[0] >= at]
            live.clock.move_to(at)
            detect(live, tenant_id)
        assert waiting == []
        with live.database.transaction() as session:
            found = list(trend.lines(session, tenant_id, begin, now))
    with closing(worlds.build(database, tmp_path, now=now)) as world:
        wanted = replayed(world, tmp_path, pairs, now)
    assert overlap(wanted, found) >= SHUFFLED
    assert overlap(found, wanted) >= SHUFFLED


def looks(begin, now):
    """Yield when to detect: each quarter of an hour while something happens and posts of it come in, else each second hour."""
    at = begin
    while at < now + HOUR:
        ago = now - at
        busy = -HOUR <= FIRE_AGO - ago <= 4 * HOUR or ago <= FLOOD_AGO + HOUR
        at += 15 * MINUTE if busy else 2 * HOUR
        yield at


def overlap(some, others):
    """Return the share of the trends of ``some`` that ``others`` has too: begun within an hour, most posts the same."""

    def alarms(lines):
        return [line for line in lines if line["state"] == "emerging"]

    def same(one, other):
        shared = len(set(one["posts"]) & set(other["posts"]))
        apart = abs(datetime.fromisoformat(one["at"]) - datetime.fromisoformat(other["at"]))
        return apart <= HOUR and shared >= 0.5 * min(len(one["posts"]), len(other["posts"]))

    asked = alarms(some)
    return sum(any(same(one, other) for other in alarms(others)) for one in asked) / max(len(asked), 1)
