"""The tables of memory are what their migration makes, there and back."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from services import diary
from services.database import head
from services.llm import table
from services.schema import Base

OWN = {diary.Episode.__tablename__, diary.Signal.__tablename__, diary.PersonaRow.__tablename__}


def test_the_migrations_make_the_tables_that_the_program_knows(fresh_database):
    assert table.Budget.__tablename__ in Base.metadata.tables
    with fresh_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_they_go_and_come_back(fresh_database):
    fresh_database.migrate("0002")
    assert not OWN & set(inspect(fresh_database.engine).get_table_names())
    fresh_database.migrate()
    assert set(inspect(fresh_database.engine).get_table_names()) >= OWN
    assert fresh_database.revision() == head()
