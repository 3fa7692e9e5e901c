"""Trends over the API: a list, one with its card, its page and a feed; a tenant sees its own only."""

import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from services import trend
from tests import rows, trending, worlds
from tests.web.api.conftest import bearer, issue
from web.api import application


@pytest.fixture
def world(database, tmp_path, valkey_url):
    built = worlds.build(database, tmp_path, now=trending.FIRE_AT + trending.HOUR, redis_url=valkey_url)
    yield built
    built.close()


@pytest.fixture
def tenant_id(world):
    tenant_id = rows.tenant(world.database)
    trending.store(world.database, tenant_id, trending.by_time(trending.entries()))
    trending.follow(world, trending.detect(world, tenant_id))
    return tenant_id


@pytest.fixture
def number(world, tenant_id):
    with world.database.transaction() as session:
        (known,) = trend.trends(session, tenant_id)
        return known.trend.id


def test_a_trend_is_shown_with_its_card(client, headers, number):
    (line,) = client.get("/trends", headers=headers).json()
    assert (line["id"], line["state"]) == (number, "rising")
    assert line["chance"].startswith("once in")
    card = client.get(f"/trends/{number}", headers=headers).json()["card"]
    assert card["title"]["text"] in card["title"]["citations"][0]["quote"]
    assert (sum(card["course"]), card["days"] > 365) == (6, True)
    page = client.get(f"/trends/{number}/page", headers=headers)
    assert page.headers["content-type"].startswith("text/html")
    assert "<svg" in page.text
    feed = client.get("/trends.atom", headers=headers).text
    assert f"trends/{number}/page" in feed
    assert "by chance once in" in feed


def test_links_in_feeds_begin_where_readers_reach_the_api(world, headers, number):
    # A proxy that ends TLS asks by another scheme and host than the reader did.
    public = replace(
        world, settings=world.settings.model_copy(update={"web_url": "https://news.example/svodka"})
    )
    for one, begin in ((world, "http://testserver/"), (public, "https://news.example/svodka/")):
        with TestClient(application.build(one)) as client:
            for path in ("trends.atom", "digests.atom"):
                text = client.get(f"/{path}", headers=headers).text
                assert re.search('rel="self"[^>]*href="([^"]+)"', text)[1] == f"{begin}{path}"
            assert f'href="{begin}trends/{number}/page"' in client.get("/trends.atom", headers=headers).text


def test_another_tenant_sees_nothing_of_it(world, client, number):
    theirs = bearer(issue(world, rows.tenant(world.database, "other"), "read", per_minute=1_000))
    assert client.get("/trends", headers=theirs).json() == []
    for path in (f"/trends/{number}", f"/trends/{number}/page"):
        assert client.get(path, headers=theirs).status_code == 404
