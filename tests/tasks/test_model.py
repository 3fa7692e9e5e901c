"""A digest written by a model, from settings to the file: over a real socket, paid for, recorded, replayed without it."""

import random
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from benchmarks.prose import Good
from domains import limits
from domains.digest import Digest
from services import archive, manifest
from services.diary import Episode
from services.llm.factory import Gateways
from services.llm.table import Usage
from services.schema import DeadLetter, Delivery, Run
from tasks import job, replay
from tests import rows, worlds
from tests.llm_server import LlmServer, status
from tests.provider import author


def digest_of(database, run_id):
    with database.transaction() as session:
        row = session.get_one(Run, run_id)
        return msgspec.json.decode(archive.get(session, row.digest_sha256), type=Digest)


@pytest.fixture
def server():
    with LlmServer() as one:
        yield one


@pytest.fixture
def world(database, tmp_path, server):
    built = worlds.build(
        database, tmp_path, model_provider="vllm", model_name="scripted", model_base_url=server.url,
        budget_allow_unknown_price=True,
    )  # fmt: skip
    yield built
    built.close()


@pytest.fixture
def run_id(database, world):
    """A run whose window was told once without a model, and the server ready to tell it in its own words."""
    tenant_id, _ = worlds.with_news(database)
    plain = replace(
        world,
        gateways=Gateways(
            world.settings.model_copy(update={"model_provider": ""}), database, world.clock, random.Random(1)
        ),
    )
    told = rows.run(database, tenant_id, name="plain", channels=())
    worlds.drive(plain, job.DIGEST, told)
    assert digest_of(database, told).rung == "extractive"
    return rows.run(database, tenant_id, name="written"), Good(digest_of(database, told))


def test_a_model_writes_is_checked_paid_for_and_replayed_without_a_provider(database, world, server, run_id):
    run, good = run_id
    server.answer = author(good)
    worlds.drive(world, job.DIGEST, run)
    made = digest_of(database, run)
    assert made.rung == "model"
    assert server.seen
    assert server.problems == []
    asked = len(server.seen)
    assert replay.replay(world, run, {}).identical
    assert len(server.seen) == asked
    with database.transaction() as session:
        usage = session.scalars(select(Usage)).all()
        assert [row.outcome for row in usage] == ["ok"] * len(usage) != []
        assert all(row.run_id == run for row in usage)
        assert session.scalars(select(Delivery.state).where(Delivery.run_id == run)).all() == ["done"]
        shown = manifest.assemble(session, run)
        manifest.check(shown)
    assert (shown["rung"], shown["quality"]["path"]) == ("model", "fast")
    assert shown["plan"]["steps"][0]["check"]["passed"]
    assert [one["chosen"] for one in shown["candidates"]] == [True, False]
    assert {one["rung"] for one in shown["candidates"]} == {"model", "extractive"}
    assert [check["score"] for check in shown["checks"]] != []
    assert shown["usage"]["calls"] == asked < limits.FAST_CALLS
    assert 0 < shown["usage"]["tokens"] < limits.FAST_TOKENS
    (line,) = shown["usage"]["by"]
    assert (line["purpose"], line["provider"], line["attempts"], line["cost"]) == (
        "write.write",
        "vllm",
        asked,
        "0",
    )
    assert line["price_version"]
    (used,) = shown["prompts"]
    assert usage[0].prompt_hash.startswith(used["sha256"])
    for budget in world.gateways.budget.lines(usage[0].tenant_id, rows.DAY):
        assert budget.reserved.calls == 0


def test_a_provider_that_dies_ends_in_an_extractive_digest_that_says_so(database, world, server, run_id):
    run, _ = run_id
    server.answer = status(500)
    worlds.drive(world, job.DIGEST, run)
    made = digest_of(database, run)
    assert (made.rung, bool(made.stories)) == ("extractive", True)
    with database.transaction() as session:
        assert session.scalars(select(Delivery.state).where(Delivery.run_id == run)).all() == ["done"]
        assert session.scalars(select(DeadLetter)).all() == []
    assert replay.replay(world, run, {}).identical


def episodes(database, run_id):
    with database.transaction() as session:
        query = select(Episode.kind, Episode.cause).where(Episode.run_id == run_id).order_by(Episode.id)
        return [tuple(row) for row in session.execute(query)]


def with_settings(world, database, **changes):
    settings = world.settings.model_copy(update=changes)
    return replace(world, gateways=Gateways(settings, database, world.clock, random.Random(1)))


def test_a_run_whose_budget_is_nearly_gone_asks_nobody_and_is_remembered_for_it(
    database, world, server, run_id
):
    run, good = run_id
    server.answer = author(good)
    poor = with_settings(world, database, budget_run_tokens=limits.FAST_TOKENS - 1)
    worlds.drive(poor, job.DIGEST, run)
    assert digest_of(database, run).rung == "extractive"
    assert server.seen == []
    assert episodes(database, run) == [
        ("run_started", "digest"), ("run_completed", "digest"), ("budget_exceeded", "tokens"),
    ]  # fmt: skip
    with database.transaction() as session:
        assert "tokens are left" in manifest.assemble(session, run)["quality"]["why"][0]


def test_an_important_subscription_takes_the_smart_path(database, world, server, run_id):
    _, good = run_id
    with database.transaction() as session:
        tenant_id = session.scalar(select(Run.tenant_id))
    run = rows.run(database, tenant_id, name="important", settings={"important": True})
    server.answer = author(good)
    worlds.drive(world, job.DIGEST, run)
    with database.transaction() as session:
        shown = manifest.assemble(session, run)
    assert (shown["quality"]["path"], shown["quality"]["why"]) == ("smart", ["the subscription is important"])
    assert {one["purpose"] for one in shown["prompts"]} >= {"write.map", "write.reduce", "write.critic"}


def test_a_run_that_cannot_be_kept_is_remembered_with_its_retry(database, world, run_id):
    run, _ = run_id
    world.settings.digests.parent.mkdir(parents=True, exist_ok=True)
    world.settings.digests.write_text("a file where the folder should be", encoding="utf-8")
    worlds.drive(world, job.DIGEST, run)
    kinds = [kind for kind, _ in episodes(database, run)]
    assert kinds[:2] == ["run_started", "run_completed"]
    assert set(kinds[2:]) <= {"retry", "error"} != set()
