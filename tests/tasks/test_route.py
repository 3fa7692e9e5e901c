"""The router as it is wired: a model over a real socket, its answer remembered in Valkey, a digest to lean on."""

import threading
from datetime import timedelta

import pytest

from domains.intent import Turn
from domains.ladder import TRIP_FAILURES
from domains.llm import Message, Payer, Request
from services import memo, memory
from tasks.route import route
from tests import rows, worlds
from tests.llm_server import LlmServer, hang, say, status
from tests.rows import DAY
from tests.servers import wait_until

# No rule knows these, so that a model is asked.
ODD = "zorble the frumious quenchwick"


@pytest.fixture
def server():
    with LlmServer(say('{"route": "trend", "confidence": 0.9}')) as one:
        yield one


@pytest.fixture
def world(database, tmp_path, server, valkey_url):
    built = worlds.build(
        database, tmp_path, model_provider="vllm", model_name="scripted", model_base_url=server.url,
        redis_url=valkey_url, budget_allow_unknown_price=True, model_cache_s=0,
    )  # fmt: skip
    yield built
    built.close()


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def test_a_model_is_asked_once_an_hour_and_paid_for(world, server, tenant_id):
    first = route(world, tenant_id, ODD, (), request="ask-1")
    again = route(world, tenant_id, ODD, (), request="ask-2")
    assert (first.route, first.by, again.route, again.by) == ("trend", "model", "trend", "model")
    assert len(server.seen) == 1
    assert server.problems == []
    assert ODD not in str(server.seen[0].json)  # every word of it is marked
    assert {line.kind for line in world.gateways.budget.lines(tenant_id, DAY)} >= {"request", "tenant_day"}


def test_another_tenant_does_not_get_the_remembered_answer(world, database, server, tenant_id):
    route(world, tenant_id, ODD, (), request="ask-1")
    route(world, rows.tenant(database, "other"), ODD, (), request="ask-1")
    assert len(server.seen) == 2


def test_rules_ask_no_model(world, server, tenant_id):
    assert route(world, tenant_id, "hello there", (), request="a").by == "rule"
    assert server.seen == []


@pytest.mark.parametrize("behave", [status(500), hang, say('{"route": "order_pizza", "confidence": 1}')])
def test_a_model_that_fails_leaves_it_to_the_classifier(world, server, tenant_id, behave):
    server.answer = behave
    assert route(world, tenant_id, ODD, (), request="a").by == "classifier"
    # Nobody waits for a late answer, yet what it cost is settled.
    wait_until(lambda: all(not line.reserved.calls for line in world.gateways.budget.lines(tenant_id, DAY)))
    wait_until(lambda: not any(one.name.startswith("router") for one in threading.enumerate()))


def test_a_model_too_slow_for_routing_is_left_to_those_who_have_time(world, server, tenant_id):
    server.answer = hang
    for number in range(2 * TRIP_FAILURES):
        assert route(world, tenant_id, f"{ODD} {number}", (), request="a").by == "classifier"
    wait_until(lambda: not any(one.name.startswith("router") for one in threading.enumerate()))
    assert TRIP_FAILURES <= len(server.seen) < 2 * TRIP_FAILURES
    server.answer = say("whatever")
    patient = world.gateways.open(Payer(tenant_id, "b"))
    asked = patient.complete(Request("test", (Message("user", "hello"),), "", deadline_s=30))
    assert asked.text == "whatever"


def test_a_digest_just_sent_is_what_a_follow_up_leans_on(world, database, tenant_id):
    assert route(world, tenant_id, "tell me more", (), request="a").route != "follow_up"
    run_id = rows.run(database, tenant_id)
    with database.transaction() as session:
        at = world.clock.now() - timedelta(minutes=3)
        memory.note(session, "run_completed", tenant_id=tenant_id, run_id=run_id, at=at, cause="digest")
    found = route(world, tenant_id, "tell me more", (), request="a")
    assert (found.route, found.follows.route) == ("follow_up", "digest")
    turn = Turn("bread prices", "product", world.clock.now() - timedelta(minutes=1))
    assert route(world, tenant_id, "tell me more", (turn,), request="a").follows == turn


def test_without_a_model_or_a_cache_it_still_routes(database, tmp_path, tenant_id):
    plain = worlds.build(database, tmp_path)
    assert route(plain, tenant_id, ODD, (), request="a").by == "classifier"
    assert plain.memo.get("x") is memo.connect(None).get("x") is None
    plain.close()
