"""Runs: a step is computed once, whoever resumes; a digest ends a run with all it owes, or not at all."""

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from domains.digest import Briefing, Citation, Digest, DigestStory, Drop, Sentence
from domains.errors import NotFound
from domains.post import Post as Value
from services import run, subscription, work
from services.run import MemoryJournal, RunJournal
from services.schema import Claim, Delivery, Fate, Post, Run, RunStep, Story
from tests import rows
from tests.rows import DAY, entry

LEASE_S = 60
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def run_id(database, tenant_id):
    return rows.run(database, tenant_id)


def claim(database, clock, run_id, owner="me"):
    with database.transaction() as session:
        return work.claim(session, Run, run_id, owner=owner, now=clock.now(), lease_s=LEASE_S)


def journal(database, clock, lease):
    return RunJournal(database, clock, lease, LEASE_S)


def steps(database, run_id):
    with database.transaction() as session:
        found = session.scalars(select(RunStep).where(RunStep.run_id == run_id).order_by(RunStep.seq))
        return [(step.seq, step.name) for step in found]


def row(database, run_id):
    with database.transaction() as session:
        return session.get_one(Run, run_id)


class Counted:
    """Computes a value and counts how often."""

    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self):
        self.calls += 1
        return self.value


@pytest.fixture
def clock(clock):
    clock.move_to(DAY + timedelta(days=1))
    return clock


def test_a_step_is_computed_once_in_this_journal_and_in_the_next(database, clock, run_id):
    first, later = Counted([1, 2]), Counted("never")
    book = journal(database, clock, claim(database, clock, run_id))
    assert book.step("a", list[int], first) == book.step("a", list[int], first) == [1, 2]
    clock.advance(seconds=LEASE_S + 1)
    resumed = journal(database, clock, claim(database, clock, run_id, "next"))
    assert resumed.step("a", list[int], later) == [1, 2]
    assert (first.calls, later.calls) == (1, 0)


