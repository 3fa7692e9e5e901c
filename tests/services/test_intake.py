"""Intake: what is good is kept, what is bad is listed, and a source's health is what its server said."""

import json
import os
from collections import deque
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import func, select

from domains.errors import InputError, Refused, Unavailable
from domains.post import Bad
from services import intake, work
from services.clock import StoppedClock
from services.fetch import Fetched
from services.intake import Intake
from services.schema import Post, Source, Tenant
from services.source import Known
from tests import rows
from tests.rows import DAY, entry

NOW = DAY + timedelta(hours=12)
URL = "https://feed.example/rss"
DEFAULT = Known("stream", "jsonl", "own")


def rss(*texts):
    items = "".join(
        f"<item><guid>{text}</guid><description>{text} in a whole sentence.</description>"
        f"<pubDate>{format_datetime(DAY + timedelta(minutes=number))}</pubDate></item>"
        for number, text in enumerate(texts)
    )
    return (
        f"<?xml version='1.0'?><rss version='2.0'><channel><title>F</title>{items}</channel></rss>".encode()
    )


OK = Fetched(200, rss("one", "two"), URL, content_type="application/rss+xml", etag='"1"', modified="monday")


class Answers:
    """A fetcher that says what it is told to, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def get(self, url, *, etag=None, modified=None):
        self.asked.append((url, etag, modified))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock():
    return StoppedClock(NOW)


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def feed(database, tenant_id):
    return rows.feed(database, tenant_id, url=URL, interval_s=900.0)


def desk(database, clock, *answers):
    return Intake(database, clock, Answers(*answers), 60)


def fetch(one, row_id):
    with one.database.transaction() as session:
        lease = work.claim(session, Source, row_id, owner="me", now=one.clock.now(), lease_s=60)
    return intake.fetch(one, lease)


def row(database, row_id):
    with database.transaction() as session:
        return session.get_one(Source, row_id)


def take(one, tenant_id, entries, default=DEFAULT, **rest):
    return deque(intake.take(one, tenant_id, entries, default, **rest), maxlen=1).pop()


def count(database, model=Post, **where):
    with database.transaction() as session:
        return session.scalar(select(func.count()).select_from(model).filter_by(**where))


def sources(database):
    with database.transaction() as session:
        return {one.name: one.family for one in session.scalars(select(Source))}


def test_entries_are_stored_batch_by_batch(database, clock, tenant_id):
    seen = []

    def entries():
        for number in range(2 * intake.BATCH + 1):
            seen.append(count(database)) if number % intake.BATCH == 0 else None
            yield entry(number, f"Post number {number}.")

    reports = intake.take(desk(database, clock), tenant_id, entries(), DEFAULT)
    grown = [report.read for report in reports]
    assert grown == [intake.BATCH, 2 * intake.BATCH, 2 * intake.BATCH + 1, 2 * intake.BATCH + 1]
    assert seen == [0, intake.BATCH, 2 * intake.BATCH]


def test_what_was_good_before_a_break_is_kept(database, clock, tenant_id):
    def entries():
        for number in range(intake.BATCH + 10):
            yield entry(number, f"Post number {number}.")
        raise InputError("the file ends in the middle")

    with pytest.raises(InputError, match="middle"):
        take(desk(database, clock), tenant_id, entries())
    assert count(database) == intake.BATCH


def test_an_empty_stream_is_an_empty_report(database, clock, tenant_id):
    report = take(desk(database, clock), tenant_id, [])
    assert (report.read, report.bad_count, report.sources) == (0, 0, {})
    assert sources(database) == {}


def test_bad_parts_are_all_counted_and_the_first_listed(database, clock, tenant_id):
    bad = [Bad(f"line {number}", "no time") for number in range(intake.LISTED + 50)]
    entries = [entry(1, "Good."), *bad, entry(2, "Good too.")]
    report = take(desk(database, clock), tenant_id, entries)
    assert (report.read, report.bad_count) == (2, intake.LISTED + 50)
    assert report.bad == bad[: intake.LISTED]


def test_a_stream_of_bad_parts_only_is_no_post(database, clock, tenant_id):
    report = take(desk(database, clock), tenant_id, [Bad("line 1", "no time")])
    assert (report.read, report.bad_count, count(database)) == (0, 1, 0)


def test_posts_go_to_the_source_they_name_and_else_to_the_default(database, clock, tenant_id):
    entries = [entry(1, "A."), entry(2, "B.", source="b"), entry(3, "C.", source="c", family="c-media")]
    report = take(desk(database, clock), tenant_id, entries)
    assert report.sources == {"stream": 1, "b": 1, "c": 1}
    assert sources(database) == {"stream": "own", "b": "b", "c": "c-media"}


def test_a_family_is_the_callers_then_the_entrys_then_the_sources_own(database, clock, tenant_id):
    entries = [
        entry(1, "A.", source="a", family="entry's"),
        entry(2, "B.", source="b", family="entry's"),
        entry(3, "C.", source="c"),
        entry(4, "D."),
    ]
    take(desk(database, clock), tenant_id, entries, families={"a": "caller's", "c": "caller's", "x": "y"})
    assert sources(database) == {"a": "caller's", "b": "entry's", "c": "caller's", "stream": "own"}


def test_the_same_stream_again_changes_nothing_and_an_edit_is_told(database, clock, tenant_id):
    one = desk(database, clock)
    first = [entry(1, "A."), entry(2, "B.")]
    assert take(one, tenant_id, first).stored.new == 2
    report = take(one, tenant_id, [entry(1, "A."), entry(2, "B, edited.")])
    assert (report.stored.new, report.stored.same, report.stored.edited) == (0, 1, 1)


def test_new_posts_wake_their_tenants_indexing(database, clock, tenant_id):
    with database.transaction() as session:
        session.get_one(Tenant, tenant_id).state = "done"
    take(desk(database, clock), tenant_id, [entry(1, "A.")])
    with database.transaction() as session:
        assert session.get_one(Tenant, tenant_id).state == "due"


def test_a_feed_is_stored_and_its_validators_are_sent_next_time(database, clock, tenant_id, feed):
    again = Fetched(304, b"", URL, not_modified=True)
    one = desk(database, clock, OK, again, again)
    assert fetch(one, feed) == {tenant_id}
    assert count(database, source_id=feed) == 2
    for _ in range(2):
        clock.advance(seconds=900)
        assert fetch(one, feed) == set()
    assert one.fetcher.asked == [(URL, None, None), (URL, '"1"', "monday"), (URL, '"1"', "monday")]
    found = row(database, feed)
    assert (found.last_success_at, found.failures) == (clock.now(), 0)
    assert found.next_at == clock.now() + timedelta(seconds=900)


def test_a_feed_without_news_wakes_nobody(database, clock, feed):
    one = desk(database, clock, OK, replace(OK, etag='"2"'))
    fetch(one, feed)
    clock.advance(seconds=900)
    assert fetch(one, feed) == set()
    assert row(database, feed).etag == '"2"'


def test_a_feed_that_moved_is_fetched_from_where_it_lives_now(database, clock, feed):
    new = "https://new.example/rss"
    one = desk(database, clock, replace(OK, moved_to=new, final_url=new), OK)
    fetch(one, feed)
    clock.advance(seconds=900)
    fetch(one, feed)
    assert [asked[0] for asked in one.fetcher.asked] == [URL, new]
    assert row(database, feed).name == "feed"


@pytest.mark.parametrize("error", [
    Unavailable("the host does not answer", remedy="wait"), Refused("robots.txt forbids it"),
    InputError("it is too large"),
])  # fmt: skip
def test_an_outage_is_the_sources_health_and_no_failure_of_ours(database, clock, feed, error):
    assert fetch(desk(database, clock, error), feed) == set()
    found = row(database, feed)
    assert (found.state, found.failures, found.last_error_at) == ("due", 1, NOW)
    assert str(error) in found.last_error
    assert found.next_at == NOW + timedelta(seconds=60)


def test_a_feed_that_is_broken_today_is_healed_tomorrow(database, clock, tenant_id, feed):
    one = desk(database, clock, replace(OK, body=b"<!doctype html><html>Sorry</html>"), OK)
    assert fetch(one, feed) == set()
    assert row(database, feed).failures == 1
    clock.advance(minutes=5)
    assert fetch(one, feed) == {tenant_id}
    assert (row(database, feed).failures, row(database, feed).last_error) == (0, None)


def test_what_nobody_foresaw_is_raised(database, clock, feed):
    with pytest.raises(ZeroDivisionError):
        fetch(desk(database, clock, ZeroDivisionError()), feed)
    assert row(database, feed).state == "leased"


def test_a_busy_server_is_asked_when_it_said(database, clock, feed):
    fetch(desk(database, clock, Fetched(429, b"", URL, retry_after_s=7_200)), feed)
    found = row(database, feed)
    assert (found.failures, found.last_error) == (1, "the server is busy")
    assert found.next_at == NOW + timedelta(seconds=7_200)


def test_a_server_that_wants_less_than_our_pause_gets_our_pause(database, clock, feed):
    fetch(desk(database, clock, Fetched(503, b"", URL, retry_after_s=1)), feed)
    assert row(database, feed).next_at == NOW + timedelta(seconds=60)


def test_our_own_politeness_is_no_failure_of_the_server(database, clock, feed):
    fetch(desk(database, clock, Fetched(0, b"", URL, retry_after_s=2.5)), feed)
    found = row(database, feed)
    assert (found.failures, found.last_error, found.last_success_at) == (0, None, None)
    assert (found.state, found.next_at) == ("due", NOW + timedelta(seconds=2.5))


def test_politeness_does_not_forget_that_the_server_was_ill(database, clock, feed):
    one = desk(database, clock, Unavailable("x"), Fetched(0, b"", URL, retry_after_s=1))
    fetch(one, feed)
    clock.advance(minutes=2)
    fetch(one, feed)
    assert (row(database, feed).failures, row(database, feed).last_error) == (1, "x")


def test_bad_items_of_a_good_feed_are_in_its_health(database, clock, tenant_id, feed):
    body = OK.body.replace(b"<guid>one</guid>", b"").replace(b"<description>one in a whole sentence.</description>", b"")  # fmt: skip
    assert fetch(desk(database, clock, replace(OK, body=body)), feed) == {tenant_id}
    found = row(database, feed)
    assert count(database, source_id=feed) == 1
    assert found.last_error
    assert found.failures == 0


def test_a_worker_that_overslept_changes_nothing_of_the_source(database, clock, feed):
    one = desk(database, clock, OK)
    with database.transaction() as session:
        asleep = work.claim(session, Source, feed, owner="asleep", now=NOW, lease_s=60)
        work.claim(session, Source, feed, owner="awake", now=NOW + timedelta(seconds=61), lease_s=60)
    with pytest.raises(work.LeaseLostError):
        intake.fetch(one, asleep)
    assert row(database, feed).etag is None


def test_an_error_that_no_text_column_holds_is_health_too(database, clock, feed):
    fetch(desk(database, clock, InputError("item 3: a \0 in its id")), feed)
    assert row(database, feed).failures == 1


@pytest.fixture
def folder(database, tenant_id, tmp_path):
    path = tmp_path / "inbox"
    path.mkdir()
    with database.transaction() as session:
        known = Known("inbox", "directory", "inbox", str(path), polled=True)
        return path, intake.source.register(session, tenant_id, known, now=NOW)


def drop(folder, name, *lines):
    """Put a file that nobody has written to for an hour into the folder."""
    path = folder / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    old = (NOW - timedelta(hours=1)).timestamp()
    os.utime(path, (old, old))


def line(number, text="A line as it should be."):
    return {"id": str(number), "text": text, "at": DAY.isoformat(), "source": "wire"}


def test_a_folder_gives_each_file_once(database, clock, tenant_id, folder):
    path, row_id = folder
    one = desk(database, clock)
    drop(path, "a.jsonl", line(1), line(2))
    assert fetch(one, row_id) == {tenant_id}
    clock.advance(seconds=900)
    assert fetch(one, row_id) == set()
    drop(path, "b.jsonl", line(2), line(3))
    clock.advance(seconds=900)
    assert fetch(one, row_id) == {tenant_id}
    assert count(database) == 3
    assert set(row(database, row_id).cursor["files"]) == {"a.jsonl", "b.jsonl"}


def test_a_file_that_cannot_be_read_does_not_stop_the_others_and_is_named(database, clock, tenant_id, folder):
    path, row_id = folder
    drop(path, "a.jsonl", "\0\0\0 not a line")
    drop(path, "b.jsonl", line(1), "{not json")
    drop(path, "c.jsonl", line(2))
    assert fetch(desk(database, clock), row_id) == {tenant_id}
    found = row(database, row_id)
    assert count(database) == 2
    assert (found.failures, found.state) == (0, "due")
    assert "a.jsonl" in found.last_error
    assert "more" in found.last_error


def test_a_folder_that_is_gone_is_an_outage(database, clock, folder):
    path, row_id = folder
    path.rmdir()
    assert fetch(desk(database, clock), row_id) == set()
    assert row(database, row_id).failures == 1


def test_a_file_is_one_source_when_the_caller_says_so(database, clock, tenant_id, tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(json.dumps(line(n) | {"source": f"s{n}"}) for n in range(3)))
    one = desk(database, clock)
    report = deque(intake.take_file(one, tenant_id, path, name="all", families={"all": "f"}), maxlen=1).pop()
    assert (report.sources, sources(database)) == ({"all": 3}, {"all": "f"})
    report = deque(intake.take_file(one, tenant_id, path), maxlen=1).pop()
    assert set(report.sources) == {"s0", "s1", "s2"}
