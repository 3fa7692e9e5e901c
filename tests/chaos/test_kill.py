"""Workers are killed with -9 at every point of a run: the run completes once, its digest is delivered once."""

import random

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos")]
STEPS = ("begin", "brief", "plan", "retrieve", "draft", "verify", "correct", "rank", "gate")
DECK = [
    *(f".{step}.{when}" for step in STEPS for when in ("computed", "recorded")),
    *(".claimed", ".finish.before", ".finish.uncommitted", ".done"),
    *(f"-file.{when}" for when in ("claimed", "unsent", "sent", "uncommitted")),
    *(f"-pigeon.{when}" for when in ("claimed", "unsent", "sent", "uncommitted")),
]
random.Random(2026).shuffle(DECK)
SEEDS = 3
# Killed between the beginning and the end of sending: nobody can know, so it is shown and not sent again.
UNKNOWABLE = ("-pigeon.unsent", "-pigeon.sent", "-pigeon.uncommitted")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_worker_killed_at_any_point_of_a_run_costs_nothing_but_time(arena, news, seed):
    places = DECK[seed::SEEDS]
    with arena.database.transaction() as session:
        runs = arena.runs(session, news, f"kill-{seed}", subscriptions=len(places) // 2, days=2)
        ids = [run_id for of in runs for run_id in of]
        struck = dict(zip(random.Random(seed).sample(ids, len(places)), places, strict=True))
        for run_id, place in struck.items():
            arena.snare(f"run-{run_id}{place}")
    assert arena.settle(ids) == []
    assert arena.set_snares() == []
    assert arena.unknown(ids) == {run_id for run_id, place in struck.items() if place in UNKNOWABLE}
    assert arena.resumed_otherwise(struck) == []
