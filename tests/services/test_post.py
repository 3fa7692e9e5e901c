"""Posts are stored once, versioned when edited, and every window answers for each post exactly once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domains.errors import NotFound
from domains.post import Media
from domains.window import Window
from services import post
from services.schema import Fate, PostVersion, Run
from services.schema import Media as MediaRow
from services.schema import Post as Row
from tests import rows
from tests.rows import DAY, entry


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def feed(database, tenant_id):
    return rows.feed(database, tenant_id)


def one(database, **where):
    with database.transaction() as session:
        return session.scalars(select(Row).filter_by(**where)).one()


def test_the_same_entries_again_change_nothing(database, tenant_id, feed):
    entries = [entry(n, f"Post number {n}.") for n in range(5)]
    assert rows.posts(database, tenant_id, feed, *entries) == post.Stored(new=5)
    assert rows.posts(database, tenant_id, feed, *entries) == post.Stored(same=5)


def test_an_id_that_comes_back_edited_is_a_version(database, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry(1, "Five people were hurt."))
    assert rows.posts(database, tenant_id, feed, entry(1, "Seven people were hurt.")) == post.Stored(edited=1)
    found = one(database, external_id="1")
    assert (found.text, found.version) == ("Seven people were hurt.", 2)
    with database.transaction() as session:
        old = session.scalars(select(PostVersion)).one()
    assert (old.text, old.version) == ("Five people were hurt.", 1)


def test_two_versions_in_one_batch_are_kept_in_their_order(database, tenant_id, feed):
    stored = rows.posts(
        database, tenant_id, feed, entry(1, "First."), entry(1, "Second."), entry(1, "Third.")
    )
    assert stored == post.Stored(new=1, edited=2)
    assert one(database, external_id="1").text == "Third."


def test_a_title_heads_the_text_once(database, tenant_id, feed):
    rows.posts(
        database, tenant_id, feed,
        entry(1, "The bridge is shut until May.", title="Bridge shut"),
        entry(2, "Bridge shut\nUntil May.", title="Bridge shut"),
        entry(3, "", title="Only a title"),
    )  # fmt: skip
    assert one(database, external_id="1").text == "Bridge shut\nThe bridge is shut until May."
    assert one(database, external_id="2").text == "Bridge shut\nUntil May."
    assert one(database, external_id="3").text == "Only a title"


def test_hidden_characters_and_trackers_do_not_get_in(database, tenant_id, feed):
    rows.posts(
        database, tenant_id, feed,
        entry(1, "A\u202eb\u200bc https://x.example/?utm_source=tg&id=1", url="https://x.example/?fbclid=2&p=3"),
    )  # fmt: skip
    found = one(database, external_id="1")
    assert "\u202e" not in found.text
    assert "\u200b" not in found.text
    assert found.url == "https://x.example/?p=3"
    assert found.links == ["https://x.example/?id=1"]


def test_photos_are_kept_by_name_whether_there_or_not(database, tenant_id, feed):
    media = (Media("photo", "a.jpg"), Media("photo", "b.jpg", path="/x/b.jpg"))
    rows.posts(database, tenant_id, feed, entry(1, "Two photos.", media=media))
    with database.transaction() as session:
        states = {row.name: row.state for row in session.scalars(select(MediaRow))}
    assert states == {"a.jpg": "absent", "b.jpg": "present"}


def indexed(database):
    with database.transaction() as session:
        for row in session.scalars(select(Row)):
            row.indexed_at = DAY


def window(database, tenant_id, subscription_id, day, sources=()):
    with database.transaction() as session:
        bounds = Window(DAY + timedelta(days=day), DAY + timedelta(days=day + 1))
        return post.window_posts(session, tenant_id, subscription_id, bounds, DAY, sources)


def test_a_window_answers_for_its_own_posts_and_for_late_ones_no_run_has_seen(database, tenant_id, feed):
    run_id = rows.run(database, tenant_id)
    rows.posts(
        database, tenant_id, feed,
        entry("before", "Before the subscription.", at=DAY - timedelta(hours=1)),
        entry("first", "On the first day.", at=DAY),
        entry("second", "On the second day.", at=DAY + timedelta(days=1)),
    )  # fmt: skip
    indexed(database)
    with database.transaction() as session:
        subscription_id = session.get_one(Run, run_id).subscription_id
    assert [one.ref for one in window(database, tenant_id, subscription_id, 0)] == ["feed/first"]
    with database.transaction() as session:
        first = session.scalars(select(Row).filter_by(external_id="first")).one()
        session.add(Fate(run_id=run_id, post_id=first.id, reason=None))
    rows.posts(database, tenant_id, feed, entry("late", "It came late.", at=DAY + timedelta(hours=3)))
    indexed(database)
    found = {one.ref: one.late for one in window(database, tenant_id, subscription_id, 1)}
    assert found == {"feed/late": True, "feed/second": False}


def test_a_window_reads_the_sources_it_was_asked_for(database, tenant_id, feed):
    other = rows.feed(database, tenant_id, "other", url="https://other.example/rss")
    rows.posts(database, tenant_id, feed, entry(1, "One."))
    rows.posts(database, tenant_id, other, entry(2, "Two."))
    indexed(database)
    found = window(database, tenant_id, rows.subscribed(database, tenant_id), 0, ["other"])
    assert [one.ref for one in found] == ["other/2"]


def test_a_post_is_found_by_name_and_by_row(database, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry("a/b", "A name with a slash."))
    with database.transaction() as session:
        found = post.find(session, tenant_id, "feed/a/b")
        assert post.find(session, tenant_id, str(found.id)) == found
        with pytest.raises(NotFound, match="feed/none"):
            post.find(session, tenant_id, "feed/none")
