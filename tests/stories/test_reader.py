"""What a reader says, and what went wrong before, reaches their next digest, by the real database, planner and loop."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from domains.digest import Digest, Plan
from services import archive, ledger, memory, persona, run, subscription
from services.diary import Episode
from services.schema import Run
from tasks import job, replay
from tests import rows, worlds
from tests.rows import DAY


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path, now=DAY + timedelta(days=1, minutes=5))
    yield world
    world.close()


def made(database, world, tenant_id):
    """Make what is due; return the runs."""
    with database.transaction() as session:
        runs = subscription.close_windows(session, world.clock.now(), tenant_id=tenant_id)
    for one in runs:
        worlds.drive(world, job.DIGEST, one)
    return runs


def digest_of(database, run_id):
    with database.transaction() as session:
        return msgspec.json.decode(archive.get(session, run.get(session, run_id).digest_sha256), type=Digest)


def test_two_readers_of_one_window_get_two_digests_and_both_replay(database, world):
    tenant_id, _ = worlds.with_news(database)
    for name in ("a", "b"):
        rows.subscribed(database, tenant_id, name=name, subscriber=name)
    with database.transaction() as session:
        b = persona.subscriber(session, tenant_id, "b")
        persona.wish(session, b, "mute", "word", "hockey", at=DAY)
    persona.compute(database, world.clock, world.language, b)
    runs = made(database, world, tenant_id)
    digests = {digest.subscription: digest for digest in (digest_of(database, one) for one in runs)}
    assert (len(digests["a"].stories), len(digests["b"].stories)) == (3, 2)
    muted = [drop for drop in digests["b"].drops if drop.reason == "out_of_persona"]
    assert [drop.detail for drop in muted] == ["you mute “hockey”"]
    assert all(replay.replay(world, one, {}).identical for one in runs)
    with database.transaction() as session:
        assert {one.kind for one in session.scalars(select(Episode))} == {"run_started", "run_completed"}


def test_a_reader_is_told_why_a_story_stands_above_the_floor(database, world):
    tenant_id, _ = worlds.with_news(database)
    rows.subscribed(database, tenant_id, subscriber="a")
    with database.transaction() as session:
        persona.wish(session, persona.subscriber(session, tenant_id, "a"), "follow", "word", "hockey", at=DAY)
    with database.transaction() as session:
        subscriber = persona.subscriber(session, tenant_id, "a")
    persona.compute(database, world.clock, world.language, subscriber)
    (made_run,) = made(database, world, tenant_id)
    digest = digest_of(database, made_run)
    (liked,) = (one for one in digest.stories if "hockey" in one.headline.text.lower())
    with database.transaction() as session:
        (fate,) = ledger.why(session, liked.posts[0])
    assert fate["persona"] == "above your floor because you follow “hockey”"


def test_a_check_that_failed_twice_is_met_by_its_remedy_in_the_third_run(database, world):
    tenant_id, _ = worlds.with_news(database)
    rows.subscribed(database, tenant_id, settings={"max_stories": 12})
    past = made(database, world, tenant_id)
    world.clock.move_to(DAY + timedelta(days=2, minutes=5))
    past += made(database, world, tenant_id)
    with database.transaction() as session:
        for one in past:
            memory.note(
                session, "quality_low", tenant_id=tenant_id, at=world.clock.now(), cause="told", run_id=one
            )
    world.clock.move_to(DAY + timedelta(days=3, minutes=5))
    (third,) = made(database, world, tenant_id)
    with database.transaction() as session:
        plans = {one: run.recorded(session, one, "plan", Plan) for one in (past[0], third)}
        assert session.get_one(Run, third).state == "done"
    assert not any("told failed" in reason for reason in plans[past[0]].reasons)
    assert any("told failed in 2 of the last 2 digests" in reason for reason in plans[third].reasons)
