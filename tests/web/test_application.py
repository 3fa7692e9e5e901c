"""Flower from outside: nobody enters without the password, and nothing but listed tasks can be started."""

import re

import pytest
import redis
from flower.urls import handlers

from tests.servers import wait_until
from tests.web.conftest import PASSWORD, USER
from web.flower import application, gate

JSON = {"content-type": "application/json"}
OPEN = {"apply", "async-apply", "send-task"}


def paths():
    """Every path of Flower's, with something in place of what it asks for."""
    found = [handler.regex.pattern if hasattr(handler, "regex") else handler[0] for handler in handlers]
    return [re.sub(r"\(\.[+*]\)|\.\*", "x", path).rstrip("$").replace("/?", "/") for path in found]


@pytest.mark.parametrize(
    "path", [*paths(), "/dead-letters", "/dead-letters/static/letters.css", "/api/dead-letters"]
)
def test_nobody_enters_without_the_password(flower, path):
    with flower.client(auth=None) as stranger, flower.client(auth=(USER, "wrong")) as guesser:
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            answer = stranger.request(method, path)
            assert (answer.status_code, method) == (401, method)
            assert answer.headers["www-authenticate"].startswith("Basic")
        assert guesser.get(path).status_code == 401


def test_whoever_knows_the_password_finds_flower_with_one_more_tab(client):
    for path in ("/", "/tasks", "/broker", "/dead-letters"):
        page = client.get(path)
        assert page.status_code == 200, page.text
        assert re.search(r'href="/dead-letters"[^>]*>Dead letters</a>', page.text), path
    assert 'aria-current="page">Dead letters' in client.get("/dead-letters").text
    assert client.get("/static/css/flower.css").status_code == 200
    assert client.get("/dead-letters/static/letters.css").status_code == 200
    assert client.get("/healthcheck").text == "OK"


@pytest.mark.parametrize("route", sorted(OPEN))
@pytest.mark.parametrize(
    "task", ["memory.purge", "source.due", "celery.backend_cleanup", "os.system", "dlq.replay/x"]
)
def test_a_task_that_is_not_listed_is_forbidden(client, route, task):
    answer = client.post(f"/api/task/{route}/{task}", json={"args": [1]})
    assert answer.status_code == 403
    assert "dlq.replay" in answer.json()["remedy"]


@pytest.mark.parametrize("route", sorted(OPEN))
def test_a_listed_task_is_sent_to_its_queue(client, route, valkey_url):
    answer = client.post(f"/api/task/{route}/digest.make", json={"args": [1]})
    assert answer.status_code == 200, answer.text
    with redis.Redis.from_url(valkey_url) as broker:
        assert answer.json()["task-id"].encode() in broker.lindex("digest", 0)


@pytest.mark.parametrize(
    "path", [path for path in paths() if path.split("/")[3:4] != [] and path.split("/")[3] not in OPEN]
)
def test_everything_else_of_flower_may_only_be_read(client, path):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, path, json={}).status_code == 403, method


def test_workers_cannot_be_stopped_or_steered(client):
    for path in (
        "worker/shutdown/w",
        "worker/pool/shrink/w",
        "worker/queue/cancel-consumer/w",
        "task/revoke/x",
    ):
        assert client.post(f"/api/{path}").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        JSON | {"origin": "https://evil.example"},
        JSON | {"sec-fetch-site": "cross-site"},
        JSON | {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_cannot_start_a_task_in_the_operators_name(client, headers):
    answer = client.post("/api/task/async-apply/digest.make", content=b'{"args": [1]}', headers=headers)
    assert answer.status_code in {403, 422}
    assert "task-id" not in answer.text


def test_a_page_of_ours_runs_nothing_of_others_and_is_not_framed_or_kept(client):
    headers = client.get("/dead-letters").headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_the_log_tells_who_was_refused_and_never_a_password(flower, client):
    with flower.client(auth=(USER, PASSWORD + "x")) as guesser:
        guesser.get("/dead-letters")
    wait_until(lambda: "401 GET /dead-letters" in flower.log.read_text())
    assert PASSWORD not in flower.log.read_text()


def test_a_flower_whose_navigation_has_changed_is_not_started_with_a_broken_page(tmp_path):
    with pytest.raises(application.Unavailable, match="navigation"):
        application.with_tab("<nav><div></div></nav>")


def test_what_is_listed_exists():
    assert {"dlq.replay", "dlq.discard", "digest.make"} <= gate.TASKS
