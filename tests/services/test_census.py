"""The ledger as gauges: counted from rows, bounded in time, and silent rather than wrong when PostgreSQL is away."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from monitoring import metrics
from services.census import Census, Server, answers, known
from services.clock import StoppedClock
from services.database import Database
from services.llm.table import Budget, Usage
from services.schema import DeadLetter, Delivery, Post, Run, Source, Subscription, Tenant
from services.settings import load
from tests import rows
from tests.rows import DAY

HOUR = timedelta(hours=1)


@pytest.fixture
def count(database, tmp_path):
    """Count the ledger at noon of the test's day: {(metric, labels): value}."""
    tick = iter(range(1_000_000))

    def counted(now=DAY + 12 * HOUR):
        census = Census(database, StoppedClock(now), (), tmp_path, lambda: float(next(tick)))
        return {(one.metric, one.labels): one.value for one in census()}

    return counted


def fill(database, *statements):
    with database.transaction() as session:
        for statement in statements:
            session.execute(statement)


def budget(kind, key, tenant_id=None, **values):
    columns = {"limit_calls": None, "limit_tokens": None, "limit_micros": None} | values
    return insert(Budget).values(kind=kind, key=key, tenant_id=tenant_id, touched_at=DAY + HOUR, **columns)


def test_budgets_are_told_by_scope_the_tightest_first(database, count):
    one, other = rows.tenant(database, "one"), rows.tenant(database, "other")
    today, yesterday = DAY.date().isoformat(), (DAY - 12 * HOUR).date().isoformat()
    fill(
        database,
        budget("tenant_day", f"{one}:{today}", one, limit_micros=1_000_000, spent_micros=850_000, reserved_micros=50_000),
        budget("tenant_day", f"{other}:{today}", other, limit_micros=1_000_000, spent_micros=100_000),
        budget("tenant_day", f"{one}:{yesterday}", one, limit_micros=1_000_000, spent_micros=999_999),
        budget("provider_day", f"vllm:{today}", None, spent_micros=950_000, spent_calls=3, spent_tokens=70),
    )  # fmt: skip
    seen = count()
    assert seen[metrics.BUDGET_SPENT, ("tenant_day", "money")] == pytest.approx(0.95)
    assert seen[metrics.BUDGET_USED, ("tenant_day", "money")] == pytest.approx(0.85)
    assert seen[metrics.BUDGET_LEFT, ("tenant_day", "money")] == pytest.approx(0.1)
    assert seen[metrics.BUDGET_SPENT, ("provider_day", "calls")] == 3
    assert (metrics.BUDGET_LEFT, ("provider_day", "money")) not in seen
    assert seen[metrics.BUDGET_SPENT, ("request", "calls")] == 0


def test_spend_savings_and_unpriced_calls_are_todays(database, count):
    tenant_id = rows.tenant(database, "one")

    def used(at, cost, **values):
        row = {
            "tenant_id": tenant_id, "request": "r", "purpose": "p", "at": at, "rung": "model", "provider": "vllm",
            "model": "m", "outcome": "ok", "prompt_hash": "", "fingerprint": "", "latency_ms": 1, "cost_micros": cost,
        }  # fmt: skip
        return insert(Usage).values(row | values)

    fill(
        database, used(DAY + HOUR, 250_000), used(DAY + HOUR, None), used(DAY - HOUR, 9_000_000),
        used(DAY + HOUR, 0, outcome="hit", saved_tokens=500, saved_micros=40_000),
    )  # fmt: skip
    seen = count()
    assert seen[metrics.SPEND_TODAY, ("vllm", "m")] == pytest.approx(0.25)
    assert seen[metrics.UNPRICED_TODAY, ()] == 1
    assert seen[metrics.SAVED_TODAY, ("tokens",)] == 500
    assert seen[metrics.SAVED_TODAY, ("money",)] == pytest.approx(0.04)


def test_waiting_work_is_told_with_the_age_of_the_oldest(database, count):
    tenant_id = rows.tenant(database, "one")
    feed = rows.feed(database, tenant_id, "a")
    fill(database, update(Source).where(Source.id == feed).values(state="due", next_at=DAY + 11 * HOUR))
    seen = count()
    assert seen[metrics.DUE, ("source.fetch",)] == 1
    assert seen[metrics.DUE_AGE, ("source.fetch",)] == pytest.approx(3_600)
    fill(database, update(Source).values(state="leased", lease_until=DAY + 11.5 * HOUR))
    assert count()[metrics.DUE_AGE, ("source.fetch",)] == pytest.approx(1_800)
    fill(database, update(Source).values(state="due", next_at=DAY + 13 * HOUR))
    assert count()[metrics.DUE, ("source.fetch",)] == 0


def test_a_tenant_that_is_due_since_ever_has_not_waited_since_ever(database, count):
    tenant_id = rows.tenant(database, "one")
    fill(
        database,
        update(Tenant).where(Tenant.id == tenant_id).values(created_at=DAY + 11 * HOUR, state="due", next_at=DAY - 365 * 24 * HOUR),
    )  # fmt: skip
    assert count()[metrics.DUE_AGE, ("index.posts",)] == pytest.approx(3_600)


