"""Rolling upgrades: a migration only adds, so that workers of the version before go on while it is there.

What each migration makes of a real database is compared with what was there before it.
"""

from itertools import pairwise

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from services.database import alembic_config

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_generated <> 'NEVER', is_identity = 'YES'
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'x')
UNION
SELECT tablename, indexname FROM pg_indexes
WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%' AND tablename <> 'alembic_version'
"""


def revisions():
    scripts = ScriptDirectory.from_config(alembic_config())
    return [one.revision for one in reversed(list(scripts.walk_revisions()))]


def shape(database):
    with database.engine.connect() as connection:
        columns = {(table, name): rest for table, name, *rest in connection.execute(text(COLUMNS))}
        return columns, {tuple(row) for row in connection.execute(text(CONSTRAINTS))}


def faults(before, after):
    """What workers of the version before would stumble over."""
    (old, constraints), (new, more) = before, after
    tables = {table for table, _ in old}
    for cell, (type_, nullable, _default, *_) in old.items():
        if cell not in new:
            yield f"{'.'.join(cell)} is gone"
        elif new[cell][0] != type_:
            yield f"{'.'.join(cell)} was {type_} and is {new[cell][0]}"
        elif nullable == "YES" and new[cell][1] == "NO":
            yield f"{'.'.join(cell)} may no longer be null"
    for cell in set(new) - set(old):
        _type, nullable, default, generated, identity = new[cell]
        if cell[0] in tables and nullable == "NO" and default is None and not generated and not identity:
            yield f"{'.'.join(cell)} is new, must be given and has no default"
    yield from (f"{table} is bound by {name}" for table, name in more - constraints if table in tables)


@pytest.fixture
def ladder(bare_database):
    """What the schema looks like after each migration."""
    found = {}
    for revision in revisions():
        bare_database.migrate(revision)
        found[revision] = shape(bare_database)
    return found


def test_every_migration_only_adds(ladder):
    steps = list(ladder.items())
    assert len(steps) >= 10
    wrong = {revision: list(faults(before, after)) for (_, before), (revision, after) in pairwise(steps)}
    assert {revision: what for revision, what in wrong.items() if what} == {}


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ALTER TABLE source DROP COLUMN family", "source.family is gone"),
        ("ALTER TABLE source RENAME COLUMN family TO house", "source.family is gone"),
        ("DROP TABLE fate CASCADE", "fate.run_id is gone"),
        (
            "ALTER TABLE source ALTER COLUMN family TYPE varchar(9)",
            "source.family was text and is character varying",
        ),
        ("ALTER TABLE source ALTER COLUMN url SET NOT NULL", "source.url may no longer be null"),
        (
            "ALTER TABLE source ADD COLUMN colour text NOT NULL",
            "source.colour is new, must be given and has no default",
        ),
        ("ALTER TABLE source ADD CHECK (failures < 9)", "source is bound by source_failures_check"),
        ("CREATE UNIQUE INDEX one_house ON source (family)", "source is bound by one_house"),
        ("ALTER TABLE source ADD COLUMN colour text", None),
        ("ALTER TABLE source ADD COLUMN colour text NOT NULL DEFAULT 'red'", None),
        ("CREATE TABLE colour (name text NOT NULL)", None),
    ],
)
def test_a_change_that_breaks_the_version_before_is_found(fresh_database, statement, says):
    before = shape(fresh_database)
    with fresh_database.transaction() as session:
        session.connection().exec_driver_sql(statement)
    found = list(faults(before, shape(fresh_database)))
    assert (says in found) if says else found == []
