"""Workers, servers and beat are killed, cut off or put to sleep: each run completes once, each digest is delivered once.

What "well" means is in invariants.sql; every test ends with the question whether all of it holds.
"""

import os
import random
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import select

from domains.errors import Unavailable
from services import deadletter, settings, work
from services.schema import Run, Subscription, Tenant
from tasks import job
from tests.chaos.arena import SHORT

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(600)]
SVODKA = Path(sys.executable).with_name("svodka")
STEPS = ("begin", "brief", "plan", "retrieve", "draft", "verify", "correct", "rank", "gate")
PLACES = [
    *(f".{step}.{when}" for step in STEPS for when in ("computed", "recorded")),
    *(".claimed", ".finish.before", ".finish.uncommitted", ".done"),
    *(f"-file.{when}" for when in ("claimed", "unsent", "sent", "uncommitted")),
    *(f"-pigeon.{when}" for when in ("claimed", "unsent", "sent", "uncommitted")),
]
DECK = random.Random(2026).sample(PLACES, len(PLACES))
# Each part of the deck is killed in one test: the first in every run of the tests, the others in the drill.
PARTS = 3
drilled = pytest.mark.drill
LETTERS = deadletter.Job("digest.make", Run)
# Killed between the beginning and the end of sending: nobody can know, so it is shown and not sent again.
UNKNOWABLE = ("-pigeon.unsent", "-pigeon.sent", "-pigeon.uncommitted")


@pytest.fixture
def due(arena, news, request):
    """Eight runs that become due now: of four subscriptions, of two days each."""
    with arena.database.transaction() as session:
        return list(chain(*arena.runs(session, news, request.node.name, subscriptions=4, days=2)))


@pytest.fixture
def alone(arena, news, request):
    """Eight runs that become due now, of as many subscriptions: none follows one that fails."""
    with arena.database.transaction() as session:
        return list(chain(*arena.runs(session, news, request.node.name, subscriptions=8, days=1)))


def at_moments(arena, runs, seed, count):
    """Yield ``count`` times, each time when a number of the runs' steps that the seed chooses has been recorded."""
    total = len(runs) * len(STEPS)
    for moment in sorted(random.Random(seed).sample(range(1, total - 4), count)):
        arena.wait(lambda moment=moment: arena.steps(runs) >= moment)
        yield moment


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=drilled) for part in range(1, PARTS))])
def test_a_worker_killed_at_any_point_of_a_run_costs_nothing_but_time(arena, news, part):
    places = DECK[part::PARTS]
    with arena.database.transaction() as session:
        lists = arena.runs(session, news, f"kill-{part}", subscriptions=len(places), days=1)
        runs = list(chain(*lists))
        struck = dict(zip(runs, places, strict=True))
        for run_id, place in struck.items():
            arena.snare(f"run-{run_id}{place}")
    assert arena.settle(runs) == []
    assert arena.set_snares() == []
    assert arena.unknown(runs) == {run_id for run_id, place in struck.items() if place in UNKNOWABLE}
    assert arena.resumed_otherwise(runs[::3]) == []
    assert arena.files_of(runs) == [(form, len(runs)) for form in (".html", ".json", ".md", ".txt")]


def test_whichever_child_dies_at_whichever_moment(arena, due):
    for moment in at_moments(arena, due, 1, 2):
        arena.kill_child(random.Random(moment))
    assert arena.settle(due) == []


def test_the_whole_worker_dies(arena, due):
    for _ in at_moments(arena, due, 2, 1):
        main, children = arena.worker()
        arena.kill_worker()
    assert arena.settle(due) == []
    assert [process for process in (main, *children) if process.is_running()] == []


def test_a_worker_dies_twice_while_it_analyses_posts(arena):
    """Once with a batch written and not committed, once between two batches; what was committed stands."""
    tenant_id = arena.tenant("fresh", sources=2, live=False)
    arena.snare(f"tenant-{tenant_id}-0.uncommitted")
    arena.snare(f"tenant-{tenant_id}-1.analysed")
    with arena.database.transaction() as session:
        session.get_one(Tenant, tenant_id).live = True
    arena.wait(lambda: arena.analysed(tenant_id))
    assert arena.set_snares() == []
    with arena.database.transaction() as session:
        (runs,) = arena.runs(session, tenant_id, "fresh", subscriptions=1, days=2)
    assert arena.settle(runs) == []


