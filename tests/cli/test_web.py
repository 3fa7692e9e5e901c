"""`svodka web` as a person starts it: it serves until it is stopped, or says in a sentence why it cannot."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from cli import web
from services import settings
from tests.servers import free_port, wait_until

COMMAND = (sys.executable, "-c", "import cli; cli.main()", "web")


@pytest.fixture
def environment(database, tmp_path, valkey_url):
    return settings.child_environment(
        database_url=database.engine.url.render_as_string(hide_password=False),
        redis_url=valkey_url,
        var=str(tmp_path),
        web_port=str(free_port()),
    )


def test_the_api_answers_until_it_is_stopped(environment, svodka):
    key = svodka("key", "add", "somebody").out.strip()
    base = f"http://127.0.0.1:{environment['SVODKA_WEB_PORT']}"
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert base in process.stdout.readline()
            wait_until(lambda: healthy(base), timeout_s=200)
            with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
                body = {"question": "How much is the bus fare?"}
                assert client.post("/rag/query", json=body).status_code == 401
                told = client.post("/rag/query", json=body, headers={"Authorization": f"Bearer {key}"})
                assert (told.status_code, told.json()["known"]) == (200, False)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode in {0, -signal.SIGTERM}


def healthy(base):
    try:
        return httpx.get(f"{base}/healthz", trust_env=False, timeout=30).json()["ready"]
    except httpx.TransportError:
        return False


def test_a_port_that_is_taken_is_said(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment["SVODKA_WEB_PORT"] = str(taken.getsockname()[1])
        done = subprocess.run(
            COMMAND, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
    assert done.returncode == 1
    assert "SVODKA_WEB_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_schema_that_is_behind_is_said(environment, bare_database):
    environment["SVODKA_DATABASE_URL"] = bare_database.engine.url.render_as_string(hide_password=False)
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1
    assert "svodka migrate" in done.stderr


def test_without_a_port_or_anything_that_runs_there_is_no_api(svodka, monkeypatch):
    monkeypatch.setenv("SVODKA_WEB_PORT", "0")
    none = svodka("web")
    assert (none.code, "SVODKA_WEB_PORT" in none.err) == (2, True)
    assert web.children(settings.load()) == []
    monkeypatch.delenv("SVODKA_WEB_PORT")
    monkeypatch.delenv("SVODKA_DATABASE_URL")
    away = svodka("web")
    assert (away.code, "svodka up" in away.err) == (1, True)


def test_up_starts_it_where_it_would_be_started_by_hand():
    (child,) = web.children(settings.load(web_port=8_200))
    assert child.argv == (sys.executable, "-m", "web.api")
    assert not child.vital
    assert web.address(settings.load(web_port=8_200, web_address="::1")) == "http://[::1]:8200"
