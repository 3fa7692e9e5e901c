"""Flower as a process of its own, on the tests' database and broker, and a client that may enter."""

import os
import random
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest

from services import deadletter, work
from services.schema import Source
from tests import rows
from tests.servers import free_port, wait_until

USER, PASSWORD = "operator", "correct horse battery staple"


@dataclass(frozen=True)
class Flower:
    """A running Flower."""

    url: str
    log: object

    def client(self, **kwargs):
        """A client that signs in unless told otherwise."""
        return httpx.Client(base_url=self.url, **{"auth": (USER, PASSWORD), "timeout": 30} | kwargs)


@contextmanager
def serving(folder, **settings):
    """Yield a Flower with these settings, answering."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("SVODKA_")}  # noqa: TID251
    given = {
        "var": folder / "var",
        "flower_port": port,
        "flower_user": USER,
        "flower_password": PASSWORD,
    } | settings
    env |= {f"SVODKA_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    log = folder / "flower.log"
    with (
        log.open("ab") as file,
        subprocess.Popen([sys.executable, "-m", "web.flower"], env=env, stdout=file, stderr=file) as process,
    ):
        flower = Flower(f"http://127.0.0.1:{port}", log)
        try:
            wait_until(lambda: _answers(flower.url) or process.poll() is not None, timeout_s=180)
            assert process.poll() is None, log.read_text()
            yield flower
        finally:
            process.terminate()
            process.wait(timeout=120)
    assert process.returncode == 0, log.read_text()


def _answers(url):
    try:
        return httpx.get(url).status_code == 401
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def flower(_clone, _valkey, tmp_path_factory):
    """One Flower for all tests of a worker, on its database."""
    base, _ = _clone
    url = base.engine.url.render_as_string(hide_password=False)
    with serving(tmp_path_factory.mktemp("flower"), database_url=url, broker_url=_valkey.url()) as flower:
        yield flower


@pytest.fixture
def client(flower, database):
    """A client that may enter, on an empty database."""
    with flower.client() as client:
        yield client


HOSTILE = "<script>window.owned = 1</script><img src=x onerror=\"window.owned = 1\"> & 'quoted' \u202egnihtyreve\u202c"


@pytest.fixture
def failed(database):
    """Make a feed's fetch fail with this error, as a worker would; return the letter's number."""
    feeds = count()

    def fail(error, *, name=None):
        tenant_id = rows.tenant(database)
        feed = rows.feed(database, tenant_id, name or f"feed{next(feeds)}", url="https://feed.example/rss")
        now = datetime.now(UTC)
        job = deadletter.Job("source.fetch", Source)
        with database.transaction() as session:
            lease = work.claim(session, Source, feed, owner="me", now=now, lease_s=60)
            letter = deadletter.record(session, job, lease, error, now=now, base_s=3600, rng=random.Random(7))
        return letter.id

    return fail
