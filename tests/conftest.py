"""Fixtures of every test: servers for the whole run, a database that is empty at each test's start, a stopped clock."""

from datetime import UTC, datetime
from functools import cache

import pytest
import redis
from hypothesis import settings

from services import wiring
from services.clock import StoppedClock
from services.language import OfflineLanguage
from services.valkey import Valkey
from tests import servers

settings.register_profile("svodka", deadline=None, database=None, derandomize=True)
settings.load_profile("svodka")


# Files and folders of few tests that take minutes, since whole stacks run in them. Begun last they would leave a core
# idle; the drill's longest go first, side by side.
LONGEST = ("test_live.py", "test_openapi.py")
SLOW = ("chaos", "stories")


def pytest_collection_modifyitems(items):
    """Begin the slow files, one after another on each worker, before the rest."""
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path.parent.name not in SLOW))


@pytest.fixture(scope="session", autouse=True)
def _words():
    """Read word lists once a run: each world reads its own, which takes half a second and 100 MB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "OfflineLanguage", cache(OfflineLanguage))
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, worker_id):
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def postgres_url(run_folder):
    """The URL of the run's PostgreSQL, on its database "postgres"; `servers.on` names another one."""
    with servers.postgres(run_folder / "postgres") as url:
        servers.make_template(url)
        yield url


@pytest.fixture(scope="session")
def _clone(postgres_url):
    with servers.clone(postgres_url) as database:
        emptier = servers.Emptier(database.engine.url)
        try:
            yield database, emptier
        finally:
            emptier.close()


@pytest.fixture
def database(_clone):
    """A migrated `Database` without rows; `database.engine.url` is its URL."""
    database, emptier = _clone
    yield database
    emptier.empty()


@pytest.fixture
def fresh_database(postgres_url):
    """A migrated `Database` of this test alone, to migrate, kill and break."""
    with servers.clone(postgres_url) as database:
        yield database


@pytest.fixture
def bare_database(postgres_url):
    """An empty `Database` of this test alone: no tables, no revision."""
    with servers.clone(postgres_url, migrated=False) as database:
        yield database


@pytest.fixture(scope="session")
def _valkey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valkey")
    with Valkey(folder / "data", log=folder / "valkey.log") as server:
        yield server


@pytest.fixture
def valkey_url(_valkey):
    """The URL of a Valkey without keys."""
    yield _valkey.url()
    with redis.Redis.from_url(_valkey.url()) as client:
        client.flushall()


@pytest.fixture
def clock():
    """A clock that stands at 2026-11-20 12:00 UTC until it is moved."""
    return StoppedClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
