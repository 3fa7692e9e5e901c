"""The embedded graph from outside: `svodka up` starts it, its worker draws the example stream, questions walk it.

It is killed while questions are asked: they are answered without it, it is started again, and nothing else is.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError
from sqlalchemy import func, select

from cli import frame
from domains.retrieval import Query
from services import arcade, stack
from services.schema import Post
from tests.servers import free_port, graph_sockets_closed, wait_until

pytestmark = [
    pytest.mark.skipif(not arcade.installed(), reason="the extra `graph` is not here"),
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(900),
]
STREAM = Path(__file__).parents[2] / "examples" / "stream"
FARE = "Сколько стоит проезд в автобусе Сольвича?"


@pytest.fixture(scope="module", autouse=True)
def _sockets():
    with graph_sockets_closed():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("graph") / "var"


@pytest.fixture(scope="module")
def environment(folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SVODKA_")}  # noqa: TID251
    return kept | {
        "SVODKA_VAR": str(folder), "SVODKA_GRAPH": "embedded", "SVODKA_WEB_PORT": str(free_port()),
        "SVODKA_FLOWER_PORT": "0", "SVODKA_METRICS_PORT": "0", "SVODKA_SWEEP_S": "1",
    }  # fmt: skip


@pytest.fixture(scope="module")
def running(environment, folder):
    """What `svodka up` runs, with the example stream imported and analysed."""
    command = [sys.executable, "-c", "import cli; cli.main()", "up", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as up:
        try:
            found = wait_until(lambda: stack.attach(folder), timeout_s=200)
            svodka(environment, "source", "import", *sorted(STREAM.glob("*/result.json")))
            yield found
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(timeout=200)
    assert up.returncode == 0


def svodka(environment, *arguments):
    command = [sys.executable, "-c", "import cli; cli.main()", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def world(running, folder):
    with frame.world(var=folder) as world:
        yield world


def ask(url, text):
    """What the graph's server answers, or None while it does not."""
    scheme, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    host, _, name = place.partition("/")
    try:
        with GraphDatabase.driver(f"{scheme}://{host}", auth=tuple(user.split(":", 1))) as driver:
            return driver.execute_query(text, database_=name).records[0].values()
    except (DriverError, Neo4jError):
        return None


def test_a_worker_draws_the_stream_and_questions_walk_it(running, world):
    wait_until(lambda: drawn(running, world) > 300, timeout_s=300, every_s=0.5)
    kinds = {
        kind: ask(running.neo4j_url, f"MATCH (n:{kind}) RETURN count(n)")[0]
        for kind in ("Story", "Source", "Family", "Entity", "Place")
    }
    assert all(kinds.values()), kinds
    edges = ask(running.neo4j_url, "MATCH ()-[r:MENTIONS]->() RETURN count(r)")[0]
    assert edges > kinds["Entity"]
    found = world.retriever.search(Query(tenant(world), FARE))
    assert found.missing == ()
    assert any("graph" in hit.why for hit in found.hits)


def drawn(running, world):
    """How many posts the graph has, when it has all that it should; 0 before that."""
    with world.database.transaction() as session:
        if session.scalar(select(func.count()).where(Post.indexed_at.is_(None))) or world.graph.waiting():
            return 0
        wanted = session.scalar(select(func.count()).where(Post.boilerplate.is_(None)))
    found = ask(running.neo4j_url, "MATCH (p:Post) WHERE p.at IS NOT NULL RETURN count(p)")
    return wanted if found == [wanted] else 0


def tenant(world):
    with world.database.transaction() as session:
        return frame.tenant(session, world.settings.tenant)


def test_a_graph_that_is_killed_costs_no_answer_and_comes_back(running, world, environment):
    wait_until(lambda: drawn(running, world), timeout_s=300, every_s=0.5)
    key = svodka(environment, "key", "add", "story", "--per-minute", "100000").strip()
    base = f"http://127.0.0.1:{environment['SVODKA_WEB_PORT']}"
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=90) as client:
        numbers = iter(range(100_000))

        def missing():
            # No two are the same, so that no cache answers.
            until = f"2027-01-01T00:00:00.{next(numbers):06}Z"
            said = client.post("/rag/query", json={"question": FARE, "filters": {"until": until}})
            assert said.status_code == 200, said.text
            told = said.json()
            assert told["known"]
            return {one["store"] for one in told["missing"]}

        wait_until(lambda: answers(client), timeout_s=120, every_s=0.5)
        wait_until(lambda: missing() == set(), timeout_s=120, every_s=0.5)
        guard = psutil.Process(running.process("graph").pid)
        for process in guard.children(recursive=True):
            process.kill()
        wait_until(lambda: missing() == {"graph"}, timeout_s=200, every_s=0)
        wait_until(lambda: missing() == set(), timeout_s=300, every_s=0.5)
    # What it had written is there again.
    assert drawn(running, world)


def answers(client):
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
