"""The HTTP API over a real database, with keys of two tenants."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from services import apikey
from tasks import job
from tests import rows, worlds
from tests.rows import DAY
from web.api import application


@pytest.fixture
def world(database, tmp_path, valkey_url):
    built = worlds.build(database, tmp_path, redis_url=valkey_url)
    yield built
    built.close()


@pytest.fixture
def tenant_id(database, world):
    tenant, _ = worlds.with_news(database)
    filled(world, tenant)
    return tenant


@pytest.fixture
def client(world):
    with TestClient(application.build(world), raise_server_exceptions=False) as one:
        yield one


@pytest.fixture
def key(world, tenant_id):
    """Make a key of the tenant, by its scopes."""
    return lambda *scopes, **rest: issue(world, tenant_id, *scopes, **rest)


@pytest.fixture
def headers(key):
    return bearer(key("ask", "read", "metrics", per_minute=100_000))


@pytest.fixture
def other(database, world):
    """Another tenant with a post of its own, and the headers of its key."""
    other_id = rows.tenant(database, "other")
    feed = rows.feed(database, other_id, "secret", url="https://secret.example/rss")
    rows.posts(database, other_id, feed, rows.entry(1, SECRET, at=DAY + timedelta(hours=9)))
    filled(world, other_id)
    return bearer(issue(world, other_id, "ask", per_minute=100_000))


SECRET = "The bus fare in Solvych was secretly raised to 99 hryvnias by the Luhva paper mill council."


def filled(world, tenant_id):
    worlds.drive(world, job.INDEX, tenant_id)
    world.vectors.found()
    while world.vectors.fill().left:
        pass


def issue(world, tenant_id, *scopes, **rest):
    with world.database.transaction() as session:
        return apikey.issue(
            session, tenant_id, "test", now=world.clock.now(), scopes=scopes or ("ask", "read"), **rest
        ).get_secret_value()


def bearer(key):
    return {"Authorization": f"Bearer {key}"}
