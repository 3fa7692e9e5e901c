"""The tables: work is polled by an index, a tenant goes with all it owns, and bounds are the database's."""

import pytest
from sqlalchemy import ForeignKeyConstraint, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from services import schema, subscription
from services.llm import table as llm_table
from services.schema import Base, Run, Tenant, Work
from tasks import job
from tests import rows, worlds
from tests.rows import DAY

# An artifact is a body by its hash: several tenants may have the same one. A channel's pace is the installation's.
SHARED = {"tenant", "artifact", "pace", "vector_shelf"}


def work_tables():
    return [mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Work)]


def test_there_are_four_kinds_of_work_and_each_has_its_index():
    assert {model.__tablename__ for model in work_tables()} == {
        kind.model.__tablename__ for kind in job.KINDS
    }
    for model in work_tables():
        assert f"ix_{model.__tablename__}_polled" in {index.name for index in model.__table__.indexes}


@pytest.mark.parametrize("model", work_tables(), ids=lambda model: model.__tablename__)
def test_a_sweep_of_many_rows_reads_the_index(database, model):
    name = model.__tablename__
    with database.transaction() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(
            text(f"EXPLAIN SELECT id FROM {name} WHERE state = 'due' AND next_at <= now() ORDER BY next_at")
        ).scalars()
        assert f"ix_{name}_polled" in "\n".join(plan)


def test_all_that_belongs_to_somebody_goes_with_them(database, tmp_path):
    world = worlds.build(database, tmp_path)
    try:
        for name in ("goes", "stays"):
            tenant_id, _ = worlds.with_news(database, name=name)
            worlds.drive(world, job.DIGEST, rows.run(database, tenant_id))
    finally:
        world.close()
    before = counts(database)
    with database.transaction() as session:
        subscription.remove_tenant(session, "goes", live=True)
    after = counts(database)
    assert {name for name, count in before.items() if count} >= {"post", "story", "claim", "fate", "delivery"}
    assert {name: after[name] for name in before if name not in SHARED} == {
        name: count / 2 for name, count in before.items() if name not in SHARED
    }
    assert after["tenant"] == 1


def counts(database):
    with database.transaction() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        }


def test_a_live_tenant_is_not_removed_for_a_backtest(database):
    rows.tenant(database, "live")
    rows.tenant(database, "backtest", live=False)
    with database.transaction() as session:
        for name in ("live", "backtest"):
            subscription.remove_tenant(session, name)
        assert session.scalars(select(Tenant.name)).all() == ["live"]


def test_every_table_says_whose_its_rows_are():
    """Directly, or by a row that does; except what is by hash and a provider's budget."""
    orphans = {
        table.name
        for table in Base.metadata.sorted_tables
        if table.name not in SHARED
        and not any(key.column.table.name != "artifact" for key in table.foreign_keys)
    }
    assert orphans == set()
    assert llm_table.Budget.__table__ in Base.metadata.sorted_tables


def unindexed_references():
    """Foreign keys to rows that are deleted by the thousand, which no index of their own table begins with."""
    for table in Base.metadata.sorted_tables:
        leading = {next(iter(index.columns)).name for index in table.indexes if index.columns}
        leading |= {
            next(iter(one.columns)).name
            for one in table.constraints
            if not isinstance(one, ForeignKeyConstraint) and len(one.columns)
        }
        for key in table.foreign_keys:
            if key.column.table.name in {"post", "story", "run", "source"} and key.parent.name not in leading:
                yield f"{table.name}.{key.parent.name}"


def test_removing_many_rows_does_not_scan_a_table_for_each():
    assert list(unindexed_references()) == []


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE subscription SET cron = '0 8 * * *'", "one_schedule"),
        ("UPDATE subscription SET period_s = NULL", "one_schedule"),
        ("UPDATE run SET window_end = window_start", "ck_run_window"),
        ("UPDATE run SET digest_sha256 = 'none'", "fk_run_digest_sha256_artifact"),
    ],
)
def test_what_may_not_be_is_refused_by_the_database(database, statement, complaint):
    rows.run(database, rows.tenant(database))
    with pytest.raises(IntegrityError, match=complaint), database.transaction() as session:
        session.execute(text(statement))


def test_a_window_has_one_run(database):
    run_id = rows.run(database, rows.tenant(database))
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
    twin = {
        name: getattr(run, name)
        for name in ("tenant_id", "subscription_id", "domain", "window_start", "window_end")
    }
    with pytest.raises(IntegrityError, match="uq_run"), database.transaction() as session:
        session.execute(insert(Run).values(**twin))


def test_times_come_back_aware_in_utc(database):
    run_id = rows.run(database, rows.tenant(database))
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
    assert run.window_start == DAY
    assert run.window_start.utcoffset() == DAY.utcoffset()


def test_states_are_those_that_the_manifest_may_have():
    assert set(schema.STATES) == {"due", "leased", "done", "dead", "held", "unknown"}
