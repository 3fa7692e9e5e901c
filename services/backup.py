"""Backups: everything in Postgres, as one archive of pg_dump and a small JSON file that says what is in it.

    backup   one snapshot ─▶ rows counted ─▶ pg_dump of the same snapshot ─▶ FILE, FILE.json
    restore  FILE.json ─▶ sha256 of FILE ─▶ one transaction: drop, load, count again ─▶ migrate

FILE stays a plain archive in pg_dump's custom format. A restore happens as a whole or not at all. Qdrant, Neo4j and
Valkey are derived from Postgres (docs/adr/0001) and are in no backup.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

import msgspec
import psycopg
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from domains.errors import Busy, InputError, NotFound, Refused, Unavailable, UsageError
from domains.ports import Clock
from services import disk, embedded, settings
from services.database import CONNECT_S, Database, alembic_config

FORMAT: Final = 1
CHUNK_BYTES: Final = 1024**2
TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
REVISIONS: Final = "alembic_version"
# What is in the way goes in the same transaction in which the new comes. PL/pgSQL, as the rest of the script.
DROP: Final = f"""DO $$ DECLARE name text; BEGIN
SET LOCAL lock_timeout = '30s';
FOR name IN {TABLES} LOOP EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', name); END LOOP;
END $$;"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``schema`` is Alembic's revision, ``tables`` the number of rows by table."""

    made_at: datetime
    schema: str
    program: str
    server: str
    tables: Mapping[str, int]
    bytes: int = 0
    sha256: str = ""
    format: int = FORMAT


def manifest_of(path: Path) -> Path:
    """Return where the manifest of the backup ``path`` lies."""
    return path.with_name(f"{path.name}.json")


def backup(url: str, path: Path, clock: Clock) -> Manifest:
    """Write everything of the database to ``path``, as it is at one moment, and return what that is.

    Workers may go on meanwhile. Raises UsageError when ``path`` is there already, Refused for a database without our
    schema, Unavailable when PostgreSQL or the disk is in the way; no half-made backup is left.
    """
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="name another file, or move that one away")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with disk.named(path), _connected(url) as connection:
        disk.make(path.parent)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        manifest = _look(connection, clock)
        snapshot = _one(connection, "SELECT pg_export_snapshot()")
        try:
            # Made for the owner's eyes only; pg_dump keeps the rights of a file that is there.
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _dump(url, snapshot, draft)
            manifest = replace(manifest, bytes=draft.stat().st_size, sha256=_sha256(draft))
            disk.write(manifest_of(path), msgspec.json.format(msgspec.json.encode(manifest)).decode() + "\n")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return manifest


def read(path: Path) -> Manifest:
    """Return what the backup ``path`` holds, once its bytes are seen to be those that were written.

    Raises NotFound when the backup or its manifest is not there, InputError when either is damaged.
    """
    beside = manifest_of(path)
    for one in (path, beside):
        if not one.is_file():
            raise NotFound(
                f"no file {one}", remedy="a backup is two files, FILE and FILE.json, kept side by side"
            )
    try:
        manifest = msgspec.json.decode(beside.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{beside} is not a backup's manifest: {error}", remedy="use another backup"
        ) from error
    if manifest.format != FORMAT:
        raise InputError(f"{beside} has format {manifest.format}, this program reads {FORMAT}",
                         remedy="use the program that made it, or a newer one")  # fmt: skip
    if (found := path.stat().st_size) != manifest.bytes:
        raise InputError(
            f"{path} has {found} bytes, {manifest.bytes} were written", remedy="use another backup"
        )
    if _sha256(path) != manifest.sha256:
        raise InputError(
            f"{path} is damaged: its sha256 is not that in {beside.name}", remedy="use another backup"
        )
    return manifest


def restore(url: str, path: Path, *, force: bool = False) -> Manifest:
    """Replace the database's content by a backup, whole or not at all; return what was in the backup.

    The schema is brought to the program's revision afterwards. Raises Refused when the database has rows and ``force``
    was not said, Busy while somebody else is connected, UsageError for a backup from a newer program, InputError for a
    damaged one, Unavailable when PostgreSQL is in the way. After any of them the database is as it was.
    """
    manifest = read(path)
    _check_known(manifest, path)
    with _connected(url) as connection:
        _check_alone(connection)
        if not force and (full := [name for name, rows in _counts(connection).items() if rows]):
            raise Refused(
                f"the database is not empty: it has rows in {', '.join(full[:5])}{' …' if full[5:] else ''}",
                remedy="restore into an empty database, or say --force to replace everything in this one",
            )
    _load(url, path, manifest)
    database = Database(url)
    try:
        database.migrate()
    finally:
        database.dispose()
    return manifest


