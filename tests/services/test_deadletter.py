"""Dead letters: one open letter a row, a history of all that happened to it, and no secret in it."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from domains import dlq, limits
from domains.errors import Busy, GateClosed, InputError, NotFound, Refused, Unavailable, UsageError
from services import archive, deadletter, work
from services import letter as desk
from services.deadletter import Job
from services.schema import DeadLetter, Run, RunStep, Source, Tenant
from tests import rows
from tests.rows import DAY

FETCH, DIGEST, INDEX = Job("source.fetch", Source), Job("digest.make", Run), Job("index.posts", Tenant)
JOBS = (FETCH, DIGEST, INDEX)
ERRORS = {
    "transient": Unavailable,
    "permanent": Refused,
    "bug": ValueError,
    "poison": work.PoisonError,
}
BASE_S = 60.0
LATER = timedelta(hours=2)


@pytest.fixture
def feed(database):
    return rows.feed(database, rows.tenant(database))


def raised(error):
    """The error with a traceback, as an except clause gets it."""
    try:
        raise error
    except type(error) as caught:
        return caught


def claim(database, row_id, *, job=FETCH, now=DAY, owner="me"):
    with database.transaction() as session:
        return work.claim(session, job.model, row_id, owner=owner, now=now, lease_s=60)


def record(database, lease, error, *, job=FETCH, now=DAY):
    with database.transaction() as session:
        letter = deadletter.record(
            session, job, lease, raised(error), now=now, base_s=BASE_S, rng=random.Random(7)
        )
    return letter.id


def fail(database, row_id, error, *, job=FETCH, now=DAY):
    """Claim the row, whatever became of it before, and fail."""
    return record(database, claim(database, row_id, job=job, now=now), error, job=job, now=now)


def replay(database, letter_id, *, now=DAY, by="operator"):
    with database.transaction() as session:
        return desk.replay(session, letter_id, JOBS, now=now, by=by)


def discard(database, letter_id, *, now=DAY, by="operator"):
    with database.transaction() as session:
        desk.discard(session, letter_id, JOBS, now=now, by=by)


def take(database, row_id, *, now=DAY):
    """Note what a worker notes when it claims the row."""
    with database.transaction() as session:
        deadletter.take(session, FETCH.name, row_id, now=now)


def resolve(database, row_id, *, now=DAY):
    with database.transaction() as session:
        deadletter.resolve(session, FETCH.name, row_id, now=now)


def letter_of(database, letter_id):
    with database.transaction() as session:
        return deadletter.get(session, letter_id)


def state_of(database, row_id, model=Source):
    with database.transaction() as session:
        return session.get_one(model, row_id).state


def test_a_failure_is_written_down_with_all_that_is_known(database, feed):
    letter = letter_of(database, fail(database, feed, Unavailable("the host does not answer")))
    assert (letter.task, letter.row_id, letter.kind, letter.error, letter.message) == (
        "source.fetch", feed, "transient", "Unavailable", "the host does not answer",
    )  # fmt: skip
    assert "raise error" in letter.traceback
    assert (letter.attempt, letter.state) == (1, "scheduled")
    assert timedelta(0) <= letter.next_at - DAY <= timedelta(seconds=BASE_S)
    assert letter.history == [{"at": DAY.isoformat(), "what": "failed: Unavailable", "attempt": 1}]
    assert state_of(database, feed) == "dead"


class Model:
    """What a row's letters must be, by the drawing in `domains.dlq`."""

    def __init__(self):
        self.state, self.attempt, self.notes = None, 0, 0

    def fail(self, kind):
        self.attempt = self.attempt + 1 if self.open else 1
        self.notes = self.notes + 1 if self.open else 1
        over = kind in {"permanent", "poison"} or self.attempt >= limits.DLQ_ATTEMPTS
        self.state = "permanent" if over else "scheduled"

    def replay(self, by):
        self.state, self.notes = "pending", self.notes + 1
        self.attempt = self.attempt if by == "sweep" else 0

    def claimed(self):
        self.state = "leased" if self.state == "pending" else self.state

    def end(self, state):
        self.state, self.notes = state, self.notes + 1

    @property
    def open(self):
        return self.state in dlq.OPEN


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("fail"), st.sampled_from(sorted(ERRORS))),
            st.tuples(st.just("replay"), st.sampled_from(["sweep", "operator"])),
            st.tuples(st.sampled_from(["resolve", "discard", "claim"]), st.just("")),
        ),
        max_size=10,
    )
)
def test_a_letter_goes_only_where_the_drawing_leads(database, events):
    tenant_id = rows.tenant(database)
    row_id = rows.feed(database, tenant_id, f"feed{next(NUMBERS)}")
    model, letter_id, now = Model(), None, DAY
    for what, how in events:
        now += LATER
        if what == "fail":
            with database.transaction() as session:
                work.revive(session, Source, row_id, now=now)
            letter_id = fail(database, row_id, ERRORS[how]("x"), now=now)
            model.fail(how)
        elif letter_id is None:
            resolve(database, row_id)
        elif what == "replay":
            going = model.state in {"pending", "leased"} or (how == "sweep" and model.state != "scheduled")
            again = replay(database, letter_id, now=now, by=how)
            assert again == (None if going else (FETCH.name, row_id))
            if not going:
                model.replay(how)
                assert state_of(database, row_id) == "due"
        elif what == "claim":
            take(database, row_id, now=now)
            model.claimed()
        elif what == "resolve":
            resolve(database, row_id, now=now)
            if model.open:
                model.end("resolved")
        elif model.state == "leased" or not model.open:
            with pytest.raises((UsageError, Busy), match=str(letter_id)):
                discard(database, letter_id)
        else:
            discard(database, letter_id, now=now)
            assert state_of(database, row_id) == "dead"
            model.end("discarded")
        if letter_id is not None:
            assert_is(letter_of(database, letter_id), model, now)


