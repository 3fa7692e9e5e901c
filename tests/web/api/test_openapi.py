"""The API against its own description: schemathesis looks for server errors and for answers nobody announced."""

import contextlib
import socket
import threading
from functools import partial
from unittest import SkipTest

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from tasks.ask import Asker
from tests.servers import wait_until
from tests.web.api.conftest import bearer
from web.api import application
from web.api.__main__ import config
from web.api.guard import Guard

# Of each operation, well formed and malformed: a few with every `make test`, enough with `make drill`.
EXAMPLES = (6, pytest.param(60, marks=pytest.mark.drill))
ROUTES = {
    "/rag/query", "/rag/stream", "/digests", "/digests.atom", "/digests/{number}", "/digests/{number}/page",
    "/trends", "/trends.atom", "/trends/{number}", "/trends/{number}/page", "/healthz", "/metrics",
}  # fmt: skip


def test_the_description_is_whole(client):
    made = client.get("/openapi.json").json()
    assert set(made["paths"]) == ROUTES
    schemas = made["components"]["schemas"]
    assert {"Told", "Problem", "QuestionBody", "digest-story"} <= set(schemas)
    for path, operations in made["paths"].items():
        for operation in operations.values():
            assert bool(operation.get("security")) is (path != "/healthz")
            assert operation["description"]
    text = str(made)
    for reference in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas
    assert "$defs" not in text


@contextlib.contextmanager
def serving(app, world):
    """Serve ``app`` by uvicorn as `python -m web.api` does, and yield its port."""
    made = config(world)
    made.app = app
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(made)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield door.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def running(world):
    with serving(application.build(world), world) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_schemathesis_finds_nothing(running, key, examples):
    headers = bearer(key("ask", "read", "metrics", per_minute=100_000))
    schema = schemathesis.openapi.from_url(f"{running}/openapi.json")
    seen = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            attack(operation, mode, headers, examples)
        seen.append(operation.label)
    assert len(seen) == len(ROUTES)


def attack(operation, mode, headers, examples):
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(mode))
    def check(case):
        case.call_and_validate(headers=headers, timeout=60)

    with contextlib.suppress(SkipTest, Unsatisfiable):  # nothing of this route can be wrong
        check()


def test_a_slow_sender_is_not_waited_for(world):
    app = application.build(world, partial(Guard, body_s=0.2))
    with serving(app, world) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /rag/query HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        said = client.recv(65536)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in said


def test_an_endless_body_is_cut(world):
    app = application.build(world, partial(Guard, body_bytes=1_000))
    with serving(app, world) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /rag/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"400\r\n" + b"x" * 0x400 + b"\r\n")
        said = client.recv(65536)
    assert said.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in said


def test_an_answer_that_takes_too_long_is_504(world, key, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(Asker, "ask", lambda *_: gate.wait(30))
    with TestClient(
        application.build(world, partial(Guard, answer_s=0.3)), raise_server_exceptions=False
    ) as client:
        timer = threading.Timer(1.0, gate.set)
        timer.start()
        said = client.post("/rag/query", headers=bearer(key("ask")), json={"question": "bus fare?"})
        timer.join()
    assert said.status_code == 504
    assert said.json()["title"] == "Gateway Timeout"
