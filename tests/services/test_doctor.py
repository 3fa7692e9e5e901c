"""The doctor: well when all is well, and a remedy without a password for each thing that is not."""

import socket
import struct
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest

from services import doctor, settings
from services.clock import StoppedClock, SystemClock
from services.database import head

SECRET = "hunter2-and-more"
ANSWERS = {"python", "var", "stack", "postgresql", "schema", "pgvector", "clock", "time zones", "languages"}

pytestmark = pytest.mark.xdist_group("doctor")


def examine(clock=None, **overrides):
    found = doctor.checks(settings.load(**overrides), clock or SystemClock())
    return {health.name: health for health in found}


@pytest.fixture
def given(tmp_path, fresh_database, valkey_url):
    """Settings with servers of one's own."""
    return {
        "var": tmp_path / "var",
        "database_url": fresh_database.engine.url.render_as_string(hide_password=False),
        "broker_url": valkey_url,
        "redis_url": valkey_url,
    }


@pytest.fixture
def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


@contextmanager
def answering(reply):
    """Yield the port of a server that says ``reply`` to whoever says something."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_servers_of_ones_own_that_are_well_are_well(given):
    found = examine(**given)
    assert set(found) >= ANSWERS | {"broker", "cache"}
    assert {name: health.remedy for name, health in found.items() if not health.ok} == {}
    assert found["postgresql"].version.startswith("18.")
    assert found["schema"].version == head()
    assert found["broker"].version.startswith("9.")
    assert found["pgvector"].version.startswith("0.")
    assert all(health.latency_ms >= 0 and health.detail for health in found.values())


def test_without_settings_the_embedded_servers_are_tried_and_stopped_again(tmp_path):
    found = examine(var=tmp_path / "var")
    assert {name for name, health in found.items() if not health.ok} == set()
    assert found["valkey"].version.startswith("9.")
    assert "started for this check" in found["postgresql"].detail
    assert "nothing" in found["schema"].detail
    assert not (tmp_path / "var" / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_what_does_not_answer_has_a_remedy_and_shows_no_password(given, closed_port, scheme):
    address = f"user:{SECRET}@127.0.0.1:{closed_port}"
    found = examine(
        var=given["var"],
        database_url=f"postgresql+psycopg://{address}/x",
        broker_url=f"{scheme}://{address}/0",
        redis_url=f"redis://{address}/0",
    )
    ill = {name: health for name, health in found.items() if not health.ok}
    assert set(ill) == {"postgresql", "broker", "cache"}
    assert "SVODKA_DATABASE_URL" in ill["postgresql"].remedy
    assert "SVODKA_BROKER_URL" in ill["broker"].remedy
    assert SECRET not in str(found)


def test_an_old_schema_is_told_how_to_grow(given, fresh_database):
    fresh_database.migrate("base")
    schema = examine(**given)["schema"]
    assert not schema.ok
    assert schema.remedy == "run `svodka migrate`"
    assert head() in schema.detail


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_goes_wrong_is_found(given, hours):
    clock = StoppedClock(SystemClock().now() + timedelta(hours=hours))
    found = examine(clock, **given)["clock"]
    assert not found.ok
    assert ("ahead" in found.detail) == (hours > 0)


def test_a_folder_that_cannot_be_is_named(given, tmp_path):
    (tmp_path / "file").write_text("")
    found = examine(**{**given, "var": tmp_path / "file" / "var"})
    assert not found["var"].ok
    assert "SVODKA_VAR" in found["var"].remedy


def test_a_disk_that_is_nearly_full_is_told(given, monkeypatch):
    monkeypatch.setattr(doctor, "FREE_BYTES", 1 << 62)
    assert examine(**given)["var"].remedy == "free some space"


def test_a_rabbit_names_its_version(given):
    properties = b"\x07versionS" + struct.pack(">I", 6) + b"3.10.8"
    body = b"\x00\x0a\x00\x0a\x00\x09" + struct.pack(">I", len(properties)) + properties
    frame = b"\x01\x00\x00" + struct.pack(">I", len(body)) + body + b"\xce"
    with answering(frame) as port:
        found = examine(**{**given, "broker_url": f"amqp://guest:{SECRET}@127.0.0.1:{port}/"})["broker"]
    assert (found.ok, found.version) == (True, "3.10.8")


def test_another_server_at_the_brokers_address_is_found_out(given):
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        found = examine(**{**given, "broker_url": f"amqp://127.0.0.1:{port}/"})["broker"]
    assert not found.ok
    assert "does not speak AMQP" in found.detail


def test_a_wrong_password_is_told_without_it(given, valkey_url):
    wrong = valkey_url.replace("redis://:", f"redis://:{SECRET}")
    found = examine(**{**given, "broker_url": wrong})["broker"]
    assert not found.ok
    assert SECRET not in str(found)
