"""Alembic's entry: runs on the connection that `services.database` hands over, or makes its own for the CLI."""

from alembic import context
from sqlalchemy import Connection, create_engine

from services import almanac, apikey, audit, diary, lineage, mention, pace, query, settings, shelving
from services.llm import table as llm_table
from services.schema import Base

# What is not imported here would look to Alembic as if it were to be dropped.
TABLES = (Base, llm_table, almanac, apikey, audit, diary, lineage, mention, pace, query, shelving)


def run(connection: Connection) -> None:
    """Run the migrations that Alembic's command asked for."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = settings.load().database_url
    if url is None:
        raise SystemExit("set SVODKA_DATABASE_URL to run alembic by hand")
    with create_engine(url.get_secret_value()).begin() as own:
        run(own)
