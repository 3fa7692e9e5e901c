"""The database: every revision goes both ways, the models are what the migrations make, transactions are short."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domains.errors import SvodkaError, Unavailable
from services import database as product
from services.database import Database
from services.schema import Base, Post, Tenant
from services.valkey import free_port
from tests import rows, servers
from tests.rows import entry

ROOT = Path(product.__file__).parent
CATALOGUE = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> coalesce(to_regclass('alembic_version'), 0)""",
}


def revisions():
    return [one.revision for one in ScriptDirectory.from_config(product.alembic_config()).walk_revisions()][
        ::-1
    ]


def catalogue(base):
    """Everything that PostgreSQL knows of our tables, to be compared."""
    with base.engine.connect() as connection:
        return {
            name: {tuple(row) for row in connection.execute(text(query))} for name, query in CATALOGUE.items()
        }


def tables(base):
    with base.engine.connect() as connection:
        found = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        return set(found.scalars()) - {"alembic_version"}


def import_every_table():
    """Import each module that declares one, whether the migrations know of it or not."""
    for path in ROOT.rglob("*.py"):
        if re.search(r"^\s+__tablename__ = ", path.read_text(encoding="utf-8"), re.MULTILINE):
            import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))


def test_revisions_are_one_line_and_numbered():
    scripts = ScriptDirectory.from_config(product.alembic_config())
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert revisions() == [f"{number:04}" for number in range(1, len(revisions()) + 1)]
    assert product.head() == revisions()[-1]


def test_an_empty_database_is_brought_up_and_down_and_up_again(bare_database):
    assert bare_database.revision() is None
    bare_database.migrate()
    first = catalogue(bare_database)
    assert bare_database.revision() == product.head()
    assert tables(bare_database) >= {"tenant", "post", "run", "dead_letter"}
    bare_database.migrate("base")
    assert bare_database.revision() is None
    assert catalogue(bare_database) == {name: set() for name in CATALOGUE}
    bare_database.migrate()
    assert catalogue(bare_database) == first


def test_each_revision_goes_up_down_and_up(bare_database):
    shapes = {None: catalogue(bare_database)}
    below = None
    for revision in revisions():
        bare_database.migrate(revision)
        shapes[revision] = catalogue(bare_database)
        assert shapes[revision] != shapes[below]
        bare_database.migrate(below or "base")
        assert (bare_database.revision(), catalogue(bare_database)) == (below, shapes[below])
        bare_database.migrate(revision)
        assert (bare_database.revision(), catalogue(bare_database)) == (revision, shapes[revision])
        below = revision


def test_a_database_with_rows_goes_down_and_up(fresh_database):
    feed = rows.feed(fresh_database, rows.tenant(fresh_database))
    with fresh_database.transaction() as session:
        tenant_id = session.query(Tenant.id).scalar()
    rows.posts(fresh_database, tenant_id, feed, entry(1, "Something happened in the town."))
    fresh_database.migrate("0001")
    with fresh_database.transaction() as session:
        assert session.query(Post).count() == 1
    fresh_database.migrate()
    with fresh_database.transaction() as session:
        assert session.query(Post).count() == 1
    fresh_database.migrate("base")
    assert tables(fresh_database) == set()


def test_migrating_again_changes_nothing(fresh_database):
    before = catalogue(fresh_database)
    for revision in ("head", product.head()):
        fresh_database.migrate(revision)
    assert (fresh_database.revision(), catalogue(fresh_database)) == (product.head(), before)


def test_several_processes_that_migrate_at_once_do_it_once(bare_database):
    url = bare_database.engine.url.render_as_string(hide_password=False)

    def migrate(_):
        own = Database(url)
        own.migrate()
        own.dispose()

    # One thread at a time is inside Alembic, whose context is the process's; the lock in PostgreSQL sees to that.
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, range(3)))
    assert bare_database.revision() == product.head()


def test_the_models_are_what_the_migrations_make(fresh_database):
    import_every_table()
    with fresh_database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_indexes_and_checks_are_those_of_the_models_too(fresh_database, postgres_url):
    import_every_table()
    with servers.clone(postgres_url, migrated=False) as other:
        Base.metadata.create_all(other.engine)
        drawn = catalogue(other)
    made = catalogue(fresh_database)
    assert made["indexes"] == drawn["indexes"]
    assert made["constraints"] == drawn["constraints"]
    assert made["columns"] == drawn["columns"]


@pytest.mark.parametrize("revision", ["nonsense", "9999", "0001x"])
def test_a_revision_that_does_not_exist_is_named(fresh_database, revision):
    with pytest.raises(SvodkaError, match=revision):
        fresh_database.migrate(revision)


def test_a_schema_of_a_newer_program_is_left_alone_and_named(fresh_database):
    with fresh_database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SvodkaError, match="9999"):
        fresh_database.migrate()


def test_a_transaction_is_kept_whole_or_not_at_all(database):
    rows.tenant(database, "kept")
    with suppress(RuntimeError), database.transaction() as session:
        session.add(Tenant(name="lost"))
        session.flush()
        raise RuntimeError
    with database.transaction() as session:
        assert [one.name for one in session.query(Tenant)] == ["kept"]


def test_a_value_read_in_a_transaction_may_be_read_after_it(database):
    rows.tenant(database)
    with database.transaction() as session:
        row = session.query(Tenant).one()
    assert (row.name, row.state) == ("t", "due")


def test_a_broken_rule_is_a_bug_and_not_an_outage(database):
    rows.tenant(database)
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(Tenant(name="t"))


def test_a_server_that_is_not_there_is_unavailable():
    nowhere = Database(f"postgresql+psycopg://nobody:hunter2@127.0.0.1:{free_port()}/none")

    def ask():
        with nowhere.transaction() as session:
            session.connection()

    for attempt in (nowhere.migrate, ask):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert "hunter2" not in str(caught.value)
        assert caught.value.remedy
        assert caught.value.__cause__ is not None
    nowhere.dispose()


def test_a_connection_that_breaks_is_unavailable_and_the_next_one_works(database):
    with pytest.raises(Unavailable, match="PostgreSQL"), database.transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with database.transaction() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1


def test_nobody_waits_for_the_world_inside_a_transaction(database):
    with database.transaction() as session:
        limits = {
            name: session.execute(text(f"SHOW {name}")).scalar()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "timezone")
        }
    assert limits == {
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "30s",
        "timezone": "UTC",
    }


def test_a_transaction_that_sleeps_is_ended_and_not_borne(database):
    def oversleep():
        with database.transaction() as session:
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 50"))
            pid = session.execute(text("SELECT pg_backend_pid()")).scalar()
            servers.wait_until(lambda: is_gone(database, pid))
            session.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        oversleep()


def is_gone(database, pid):
    query = text("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = :pid)")
    with database.engine.connect() as connection:
        return connection.execute(query, {"pid": pid}).scalar()


def test_a_query_that_takes_too_long_is_unavailable(database):
    with pytest.raises(Unavailable, match="statement timeout"), database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 50; SELECT pg_sleep(5)"))
