"""What a replay would cost: from what was paid before, less what is paid already, and honest where nobody knows."""

from datetime import timedelta

import pytest

from services import estimate
from services.llm.table import Usage
from services.schema import DeadLetter, Run
from tests import rows
from tests.services import letterdesk as desk
from tests.services.letterdesk import NOW


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def paid(database, tenant_id, run_id, tokens, micros):
    with database.transaction() as session:
        session.add(
            Usage(
                tenant_id=tenant_id, run_id=run_id, request="r", purpose="write", at=NOW, rung="model", provider="p",
                model="m", outcome="ok", input_tokens=tokens, output_tokens=0, cost_micros=micros, prompt_hash="",
                fingerprint="", latency_ms=1,
            )
        )  # fmt: skip


def made(database, run_id):
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
        run.state, run.ended_at = "done", NOW


def of(database, *letters):
    with database.transaction() as session:
        return estimate.of(session, [session.get_one(DeadLetter, one) for one in letters], now=NOW)


def test_fetching_and_sending_ask_no_model(database, tenant_id):
    runs = desk.runs(database, tenant_id, 1)
    letters = [
        desk.fail(database, "source.fetch", rows.feed(database, tenant_id)),
        desk.fail(database, "delivery.send", desk.deliveries(database, runs)[0]),
        desk.fail(database, "index.posts", tenant_id),
    ]
    assert of(database, *letters) == estimate.Cost(free=3)


def test_a_digest_costs_the_mean_of_its_subscriptions_less_what_it_has_paid(database, tenant_id):
    first, second, third, fourth = desk.runs(database, tenant_id, 4)
    for run_id, tokens, micros in ((first, 1_000, 300), (second, 3_000, 500)):
        paid(database, tenant_id, run_id, tokens, micros)
        made(database, run_id)
    paid(database, tenant_id, third, 500, 100)
    letters = [desk.fail(database, "digest.make", run) for run in (third, fourth)]
    assert of(database, *letters) == estimate.Cost(tokens=1_500 + 2_000, micros=300 + 400, known=2)


def test_nobody_knows_what_the_first_digest_of_a_subscription_costs(database, tenant_id):
    (run_id,) = desk.runs(database, tenant_id, 1)
    assert of(database, desk.fail(database, "digest.make", run_id)) == estimate.Cost(unknown=1)


def test_an_extractive_subscription_costs_nothing_and_an_unknown_price_is_said(database, tenant_id):
    first, second, third = desk.runs(database, tenant_id, 3)
    made(database, first)
    letter = desk.fail(database, "digest.make", third)
    assert of(database, letter) == estimate.Cost(known=1)
    paid(database, tenant_id, second, 100, None)
    made(database, second)
    assert of(database, letter) == estimate.Cost(tokens=50, known=1, unpriced=1)


def test_a_digest_that_is_made_costs_no_more(database, tenant_id):
    (run_id,) = desk.runs(database, tenant_id, 1)
    letter = desk.fail(database, "digest.make", run_id)
    made(database, run_id)
    assert of(database, letter) == estimate.Cost(free=1)


def test_old_costs_are_no_basis_and_analysing_may_cost_where_it_has(database, tenant_id):
    first, second = desk.runs(database, tenant_id, 2)
    made(database, first)
    with database.transaction() as session:
        session.get_one(Run, first).ended_at = NOW - timedelta(days=100)
    letter = desk.fail(database, "digest.make", second)
    assert of(database, letter) == estimate.Cost(unknown=1)
    paid(database, tenant_id, None, 10, 1)
    assert of(database, desk.fail(database, "index.posts", tenant_id)) == estimate.Cost(unknown=1)