def test_a_worker_dies_while_a_run_waits_for_the_analysis_of_its_posts(arena):
    tenant_id = arena.tenant("waiting", sources=1, live=False)
    arena.snare(f"tenant-{tenant_id}-0.analysed")
    with arena.database.transaction() as session:
        session.get_one(Tenant, tenant_id).live = True
        runs = list(chain(*arena.runs(session, tenant_id, "waiting", subscriptions=2, days=2)))
    assert arena.settle(runs) == []
    assert arena.set_snares() == []


def test_the_broker_comes_back_empty(arena, due):
    """The worker may outlive it or not (Celery sometimes trips while it reconnects): the supervisor starts it again."""
    for _ in at_moments(arena, due, 3, 1):
        arena.empty_valkey()
    assert arena.settle(due) == []


def test_postgres_crashes(arena, alone):
    for _ in at_moments(arena, alone, 4, 1):
        arena.crash_postgres()
    assert arena.settle(alone) == []


@drilled
def test_every_session_of_postgres_is_cut(arena, alone):
    for _ in at_moments(arena, alone, 5, 2):
        arena.cut_sessions()
    assert arena.settle(alone) == []


def test_beat_dies_and_two_beats_close_the_same_windows(arena, news):
    def runs():
        with arena.database.transaction() as session:
            return list(session.scalars(select(Run.id).where(Run.subscription_id.in_(ids))))

    with arena.second_beat():
        arena.kill_beat()
        with arena.database.transaction() as session:
            ids = [arena.subscribe(session, news, f"beats-{n}", days=2, paused=False) for n in range(3)]
        arena.wait(lambda: len(runs()) >= 2 * len(ids))
        assert arena.settle(runs()) == []
    with arena.database.transaction() as session:
        for row_id in ids:
            session.get_one(Subscription, row_id).paused = True


@pytest.mark.parametrize(
    "places",
    [
        pytest.param((".draft.computed", "-pigeon.unsent"), id=".draft.computed -pigeon.unsent"),
        pytest.param((".finish.before", "-file.unsent"), id=".finish.before -file.unsent", marks=drilled),
        pytest.param(("-file.claimed",), id="-file.claimed", marks=drilled),
    ],
)
def test_a_worker_that_oversleeps_its_lease_changes_nothing(arena, news, places):
    """It wakes when others have long done its work; its last words are kept by nobody."""

    def ended(pid):
        return sum(line.endswith(f" {pid}") for line in arena.lines("ended.log"))

    with arena.database.transaction() as session:
        lists = arena.runs(session, news, f"sleep{places}", subscriptions=len(places), days=1)
        runs = list(chain(*lists))
        for run_id, place in zip(runs, places, strict=True):
            arena.snare(f"run-{run_id}{place}", strike="STOP")
    asleep = []
    try:
        for run_id, place in zip(runs, places, strict=True):
            asleep += arena.wait(lambda place=f"run-{run_id}{place}": arena.sprung(place))
        assert arena.settle(runs) == []
        before = arena.snapshot(runs)
        heard = {pid: ended(pid) for pid in asleep}
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)
    arena.wait(lambda: all(ended(pid) > heard[pid] for pid in asleep))
    assert sorted(arena.snapshot(runs) ^ before) == []
    assert arena.broken() == []


