"""Backup and restore on a real PostgreSQL with its own programs."""

import hashlib
import json
import subprocess

import pytest
from sqlalchemy import text

from domains.errors import Busy, InputError, NotFound, Refused, Unavailable, UsageError
from services import backup, deadletter
from services.database import Database, head
from tasks import job
from tests import rows, servers, worlds

SECRET = "pa ss'w0rd\\:"


@pytest.fixture
def target(bare_database):
    """An empty database with nobody connected; its URL."""
    bare_database.dispose()
    return url_of(bare_database)


@pytest.fixture
def saved(fresh_database, tmp_path, clock):
    """A backup of a database with news, a digest that was delivered and a run that is due.

    Returns the file, its manifest, what each table held, and the run that is due.
    """
    tenant_id, _ = worlds.with_news(fresh_database)
    world = worlds.build(fresh_database, tmp_path / "before")
    worlds.drive(world, job.DIGEST, rows.run(fresh_database, tenant_id))
    world.close()
    run_id = rows.run(fresh_database, tenant_id, name="second")
    file = tmp_path / "svodka.dump"
    made = backup.backup(url_of(fresh_database), file, clock)
    return file, made, content(fresh_database), run_id


def url_of(database):
    return database.engine.url.render_as_string(hide_password=False)


def content(database):
    """Every row of every table, as text, in no order."""
    with database.engine.connect() as connection:
        names = connection.scalars(text(backup.TABLES)).all()
        return {
            name: sorted(connection.scalars(text(f'SELECT t::text FROM public."{name}" t')).all())
            for name in names
        }


def shape(database):
    """What the schema is made of besides rows."""
    queries = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        """SELECT table_name || column_name || data_type || coalesce(column_default, '') || is_nullable
        FROM information_schema.columns WHERE table_schema = 'public'""",
        "SELECT sequencename || coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = 'public'",
    )
    with database.engine.connect() as connection:
        return [sorted(connection.scalars(text(query)).all()) for query in queries]


@pytest.fixture
def restored(target):
    """The target as a `Database`; no connection is made before it is used."""
    database = Database(target)
    yield database
    database.dispose()


def test_a_restored_database_is_the_saved_one_and_its_run_goes_on(
    saved, target, restored, fresh_database, tmp_path
):
    file, made, was, run_id = saved
    assert backup.restore(target, file) == made
    assert content(restored) == was
    assert shape(restored) == shape(fresh_database)
    assert sum(bool(number) for number in made.tables.values()) >= 12
    world = worlds.build(restored, tmp_path / "after")
    worlds.drive(world, job.DIGEST, run_id)
    world.close()
    with restored.transaction() as session:
        assert session.scalars(text("SELECT state FROM run")).all() == ["done", "done"]
        assert session.scalars(text("SELECT state FROM delivery")).all() == ["done", "done"]
        assert deadletter.letters(session) == []
    assert len(list(world.settings.digests.rglob("*.html"))) == 1


def test_the_manifest_says_what_is_in_the_file_and_both_are_the_owners_alone(saved, clock):
    file, made, was, _ = saved
    said = json.loads(backup.manifest_of(file).read_text("utf-8"))
    assert said["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert said["bytes"] == file.stat().st_size
    assert said["schema"] == head()
    assert said["tables"] == {name: len(found) for name, found in was.items() if name != "alembic_version"}
    assert made.made_at == clock.now()
    assert {one.stat().st_mode & 0o777 for one in (file, backup.manifest_of(file))} == {0o600}
    assert [one.name for one in sorted(file.parent.iterdir()) if "svodka" in one.name] == [
        "svodka.dump",
        "svodka.dump.json",
    ]


def test_a_backup_is_of_one_moment_though_workers_go_on(saved, fresh_database, tmp_path, clock, monkeypatch):
    """A post that is stored after the rows were counted and before pg_dump reads them is not in the file."""
    real = backup._dump

    def later(*arguments):
        rows.tenant(fresh_database, "came-meanwhile")
        real(*arguments)

    monkeypatch.setattr(backup, "_dump", later)
    file = tmp_path / "second.dump"
    made = backup.backup(url_of(fresh_database), file, clock)
    assert made.tables["tenant"] == 1
    assert len(content(fresh_database)["tenant"]) == 2
    fresh_database.dispose()
    backup.restore(url_of(fresh_database), file, force=True)
    assert len(content(fresh_database)["tenant"]) == 1


def test_rows_are_not_overwritten_unless_that_is_said(saved, fresh_database):
    file, _, was, _ = saved
    rows.tenant(fresh_database, "another")
    fresh_database.dispose()
    now = content(fresh_database)
    fresh_database.dispose()
    with pytest.raises(Refused, match="not empty: it has rows in artifact, claim"):
        backup.restore(url_of(fresh_database), file)
    assert content(fresh_database) == now
    fresh_database.dispose()
    backup.restore(url_of(fresh_database), file, force=True)
    assert content(fresh_database) == was


def test_a_migrated_database_without_rows_is_empty(saved, postgres_url):
    file, _, was, _ = saved
    with servers.clone(postgres_url) as other:
        other.dispose()
        backup.restore(url_of(other), file)
        assert content(other) == was


def test_nobody_else_may_be_connected(saved, fresh_database):
    file, *_ = saved
    fresh_database.dispose()
    with fresh_database.engine.connect(), pytest.raises(Busy, match="1 other connections"):
        backup.restore(url_of(fresh_database), file, force=True)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda body: body[:-10], "bytes, .* were written"),
        (lambda body: body[:900] + bytes([body[900] ^ 1]) + body[901:], "damaged: its sha256"),
    ],
)
def test_a_damaged_file_is_refused_before_anything_is_touched(saved, target, restored, harm, says):
    file, *_ = saved
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(InputError, match=says):
        backup.restore(target, file)
    assert content(restored) == {}