def test_backtests_are_nobodys_trouble(database, count):
    tenant_id = rows.tenant(database, "dry")
    rows.feed(database, tenant_id, "a")
    fill(database, update(Tenant).values(live=False), update(Source).values(state="due", next_at=DAY))
    seen = count()
    assert seen[metrics.DUE, ("source.fetch",)] == seen[metrics.DUE, ("index.posts",)] == 0
    assert seen[metrics.SOURCES, ("ok",)] == 0


def test_sources_are_silent_after_three_intervals(database, count):
    tenant_id = rows.tenant(database, "one")
    for name in ("fine", "failing", "silent", "paused"):
        rows.feed(database, tenant_id, name)
    now, polled = DAY + 12 * HOUR, update(Source)
    fill(
        database,
        polled.values(polled=True, interval_s=900, last_success_at=now - timedelta(seconds=800), failures=0),
        polled.where(Source.name == "failing").values(failures=2),
        polled.where(Source.name == "silent").values(last_success_at=now - timedelta(seconds=2_701)),
        polled.where(Source.name == "paused").values(paused=True, last_success_at=now - 99 * HOUR),
    )
    seen = count()
    assert {health: seen[metrics.SOURCES, (health,)] for health in ("ok", "failing", "silent", "paused")} == {
        "ok": 1, "failing": 1, "silent": 1, "paused": 1,
    }  # fmt: skip
    assert seen[metrics.SOURCE_LAG, ()] == pytest.approx(2_701)


def test_digests_are_overdue_when_nobody_was_told_in_time(database, count):
    tenant_id = rows.tenant(database, "one")
    row = rows.subscribed(database, tenant_id)
    now = DAY + 12 * HOUR

    def due(name, closed, state="due", next_at=now - HOUR):
        with database.transaction() as session:
            run_id = session.scalar(
                insert(Run)
                .values(tenant_id=tenant_id, subscription_id=row, domain="digest", window_start=closed - HOUR, window_end=closed)
                .returning(Run.id)
            )  # fmt: skip
            session.execute(
                insert(Delivery).values(
                    tenant_id=tenant_id, run_id=run_id, channel=name, target="", state=state, next_at=next_at
                )
            )

    fill(database, update(Subscription).values(active_since=now - 3 * HOUR))
    due("late", now - timedelta(minutes=11))
    due("dead", now - timedelta(minutes=30), state="dead")
    due("fresh", now - timedelta(minutes=9))
    due("quiet hours", now - timedelta(minutes=40), next_at=now + HOUR)
    due("caught up", now - 4 * HOUR)
    due("unknown", now - timedelta(minutes=50), state="unknown")
    seen = count()
    assert seen[metrics.OVERDUE, ()] == 2
    assert seen[metrics.UNKNOWN, ()] == 1


def test_letters_and_posts_that_wait_are_counted(database, count):
    tenant_id = rows.tenant(database, "one")
    feed = rows.feed(database, tenant_id, "a")
    letter = {
        "tenant_id": tenant_id, "task": "source.fetch", "kind": "bug", "error": "E", "message": "", "traceback": "",
        "fingerprint": "", "attempt": 1, "created_at": DAY, "updated_at": DAY,
    }  # fmt: skip
    fill(
        database,
        insert(DeadLetter).values(letter | {"row_id": 1, "state": "permanent"}),
        insert(DeadLetter).values(letter | {"row_id": 2, "state": "resolved"}),
    )
    rows.posts(database, tenant_id, feed, rows.entry("1", "Something happened.", at=DAY), now=DAY + 11 * HOUR)
    fill(database, update(Post).values(indexed_at=None))
    seen = count()
    assert seen[metrics.LETTERS, ("bug", "permanent")] == 1
    assert sum(value for (metric, _), value in seen.items() if metric is metrics.LETTERS) == 1
    assert seen[metrics.INDEX_PENDING, ()] == 1
    assert seen[metrics.INDEX_LAG, ()] == pytest.approx(3_600)


def test_without_postgres_it_says_so_and_tells_no_old_number(tmp_path):
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    seen = {(one.metric, one.labels): one.value for one in Census(away, StoppedClock(DAY), (), tmp_path)()}
    away.dispose()
    assert seen[metrics.UP, ("postgres",)] == 0
    assert seen[metrics.DISK_FREE, ()] > 0
    assert not any(metric is metrics.DUE for metric, _ in seen)


def test_an_answer_is_told_again_while_it_is_fresh(database, tmp_path):
    now = [0.0]
    census = Census(database, StoppedClock(DAY), (), tmp_path, lambda: now[0])
    first = census()
    assert census() is first
    now[0] = 10.0
    assert census() is not first


def test_servers_are_asked_whether_they_are_there(valkey_url):
    assert answers(Server("cache", valkey_url))
    assert not answers(Server("cache", "redis://127.0.0.1:1/0"))
    assert not answers(Server("qdrant", "http://127.0.0.1:1"))


def test_models_that_are_set_up_are_known():
    set_ = load(model_provider="vllm", model_name="a", cheaper_model_provider="vllm", cheaper_model_name="b")
    assert known(set_) == {"provider": ("vllm",), "model": ("a", "b")}
    assert known(load()) == {"provider": (), "model": ()}
