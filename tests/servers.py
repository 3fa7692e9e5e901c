"""Real servers for the tests: one PostgreSQL for all workers of a run, cheap copies of one migrated database."""

import secrets
import socket
import threading
import time
from contextlib import contextmanager, suppress
from uuid import uuid4

import psycopg
import pytest
from neo4j._async_compat.network import _bolt_socket
from psycopg import sql
from sqlalchemy import make_url

from services.database import Database
from services.embedded import Postgres

TEMPLATE = "template_svodka"
# A test's data need not survive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


def wait_until(predicate, *, timeout_s=60.0, every_s=0.02):
    """Return the predicate's first true value. Raises AssertionError when there is none in time.

    The time is for a machine on which two cores do the work of ten; where all is well it is never used up.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {predicate}")
        time.sleep(every_s)
    return value


def free_port():
    """A port of loopback for a server that is started later.

    It lies below those that the kernel gives to whoever asks for any, so nobody comes by it in the meantime.
    """
    while True:
        port = secrets.randbelow(20_000) + 10_000
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def graph_sockets_closed():
    """Keep each socket that the graph's driver opens, and close them when the last conversations are over.

    The driver forgets one whose greeting was cut off; left to the collector, it would become another test's warning.
    """
    opened = []

    class Kept(socket.socket):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            opened.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_bolt_socket, "socket", Kept)
        yield
    for thread in threading.enumerate():
        if thread.name.startswith("bolt"):
            thread.join(60)
    for one in opened:
        one.close()


@contextmanager
def postgres(folder):
    """Yield the URL of a server in ``folder`` that all callers share; the last one to leave stops and deletes it."""
    server = Postgres(folder, log=folder.with_suffix(".log"), options=FAST)
    server.start()
    try:
        yield server.url("postgres")
    finally:
        server.stop()
        server.remove()


@contextmanager
def admin(server_url):
    """Yield an autocommit connection to the server."""
    url = make_url(server_url)
    with psycopg.connect(
        host=url.query["host"], user=url.username, dbname=url.database, autocommit=True
    ) as connection:
        yield connection


def on(server_url, name):
    """Return the URL of a database of the server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def make_template(server_url):
    """Migrate one database, once a server."""
    with admin(server_url) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('template'))")
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [TEMPLATE]).rowcount:
            return
        connection.execute("DROP DATABASE IF EXISTS template_draft WITH (FORCE)")
        connection.execute("CREATE DATABASE template_draft")
        draft = Database(on(server_url, "template_draft"))
        draft.migrate()
        draft.dispose()
        connection.execute(
            sql.SQL("ALTER DATABASE template_draft RENAME TO {}").format(sql.Identifier(TEMPLATE))
        )


@contextmanager
def clone(server_url, *, migrated=True):
    """Yield a Database of its own, a copy of the migrated template or an empty one; it is dropped afterwards."""
    name = f"clone_{uuid4().hex}"
    with admin(server_url) as connection:
        template = TEMPLATE if migrated else "template0"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(on(server_url, name))
    try:
        yield database
    finally:
        database.dispose()
        with admin(server_url) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Emptier:
    """Deletes every row of a migrated database, in milliseconds; the schema and its revision stay."""

    def __init__(self, url):
        self._connection = psycopg.connect(
            host=make_url(url).query["host"],
            user=make_url(url).username,
            dbname=make_url(url).database,
            autocommit=True,
        )
        found = self._connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        deletes = "".join(f'DELETE FROM "{name}";' for (name,) in found)
        # As a replica, foreign keys are not looked at, so the order does not matter.
        self._script = f"BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL lock_timeout = '5s'; {deletes} COMMIT"

    def empty(self):
        self._connection.execute(self._script)

    def close(self):
        self._connection.close()
