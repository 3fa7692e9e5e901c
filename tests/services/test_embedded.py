"""PostgreSQL and Valkey from wheels: shared, restarted, crashed, in odd places."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text

from domains.errors import Unavailable
from services import embedded, lock, valkey
from services.embedded import Postgres
from services.valkey import Valkey
from tests.servers import FAST, wait_until

pytestmark = pytest.mark.xdist_group("embedded")


def postgres(folder):
    return Postgres(folder / "postgres", log=folder / "log" / "postgres.log", options=FAST)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A folder with PostgreSQL's data, made once for the whole file."""
    folder = tmp_path_factory.mktemp("cluster")
    with postgres(folder):
        pass
    return folder


@pytest.fixture
def server(cluster):
    with postgres(cluster) as server:
        yield server
    assert not server.alive()


def ask(server, question):
    engine = create_engine(server.url())
    try:
        with engine.connect() as connection:
            return connection.execute(text(question)).scalar()
    finally:
        engine.dispose()


def test_it_answers_at_its_url_with_vectors_at_hand(server):
    assert server.answers()
    assert ask(server, "SHOW server_version").startswith(server.version())
    assert ask(server, "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 1
    assert psutil.Process(server.pid()).name() == "postgres"


def test_its_order_and_case_do_not_depend_on_the_machine(server):
    assert ask(server, "SELECT lower('ЇЖАК') || upper('ё')") == "їжакЁ"
    assert ask(server, "SHOW timezone") == "UTC"


def test_nobody_else_can_reach_it(server):
    assert ask(server, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


def test_it_runs_until_its_last_user_leaves(cluster):
    first, second = postgres(cluster), postgres(cluster)
    first.start()
    second.start()
    assert first.pid() == second.pid()
    first.stop()
    assert second.answers()
    second.stop()
    assert not second.alive()
    assert not second.answers()


def test_many_starting_at_once_on_nothing_share_one_server(tmp_path):
    servers = [postgres(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Postgres.start, servers))
        assert len({server.pid() for server in servers}) == 1
        assert all(server.answers() for server in servers)
        list(pool.map(Postgres.stop, servers))
    assert not servers[0].alive()


def test_a_user_killed_with_9_leaves_no_server(cluster):
    script = (
        "import sys, time; from pathlib import Path; from services import embedded\n"
        "with embedded.borrowed(Path(sys.argv[1])) as url: print(url, flush=True); time.sleep(100)"
    )
    user = subprocess.Popen([sys.executable, "-c", script, str(cluster)], stdout=subprocess.PIPE, text=True)
    with user:
        assert user.stdout.readline().strip() == postgres(cluster).url()
        assert postgres(cluster).alive()
        user.kill()
    wait_until(lambda: not postgres(cluster).alive())


def test_a_user_that_leaves_while_another_comes_takes_nothing_from_it(cluster):
    with postgres(cluster) as leaving:
        assert leaving.answers()
        with ThreadPoolExecutor(1) as pool:
            coming = postgres(cluster)
            started = pool.submit(coming.start)
            leaving.stop()
            started.result()
    assert coming.answers()
    coming.stop()


def test_a_crashed_server_comes_back_with_what_was_committed(server):
    engine = create_engine(server.url())
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = on"))
        connection.execute(text("CREATE TABLE kept AS SELECT 41 + 1 AS n"))
    engine.dispose()
    os.kill(server.pid(), signal.SIGKILL)
    wait_until(lambda: not server.alive())
    server.revive()
    assert ask(server, "SELECT n FROM kept") == 42


def test_a_process_id_left_by_a_crash_and_now_a_strangers_is_no_obstacle(cluster):
    with postgres(cluster) as before:
        left = (before.directory / "postmaster.pid").read_text()
    stranger = "\n".join([str(os.getpid()), *left.splitlines()[1:]])
    (cluster / "postgres" / "postmaster.pid").write_text(stranger)
    with postgres(cluster) as server:
        assert server.answers()


@pytest.mark.parametrize("name", ["x" * 120, "with space & 100%", "папка"])
def test_any_folder_will_do(cluster, tmp_path, name):
    """A Unix socket's path holds 107 bytes at most; a URL has characters of its own."""
    shutil.copytree(cluster / "postgres", tmp_path / name / "postgres")
    if os.geteuid() == 0:
        owner = (cluster / "postgres").stat()
        for path in (tmp_path / name / "postgres", *(tmp_path / name / "postgres").rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
    with postgres(tmp_path / name) as server:
        assert ask(server, "SELECT 42") == 42
        short = server._socket_folder()
    assert short == server.directory or not short.exists()


def test_a_short_socket_folder_of_somebody_else_is_refused(tmp_path):
    server = postgres(tmp_path / ("x" * 120))
    squatted = server._socket_folder()
    squatted.mkdir(mode=0o777)
    squatted.chmod(0o777)
    try:
        with pytest.raises(Unavailable, match="somebody else"):
            server.start()
    finally:
        squatted.rmdir()


def test_a_file_where_the_folder_belongs_is_named(tmp_path):
    (tmp_path / "var").write_text("")
    with pytest.raises(Unavailable, match=r"var.* needs a folder where a file stands") as caught:
        postgres(tmp_path / "var").start()
    assert "SVODKA_VAR" in caught.value.remedy


def test_strangers_files_are_left_alone(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary").write_text("mine")
    with pytest.raises(Unavailable, match="files of somebody else"):
        postgres(tmp_path).start()
    assert (tmp_path / "postgres" / "diary").read_text() == "mine"
    assert lock.is_free(tmp_path / "postgres.run")


def test_data_of_another_version_is_left_alone(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unavailable, match="made by PostgreSQL 16"):
        postgres(tmp_path).start()


def test_a_server_that_does_not_start_says_why(cluster):
    broken = Postgres(cluster / "postgres", log=cluster / "broken.log", options={"shared_buffers": "a lot"})
    with pytest.raises(Unavailable, match=r"does not start: .*shared_buffers"):
        broken.start()
    with postgres(cluster) as server:
        assert server.answers()


def test_data_is_deleted_only_when_nobody_uses_it(tmp_path):
    server = postgres(tmp_path)
    with server:
        server.remove()
        assert server.answers()
    server.remove()
    assert not server.directory.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for PostgreSQL")
def test_as_root_a_folder_closed_to_others_stays_closed_to_others(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with postgres(closed / "var") as server:
        assert server.answers()
        assert psutil.Process(server.pid()).uids().real != 0
    assert closed.stat().st_mode & 0o007 == 0


def test_importing_warns_of_nothing():
    subprocess.run([sys.executable, "-W", "error", "-c", "import services.stack"], check=True, timeout=60)


def test_a_platform_without_the_wheel_is_told_what_to_set():
    with pytest.raises(Unavailable, match="no embedded PostgreSQL") as caught:
        embedded.wheel("no_such_wheel", "PostgreSQL", "SVODKA_DATABASE_URL")
    assert caught.value.remedy == "set SVODKA_DATABASE_URL"


@pytest.fixture
def broker(tmp_path):
    with Valkey(tmp_path / "valkey", log=tmp_path / "valkey.log") as server:
        yield server


def client(server):
    return redis.Redis.from_url(server.url())


def test_valkey_keeps_what_it_was_told_over_a_stop_and_a_crash(broker):
    with client(broker) as one:
        one.set("said", "before the stop")
    before = broker.url()
    broker.stop()
    assert not broker.answers()
    broker.revive()
    assert broker.url() == before
    with client(broker) as one:
        assert one.get("said") == b"before the stop"
        assert one.config_get("appendfsync")["appendfsync"] == "everysec"
        # A crash may cost a second of writes; what has reached the disk stays.
        one.waitaof(1, 0, 5000)
    child = psutil.Process(broker.pid()).children()[0]
    child.kill()
    wait_until(lambda: not broker.alive())
    broker.revive()
    with client(broker) as one:
        assert one.get("said") == b"before the stop"


def test_valkey_asks_for_its_password_and_hides_it(broker):
    with (
        redis.Redis(port=broker.port, retry=valkey.ONCE) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    assert stat.S_IMODE((broker.directory / "valkey.conf").stat().st_mode) == 0o600
    commands = [psutil.Process(broker.pid()).cmdline()]
    commands += [child.cmdline() for child in psutil.Process(broker.pid()).children()]
    assert broker._password not in str(commands)


def test_valkey_takes_another_port_when_its_own_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Valkey(tmp_path / "valkey", port, log=tmp_path / "valkey.log") as server:
            assert server.port != port
            assert server.answers()


def test_a_valkey_that_does_not_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(valkey, "VALKEY_OPTIONS", {"appendonly": "perhaps"})
    with pytest.raises(Unavailable, match=r"does not start: .*yes.*no"):
        Valkey(tmp_path / "valkey", log=tmp_path / "valkey.log").start()


def test_connecting_as_psycopg_itself_works_too(server):
    with psycopg.connect(host=str(server.directory), user="postgres", dbname="svodka") as connection:
        assert connection.execute("SELECT 42").fetchone() == (42,)
