"""`svodka trend`: trends as tables and as JSON, one with its course and posts, and what was refused."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import select, update

from domains.digest import Card, Citation, DigestStory, Sentence
from domains.forecast import Forecast
from domains.trend import Change
from services import archive, card, post, trend
from services.almanac import TrendCard
from services.schema import Post, Subscription
from tests import rows

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def change(posts, state="emerging", hours=5, **rest):
    return Change(
        "n:luhva", 1, NOW - hours * HOUR, state, 1e-6, NOW - 7 * HOUR, tuple(posts), 3, 1.5, -0.5,
        Forecast(4.0, 1, 8), 500, ("t:mill paper",), **rest,
    )  # fmt: skip


@pytest.fixture
def posts(database):
    tenant_id = rows.tenant(database, "default")
    source = rows.feed(database, tenant_id, "wire", now=NOW)
    stored = rows.posts(
        database, tenant_id, source,
        *(rows.entry(number, f"The mill at Luhva burns, part {number}.", at=NOW - (6 - number) * HOUR) for number in range(3)),
        now=NOW,
    )  # fmt: skip
    assert stored
    with database.transaction() as session:
        ids = [one.post for one in trend.mentions(session, tenant_id, NOW - 9 * HOUR, NOW)]
    return tenant_id, ids


def written(database, tenant_id, *changes):
    with database.transaction() as session:
        trend.record(session, tenant_id, changes, settled=True)


def test_no_trend_is_said_in_words(svodka):
    said = svodka("trend", "list")
    assert (said.code, said.out.strip()) == (0, "Not enough history: no post was read yet.")


@pytest.mark.parametrize(("hours", "words"), [(2, "trends need 6 hours"), (9, "No trend in 3 days.")])
def test_too_short_a_history_is_said(svodka, database, hours, words):
    tenant_id = rows.tenant(database, "default")
    source = rows.feed(database, tenant_id, "wire", now=NOW)
    rows.posts(database, tenant_id, source, rows.entry(1, "A first post.", at=NOW - hours * HOUR), now=NOW)
    with database.transaction() as session:
        session.execute(update(Post).values(indexed_at=NOW))
    assert words in svodka("trend", "list").out


def test_trends_are_listed_and_one_is_shown(svodka, database, posts):
    tenant_id, _ = posts
    written(database, tenant_id, change([1]), change([1, 2], "rising", 4), change([1, 2], "fading", 2))
    said = svodka("trend", "list", "--json")
    (row,) = said.json
    assert (said.code, row["state"], row["posts"], row["publishers"]) == (0, "fading", 2, 3)
    assert row["by chance"] == "once in 5 years"
    said = svodka("trend", "show", row["trend"])
    assert said.code == 0
    for words in ("fading since", "once in 5 years", "t:mill paper", "emerging", "rising", "next 6 h 1-8"):
        assert words in said.out
    course = svodka("trend", "show", row["trend"], "--json").json["course"]
    assert [point["state"] for point in course] == ["emerging", "rising", "fading"]
    assert svodka("trend", "list", "--json", "--state", "over").json == []


def test_what_was_refused_is_listed_with_its_reason(svodka, database, posts):
    written(database, posts[0], change([1], why="routine: a greeting of the calendar"))
    assert svodka("trend", "list", "--json").json == []
    (row,) = svodka("trend", "list", "--refused", "--json").json
    assert row["why"] == "routine: a greeting of the calendar"


def test_a_trend_that_is_not_there_is_said_with_a_remedy(svodka):
    said = svodka("trend", "show", "7")
    assert said.code == 1
    assert "no trend 7" in said.err
    assert "svodka trend list" in said.err


def test_a_trend_is_shown_with_its_card(svodka, database, posts):
    tenant_id, _ = posts
    with database.transaction() as session:
        ids = session.scalars(select(Post.id).order_by(Post.at)).all()
    written(database, tenant_id, change(ids))
    with database.transaction() as session:
        (known,) = trend.trends(session, tenant_id)
        text = "The mill at Luhva burns, part 0."
        quote = Citation(ids[0], (0, len(text)), text)
        story = DigestStory(
            -known.trend.id, "trends", Sentence(text, (quote,)), (), tuple(ids), 1, 1, ("en",), NOW, 0,
            trend=card.standing(session, known, now=NOW),
        )  # fmt: skip
        made = Card(story, tuple(post.read(session, tenant_id, ids).values()))
        sha256 = archive.put(session, msgspec.json.encode(made))
        row = TrendCard(tenant_id=tenant_id, unit="n:luhva", wave=1, posts=3, state="done", sha256=sha256)
        session.add(row)
        number = known.trend.id
    said = svodka("trend", "show", number)
    assert said.code == 0
    assert "by chance once in 5 years" in said.out
    told = svodka("trend", "show", number, "--json").json["card"]
    assert told["title"] == {"text": text, "cites": ["wire/0"]}
    assert sum(told["course"]) == len(ids)


def test_trends_can_be_subscribed_to(svodka, database):
    said = svodka("subscribe", "--trends", "--name", "rising", "--set", "alert_publishers=5")
    assert said.code == 0, said.err
    with database.transaction() as session:
        row = session.scalars(select(Subscription)).one()
        assert (row.domain, row.settings) == ("trend", {"alert_publishers": 5})