NUMBERS = iter(range(10_000))


def assert_is(letter, model, now):
    assert (letter.state, letter.attempt) == (model.state, model.attempt)
    assert len(letter.history) == model.notes
    assert (letter.next_at is not None) == (model.state == "scheduled")
    assert letter.next_at is None or letter.next_at > letter.updated_at
    assert letter.updated_at <= now


def test_a_closed_letter_and_a_new_failure_are_two_letters(database, feed):
    first = fail(database, feed, Unavailable("a"))
    discard(database, first)
    with database.transaction() as session:
        work.revive(session, Source, feed, now=DAY)
    second = fail(database, feed, Unavailable("b"))
    assert first != second
    assert [letter_of(database, one).state for one in (first, second)] == ["discarded", "scheduled"]
    with database.transaction() as session:
        assert deadletter.of_row(session, FETCH.name, feed).id == second


def test_a_history_keeps_its_newest_events(database, feed):
    letter = fail(database, feed, Unavailable("x"))
    for _ in range(deadletter.HISTORY):
        replay(database, letter)
        fail(database, feed, Unavailable("x"))
    found = letter_of(database, letter).history
    assert len(found) == deadletter.HISTORY
    assert found[-1]["what"] == "failed: Unavailable"


@pytest.mark.parametrize("text", [
    "postgresql://me:hunter2@db/x is away", "token=hunter2", 'api_key: "hunter2"', "password = hunter2",
    "Authorization: Bearer hunter2hunter2", "redis://:hunter2@127.0.0.1:6379/0",
])  # fmt: skip
def test_a_letter_holds_no_secret(database, feed, text):
    error = Unavailable(f"no answer: {text}")
    error.__cause__ = raised(KeyError(text))
    letter = letter_of(database, fail(database, feed, error))
    assert "hunter2" not in f"{letter.message} {letter.traceback} {letter.history}"
    assert "KeyError" in letter.traceback
    assert "no answer" in letter.message


@pytest.mark.parametrize("text", ["a \0 in the middle", "half a pair: \ud83d"])
def test_an_error_that_names_what_no_text_column_holds_is_a_letter_too(database, feed, text):
    letter = letter_of(database, fail(database, feed, InputError(f"broken: {text}")))
    assert letter.message.startswith("broken: ")


def test_a_long_message_and_traceback_are_cut(database, feed):
    letter = letter_of(database, fail(database, feed, Unavailable("я" * 100_000)))
    assert len(letter.message) == limits.DLQ_MESSAGE_CHARS
    assert len(letter.traceback) == limits.DLQ_TRACEBACK_CHARS


def test_equal_failures_share_a_fingerprint(database):
    tenant_id = rows.tenant(database)
    feeds = [rows.feed(database, tenant_id, f"feed{n}") for n in range(4)]
    errors = [
        Unavailable("source 17: no answer from 'a.example' in 30 s"),
        Unavailable("source 4711: no answer from 'b.example' in 29 s"),
        Unavailable("source 17: the connection broke"),
        Refused("source 17: no answer from 'a.example' in 30 s"),
    ]
    prints = [
        letter_of(database, fail(database, feed, error)).fingerprint
        for feed, error in zip(feeds, errors, strict=True)
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_one_failure_recorded_by_many_is_one_letter(database, feed):
    lease = claim(database, feed)
    start = Barrier(6)

    def once(_):
        start.wait()
        try:
            record(database, lease, Unavailable("x"))
        except work.LeaseLostError:
            return 0
        return 1

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(once, range(6))) == 1
    with database.transaction() as session:
        (letter,) = session.scalars(select(DeadLetter)).all()
    assert (letter.attempt, len(letter.history)) == (1, 1)


def test_a_failure_of_a_worker_that_overslept_is_its_successors(database, feed):
    asleep = claim(database, feed, owner="asleep")
    later = DAY + timedelta(seconds=61)
    awake = claim(database, feed, owner="awake", now=later)
    with pytest.raises(work.LeaseLostError):
        record(database, asleep, Unavailable("x"), now=later)
    with database.transaction() as session:
        assert session.scalars(select(DeadLetter)).all() == []
        work.settle(session, awake, "done")


