"""The wrapper: work is done once, a failure becomes a letter, and a replay heals what it poisoned."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from agents import gate
from domains.errors import Unavailable
from domains.ports import Receipt
from services import deadletter, ledger, manifest, post, subscription, work
from services.schema import Claim, DeadLetter, Delivery, Fate, Post, Run, RunStep, Source, Subscription
from tasks import job, replay
from tests import rows, worlds
from tests.rows import DAY

TOMORROW = DAY + timedelta(days=1)


class Flaky:
    """A channel that fails as often as it is told to, and remembers what it took."""

    name = "file"

    def __init__(self, *failures, idempotent=True):
        self.failures, self.idempotent, self.taken = list(failures), idempotent, []

    def send(self, parcel, target):
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        self.taken.append(parcel.key)
        return Receipt((f"taken:{parcel.key}",))


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path)
    yield world
    world.close()


@pytest.fixture
def run_id(database):
    tenant_id, _ = worlds.with_news(database)
    return rows.run(database, tenant_id)


def all_of(database, model, **where):
    with database.transaction() as session:
        return session.scalars(select(model).filter_by(**where).order_by(model.id)).all()


def test_a_run_becomes_a_delivered_digest_that_answers_for_every_post(database, world, run_id, tmp_path):
    worlds.drive(world, job.DIGEST, run_id)
    (run,) = all_of(database, Run)
    (delivery,) = all_of(database, Delivery)
    assert (run.state, run.decision, delivery.state) == ("done", "ship", "done")
    with database.transaction() as session:
        fates = session.execute(select(Fate.post_id, Fate.reason)).all()
        assert {fate.post_id for fate in fates} == set(session.scalars(select(Post.id)))
        for claim in session.scalars(select(Claim)):
            text = session.get_one(Post, claim.post_id).text
            assert text[claim.start : claim.end] == claim.sentence
        manifest.check(manifest.assemble(session, run_id))
    shown = json.loads(next((tmp_path / "var" / "digests").glob("*.json")).read_bytes())
    assert sum(len(section["stories"]) for section in shown["sections"]) >= 2


def test_a_doubled_message_does_nothing_twice(database, world, run_id):
    channel = Flaky()
    world = worlds.with_channel(world, channel)
    for _ in range(3):
        worlds.drive(world, job.DIGEST, run_id)
    assert len(channel.taken) == 1
    assert len(all_of(database, Delivery)) == 1


def test_a_failure_is_a_letter_and_its_replay_resolves_it(database, world, run_id):
    channel = Flaky(Unavailable("the disk is full; token=hunter2 at postgres://me:hunter2@db/x"))
    world = worlds.with_channel(world, channel)
    worlds.drive(world, job.DIGEST, run_id)
    (letter,) = all_of(database, DeadLetter)
    assert (letter.task, letter.kind, letter.state, letter.attempt) == (
        "delivery.send",
        "transient",
        "scheduled",
        1,
    )
    assert "hunter2" not in letter.message + letter.traceback
    assert timedelta(0) <= letter.next_at - world.clock.now() <= timedelta(seconds=60)
    world.clock.advance(minutes=2)
    with database.transaction() as session:
        assert deadletter.due(session, now=world.clock.now()) == [letter.id]
    worlds.drive(world, job.DELIVERY, job.replay(world, letter.id, by="sweep")[1])
    (letter,) = all_of(database, DeadLetter)
    assert letter.state == "resolved"
    assert len(channel.taken) == 1


def test_after_three_attempts_a_letter_is_permanent_until_an_operator_replays_it(database, world, run_id):
    channel = Flaky(*[Unavailable("nobody answers")] * 3)
    world = worlds.with_channel(world, channel)
    worlds.drive(world, job.DIGEST, run_id)
    for _ in range(2):
        world.clock.advance(hours=2)
        (letter,) = all_of(database, DeadLetter)
        worlds.drive(world, job.DELIVERY, job.replay(world, letter.id, by="sweep")[1])
    (letter,) = all_of(database, DeadLetter)
    assert (letter.state, letter.attempt, letter.next_at) == ("permanent", 3, None)
    worlds.drive(world, job.DELIVERY, job.replay(world, letter.id, by="operator")[1])
    assert all_of(database, DeadLetter)[0].state == "resolved"
    assert len(channel.taken) == 1


def test_two_operators_who_replay_one_letter_run_it_once(database, world, run_id):
    world = worlds.with_channel(world, Flaky(Unavailable("nobody answers")))
    worlds.drive(world, job.DIGEST, run_id)
    (letter,) = all_of(database, DeadLetter)
    assert job.replay(world, letter.id, by="one") is not None
    assert job.replay(world, letter.id, by="two") is None


def test_what_may_have_been_sent_is_unknown_and_not_sent_again(database, world, run_id):
    channel = Flaky(OSError("broken pipe"), idempotent=False)
    world = worlds.with_channel(world, channel)
    worlds.drive(world, job.DIGEST, run_id)
    (letter,) = all_of(database, DeadLetter)
    job.replay(world, letter.id, by="operator")
    worlds.drive(world, job.DELIVERY, letter.row_id)
    assert all_of(database, Delivery)[0].state == "unknown"
    assert channel.taken == []


def test_a_refused_parcel_may_be_sent_again_since_it_was_not_taken(database, world, run_id):
    channel = Flaky(Unavailable("busy"), idempotent=False)
    world = worlds.with_channel(world, channel)
    worlds.drive(world, job.DIGEST, run_id)
    (letter,) = all_of(database, DeadLetter)
    job.replay(world, letter.id, by="operator")
    worlds.drive(world, job.DELIVERY, letter.row_id)
    assert len(channel.taken) == 1


def test_a_digest_that_fails_the_gate_is_held_and_its_posts_come_back(database, world, run_id, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(gate, "_objection", lambda *_: "the test says so")
        worlds.drive(world, job.DIGEST, run_id)
    (run,) = all_of(database, Run)
    (letter,) = all_of(database, DeadLetter)
    assert (run.state, run.decision, letter.state, letter.error) == (
        "held",
        "hold",
        "permanent",
        "GateClosed",
    )
    assert all_of(database, Delivery) == []
    worlds.drive(world, job.DIGEST, job.replay(world, letter.id, by="operator")[1])
    assert all_of(database, Run)[0].state == "done"
    assert all_of(database, DeadLetter)[0].state == "resolved"


def test_a_row_that_kills_its_workers_is_set_aside(database, world, run_id):
    for _ in range(work.POISON_EXPIRIES):
        with database.transaction() as session:
            assert work.claim(session, Run, run_id, owner="dies", now=world.clock.now(), lease_s=60)
        world.clock.advance(seconds=61)
    assert job.perform(world, job.DIGEST, run_id) == ()
    (letter,) = all_of(database, DeadLetter)
    assert (letter.kind, letter.state) == ("poison", "permanent")
    assert all_of(database, Run)[0].state == "dead"


def test_a_run_that_resumes_computes_no_step_twice(database, world, run_id, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(gate, "decide", lambda *_: 1 / 0)
        worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        before = dict(session.execute(select(RunStep.name, RunStep.at)).all())
    assert {"brief", "plan", "draft", "rank"} <= set(before)
    assert "gate" not in before
    world.clock.advance(minutes=5)
    (letter,) = all_of(database, DeadLetter)
    assert (letter.kind, letter.error) == ("bug", "ZeroDivisionError")
    worlds.drive(world, job.DIGEST, job.replay(world, letter.id, by="sweep")[1])
    with database.transaction() as session:
        after = dict(session.execute(select(RunStep.name, RunStep.at)).all())
    assert {name: after[name] for name in before} == before
    assert all_of(database, Run)[0].state == "done"


def test_runs_of_a_subscription_are_made_in_order_and_tell_nothing_twice(database, world):
    tenant_id, _ = worlds.with_news(database)
    worlds.with_news(database, tenant_id=tenant_id, day=TOMORROW)
    subscription_id = rows.subscribed(database, tenant_id)
    world.clock.advance(days=1)
    with database.transaction() as session:
        first, second = subscription.close_windows(session, world.clock.now())
    assert job.perform(world, job.DIGEST, second) == ()
    assert all_of(database, Run)[1].state == "due"
    worlds.drive(world, job.DIGEST, first)
    runs = all_of(database, Run, subscription_id=subscription_id)
    assert [run.state for run in runs] == ["done", "done"]
    with database.transaction() as session:
        told = session.scalars(select(Claim.sentence).where(Claim.run_id == first)).all()
        again = session.scalars(select(Claim.sentence).where(Claim.run_id == second)).all()
    assert told
    assert not set(told) & set(again)


def test_why_names_what_became_of_a_post(database, world, run_id):
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        tenant_id = session.get_one(Run, run_id).tenant_id
        reasons = set()
        for row in session.scalars(select(Post)):
            found = post.find(session, tenant_id, str(row.id))
            (fate,) = ledger.why(session, found.id)
            reasons.add(fate["reason"])
    assert "shown" in reasons


def test_a_replay_gives_the_same_bytes_and_a_changed_setting_a_difference(database, world, run_id):
    worlds.drive(world, job.DIGEST, run_id)
    same = replay.replay(world, run_id, {})
    assert same.identical
    assert same.lines == ()
    other = replay.replay(world, run_id, {"max_stories": "1"})
    assert not other.identical
    assert any(line.startswith("- story") for line in other.lines)
    assert replay.replay(world, run_id, {}).identical


def test_letters_left_replaying_by_a_dead_worker_are_closed(database, world, run_id):
    world = worlds.with_channel(world, Flaky(Unavailable("nobody answers")))
    worlds.drive(world, job.DIGEST, run_id)
    (letter,) = all_of(database, DeadLetter)
    job.replay(world, letter.id, by="operator")
    with database.transaction() as session:
        session.get_one(Delivery, letter.row_id).state = "done"
        assert deadletter.settle_finished(session, job.LETTERS, now=world.clock.now()) == 1
        assert session.scalar(select(func.count()).where(DeadLetter.state == "resolved")) == 1


def test_the_manifest_keeps_the_settings_of_the_run_when_the_subscription_changes(database, world, run_id):
    worlds.drive(world, job.DIGEST, run_id)
    with database.transaction() as session:
        before = manifest.assemble(session, run_id)["settings"]
        run = session.get_one(Run, run_id)
        session.get_one(Subscription, run.subscription_id).settings = {"max_stories": 3}
    with database.transaction() as session:
        assert manifest.assemble(session, run_id)["settings"] == before
    assert before["max_stories"] == 12


def test_what_an_operator_sets_for_a_run_is_that_runs_alone(database, world, run_id):
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
        run.changed = {"sources": ["a"], "channels": [["stdout", ""]], "settings": {"max_stories": 1}}
    worlds.drive(world, job.DIGEST, run_id)
    (run,), (delivery,) = all_of(database, Run), all_of(database, Delivery)
    assert (run.state, delivery.channel, delivery.state) == ("done", "stdout", "done")
    with database.transaction() as session:
        cited = set(session.scalars(select(Source.name).join(Post).join(Claim, Claim.post_id == Post.id)))
        assert manifest.assemble(session, run_id)["settings"]["max_stories"] == 1
        subscription_ = session.get_one(Subscription, run.subscription_id)
    assert cited == {"a"}
    assert (subscription_.sources, subscription_.settings) == ([], {})


def test_a_worker_leases_a_letters_replay_while_it_is_at_it(database, world, run_id):
    seen = []

    class Watched(Flaky):
        def send(self, parcel, target):
            seen.append(all_of(database, DeadLetter)[0].state if all_of(database, DeadLetter) else None)
            return super().send(parcel, target)

    world = worlds.with_channel(world, Watched(Unavailable("no")))
    worlds.drive(world, job.DIGEST, run_id)
    (letter,) = all_of(database, DeadLetter)
    worlds.drive(world, job.DELIVERY, job.replay(world, letter.id, by="alice")[1])
    assert seen == [None, "leased"]
    assert all_of(database, DeadLetter)[0].state == "resolved"