def _load(url: str, path: Path, manifest: Manifest) -> None:
    """Drop, load and count in one transaction of psql, which alone reads what pg_restore writes.

    COMMIT is said only when pg_restore has ended well: without it psql's end undoes everything.
    """
    script = (_binary("pg_restore"), "--no-owner", "--no-privileges", "--no-comments", "--file=-", str(path))
    with ExitStack() as closing:
        said = {name: closing.enter_context(TemporaryFile()) for name in ("pg_restore", "psql")}
        reader = closing.enter_context(_piped(script, said["pg_restore"], stdout=subprocess.PIPE))
        command, env = _command(url, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
        writer = closing.enter_context(_piped(command, said["psql"], stdin=subprocess.PIPE, env=env))
        # A psql that has failed reads no further, and without a reader pg_restore ends too.
        with suppress(BrokenPipeError), writer.stdin, reader.stdout:  # type: ignore[union-attr]  # both are pipes
            writer.stdin.write(f"BEGIN;\n{DROP}\n".encode())  # type: ignore[union-attr]
            shutil.copyfileobj(reader.stdout, writer.stdin)  # type: ignore[arg-type]
            if reader.wait() == 0:
                writer.stdin.write(f"\n{_check_counts(manifest)}\nCOMMIT;\n".encode())  # type: ignore[union-attr]
        if writer.wait():
            raise Unavailable(
                f"psql failed: {_trouble(said['psql'])}", remedy="nothing was changed; run `svodka doctor`"
            )
        if reader.wait():
            raise InputError(
                f"pg_restore cannot read {path}: {_trouble(said['pg_restore'])}",
                remedy="nothing was changed; use another backup",
            )


@contextmanager
def _piped(argv: Sequence[str], said: IO[bytes], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that has ended when the block has."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **pipes}
    process: subprocess.Popen[bytes] = subprocess.Popen(argv, stderr=said, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _check_counts(manifest: Manifest) -> str:
    """Return SQL that fails unless each table has the rows that were counted when the backup was made."""
    checks = "".join(
        f"SELECT count(*) INTO found FROM public.{_quoted(name)}; "
        f"IF found <> {int(rows)} THEN "
        f"RAISE EXCEPTION 'table % has % rows after the restore, % were saved', {_literal(name)}, found, {int(rows)}; "
        "END IF; "
        for name, rows in manifest.tables.items()
    )
    return f"DO $check$ DECLARE found bigint; BEGIN {checks}END $check$;"


def _check_known(manifest: Manifest, path: Path) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if manifest.schema not in known:
        raise UsageError(
            f"{path} has schema {manifest.schema!r}, which Svodka {version('svodka')} does not know",
            remedy=f"restore it with Svodka {manifest.program} or a newer one",
        )


def _check_alone(connection: psycopg.Connection[Any]) -> None:
    others = _one(
        connection,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    if others:
        raise Busy(
            f"{others} other connections use this database",
            remedy="stop `svodka up`, or the workers, beat, Flower and the web server, then try again",
        )


def _look(connection: psycopg.Connection[Any], clock: Clock) -> Manifest:
    counts = _counts(connection)
    if not _one(connection, "SELECT to_regclass('public.alembic_version')"):
        raise Refused("this database has no schema of Svodka", remedy="see SVODKA_DATABASE_URL")
    return Manifest(
        made_at=clock.now(),
        schema=_one(connection, f"SELECT version_num FROM {REVISIONS}"),
        program=version("svodka"),
        server=connection.info.parameter_status("server_version") or "",
        tables=counts,
    )


def _counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    names = [name for (name,) in connection.execute(TABLES) if name != REVISIONS]
    counted = (
        (name, _one(connection, sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(name))))
        for name in names
    )
    return dict(counted)


def _one(connection: psycopg.Connection[Any], query: str | sql.Composed) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection without the program's time limits: a dump may take an hour."""
    values = _values(url)
    try:
        connection = psycopg.connect(**values, connect_timeout=CONNECT_S, autocommit=True)
    except psycopg.Error as error:
        raise Unavailable(
            f"PostgreSQL does not answer: {_last(str(error))}", remedy="run `svodka doctor`"
        ) from error
    try:
        yield connection
    except psycopg.Error as error:
        raise Unavailable(f"PostgreSQL: {_last(str(error))}", remedy="run `svodka doctor`") from error
    finally:
        with suppress(psycopg.Error):
            connection.close()


def _values(url: str) -> dict[str, Any]:
    """Return libpq's parameters of a SQLAlchemy URL."""
    made = make_url(url)
    return {**made.translate_connect_args(username="user", database="dbname"), **made.query}


def _command(url: str, program: str, *arguments: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the command line that runs one of PostgreSQL's programs on the database, and its environment.

    The password is in the environment, which its owner alone may read, and never on the command line, which anybody may.
    """
    values = _values(url)
    if "sslpassword" in values:
        raise UsageError("PostgreSQL's programs take no sslpassword", remedy="use a key without a passphrase")
    password = values.pop("password", None)
    env = settings.child_environment() | {"LC_ALL": "C"}
    env |= {"PGPASSWORD": str(password)} if password else {}
    where = make_conninfo(**values, connect_timeout=CONNECT_S)
    return (_binary(program), "--no-password", f"--dbname={where}", *arguments), env


def _dump(url: str, snapshot: str, path: Path) -> None:
    options = ("--format=custom", "--no-owner", "--no-privileges", "--no-comments", f"--snapshot={snapshot}")
    command, env = _command(url, "pg_dump", *options, f"--file={path}")
    with TemporaryFile() as said, _piped(command, said, env=env) as process:
        if process.wait():
            raise Unavailable(f"pg_dump failed: {_trouble(said)}", remedy="run `svodka doctor`")


def _binary(name: str) -> str:
    """Return the wheel's program, or the machine's where the wheel has none. Raises Unavailable."""
    with suppress(Unavailable):
        return str(embedded.postgres_binary(name))
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"no {name} on this machine", remedy="install PostgreSQL's client programs")
    return found


def _trouble(said: IO[bytes]) -> str:
    """Return the first line that names an error, else the last: what follows an error only cleans up."""
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    named = (line for line in lines if "error" in line.lower() or "FATAL" in line)
    return next(named, lines[-1] if lines else "without a word")


def _last(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no word")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