def test_a_run_that_kills_every_worker_is_set_aside_and_an_operator_heals_it(arena, news):
    """Three deaths over one run make it poison; its subscription and all others go on, and a replay makes it whole."""
    with arena.database.transaction() as session:
        (poisoned, after), others = arena.runs(
            session, news, "poison", subscriptions=2, days=2, channels=(("file", ""),)
        )
        arena.snare(f"run-{poisoned}.draft.computed", times=3)
    arena.wait(lambda: arena.done(after, *others))
    letter = arena.letter(poisoned)
    assert (letter.kind, letter.state) == ("poison", "permanent")
    with arena.database.transaction() as session:
        assert session.get_one(Run, poisoned).state == "dead"
    assert len(arena.sprung(f"run-{poisoned}.draft.computed")) == 3
    env = settings.child_environment(
        **SHORT, var=str(arena.var), digest_dir=str(arena.var / "digests"), tenant="news"
    )
    healed = subprocess.run(
        [SVODKA, "dlq", "replay", str(letter.id)], env=env, capture_output=True, text=True, check=False
    )
    assert healed.stdout == f"dead letter {letter.id}: resolved\n", healed.stderr
    assert arena.settle([poisoned, after, *others]) == []


@pytest.mark.parametrize("failure", [Unavailable, work.PoisonError])
def test_a_run_that_failed_and_its_follower_tell_nothing_twice(arena, news, failure):
    now = arena.world.clock.now()
    with arena.database.transaction() as session:
        ((failed, after),) = arena.runs(session, news, failure.__name__, subscriptions=1, days=2, channels=())
        lease = work.claim(session, Run, failed, owner="somebody", now=now, lease_s=2)
        letter = deadletter.record(
            session, LETTERS, lease, failure("as if"), now=now, base_s=5, rng=arena.world.rng
        )
    if letter.state == "permanent":
        arena.wait(lambda: arena.done(after))
        job.replay(arena.world, letter.id, by="operator")
    arena.wait(lambda: arena.done(failed, after) and not arena.letter(failed))
    told_twice = arena.told_twice([failed, after])
    with arena.database.transaction() as session:
        session.delete(session.get_one(Subscription, session.get_one(Run, failed).subscription_id))
    assert told_twice == []


SPOILED = {
    "every due run ends, and ships": "UPDATE run SET decision = 'hold'",
    "windows tile time": "UPDATE run SET window_start = window_start - interval '1 hour'",
    "no lease is left": "UPDATE delivery SET state = 'leased', lease_owner = 'somebody'",
    "counted deaths are forgiven": "UPDATE tenant SET expiries = 1",
    "each step is recorded once, in order": "DELETE FROM run_step WHERE name = 'rank'",
    "one delivery a run and channel": "DELETE FROM delivery WHERE channel = 'file'",
    "every delivery is made": "UPDATE delivery SET state = 'unknown', receipt = NULL",
    "what cannot be taken back is sent once": "INSERT INTO sent SELECT key FROM sent",
    "nothing is sent without a delivery": "INSERT INTO sent VALUES ('run-0-file')",
    "no letter stays open, only outages and operators' replays are resolved": """
        INSERT INTO dead_letter (tenant_id, task, row_id, kind, error, message, traceback, fingerprint, attempt, state,
            created_at, updated_at)
        SELECT id, 'index.posts', id, 'transient', '', '', '', '', 3, 'permanent', now(), now() FROM tenant""",
    "each post of a window has its fate": "DELETE FROM fate WHERE reason IS NOT NULL",
    "a post is answered for once": """
        INSERT INTO fate (run_id, post_id, reason) SELECT run.id, fate.post_id, 'duplicate'
        FROM fate JOIN run AS own ON own.id = fate.run_id
        JOIN run ON run.subscription_id = own.subscription_id AND run.id <> own.id""",
    "a fate is of the window, or late": "UPDATE run SET window_end = window_end - interval '12 hours'",
    "a claim is what its post says": 'UPDATE claim SET "start" = "start" + 1',
    "what is claimed is shown, and the other way round": "DELETE FROM claim",
    "each sentence is claimed once": """
        INSERT INTO claim (run_id, story_id, place, sentence, post_id, post_version, start, "end")
        SELECT run_id, story_id, place, sentence, post_id, post_version, start, "end" FROM claim""",
    "every post is analysed": "UPDATE post SET indexed_at = NULL",
    "a story spans its posts": "UPDATE story SET first_at = first_at - interval '1 hour'",
}


def test_each_law_can_be_seen_to_be_broken(arena, due):
    assert arena.settle(due) == []
    unseen = [law for law, change in SPOILED.items() if law not in {row[0] for row in arena.broken(change)}]
    assert unseen == []
