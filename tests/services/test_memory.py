"""Episodes: kept for 90 days, masked, bounded, found by an index whatever is asked."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, event, func, select, text
from sqlalchemy.exc import IntegrityError

from domains import limits
from domains.digest import Check, Plan, PlannedStory, Step, Verdict
from domains.memory import KINDS
from services import memory
from services.clock import StoppedClock
from services.diary import Episode
from services.schema import Run, Subscription, Tenant
from tests import rows
from tests.rows import DAY

NOW = DAY + timedelta(days=2)


def note(database, tenant_id, kind="error", at=NOW, **rest):
    with database.transaction() as session:
        return memory.note(session, kind, tenant_id=tenant_id, at=at, **rest)


def recent(database, tenant_id, now=NOW, **rest):
    with database.transaction() as session:
        return memory.recent(session, tenant_id, now=now, **rest)


def count(database):
    with database.transaction() as session:
        return session.scalar(select(func.count()).select_from(Episode))


def test_an_event_is_remembered_with_its_run_and_subscription(database):
    tenant_id = rows.tenant(database)
    run_id = rows.run(database, tenant_id)
    row = note(database, tenant_id, "quality_low", cause="coverage", run_id=run_id, payload={"found": 0.2})
    (found,) = recent(database, tenant_id)
    assert (found.id, found.kind, found.cause, found.run, found.at) == (
        row,
        "quality_low",
        "coverage",
        run_id,
        NOW,
    )
    assert found.payload == {"found": 0.2}
    with database.transaction() as session:
        assert found.subscription == session.get_one(Run, run_id).subscription_id


def test_secrets_and_what_postgres_cannot_keep_never_reach_the_table(database):
    tenant_id = rows.tenant(database)
    note(
        database,
        tenant_id,
        cause="postgresql://me:hunter2@db refused\x00",
        payload={"password": "hunter2", "why": "token=hunter2 \x00 \ud800", "deep": {"api_key": "hunter2"},
                 "list": ["Bearer hunter2hunter2"], "nan": float("nan"), "tiny": 5e-324, "huge": 10**400},
    )  # fmt: skip
    (found,) = recent(database, tenant_id)
    assert "hunter2" not in f"{found}"
    assert found.payload["tiny"] == "5e-324"


def test_a_payload_is_cut_to_its_limit_before_the_table_refuses_it(database):
    tenant_id = rows.tenant(database)
    note(database, tenant_id, payload={f"part {n}": "я" * 480 for n in range(40)}, cause="x" * 999)
    (found,) = recent(database, tenant_id)
    assert found.payload["cut"]
    assert len(found.cause) == memory.CAUSE_CHARS
    with pytest.raises(IntegrityError, match="payload_size"), database.transaction() as session:
        session.execute(
            text("UPDATE episode SET payload = jsonb_build_object('x', repeat('y', 9000)) WHERE id > 0")
        )


def test_the_newest_come_first_of_one_tenant_within_ninety_days_and_a_thousand(database):
    one, other = rows.tenant(database, "one"), rows.tenant(database, "other")
    note(database, one, at=NOW - limits.MEMORY)
    note(database, one, at=NOW + timedelta(seconds=1))
    note(database, other)
    with database.transaction() as session:
        for number in range(limits.MEMORY_EVENTS + 5):
            memory.note(
                session, "retry", tenant_id=one, at=NOW - timedelta(seconds=number), cause=str(number)
            )
    found = recent(database, one, limit=10**6)
    assert [item.cause for item in found] == [str(number) for number in range(limits.MEMORY_EVENTS)]
    assert recent(database, one, limit=-1) == []


def test_kinds_runs_and_subscriptions_narrow_it(database):
    tenant_id = rows.tenant(database)
    first, second = rows.run(database, tenant_id, name="a"), rows.run(database, tenant_id, name="b")
    for kind in KINDS:
        note(database, tenant_id, kind, run_id=first)
    note(database, tenant_id, "error", run_id=second)
    with database.transaction() as session:
        subscription = session.get_one(Run, second).subscription_id
    assert len(recent(database, tenant_id, run_id=first)) == len(KINDS)
    assert [item.run for item in recent(database, tenant_id, subscription_id=subscription)] == [second]
    assert {item.kind for item in recent(database, tenant_id, kinds=("retry", "error"))} == {"retry", "error"}


def test_a_run_that_goes_leaves_its_episodes_and_a_tenant_takes_them_along(database):
    tenant_id = rows.tenant(database)
    note(database, tenant_id, run_id=rows.run(database, tenant_id))
    with database.transaction() as session:
        session.execute(delete(Run))
    assert [item.run for item in recent(database, tenant_id)] == [None]
    with database.transaction() as session:
        session.execute(delete(Tenant))
    assert count(database) == 0


class Ticking(StoppedClock):
    """A clock that a second passes on with each look."""

    def now(self):
        self.advance(seconds=1)
        return super().now()


def test_a_purge_takes_what_has_aged_in_bounded_spells_and_goes_on_where_it_stopped(database):
    tenant_id = rows.tenant(database)
    with database.transaction() as session:
        for day in range(85, 95):
            for _ in range(10):
                memory.note(
                    session, "retry", tenant_id=tenant_id, at=NOW - timedelta(days=day), cause=str(day)
                )
    clock = Ticking(NOW)
    first = memory.purge(database, clock, batch=8, spell=timedelta(seconds=2))
    assert (first.rows, first.finished) == (16, False)
    assert count(database) == 84
    oldest = recent(database, tenant_id, now=NOW - timedelta(days=5))
    assert {item.cause for item in oldest} <= {str(day) for day in range(85, 94)}
    clock = StoppedClock(NOW)
    second = memory.purge(database, clock, batch=8)
    assert (first.rows + second.rows, second.finished) == (40, True)
    assert memory.purge(database, clock).rows == 0
    assert {item.cause for item in recent(database, tenant_id, now=NOW)} == {
        str(day) for day in range(85, 90)
    }


def test_two_purges_at_once_do_not_wait_for_each_other(database):
    tenant_id = rows.tenant(database)
    for _ in range(4):
        note(database, tenant_id, at=NOW - limits.MEMORY - timedelta(days=1))
    with database.transaction() as session:
        session.execute(text("SET LOCAL lock_timeout = '1s'"))
        session.execute(select(Episode.id).order_by(Episode.at).limit(2).with_for_update()).all()
        assert memory.purge(database, StoppedClock(NOW)).rows == 2
    assert memory.purge(database, StoppedClock(NOW)).rows == 2


def digest_noted(database, run_id, *checks):
    steps = tuple(Step("compare", Check(name, 1, 0, passed=False)) for name in checks)
    plan = Plan(("main",), (PlannedStory(1, "main", (1,), 1),), {}, steps, ())
    with database.transaction() as session:
        memory.note_digest(session, run_id, plan, [Verdict(0.9, {}, ())], at=NOW)


def test_what_a_run_learned_from_is_its_own_subscriptions_earlier_runs(database):
    tenant_id = rows.tenant(database)
    other = rows.run(database, tenant_id, name="other", now=DAY + timedelta(days=1))
    rows.subscribed(database, tenant_id, name="daily")
    with database.transaction() as session:
        runs = memory_runs(session, tenant_id)
    assert len(runs) == 3
    for run_id in runs[:2]:
        digest_noted(database, run_id, "corroborated")
    digest_noted(database, other, "distinct")

    def learned(run_id):
        with database.transaction() as session:
            return [(one.check, one.failed) for one in memory.lessons(session, run_id, now=NOW)]

    assert learned(runs[2]) == [("corroborated", 2)]
    # A run that is made again does not learn from itself.
    assert learned(runs[1]) == []
    assert learned(other) == []


def memory_runs(session, tenant_id):
    from services import subscription

    row = subscription.find(session, tenant_id, "daily")
    return subscription.close_due(session, row, DAY + timedelta(days=3))


CROWD = (
    "INSERT INTO tenant (name) SELECT 'small ' || n FROM generate_series(1, 200) n",
    (
        "INSERT INTO episode (tenant_id, subscription_id, run_id, kind, cause, at)"
        " SELECT :busy, CASE WHEN n % 3 = 0 THEN CAST(:subscription AS bigint) END,"
        "  CASE WHEN n % 5000 = 0 THEN CAST(:run AS bigint) END,"
        "  CASE WHEN n % 9000 = 0 THEN 'injection_suspected' ELSE 'run_started' END, '',"
        "  CAST(:now AS timestamptz) - n * interval '120 seconds' FROM generate_series(1, 60000) n"
    ),
    (
        "INSERT INTO episode (tenant_id, kind, cause, at)"
        " SELECT t.id, 'error', '', CAST(:now AS timestamptz) - n * interval '12 hours'"
        " FROM tenant t, generate_series(1, 200) n WHERE t.name <> 'busy'"
    ),
)


@pytest.fixture
def crowded(fresh_database):
    """A hundred thousand episodes: one busy tenant and many small ones."""
    database = fresh_database
    busy = rows.tenant(database, "busy")
    run_id = rows.run(database, busy)
    with database.transaction() as session:
        subscription_id = session.scalar(select(Subscription.id))
        values = {"busy": busy, "subscription": subscription_id, "run": run_id, "now": NOW}
        for statement in CROWD:
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            session.execute(text(statement), used)
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE episode"))
    return database, busy, subscription_id, run_id


def explained(database, ask):
    """The plans of the SELECTs and DELETEs on episodes that ``ask`` sends."""
    sent = []

    def note_statement(_, __, statement, parameters, ___, ____):
        if "episode" in statement and not statement.startswith("EXPLAIN"):
            sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note_statement)
    try:
        ask()
    finally:
        event.remove(database.engine, "before_cursor_execute", note_statement)
    with database.engine.connect() as connection:
        return [
            "\n".join(
                line for (line,) in connection.exec_driver_sql(f"EXPLAIN (ANALYZE) {statement}", parameters)
            )
            for statement, parameters in sent
        ]


def test_no_query_reads_the_whole_table(crowded):
    database, busy, subscription_id, run_id = crowded
    assert count(database) == 100_000
    asks = {
        "tenant": {},
        "kind": {"kinds": ("injection_suspected",)},
        "kinds": {"kinds": ("error", "injection_suspected")},
        "subscription": {"subscription_id": subscription_id},
        "subscription and kind": {"subscription_id": subscription_id, "kinds": ("run_completed",)},
        "run": {"run_id": run_id},
    }
    for name, ask in asks.items():
        plans = explained(database, lambda ask=ask: recent(database, busy, **ask))
        assert len(plans) == 1
        assert "Seq Scan" not in plans[0], (name, plans[0])
        assert "ix_episode_" in plans[0]
    purges = explained(database, lambda: memory.purge(database, StoppedClock(NOW)))
    assert len(purges) == 1
    assert all("ix_episode_at" in plan and "Seq Scan" not in plan for plan in purges), purges[0]


def test_without_its_indexes_the_check_would_fail(crowded):
    database, busy, *_ = crowded
    with database.transaction() as session:
        for name in ("tenant_id_at_id", "tenant_id_kind_at_id", "subscription_id_at_id", "at"):
            session.execute(text(f"DROP INDEX ix_episode_{name}"))
    (plan,) = explained(database, lambda: recent(database, busy))
    assert "Seq Scan" in plan