def test_half_of_a_backup_is_none(saved, target):
    file, *_ = saved
    backup.manifest_of(file).unlink()
    with pytest.raises(NotFound, match=r"no file .*svodka\.dump\.json"):
        backup.restore(target, file)


@pytest.mark.parametrize("text_", ["", "{", "[]", '{"format": 1}'])
def test_a_manifest_that_is_none_is_refused(saved, target, text_):
    file, *_ = saved
    backup.manifest_of(file).write_text(text_, "utf-8")
    with pytest.raises(InputError, match="not a backup's manifest"):
        backup.restore(target, file)


def amend(file, **values):
    beside = backup.manifest_of(file)
    beside.write_text(json.dumps(json.loads(beside.read_text("utf-8")) | values), "utf-8")


def test_a_backup_of_a_newer_program_is_refused(saved, target):
    file, *_ = saved
    amend(file, schema="9999")
    with pytest.raises(UsageError, match="schema '9999'"):
        backup.restore(target, file)
    amend(file, format=2)
    with pytest.raises(InputError, match="format 2"):
        backup.restore(target, file)


def test_an_archive_that_breaks_off_changes_nothing(saved, fresh_database):
    """Its manifest fits, so only loading it shows that it is cut: the rows that were there are there."""
    file, _, was, _ = saved
    body = file.read_bytes()[: file.stat().st_size * 9 // 10]
    file.write_bytes(body)
    amend(file, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    fresh_database.dispose()
    with pytest.raises((InputError, Unavailable)):
        backup.restore(url_of(fresh_database), file, force=True)
    assert content(fresh_database) == was


def test_fewer_rows_than_were_saved_undo_the_restore(saved, fresh_database):
    file, made, was, _ = saved
    amend(file, tables={**made.tables, "tenant": 2})
    fresh_database.dispose()
    with pytest.raises(Unavailable, match="table tenant has 1 rows after the restore, 2 were saved"):
        backup.restore(url_of(fresh_database), file, force=True)
    assert content(fresh_database) == was


def test_an_older_backup_is_brought_to_the_newest_schema(postgres_url, target, restored, tmp_path, clock):
    with servers.clone(postgres_url, migrated=False) as old:
        old.migrate("0001")
        file = tmp_path / "old.dump"
        assert backup.backup(url_of(old), file, clock).schema == "0001"
    backup.restore(target, file)
    assert restored.revision() == head()


def test_a_file_that_is_there_is_kept(saved, fresh_database, clock):
    file, *_ = saved
    body = file.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        backup.backup(url_of(fresh_database), file, clock)
    assert file.read_bytes() == body


def test_a_database_without_our_schema_is_not_saved(target, tmp_path, clock):
    with pytest.raises(Refused, match="no schema of Svodka"):
        backup.backup(target, tmp_path / "x.dump", clock)
    assert not list(tmp_path.glob("*x.dump*"))


def test_a_dump_that_fails_leaves_nothing(fresh_database, tmp_path, clock, monkeypatch):
    broken = tmp_path / "bin" / "pg_dump"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'pg_dump: error: no luck' >&2\nexit 1\n", "utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(backup, "_binary", lambda name: str(broken.with_name(name)))
    with pytest.raises(Unavailable, match="pg_dump: error: no luck"):
        backup.backup(url_of(fresh_database), tmp_path / "x.dump", clock)
    assert not list(tmp_path.glob("*x.dump*"))


def test_the_password_is_on_no_command_line_and_in_no_error(fresh_database, tmp_path):
    url = fresh_database.engine.url.set(password=SECRET).render_as_string(hide_password=False)
    argv, env = backup._command(url, "pg_dump", "--version")
    assert SECRET not in " ".join(argv)
    assert "w0rd" not in " ".join(argv)
    assert env["PGPASSWORD"] == SECRET
    away = "postgresql+psycopg://me:hunter2@127.0.0.1:1/nothing"
    with pytest.raises(Unavailable) as caught:
        backup.backup(away, tmp_path / "x", None)
    assert "hunter2" not in str(caught.value)


def test_the_programs_take_the_password_that_the_url_has(fresh_database):
    """A role with a password, over TCP rules: libpq is given what SQLAlchemy would give it."""
    argv, env = backup._command("postgresql+psycopg://me:a%40b@h:5433/d?sslmode=require", "psql")
    assert "host=h" in argv[2]
    assert "port=5433" in argv[2]
    assert "sslmode=require" in argv[2]
    assert "user=me" in argv[2]
    assert env["PGPASSWORD"] == "a@b"


def test_the_archive_is_a_plain_one(saved):
    file, *_ = saved
    listed = subprocess.run(
        [backup._binary("pg_restore"), "--list", str(file)], capture_output=True, text=True, check=True
    )
    assert "TABLE DATA public post" in listed.stdout
