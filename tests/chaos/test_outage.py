"""Servers, beat and whole workers die or sleep, at seeded moments: all runs complete once, each is delivered once."""

import random
from itertools import chain

import pytest
from sqlalchemy import select

from services import deadletter, work
from services.schema import Claim, DeadLetter, Delivery, Fate, Post, Run, RunStep, Tenant
from tasks import job

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos")]
STEPS_A_RUN = 9


@pytest.fixture
def due(arena, news, request):
    """Eight runs that become due now: four subscriptions of two days."""
    with arena.database.transaction() as session:
        runs = arena.runs(session, news, request.node.name, subscriptions=4, days=2)
    return list(chain(*runs))


def moments(rng, runs, count):
    """Return ascending numbers of recorded steps, at which something is to happen."""
    return sorted(rng.sample(range(1, len(runs) * STEPS_A_RUN - 4), count))


def at(arena, runs, moment):
    arena.wait(lambda: arena.steps(runs) >= moment)


@pytest.mark.parametrize("seed", range(2))
def test_whichever_child_dies_at_whichever_moment(arena, due, seed):
    rng = random.Random(seed)
    for moment in moments(rng, due, 2):
        at(arena, due, moment)
        arena.kill_child(rng)
    assert arena.settle(due) == []


@pytest.mark.parametrize("whole", [True, False])
def test_the_whole_worker_dies(arena, due, whole):
    at(arena, due, *moments(random.Random(whole), due, 1))
    main, children = arena.worker()
    arena.kill_worker(whole=whole)
    assert arena.settle(due) == []
    assert not any(process.is_running() for process in (main, *children))


def test_a_worker_dies_while_it_analyses_posts(arena):
    """Once with a batch written but not committed, once between two batches; what was committed stands."""
    tenant_id = arena.tenant("fresh", sources=7)
    with arena.database.transaction() as session:
        session.get_one(Tenant, tenant_id, with_for_update=True)
