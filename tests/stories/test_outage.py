"""Stores that stop under load: questions over HTTP are answered all the while, and nothing is restarted when they are back.

uvicorn, PostgreSQL, Valkey and the graph are real; Qdrant's REST API is served over its client's own local mode.
"""

import json
import threading
from collections import deque
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from neo4j import GraphDatabase
from sqlalchemy import delete

from domains import ladder
from domains.retrieval import Query
from services import arcade
from services.shelving import PostText
from tests import worlds
from tests.chaos.tunnel import Tunnel
from tests.cli.conftest import svodka  # noqa: F401  the fixture
from tests.qdrant_server import QdrantServer
from tests.rows import DAY
from tests.servers import graph_sockets_closed, wait_until
from tests.web.api.conftest import bearer, filled, issue
from tests.web.api.test_openapi import serving
from web.api import application

pytestmark = [
    pytest.mark.skipif(not arcade.installed(), reason="the extra `graph` is not here"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.timeout(600),
]
ASKERS = 8
ENOUGH = 24
QUESTIONS = (
    ("How much is the bus fare in Solvych?", "18 hryvnias"),
    ("Where did the paper mill burn in Luhva?", "paper mill"),
    ("Whom did the Luhva hockey club beat?", "Pryvillia"),
)


@pytest.fixture(autouse=True)
def _sockets():
    with graph_sockets_closed():
        yield


@pytest.fixture(scope="module")
def graph_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    with arcade.Arcade(folder / "data", log=folder / "graph.log") as server:
        yield server.url()


@pytest.fixture
def qdrant():
    with QdrantServer() as server:
        yield server


@pytest.fixture
def tunnel(graph_url):
    with Tunnel(urlsplit(graph_url).port) as tunnel:
        yield tunnel


@pytest.fixture
def through(graph_url, tunnel):
    """The graph's URL through the tunnel."""
    parts = urlsplit(graph_url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{tunnel.port}").geturl()


@pytest.fixture
def world(database, tmp_path, valkey_url, qdrant, through, monkeypatch):
    """A world on all stores, whose breakers rest for half a second instead of half a minute."""
    monkeypatch.setattr(ladder, "COOL_S", 0.5)
    monkeypatch.setattr(ladder, "COOL_CAP_S", 0.5)
    built = worlds.build(database, tmp_path, redis_url=valkey_url, qdrant_url=qdrant.url, neo4j_url=through)
    built.graph.rebuild()
    yield built
    built.close()


@pytest.fixture
def tenant_id(database, world):
    tenant, _ = worlds.with_news(database, name="default")
    filled(world, tenant)
    assert world.graph.waiting() == 0
    return tenant


class Load:
    """Threads that ask without a pause; ``answers`` is what the last ones were told, by how many there were."""

    def __init__(self, url, headers):
        self._url, self._headers = f"{url}/rag/query", headers
        self._over, self._lock = threading.Event(), threading.Lock()
        self.asked, self.answers, self.wrong = 0, deque(maxlen=ENOUGH), []
        self._threads = [threading.Thread(target=self._ask) for _ in range(ASKERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        with httpx.Client(timeout=60, trust_env=False, headers=self._headers) as client:
            while not self._over.is_set():
                with self._lock:
                    self.asked += 1
                    number = self.asked
                question, expected = QUESTIONS[number % len(QUESTIONS)]
                # No two are the same, so that no cache answers.
                until = (DAY + timedelta(days=2, seconds=number)).isoformat()
                said = client.post(self._url, json={"question": question, "filters": {"until": until}})
                told = said.json()
                if said.status_code != 200 or expected not in told["answer"]:
                    self.wrong.append((said.status_code, question, said.text))
                else:
                    self.answers.append(
                        {one["store"] for one in told["missing"]} if told["degraded"] else set()
                    )

    def becomes(self, missing):
        """Return when the last answers all name exactly these stores as missing; nothing was refused by then."""
        self.answers.clear()
        wait_until(
            lambda: (
                self.wrong or (len(self.answers) == ENOUGH and all(one == missing for one in self.answers))
            ),
            timeout_s=90,
        )
        assert self.wrong == []


@pytest.mark.drill
def test_stores_that_stop_under_load_cost_no_answer_and_heal_by_themselves(world, tenant_id, qdrant, tunnel):
    headers = bearer(issue(world, tenant_id, "ask", per_minute=100_000))
    with serving(application.build(world), world) as port, Load(f"http://127.0.0.1:{port}", headers) as load:
        load.becomes(set())
        qdrant.stop()
        load.becomes({"vectors"})
        qdrant.start()
        load.becomes(set())
        tunnel.swallow()
        load.becomes({"graph"})
        tunnel.pass_on()
        load.becomes(set())
        qdrant.stop()
        tunnel.swallow()
        load.becomes({"vectors", "graph"})
        qdrant.start()
        tunnel.pass_on()
        load.becomes(set())
    assert load.asked > 7 * ENOUGH


def test_both_stores_lost_are_rebuilt_to_the_same_answers(
    world,
    tenant_id,
    qdrant,
    graph_url,
    svodka,  # noqa: F811
    monkeypatch,
):
    def answers(limit=10):
        found = [world.retriever.search(Query(tenant_id, text, limit=limit)) for text, _ in QUESTIONS]
        return [(one.hits, one.missing) for one in found]

    before = answers()
    assert all(hits and not missing for hits, missing in before)
    assert any("graph" in hit.why for hits, _ in before for hit in hits)
    qdrant.empty()
    lost(graph_url)
    with world.database.transaction() as session:
        session.execute(delete(PostText))
    # Another limit, so that no cache answers.
    assert answers(11) != before
    monkeypatch.setenv("SVODKA_QDRANT_URL", qdrant.url)
    monkeypatch.setenv("SVODKA_NEO4J_URL", graph_url)
    rebuilt = svodka("index", "rebuild", "--json")
    assert rebuilt.code == 0, rebuilt.err
    rows = {row["collection"]: row["rows"] for row in json.loads(rebuilt.out)}
    assert (rows["posts"], rows["graph"]) == (5, 5)
    # What was cached is of the old generation.
    assert answers() == before


def lost(url):
    """Delete everything in the graph behind its owner's back."""
    parts = urlsplit(url)
    with GraphDatabase.driver(
        f"{parts.scheme}://{parts.hostname}:{parts.port}", auth=(parts.username, parts.password)
    ) as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n", database_=parts.path.strip("/"))