def test_steps_are_numbered_on_across_workers(database, clock, run_id):
    book = journal(database, clock, claim(database, clock, run_id))
    for name in "ab":
        book.step(name, str, lambda: "x")
    clock.advance(seconds=LEASE_S + 1)
    book = journal(database, clock, claim(database, clock, run_id, "next"))
    for name in "abc":
        book.step(name, str, lambda: "x")
    assert steps(database, run_id) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_step_that_fails_records_nothing_and_is_computed_again(database, clock, run_id):
    book = journal(database, clock, claim(database, clock, run_id))
    with pytest.raises(ZeroDivisionError):
        book.step("a", int, lambda: 1 // 0)
    assert steps(database, run_id) == []
    assert book.step("a", int, lambda: 7) == 7


def test_a_step_keeps_the_lease_and_says_how_long_it_took(database, clock, run_id):
    book = journal(database, clock, claim(database, clock, run_id))

    def slow():
        clock.advance(seconds=LEASE_S - 1)
        return "done"

    for name in "abc":
        book.step(name, str, slow)
    assert row(database, run_id).lease_until == clock.now() + timedelta(seconds=LEASE_S)
    with database.transaction() as session:
        assert set(session.scalars(select(RunStep.elapsed_ms))) == {(LEASE_S - 1) * 1000}


def test_a_worker_that_overslept_records_no_step(database, clock, run_id):
    asleep = journal(database, clock, claim(database, clock, run_id, "asleep"))

    def oversleep():
        clock.advance(seconds=LEASE_S + 1)
        awake = journal(database, clock, claim(database, clock, run_id, "awake"))
        assert awake.step("a", str, lambda: "awake's") == "awake's"
        return "asleep's"

    with pytest.raises(work.LeaseLostError):
        asleep.step("a", str, oversleep)
    with database.transaction() as session:
        assert run.recorded(session, run_id, "a", str) == "awake's"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(VALUES)
def test_a_resumed_and_an_unbroken_run_see_the_same_value(database, clock, value):
    run_id = rows.run(database, rows.tenant(database), name=f"s{next(NAMES)}")
    lease = claim(database, clock, run_id)
    unbroken = journal(database, clock, lease).step("a", object, lambda: value)
    resumed = journal(database, clock, lease).step("a", object, lambda: 1 / 0)
    replayed = MemoryJournal().step("a", object, lambda: value)
    assert unbroken == resumed == replayed == json.loads(json.dumps(value))


NAMES = iter(range(10_000))


def test_what_goes_on_is_what_was_recorded(database, clock, run_id):
    """A tuple becomes what its type says in both kinds of journal, not what was computed."""
    lease = claim(database, clock, run_id)
    for book in (journal(database, clock, lease), MemoryJournal()):
        assert book.step("a", list[int], lambda: (1, 2)) == [1, 2]


def test_a_memory_journal_computes_each_step_once():
    one = Counted(3)
    book = MemoryJournal()
    assert book.step("a", int, one) == book.step("a", int, one) == 3
    assert (one.calls, book.steps) == (1, {"a": b"3"})


def test_a_briefing_is_frozen_when_it_is_taken(database, clock, tenant_id, run_id):
    feed = rows.feed(database, tenant_id)
    rows.posts(database, tenant_id, feed, entry(1, "A fire at the mill."), entry(2, "A bridge is shut."))
    index(database)

    def brief():
        with database.transaction() as session:
            return run.brief(session, run_id, now=DAY)

    book = journal(database, clock, claim(database, clock, run_id))
    taken = book.step("brief", Briefing, brief)
    assert [one.ref for one in taken.posts] == ["feed/1", "feed/2"]
    rows.posts(database, tenant_id, feed, entry(1, "A fire at the mill is out."), entry(3, "It came late."))
    index(database)
    clock.advance(seconds=LEASE_S + 1)
    resumed = journal(database, clock, claim(database, clock, run_id, "next"))
    assert resumed.step("brief", Briefing, brief) == taken
    assert [one.text for one in brief().posts] == [
        "A fire at the mill is out.",
        "A bridge is shut.",
        "It came late.",
    ]


def index(database):
    """Mark every post as analysed, each a story of its own."""
    with database.transaction() as session:
        for post in session.scalars(select(Post)):
            if post.story_id is None:
                story = Story(tenant_id=post.tenant_id, title=post.text, first_at=post.at, last_at=post.at)
                session.add(story)
                session.flush()
                post.story_id = story.id
            post.indexed_at = DAY
            post.lang = "en"
            post.sentences = [[0, len(post.text)]]


def posts_of(database):
    with database.transaction() as session:
        return {post.external_id: post for post in session.scalars(select(Post))}


def digest_of(database, run_id, *, shown, dropped=()):
    """A digest that shows some posts, one sentence each, and drops others as too many."""
    posts = posts_of(database)

    def sentence(post):
        return Sentence(post.text, (Citation(post.id, (0, len(post.text)), post.text),))

    def value(post):
        return Value(post.id, f"feed/{post.external_id}", "feed", "feed", post.at, post.text, "en", post.sha256,
                     version=post.version)  # fmt: skip

    with database.transaction() as session:
        window, _ = run.window_of(session, run_id)
    stories = tuple(
        DigestStory(post.story_id, "top", sentence(post), (sentence(post),), (post.id,), 1, 1, ("en",), post.at, 0)
        for post in (posts[name] for name in shown)
    )  # fmt: skip
    return Digest(
        window=window, zone="UTC", subscription="daily", sections=("top",), stories=stories,
        shown=tuple(posts[name].id for name in shown),
        drops=tuple(Drop(posts[name].id, "budget", detail="no room") for name in dropped),
        rung="extractive", method="test", score=0.9, posts=tuple(value(posts[name]) for name in shown),
    )  # fmt: skip


@pytest.fixture
def three(database, tenant_id):
    feed = rows.feed(database, tenant_id)
    rows.posts(database, tenant_id, feed, *(entry(n, f"Happening number {n} of the day.") for n in range(3)))
    index(database)
    return feed


def finish(database, clock, lease, digest, why="shipped"):
    with database.transaction() as session:
        run.finish(session, lease, digest, "ship", why, now=clock.now())


def ledger_of(database, run_id):
    with database.transaction() as session:
        fates = session.execute(select(Fate.post_id, Fate.reason).where(Fate.run_id == run_id)).all()
        claims = session.execute(select(Claim.place, Claim.sentence).where(Claim.run_id == run_id)).all()
        deliveries = session.scalars(select(Delivery.channel).where(Delivery.run_id == run_id)).all()
    return {post: reason for post, reason in fates}, sorted(map(tuple, claims)), sorted(deliveries)  # noqa: C416


def test_a_run_ends_with_its_claims_fates_and_deliveries(database, clock, tenant_id, three):
    run_id = rows.run(database, tenant_id, channels=(("file", "x"), ("stdout", "")))
    posts = posts_of(database)
    made = digest_of(database, run_id, shown="0", dropped="12")
    finish(database, clock, claim(database, clock, run_id), made, "all checks passed")
    ended = row(database, run_id)
    assert (ended.state, ended.decision, ended.why, ended.rung, ended.score, ended.ended_at) == (
        "done", "ship", "all checks passed", "extractive", 0.9, clock.now(),
    )  # fmt: skip
    assert (ended.lease_owner, ended.lease_until) == (None, None)
    fates, claims, deliveries = ledger_of(database, run_id)
    assert fates == {posts["0"].id: None, posts["1"].id: "budget", posts["2"].id: "budget"}
    text = posts["0"].text
    assert claims == [("stories[0].headline", text), ("stories[0].sentences[0]", text)]
    assert deliveries == ["file", "stdout"]


def test_a_run_that_was_taken_over_ends_as_its_new_owner_says(database, clock, run_id, three):
    asleep = claim(database, clock, run_id, "asleep")
    clock.advance(seconds=LEASE_S + 1)
    awake = claim(database, clock, run_id, "awake")
    with pytest.raises(work.LeaseLostError):
        finish(database, clock, asleep, digest_of(database, run_id, shown="012"))
    assert ledger_of(database, run_id) == ({}, [], [])
    assert row(database, run_id).digest_sha256 is None
    finish(database, clock, awake, digest_of(database, run_id, shown="1", dropped="02"))
    assert len(ledger_of(database, run_id)[0]) == 3


def test_a_run_made_again_writes_its_ledger_anew_and_its_deliveries_once(database, clock, run_id, three):
    finish(database, clock, claim(database, clock, run_id), digest_of(database, run_id, shown="01"))
    with database.transaction() as session:
        session.get_one(Run, run_id).state = "due"
    finish(
        database, clock, claim(database, clock, run_id), digest_of(database, run_id, shown="2", dropped="01")
    )
    fates, claims, deliveries = ledger_of(database, run_id)
    assert sorted(reason or "shown" for reason in fates.values()) == ["budget", "budget", "shown"]
    assert {sentence for _, sentence in claims} == {"Happening number 2 of the day."}
    assert deliveries == ["file"]


def test_a_quiet_day_is_a_digest_too(database, clock, run_id):
    finish(database, clock, claim(database, clock, run_id), digest_of(database, run_id, shown=""))
    assert ledger_of(database, run_id) == ({}, [], ["file"])


def test_what_was_told_is_known_to_the_next_run_and_no_other(database, clock, tenant_id, three):
    run_id = rows.run(database, tenant_id, name="told")
    finish(
        database, clock, claim(database, clock, run_id), digest_of(database, run_id, shown="0", dropped="12")
    )
    rows.posts(
        database, tenant_id, three,
        entry("next", "Happening number 0 goes on.", at=DAY + timedelta(days=1)),
    )  # fmt: skip
    story = posts_of(database)["0"].story_id
    with database.transaction() as session:
        session.scalars(select(Post).filter_by(external_id="next")).one().story_id = story
    index(database)
    with database.transaction() as session:
        (second,) = subscription.close_windows(session, DAY + timedelta(days=2), tenant_id=tenant_id)
    other = rows.run(database, tenant_id, name="other", now=DAY + timedelta(days=2))
    with database.transaction() as session:
        found = {number: run.brief(session, number, now=DAY) for number in (second, other)}
    (mine,) = [one for one in found[second].stories if one.id == story]
    assert set(mine.told) == {"Happening number 0 of the day."}
    assert mine.last_told_at == DAY + timedelta(days=1)
    assert all(one.told == () and one.last_told_at is None for one in found[other].stories)


def test_a_run_waits_for_the_earlier_ones_of_its_subscription(database, clock, tenant_id):
    rows.run(database, tenant_id, name="other")
    rows.subscribed(database, tenant_id, starts_at=DAY + timedelta(days=1))
    with database.transaction() as session:
        daily = subscription.find(session, tenant_id, "daily")
        first, second, third = subscription.close_due(session, daily, DAY + timedelta(days=4))
        assert [run.is_behind(session, one) for one in (first, second, third)] == [False, True, True]
        assert run.following(session, first) == [second]
        assert run.following(session, third) == []
        session.get_one(Run, first).state = "leased"
        assert run.is_behind(session, second)
        for state in ("done", "dead", "held"):
            session.get_one(Run, first).state = state
            assert not run.is_behind(session, second)


def test_runs_that_are_due_come_by_window(database, tenant_id):
    rows.subscribed(database, tenant_id)
    with database.transaction() as session:
        ids = subscription.close_windows(session, DAY + timedelta(days=3))
        assert run.due_of(session, tenant_id, now=DAY + timedelta(days=2)) == ids[:2]
        session.get_one(Run, ids[0]).state = "held"
        assert run.due_of(session, tenant_id, now=DAY + timedelta(days=3)) == ids[1:]
        assert [(one.id, name) for one, name in run.listing(session, tenant_id, limit=2)] == [
            (ids[2], "daily"),
            (ids[1], "daily"),
        ]
        assert run.due_of(session, rows.tenant(database, "other"), now=DAY + timedelta(days=9)) == []


def test_what_is_not_there_is_named(database, run_id):
    with database.transaction() as session:
        with pytest.raises(NotFound, match="999"):
            run.get(session, 999)
        with pytest.raises(NotFound, match="999"):
            run.recorded(session, 999, "brief", Briefing)
        with pytest.raises(NotFound, match="'brief'"):
            run.recorded(session, run_id, "brief", Briefing)


def test_the_digest_that_was_shipped_is_read_back_as_it_was(database, clock, run_id, three):
    made = replace(digest_of(database, run_id, shown="01", dropped="2"), score=1 / 3)
    finish(database, clock, claim(database, clock, run_id), made)
    with database.transaction() as session:
        body = run.archive.get(session, row(database, run_id).digest_sha256)
    assert msgspec.json.decode(body, type=Digest) == made
