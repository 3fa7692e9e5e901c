"""A server that is silent, away or wrong costs a moment and a sentence; when it is back, nothing has to be restarted."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from domains.errors import Unavailable
from services import arcade
from services.bolt import Bolt
from tests.chaos.tunnel import Tunnel
from tests.servers import graph_sockets_closed, wait_until
from tests.web.conftest import free_port

pytestmark = pytest.mark.skipif(not arcade.installed(), reason="the extra `graph` is not here")


@pytest.fixture(scope="module")
def server_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bolt")
    with arcade.Arcade(folder / "data", log=folder / "graph.log") as server:
        yield server.url()


@pytest.fixture
def tunnel(server_url):
    with Tunnel(urlsplit(server_url).port) as tunnel:
        yield tunnel


@pytest.fixture
def bolt(server_url, tunnel):
    parts = urlsplit(server_url)
    one = Bolt(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{tunnel.port}").geturl())
    with graph_sockets_closed():
        yield one
        one.close()


def one(session):
    return session.run("RETURN 1 AS n").single()["n"]


def test_a_silent_server_is_left_in_time_and_asked_again(bolt, tunnel):
    assert bolt.ask(one, 60) == 1
    tunnel.swallow()
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        told = [pool.submit(bolt.ask, one, 0.5) for _ in range(16)]
        for each in told:
            with pytest.raises(Unavailable):
                each.result()
    assert time.monotonic() - began < 20
    tunnel.pass_on()
    assert wait_until(lambda: answered(bolt)) == 1


def answered(bolt):
    try:
        return bolt.ask(one, 10)
    except Unavailable:
        return None


def test_a_silent_server_keeps_no_thread(bolt, tunnel):
    assert bolt.ask(one, 60) == 1
    running = []

    def waits(session):
        running.append(True)
        try:
            return one(session)
        finally:
            running.pop()

    tunnel.swallow()
    with pytest.raises(Unavailable, match=r"within 0\.5 s"):
        bolt.ask(waits, 0.5)
    wait_until(lambda: not running)


def test_a_server_that_is_away_or_knows_us_not_is_said_without_its_password(server_url):
    parts = urlsplit(server_url)
    for place in (f"root:secret-word@127.0.0.1:{free_port()}", f"root:secret-word@127.0.0.1:{parts.port}"):
        bolt = Bolt(parts._replace(netloc=place).geturl())
        with pytest.raises(Unavailable) as refused:
            bolt.ask(one, 60)
        bolt.close()
        assert "secret-word" not in f"{refused.value} {refused.value.remedy}"
        assert refused.value.remedy
