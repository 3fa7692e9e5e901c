"""A trend's card: written by the loop, kept once, written anew when its trend has grown, told once, replayed."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import func, select, update

from domains.digest import Digest
from domains.errors import Unavailable
from domains.lifecycle import STATES
from services import archive, card, subscription, trend
from services.almanac import Trend, TrendAlert, TrendCard, TrendCardStep
from services.schema import DeadLetter, Delivery, Post, Run
from tasks import job
from tasks import replay as replays
from tests import rows, worlds
from tests.rows import DAY
from tests.trending import FIRE, FIRE_AT, MINUTE, by_time, detect, entries, follow, store

ALARM = FIRE_AT + 60 * MINUTE


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path, now=ALARM)
    yield world
    world.close()


@pytest.fixture
def tenant_id(world):
    tenant_id = rows.tenant(world.database)
    store(world.database, tenant_id, by_time(entries()))
    return tenant_id


def one(world, model):
    with world.database.transaction() as session:
        return session.scalars(select(model)).one()


def count(world, model, *where):
    with world.database.transaction() as session:
        return session.execute(select(func.count()).select_from(model).where(*where)).scalar_one()


def loaded(world, tenant_id):
    with world.database.transaction() as session:
        (known,) = trend.trends(session, tenant_id)
        return card.load(session, known, now=world.clock.now())


def test_a_card_tells_a_trend_in_verified_sentences(world, tenant_id):
    follow(world, detect(world, tenant_id))
    row = one(world, TrendCard)
    assert (row.state, row.decision) == ("done", "ship")
    made = loaded(world, tenant_id)
    posts = {post.id: post for post in made.posts}
    sentences = (made.story.headline, *made.story.sentences)
    assert "Luhva" in made.story.headline.text
    for sentence in sentences:
        assert sentence.citations
        for cited in sentence.citations:
            assert posts[cited.post].quote(cited.span) == cited.quote
    facts = made.story.trend
    assert (facts.state, facts.families >= 3, facts.first.source) == ("rising", True, "a")
    assert sum(facts.course.counts) == 6
    assert set(facts.publishers) <= set("abcd")
    assert any("Luhva" in name for name in (*facts.names, *facts.words))


def subscribe(world, tenant_id, **rest):
    rows.subscribed(world.database, tenant_id, name="trends", domain="trend", **rest)


def test_a_subscriber_is_sent_an_alert_with_the_card_once(world, tenant_id):
    subscribe(world, tenant_id)
    assert follow(world, detect(world, tenant_id)) == ["trend.make", "delivery.send"]
    (page,) = world.settings.var.rglob("*.html")
    html = page.read_text("utf-8")
    for words in (
        "Luhva paper mill",
        "by chance once in",
        "<svg",
        "rose together",
        "▁",
        "told by a, b, c, d",
    ):
        assert words in html
    assert follow(world, detect(world, tenant_id)) == []
    world.clock.move_to(ALARM + 20 * MINUTE)
    assert follow(world, detect(world, tenant_id)) == []
    told = one(world, TrendAlert)
    assert told.told_at == ALARM
    assert one(world, Delivery).run_id == told.run_id
    run = one(world, Run)
    assert (run.domain, run.decision, run.state) == ("alert", "ship", "done")
    assert run.window_end.microsecond


@pytest.mark.parametrize("settings", [{"alerts": "skip"}, {"alert_publishers": 5}], ids=str)
def test_a_trend_below_the_bar_is_told_in_no_alert(world, tenant_id, settings):
    subscribe(world, tenant_id, settings=settings)
    assert follow(world, detect(world, tenant_id)) == ["trend.make"]
    assert count(world, TrendAlert) == 0


def test_a_bar_that_is_crossed_later_is_an_alert_then(world, tenant_id):
    subscribe(world, tenant_id, settings={"alert_publishers": 4})
    with world.database.transaction() as session:
        session.execute(
            update(Post).where(Post.external_id == "fire3").values(at=FIRE_AT + 46 * MINUTE, story_id=None)
        )
    world.clock.move_to(FIRE_AT + 45 * MINUTE)
    assert "delivery.send" not in follow(world, detect(world, tenant_id))
    world.clock.move_to(ALARM)
    assert "delivery.send" in follow(world, detect(world, tenant_id))
    assert count(world, TrendAlert, TrendAlert.told_at == ALARM) == 1


def test_a_trend_that_grows_gets_another_edition_and_no_second_alert(world, tenant_id):
    subscribe(world, tenant_id)
    follow(world, detect(world, tenant_id))
    source = rows.feed(world.database, tenant_id, "e", url="https://e.example/rss")
    more = [
        rows.entry(f"more{number}", f"{text} Firefighter {number} said so.", at=ALARM + number * MINUTE)
        for number, text in enumerate(FIRE * 2)
    ]
    rows.posts(world.database, tenant_id, source, *more, now=ALARM)
    world.clock.move_to(ALARM + 90 * MINUTE)
    assert follow(world, detect(world, tenant_id)) == ["trend.make"]
    row = one(world, TrendCard)
    assert (row.edition, row.state) == (2, "done")
    assert count(world, TrendAlert) == count(world, Run) == 1


class Down:
    """A retriever whose store is away."""

    def search(self, query):
        raise Unavailable("the store is away", remedy="wait")


def test_a_card_that_fails_is_a_dead_letter_and_its_replay_goes_on(world, tenant_id):
    errands = detect(world, tenant_id)
    assert follow(replace(world, retriever=Down()), errands) == ["trend.make"]
    letter = one(world, DeadLetter)
    assert (letter.task, letter.error, one(world, TrendCard).state) == ("trend.make", "Unavailable", "dead")
    follow(world, [job.replay(world, letter.id, by="test")])
    assert one(world, TrendCard).decision == "ship"
    assert one(world, DeadLetter).state == "resolved"


def test_a_card_over_which_workers_die_is_poison(world, tenant_id):
    ((task, card_id),) = detect(world, tenant_id)
    with world.database.transaction() as session:
        session.execute(
            update(TrendCard).values(state="leased", lease_owner="x", lease_until=DAY, expiries=2)
        )
    assert list(job.perform(world, job.kind_of(task), card_id)) == []
    assert one(world, DeadLetter).kind == "poison"


def test_what_was_checkpointed_is_not_computed_again(world, tenant_id):
    ((task, card_id),) = detect(world, tenant_id)
    job.perform(world, job.kind_of(task), card_id)
    steps = count(world, TrendCardStep)
    with world.database.transaction() as session:
        session.execute(update(TrendCard).values(state="due"))
    job.perform(replace(world, retriever=Down()), job.kind_of(task), card_id)
    assert (one(world, TrendCard).decision, count(world, TrendCardStep)) == ("ship", steps)


def test_a_trend_that_was_taken_back_gets_no_card(world, tenant_id):
    subscribe(world, tenant_id)
    errands = detect(world, tenant_id)
    with world.database.transaction() as session:
        session.execute(
            update(Post).where(Post.external_id.like("fire%")).values(boilerplate="advertisement")
        )
    world.clock.move_to(ALARM + MINUTE)
    detect(world, tenant_id)
    assert follow(world, errands) == ["trend.make"]
    row = one(world, TrendCard)
    assert (row.decision, row.sha256) == ("hold", None)
    assert count(world, Delivery) == 0


def test_drafts_that_are_found_again_keep_their_number(world, tenant_id):
    detect(world, tenant_id)
    before = one(world, Trend).id
    world.clock.move_to(ALARM + MINUTE)
    detect(world, tenant_id)
    assert one(world, Trend).id == before


def test_a_daily_digest_of_trends_is_a_run_like_any_other(world, tenant_id):
    subscribe(world, tenant_id, starts_at=DAY + timedelta(days=3), settings={"alerts": "skip"})
    follow(world, detect(world, tenant_id))
    made = digest_of(world, tenant_id)
    (story,) = made.stories
    assert (story.section, made.method) == ("trends", "trends")
    assert story.sentences == loaded(world, tenant_id).story.sentences
    (page,) = world.settings.var.rglob("*.md")
    assert "by chance once in" in page.read_text("utf-8")


def test_a_quiet_day_of_trends_says_so(world, tenant_id):
    subscribe(world, tenant_id, starts_at=DAY, settings={"alerts": "skip"})
    made = digest_of(world, tenant_id, now=DAY + timedelta(days=1))
    assert made.quiet
    (page,) = world.settings.var.rglob("*.md")
    assert "nothing rose" in page.read_text("utf-8")


def test_a_digest_has_a_section_of_trends_when_it_is_wished_and_is_replayed_bit_for_bit(world, tenant_id):
    rows.subscribed(world.database, tenant_id, starts_at=DAY + timedelta(days=3), settings={"trends": 2})
    follow(world, detect(world, tenant_id))
    made = digest_of(world, tenant_id)
    assert made.sections[-1] == "trends"
    (story,) = [one for one in made.stories if one.section == "trends"]
    assert story.sentences == ()
    assert story.trend.state in STATES
    assert replays.replay(world, one(world, Run).id, {}).identical


def digest_of(world, tenant_id, now=DAY + timedelta(days=4)):
    world.clock.move_to(now)
    with world.database.transaction() as session:
        (run_id,) = subscription.close_windows(session, now, tenant_id=tenant_id)
    worlds.drive(world, job.DIGEST, run_id)
    with world.database.transaction() as session:
        row = session.get_one(Run, run_id)
        assert (row.state, row.decision) == ("done", "ship")
        return msgspec.json.decode(archive.get(session, row.digest_sha256), type=Digest)
