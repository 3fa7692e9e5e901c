"""The ledger: whatever became of a post can be asked, for every reason there is."""

from datetime import timedelta

import pytest

from domains.digest import REASONS
from services import ledger, subscription
from services.schema import Fate, Post, Run, Story
from tests import rows
from tests.rows import DAY, entry

OF_STORY = sorted(set(REASONS) - {"duplicate"})


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def posts(database, tenant_id):
    """Rows of three posts by their ids."""
    feed = rows.feed(database, tenant_id)
    for number in range(3):
        at = DAY + timedelta(hours=number)
        rows.posts(database, tenant_id, feed, entry(number, f"Post {number}.", at=at))
    with database.transaction() as session:
        return {post.external_id: post.id for post in session.query(Post)}


@pytest.fixture
def run_id(database, tenant_id):
    return rows.run(database, tenant_id)


def fate(database, run_id, post_id, reason=None, of=None, detail=""):
    with database.transaction() as session:
        session.add(Fate(run_id=run_id, post_id=post_id, reason=reason, of_id=of, detail=detail))


def why(database, post_id):
    with database.transaction() as session:
        return ledger.why(session, post_id)


def story(database, tenant_id, title="Fire at the mill"):
    with database.transaction() as session:
        row = Story(tenant_id=tenant_id, title=title, first_at=DAY, last_at=DAY)
        session.add(row)
        session.flush()
        return row.id


def test_a_post_that_no_digest_answered_for_has_no_fate(database, posts):
    assert why(database, posts["0"]) == []
    assert why(database, 999) == []


def test_a_shown_post_says_where(database, posts, run_id):
    fate(database, run_id, posts["0"])
    assert why(database, posts["0"]) == [
        {
            "run": run_id,
            "subscription": "daily",
            "window": ["2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00"],
            "reason": "shown",
            "of": None,
            "detail": "",
            "persona": "",
        }
    ]


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_is_told_with_its_detail(database, posts, run_id, reason):
    fate(database, run_id, posts["1"], reason, detail="in words")
    (told,) = why(database, posts["1"])
    assert (told["reason"], told["of"], told["detail"]) == (reason, None, "in words")


def test_a_duplicate_names_the_post_that_stands_for_it(database, posts, run_id):
    fate(database, run_id, posts["1"], "duplicate", of=posts["0"])
    assert why(database, posts["1"])[0]["of"] == "feed/0"


@pytest.mark.parametrize("reason", OF_STORY)
def test_any_other_reason_names_the_story(database, tenant_id, posts, run_id, reason):
    number = story(database, tenant_id)
    fate(database, run_id, posts["1"], reason, of=number)
    assert why(database, posts["1"])[0]["of"] == f"story {number}: Fire at the mill"


def test_what_it_stood_for_may_be_gone(database, posts, run_id):
    fate(database, run_id, posts["1"], "duplicate", of=999)
    fate(database, run_id, posts["2"], "covered", of=999)
    assert why(database, posts["1"])[0]["of"] is None
    assert why(database, posts["2"])[0]["of"] == "story 999"


def test_each_run_answers_for_itself_and_the_newest_comes_first(database, tenant_id, posts):
    rows.subscribed(database, tenant_id)
    with database.transaction() as session:
        first, second = subscription.close_windows(session, DAY + timedelta(days=2))
    fate(database, first, posts["0"], "budget")
    fate(database, second, posts["0"])
    assert [(one["run"], one["reason"]) for one in why(database, posts["0"])] == [
        (second, "shown"),
        (first, "budget"),
    ]


def test_members_are_those_of_the_half_open_time_in_order(database, tenant_id, posts):
    number = story(database, tenant_id)
    with database.transaction() as session:
        session.get_one(Post, posts["1"]).story_id = number
        found = ledger.members(session, tenant_id, DAY, DAY + timedelta(hours=2))
        assert list(found) == [("0", None), ("1", number)]
        other = rows.tenant(database, "other")
        assert list(ledger.members(session, other, DAY, DAY + timedelta(days=9))) == []


def test_fates_of_a_tenant_come_by_window_and_time(database, tenant_id, posts, run_id):
    fate(database, run_id, posts["2"], "budget", detail="no room")
    fate(database, run_id, posts["0"])
    with database.transaction() as session:
        found = list(ledger.fates(session, tenant_id))
    assert [(one["post"], one["reason"], one["detail"]) for one in found] == [
        ("0", None, ""),
        ("2", "budget", "no room"),
    ]
    assert {one["window_end"] for one in found} == {"2026-11-21T00:00:00+00:00"}


def test_outcomes_count_what_was_shown_and_all_that_was_answered_for(database, tenant_id, posts):
    rows.subscribed(database, tenant_id)
    with database.transaction() as session:
        first, second = subscription.close_windows(session, DAY + timedelta(days=2))
        session.get_one(Run, first).state = "done"
    fate(database, first, posts["0"])
    fate(database, first, posts["1"], "budget")
    with database.transaction() as session:
        found = ledger.outcomes(session, [second, first])
        assert ledger.outcomes(session, []) == []
    assert [(one["run"], one["state"], one["posts"], one["shown"]) for one in found] == [
        (first, "done", 2, 1),
        (second, "due", 0, 0),
    ]