def test_many_that_replay_one_letter_replay_it_once(database, feed):
    letter = fail(database, feed, Unavailable("x"))
    start = Barrier(6)

    def once(_):
        start.wait()
        return replay(database, letter)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(once, range(6)))
    assert [one for one in found if one] == [(FETCH.name, feed)]
    assert [event["what"] for event in letter_of(database, letter).history] == [
        "failed: Unavailable",
        "replayed by operator",
    ]


def test_letters_are_due_at_their_time_and_oldest_first(database):
    tenant_id = rows.tenant(database)
    feeds = [rows.feed(database, tenant_id, f"feed{n}") for n in range(4)]
    ids = [
        fail(database, feed, error("x"), now=DAY + timedelta(minutes=minutes))
        for feed, error, minutes in zip(
            feeds, (Unavailable, Unavailable, Refused, ValueError), (5, 0, 0, 60), strict=True
        )
    ]
    with database.transaction() as session:
        assert deadletter.due(session, now=DAY) == []
        assert deadletter.due(session, now=DAY + timedelta(minutes=10)) == [ids[1], ids[0]]
        assert deadletter.due(session, now=DAY + timedelta(days=1)) == [ids[1], ids[0], ids[3]]
        assert deadletter.due(session, now=DAY + timedelta(days=1), limit=1) == [ids[1]]
        assert deadletter.count(session) == {"scheduled": 3, "permanent": 1}
        assert [one.id for one in deadletter.letters(session)] == ids[::-1]
        assert [one.id for one in deadletter.letters(session, states=("permanent",))] == [ids[2]]
        assert deadletter.letters(session, tenant_id=rows.tenant(database, "other")) == []


def test_a_sweeps_replays_count_and_an_operators_begin_afresh(database, feed):
    now, letter = DAY, fail(database, feed, Unavailable("x"))
    for attempt in (2, 3):
        now += LATER
        replay(database, letter, now=now, by="sweep")
        fail(database, feed, Unavailable("x"), now=now)
        assert letter_of(database, letter).attempt == attempt
    assert letter_of(database, letter).state == "permanent"
    replay(database, letter, now=now)
    fail(database, feed, Unavailable("x"), now=now)
    assert (letter_of(database, letter).attempt, letter_of(database, letter).state) == (1, "scheduled")


def test_a_replay_forgives_the_deaths_of_workers(database, feed):
    now = DAY
    for _ in range(work.POISON_EXPIRIES):
        claim(database, feed, now=now)
        now += timedelta(seconds=61)
    lease = claim(database, feed, now=now)
    letter = record(database, lease, work.PoisonError("they died"), now=now)
    assert letter_of(database, letter).kind == "poison"
    replay(database, letter, now=now)
    assert claim(database, feed, now=now).expiries == 0


@pytest.mark.parametrize(("error", "left"), [(GateClosed, {"begin", "brief"}), (ValueError, {"begin", "brief", "plan"})])  # fmt: skip
def test_a_replay_clears_what_a_gate_judged_and_keeps_what_was_paid_for(database, error, left):
    run_id = rows.run(database, rows.tenant(database))
    now = DAY + timedelta(days=1)
    lease = claim(database, run_id, job=DIGEST, now=now)
    with database.transaction() as session:
        sha256 = archive.put(session, b"{}")
        for seq, name in enumerate(("begin", "brief", "plan")):
            session.add(RunStep(run_id=run_id, name=name, seq=seq, sha256=sha256, at=now, elapsed_ms=1))
    letter = record(database, lease, error("no"), job=DIGEST, now=now)
    assert state_of(database, run_id, Run) == ("held" if error is GateClosed else "dead")
    assert replay(database, letter, now=now) == (DIGEST.name, run_id)
    with database.transaction() as session:
        assert set(session.scalars(select(RunStep.name))) == left
    assert state_of(database, run_id, Run) == "due"


def test_a_letter_of_a_tenants_indexing_is_the_tenants(database):
    tenant_id = rows.tenant(database)
    letter = fail(database, tenant_id, ValueError("x"), job=INDEX)
    assert letter_of(database, letter).tenant_id == tenant_id


def test_letters_whose_work_is_done_are_closed_and_no_others(database):
    tenant_id = rows.tenant(database)
    done, due, waiting = (rows.feed(database, tenant_id, name) for name in ("done", "due", "waiting"))
    ids = [fail(database, feed, Unavailable("x")) for feed in (done, due, waiting)]
    for letter in ids[:2]:
        replay(database, letter)
    with database.transaction() as session:
        session.get_one(Source, done).state = "done"
        assert deadletter.settle_finished(session, JOBS, now=DAY) == 1
    assert [letter_of(database, one).state for one in ids] == ["resolved", "pending", "scheduled"]


def test_resolving_what_has_no_letter_is_nothing(database, feed):
    resolve(database, feed)
    with database.transaction() as session:
        assert deadletter.count(session) == {}


def test_a_letter_that_is_not_there_is_named(database):
    for button in (replay, discard, letter_of):
        with pytest.raises(NotFound, match="999"):
            button(database, 999)
