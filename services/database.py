"""PostgreSQL: the engine, short transactions, and the schema's version."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import Error
from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from domains.errors import Unavailable, UsageError

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
CONNECT_S: Final = 5
STATEMENT_MS: Final = 60_000
IDLE_IN_TRANSACTION_MS: Final = 30_000
# As every work takes two or three connections a few milliseconds apart, asking each time was a third of its trips.
RESTED_S: Final = 1.0
USED: Final = "used"


class Database:
    """One process's way to PostgreSQL. Made after the fork; not shared with a child."""

    def __init__(self, url: str, *, pool_size: int = 4) -> None:
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            connect_args={
                "connect_timeout": CONNECT_S,
                # Law 3: nobody waits for the world inside a transaction; if somebody does, it is ended, not borne.
                "options": f"-c statement_timeout={STATEMENT_MS} "
                f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS} -c timezone=UTC",
            },
        )
        event.listen(self.engine, "checkout", self._ping)
        event.listen(self.engine, "checkin", _note_use)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session; commit when the block ends, roll back when it raises.

        Raises Unavailable when PostgreSQL does not answer or breaks off.
        """
        with _translated(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def at_once(self) -> Iterator[Session]:
        """Yield a session whose every statement is a transaction of its own, in one trip to the server instead of three.

        Raises Unavailable as `transaction` does.
        """
        with _translated(), Session(self._autocommit, expire_on_commit=False) as session:
            yield session

    def _ping(self, connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        """Ask whether a connection that rested is still there; one that just worked is spared the trip to the server."""
        if time.monotonic() - record.info.get(USED, -math.inf) < RESTED_S:
            return
        try:
            self.engine.dialect.do_ping(connection)
        except Error as error:
            # The pool throws away what is older than this moment and connects anew.
            raise InvalidatePoolError(str(error)) from error

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to ``revision``, upwards or downwards."""
        try:
            with self.engine.begin() as connection:
                # Two processes that start together must not migrate together.
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('svodka.migrate'))"))
                config = alembic_config()
                config.attributes["connection"] = connection
                if revision == "head" or self._is_upgrade(config, revision):
                    command.upgrade(config, revision)
                else:
                    command.downgrade(config, revision)
        except CommandError as error:
            raise UsageError(
                f"cannot migrate to {revision!r}: {error}",
                remedy=f"this program knows revisions up to {head()}; a newer database needs a newer program",
            ) from error
        except (OperationalError, InterfaceError) as error:
            raise Unavailable(
                f"cannot migrate: {_first_line(error)}", remedy="run `svodka doctor`"
            ) from error

    def revision(self) -> str | None:
        """Return the schema's present revision, or None for an empty database."""
        try:
            with self.engine.connect() as connection:
                return MigrationContext.configure(connection).get_current_revision()
        except (OperationalError, InterfaceError) as error:
            raise Unavailable(
                f"PostgreSQL does not answer: {_first_line(error)}", remedy="run `svodka doctor`"
            ) from error

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _is_upgrade(self, config: Config, revision: str) -> bool:
        scripts = [s.revision for s in ScriptDirectory.from_config(config).walk_revisions()]
        current = MigrationContext.configure(config.attributes["connection"]).get_current_revision()
        order = [*reversed(scripts)]
        position = order.index(current) if current else -1
        return revision in order and order.index(revision) > position


def _note_use(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info[USED] = time.monotonic()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, InternalError) as error:
        if isinstance(error, InternalError) and not isinstance(error.orig, IdleInTransactionSessionTimeout):
            raise
        raise Unavailable(
            f"PostgreSQL does not answer: {_first_line(error)}", remedy="run `svodka doctor`"
        ) from error


def alembic_config() -> Config:
    """Return Alembic's configuration; no ini file, so that it works from an installed package."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def head() -> str:
    """Return the newest revision of the schema."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
