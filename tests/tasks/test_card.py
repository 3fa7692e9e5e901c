"""A trend's card: written by the loop, kept once, written anew when its trend has grown, told once, replayed."""

import pytest
from sqlalchemy import func, select

from services import card, trend
from services.almanac import TrendCard
from tests import rows, worlds
from tests.trending import FIRE_AT, MINUTE, by_time, detect, entries, follow, store

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
