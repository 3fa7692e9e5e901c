"""Sources: registered once, their health as it is, and pauses that grow but not for ever."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains import limits
from domains.errors import Busy, NotFound, Refused, Unavailable, UsageError
from services import source, work
from services.schema import Claim, Post, Source, Story, Tenant
from services.source import Known
from tasks import job
from tests import rows, worlds
from tests.rows import DAY, entry

FEED = Known("feed", "feed", "family", "https://feed.example/rss", polled=True, interval_s=900)
CAP_S = limits.DLQ_CAP_S


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def feed(database, tenant_id):
    return rows.feed(database, tenant_id, interval_s=900.0)


def claim(database, row_id, now=DAY):
    with database.transaction() as session:
        return work.claim(session, Source, row_id, owner="me", now=now, lease_s=60)


def fail(database, row_id, error, now=DAY, **rest):
    with database.transaction() as session:
        lease = work.claim(session, Source, row_id, owner="me", now=now, lease_s=60)
        source.failed(session, lease, error, now=now, **rest)
    return row(database, row_id)


def row(database, row_id):
    with database.transaction() as session:
        return session.get_one(Source, row_id)


def test_a_known_source_is_left_as_it_is(database, tenant_id):
    with database.transaction() as session:
        first = source.register(session, tenant_id, FEED, now=DAY)
        again = Known("feed", "telegram", "other", "https://other.example", interval_s=60)
        assert source.register(session, tenant_id, again, now=DAY + timedelta(days=1)) == first
        kept = source.find(session, tenant_id, "feed")
    assert (kept.kind, kept.family, kept.url, kept.interval_s) == ("feed", "family", FEED.url, 900)
    assert kept.next_at == DAY


def test_what_is_polled_is_due_and_what_is_imported_is_done(database, tenant_id):
    with database.transaction() as session:
        polled = source.register(session, tenant_id, FEED, now=DAY)
        source.register(session, tenant_id, Known("file", "jsonl", "file"), now=DAY)
        assert work.due(session, Source, now=DAY) == [polled]


@pytest.mark.parametrize(
    "wish", [Known("feed", "feed", "x", "https://x.example"), Known("other", "feed", "x", FEED.url)]
)
def test_a_name_or_an_address_that_is_taken_is_refused(database, tenant_id, wish):
    with database.transaction() as session:
        source.add(session, tenant_id, FEED, now=DAY)
        with pytest.raises(UsageError, match="feed"):
            source.add(session, tenant_id, wish, now=DAY)
        source.add(session, rows.tenant(database, "other"), FEED, now=DAY)
        source.add(session, tenant_id, Known("file", "jsonl", "file"), now=DAY)
        source.add(session, tenant_id, Known("another file", "jsonl", "file"), now=DAY)


def test_a_source_that_is_not_there_is_named(database, tenant_id, feed):
    other = rows.tenant(database, "other")
    with database.transaction() as session:
        with pytest.raises(NotFound, match="nobody"):
            source.find(session, tenant_id, "nobody")
        with pytest.raises(NotFound, match="'feed'"):
            source.find(session, other, "feed")
        source.check_names(session, tenant_id, ["feed"])
        with pytest.raises(NotFound, match="'a', 'b'"):
            source.check_names(session, tenant_id, ["b", "feed", "a"])


def test_success_makes_healthy_and_waits_for_the_interval(database, feed):
    fail(database, feed, Unavailable("no answer"))
    now = DAY + timedelta(minutes=5)
    with database.transaction() as session:
        lease = work.claim(session, Source, feed, owner="me", now=now, lease_s=60)
        source.succeeded(session, lease, now=now, etag='"1"', cursor={"files": {}})
    found = row(database, feed)
    assert (found.failures, found.last_error, found.last_success_at, found.etag) == (0, None, now, '"1"')
    assert (found.state, found.next_at) == ("due", now + timedelta(seconds=900))
    assert found.last_error_at == DAY


def test_an_outage_is_noted_with_what_to_do_and_tried_again(database, feed):
    found = fail(database, feed, Refused("it is forbidden", remedy="ask the publisher"))
    assert found.last_error == "it is forbidden: ask the publisher"
    assert (found.failures, found.last_error_at, found.state) == (1, DAY, "due")
    assert found.next_at == DAY + timedelta(seconds=60)
    assert found.last_success_at is None


def test_the_health_of_a_source_holds_no_secret_and_no_novel(database, feed):
    found = fail(database, feed, Unavailable("https://me:hunter2@feed.example/ token=hunter2 " + "x" * 9_000))
    assert "hunter2" not in found.last_error
    assert len(found.last_error) == source.ERROR_CHARS


def test_pauses_double_until_the_interval_and_never_pass_an_hour(database, feed):
    now, pauses = DAY, []
    for _ in range(10):
        found = fail(database, feed, Unavailable("x"), now)
        pauses.append((found.next_at - now).total_seconds())
        now = found.next_at
    assert pauses[:3] == [60, 120, 240]
    assert pauses[3] == 900
    assert pauses == sorted(pauses)
    assert pauses[-1] == CAP_S


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    failures=st.integers(0, 40),
    interval_s=st.floats(60, 604_800),
    wait_s=st.floats(0, 86_400),
)
def test_a_pause_is_at_least_what_the_server_asked_for(database, failures, interval_s, wait_s):
    feed = rows.feed(database, rows.tenant(database))
    with database.transaction() as session:
        one = session.get_one(Source, feed)
        one.failures, one.interval_s, one.state, one.next_at = failures, interval_s, "due", DAY
        one.lease_until = None
    found = fail(database, feed, Unavailable("x"), wait_s=wait_s)
    pause_s = (found.next_at - DAY).total_seconds()
    longest = max(CAP_S, interval_s if failures >= limits.DLQ_ATTEMPTS else 0, wait_s)
    assert max(60, wait_s) - 1e-3 <= pause_s <= longest + 1e-3
    assert found.failures == failures + 1


def test_deaths_are_forgiven_when_a_fetch_ends_either_way(database, feed):
    claim(database, feed)
    later = DAY + timedelta(seconds=61)
    assert fail(database, feed, Unavailable("x"), later).expiries == 0


def test_a_worker_that_overslept_says_nothing_of_a_sources_health(database, feed):
    asleep = claim(database, feed)
    with database.transaction() as session:
        work.claim(session, Source, feed, owner="awake", now=DAY + timedelta(seconds=61), lease_s=60)
    with pytest.raises(work.LeaseLostError), database.transaction() as session:
        source.failed(session, asleep, Unavailable("x"), now=DAY)
    with pytest.raises(work.LeaseLostError), database.transaction() as session:
        source.succeeded(session, asleep, now=DAY)
    assert (row(database, feed).failures, row(database, feed).last_success_at) == (0, None)


def test_fetching_now_wakes_the_polled_ones_that_nobody_is_at(database, tenant_id):
    later = DAY + timedelta(days=1)
    ids = {name: rows.feed(database, tenant_id, name, now=later) for name in ("b", "a", "busy", "dead")}
    with database.transaction() as session:
        session.get_one(Source, ids["dead"]).state = "dead"
        source.register(session, tenant_id, Known("file", "jsonl", "file"), now=DAY)
    claim(database, ids["busy"], later)
    with database.transaction() as session:
        assert source.hasten(session, tenant_id, ["b"], now=DAY) == [ids["b"]]
        assert source.hasten(session, tenant_id, [], now=DAY) == [ids["a"], ids["b"], ids["dead"]]
        assert source.hasten(session, rows.tenant(database, "other"), [], now=DAY) == []
        assert work.due(session, Source, now=DAY) == sorted([ids["a"], ids["b"], ids["dead"]])


def test_sources_are_listed_with_their_health_and_posts(database, tenant_id, feed):
    rows.feed(database, tenant_id, "another")
    rows.posts(database, tenant_id, feed, entry(1, "One."), entry(2, "Two.", at=DAY + timedelta(hours=1)))
    fail(database, feed, Unavailable("no answer"))
    with database.transaction() as session:
        silent, heard = source.listing(session, tenant_id)
    assert (silent["name"], silent["posts"], silent["newest"], silent["last_error"]) == (
        "another", 0, None, None,
    )  # fmt: skip
    assert (heard["posts"], heard["newest"], heard["failures"], heard["last_error"]) == (
        2, (DAY + timedelta(hours=1)).isoformat(), 1, "no answer",
    )  # fmt: skip


def succeed(database, row_id, now=DAY):
    lease = claim(database, row_id, now)
    with database.transaction() as session:
        source.succeeded(session, lease, now=now)
    return row(database, row_id)


def test_what_is_paused_is_not_fetched_until_it_is_resumed(database, tenant_id, feed):
    later = DAY + timedelta(days=3)
    with database.transaction() as session:
        source.pause(session, session.get_one(Source, feed))
        assert work.due(session, Source, now=later) == []
        assert source.hasten(session, tenant_id, [], now=later) == []
        with pytest.raises(UsageError, match="'feed' is paused"):
            source.hasten(session, tenant_id, ["feed"], now=later)
        (listed,) = source.listing(session, tenant_id)
    assert (listed["paused"], listed["next_at"]) == (True, None)
    with database.transaction() as session:
        source.resume(session, session.get_one(Source, feed), now=later)
        assert work.due(session, Source, now=later) == [feed]
        session.get_one(Source, feed).next_at = later + timedelta(hours=1)
    with database.transaction() as session:
        source.resume(session, session.get_one(Source, feed), now=later)
    assert row(database, feed).next_at == later + timedelta(hours=1)


@pytest.mark.parametrize("end", ["succeed", "fail"])
@pytest.mark.parametrize(("what", "state"), [("pause", "held"), ("remove", "done"), ("nothing", "due")])
def test_a_fetch_under_way_ends_and_is_the_last_one(database, feed, what, state, end):
    lease = claim(database, feed)
    with database.transaction() as session:
        mine = session.get_one(Source, feed)
        {"pause": source.pause, "remove": lambda s, r: source.remove(s, r, now=DAY), "nothing": lambda *_: 0}[
            what
        ](session, mine)
        assert mine.state == "leased"
    with database.transaction() as session:
        if end == "succeed":
            source.succeeded(session, lease, now=DAY)
        else:
            source.failed(session, lease, Unavailable("no answer"), now=DAY)
    assert row(database, feed).state == state


def test_an_import_cannot_be_paused(database, tenant_id):
    with database.transaction() as session:
        source.register(session, tenant_id, Known("file", "jsonl", "file"), now=DAY)
        with pytest.raises(UsageError, match="imported"):
            source.pause(session, source.find(session, tenant_id, "file"))


def test_a_removed_source_leaves_its_posts_and_comes_back_to_them(database, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry(1, "One."))
    succeed(database, feed)
    with database.transaction() as session:
        session.get_one(Source, feed).etag = "old"
        source.remove(session, session.get_one(Source, feed), now=DAY)
        assert (
            source.listing(session, tenant_id) == work.due(session, Source, now=DAY + timedelta(days=9)) == []
        )
        for missing in (source.find, lambda s, t, name: source.check_names(s, t, [name])):
            with pytest.raises(NotFound, match="'feed'"):
                missing(session, tenant_id, "feed")
    with database.transaction() as session:
        again = source.add(session, tenant_id, Known("feed", "feed", "x", FEED.url, polled=True), now=DAY)
        (listed,) = source.listing(session, tenant_id)
        assert work.due(session, Source, now=DAY) == [feed]
    assert (again, listed["posts"], listed["family"]) == (feed, 1, "x")
    assert row(database, feed).etag is None


def test_the_address_of_a_removed_source_is_free(database, tenant_id, feed):
    with database.transaction() as session:
        source.remove(session, session.get_one(Source, feed), now=DAY)
        other = source.add(session, tenant_id, Known("other", "feed", "x", FEED.url, polled=True), now=DAY)
    assert other != feed


def test_an_import_brings_a_removed_source_back(database, tenant_id, feed):
    with database.transaction() as session:
        source.remove(session, session.get_one(Source, feed), now=DAY)
        source.register(session, tenant_id, Known("feed", "jsonl", "feed"), now=DAY)
    found = row(database, feed)
    assert (found.removed_at, found.polled, found.state) == (None, False, "done")


def test_who_reads_a_source_is_known(database, tenant_id, feed):
    rows.subscribed(database, tenant_id, name="all")
    rows.subscribed(database, tenant_id, name="some", sources=("feed", "other"))
    rows.subscribed(database, tenant_id, name="others", sources=("feed 2",))
    rows.subscribed(database, rows.tenant(database, "other"), name="theirs", sources=("feed",))
    with database.transaction() as session:
        assert source.readers(session, session.get_one(Source, feed)) == ["some"]


def test_a_purged_source_takes_its_posts_and_what_was_drawn_from_them(database, tmp_path):
    tenant_id, _ = worlds.with_news(database)
    world = worlds.build(database, tmp_path)
    try:
        worlds.drive(world, job.DIGEST, rows.run(database, tenant_id))
    finally:
        world.close()
    with database.transaction() as session:
        gone = source.find(session, tenant_id, "a")
        generation = session.get_one(Tenant, tenant_id).generation
        assert source.belongings(session, gone)["posts"] == 3
        assert source.belongings(session, gone)["citations"] > 0
        source.purge(session, gone)
    with database.transaction() as session:
        posts = session.query(Post).all()
        stories = session.query(Story).all()
        spans = {story.id: (story.first_at, story.last_at) for story in stories}
        assert len(posts) == 2
        assert spans == {post.story_id: (post.at, post.at) for post in posts}
        assert {claim.post_id for claim in session.query(Claim)} <= {post.id for post in posts}
        assert session.get_one(Tenant, tenant_id).generation == generation + 1


def test_a_source_at_work_is_not_purged(database, tenant_id, feed):
    claim(database, feed)
    with database.transaction() as session, pytest.raises(Busy, match="'feed'"):
        source.purge(session, session.get_one(Source, feed))
    with database.transaction() as session:
        session.get_one(Source, feed).state = "due"
        session.get_one(Tenant, tenant_id).state = "leased"
    with database.transaction() as session, pytest.raises(Busy, match="analysed"):
        source.purge(session, session.get_one(Source, feed))
