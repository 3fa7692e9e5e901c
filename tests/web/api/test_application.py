"""Questions over HTTP: answers, streams, sessions, errors, and whose posts they are."""

import base64
import json
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from domains.errors import Unavailable
from services import query, run, subscription
from tasks import job
from tests import rows, worlds
from tests.rows import DAY
from tests.web.api.conftest import bearer, issue
from web.api import application

FARE = "How much is the bus fare in Solvych?"


def ask(client, headers, question=FARE, **rest):
    return client.post("/rag/query", headers=headers, json={"question": question, **rest})


def is_problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    value = response.json()
    assert value["status"] == status
    return value


def test_an_answer_cites_spans_of_its_sources(client, headers, database, tenant_id):
    response = ask(client, headers)
    told = response.json()
    assert response.status_code == 200
    assert told["known"]
    assert "18 hryvnias" in told["answer"]
    sources = {one["post"]: one for one in told["sources"]}
    for sentence in told["sentences"]:
        for one in sentence["citations"]:
            assert one["quote"] == sentence["text"]
            assert one["span"][1] - one["span"][0] == len(one["quote"])
            assert sources[one["post"]]["lang"] == "en"
    assert (told["path"], told["rung"], told["degraded"], told["missing"]) == (
        "extractive",
        "extractive",
        False,
        [],
    )
    assert told["usage"]["steps"] <= 4
    assert {"route", "retrieve", "answer", "total"} <= told["timing"].keys()
    with database.transaction() as session:
        kept = session.query(query.QueryRow).one()
        assert (kept.tenant_id, kept.question, kept.known) == (tenant_id, FARE, True)


def test_what_is_not_known_is_said_so(client, headers):
    told = ask(client, headers, "Which composer wrote the opera about Venetian gondoliers?").json()
    assert (told["known"], told["answer"], told["sentences"], told["sources"]) == (False, "", [], [])


def test_filters_are_kept(client, headers):
    assert {one["source"] for one in ask(client, headers).json()["sources"]} <= {"a", "b"}
    only = ask(client, headers, filters={"sources": ["b"]}).json()
    assert {one["source"] for one in only["sources"]} == {"b"}
    later = (DAY + timedelta(days=5)).isoformat()
    assert not ask(client, headers, filters={"since": later}).json()["known"]
    assert not ask(client, headers, filters={"langs": ["uk"]}).json()["known"]
    far = ask(
        client, headers, filters={"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"}
    )
    assert far.json()["known"]


def test_a_follow_up_leans_on_the_session(client, headers, world):
    session = "reader-1"
    first = ask(client, headers, session=session).json()
    assert (first["session"], first["follows"]) == (session, "")
    more = ask(client, headers, "tell me more", session=session).json()
    assert (more["route"]["name"], more["follows"]) == ("follow_up", FARE)
    assert more["known"]
    assert ask(client, headers, "tell me more").json()["follows"] == ""
    world.clock.advance(minutes=31)
    assert ask(client, headers, "tell me more", session=session).json()["follows"] == ""


def test_a_stream_tells_stages_sentences_and_the_whole(client, headers):
    response = client.post("/rag/stream", headers=headers, json={"question": FARE})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [block.split("\n") for block in response.text.strip().split("\n\n")]
    names = [lines[0].removeprefix("event: ") for lines in events]
    assert names[:2] == ["stage", "stage"]
    assert names[-1] == "answer"
    whole = json.loads(events[-1][1].removeprefix("data: "))
    told = [json.loads(lines[1][6:]) for name, lines in zip(names, events, strict=True) if name == "sentence"]
    assert told == whole["sentences"]


def test_who_has_no_key_gets_nothing(client, key, tenant_id, world):
    good = key("ask")
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    for header in (
        {},
        bearer(wrong),
        bearer("svk_000000000000_" + "x" * 43),
        bearer("nonsense"),
        {"Authorization": b"Basic \xe9"},
    ):
        value = is_problem(ask(client, header), 401)
        assert good not in json.dumps(value)
    assert ask(client, {}).headers["www-authenticate"].startswith("Bearer")
    assert client.get("/digests").status_code == 401
    assert client.get("/metrics").status_code == 401
    expired = key("ask", expires_at=world.clock.now())
    is_problem(ask(client, bearer(expired)), 401)


def test_a_key_opens_what_its_scopes_say(client, key):
    asker, reader = bearer(key("ask")), bearer(key("read"))
    assert ask(client, asker).status_code == 200
    is_problem(client.get("/digests", headers=asker), 403)
    is_problem(ask(client, reader), 403)
    basic = base64.b64encode(b"me:" + key("read").encode()).decode()
    assert client.get("/digests.atom", headers={"Authorization": f"Basic {basic}"}).status_code == 200


def test_a_key_has_a_pace(client, key):
    slow = bearer(key("ask", per_minute=2))
    answers = [ask(client, slow, "hello") for _ in range(4)]
    limited = [one for one in answers if one.status_code == 429]
    assert limited
    is_problem(limited[0], 429)
    assert int(limited[0].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"question": ""}', 422),
        (b'{"question": " \\u200b "}', 422),
        (b'{"question": "x", "more": 1}', 422),
        (b'{"question": "\\ud800"}', 422),
        (b'{"question": 1}', 422),
        (b'{"question": "x", "path": "slow"}', 422),
        (b'{"question": "x", "session": "a b"}', 422),
        (b'{"question": "x", "filters": {"since": "2026-11-20T00:00:00"}}', 422),
        (b'{"question": "x", "filters": {"since": 5}}', 422),
        (b'{"question": "x", "tenant": "other"}', 403),
        (b'{"question": "' + b"x" * 1001 + b'"}', 422),
        (b'{"question": "' + b"x" * 100_000 + b'"}', 413),
        (b"\xff\xfe", 400),
    ],
)
def test_what_is_malformed_is_refused_in_words(client, headers, content, status):
    response = client.post(
        "/rag/query", headers={**headers, "Content-Type": "application/json"}, content=content
    )
    is_problem(response, status)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_declared_as_json_is_415(client, headers, kind):
    response = client.post(
        "/rag/query", headers={**headers, "Content-Type": kind}, content=b'{"question": "bread"}'
    )
    is_problem(response, 415)
    assert "application/json" in response.json()["remedy"]
    assert client.post("/rag/query", headers=headers).status_code == 422


def test_other_methods_and_places_are_problems_too(client, headers):
    is_problem(client.get("/rag/query", headers=headers), 405)
    is_problem(client.get("/nowhere", headers=headers), 404)
    is_problem(client.get("/digests/1", headers=headers), 404)
    is_problem(client.get("/digests/x", headers=headers), 422)
    is_problem(client.get("/trends/1", headers=headers), 404)


def test_health_needs_no_key(client, world):
    value = client.get("/healthz").json()
    assert value["live"]
    assert value["ready"]
    assert {one["name"]: one["ok"] for one in value["dependencies"]} == {"postgres": True, "redis": True}


def test_health_names_the_graph_where_there_is_one(world):
    url = SecretStr("bolt://neo4j:password@127.0.0.1:1/neo4j")
    there = replace(world, settings=world.settings.model_copy(update={"neo4j_url": url}))
    with TestClient(application.build(there)) as client:
        found = client.get("/healthz").json()
    assert {one["name"]: one["ok"] for one in found["dependencies"]}["neo4j"] is False
    assert found["ready"]


def test_a_database_that_is_away_is_503_and_says_nothing_of_it(client, headers, world, monkeypatch):
    def away():
        raise Unavailable("postgresql://user:password@host/db does not answer")

    monkeypatch.setattr(world.database, "transaction", away)
    value = is_problem(ask(client, headers), 503)
    assert "password" not in json.dumps(value)


def test_metrics_count_the_questions(client, headers, world):
    ask(client, headers)
    text = client.get("/metrics", headers=headers).text
    assert 'svodka_up{dependency="postgres"} 1.0' in text
    assert "qos_level_requests_total" in text


def test_digests_are_listed_read_and_fed(client, headers, database, world, tenant_id, other):
    rows.subscribed(database, tenant_id)
    with database.transaction() as session:
        made = subscription.close_windows(session, DAY + timedelta(days=1), tenant_id=tenant_id)[0]
    worlds.drive(world, job.DIGEST, made)
    listed = client.get("/digests", headers=headers).json()
    assert [(one["id"], one["subscription"]) for one in listed] == [(made, "daily")]
    whole = client.get(f"/digests/{made}", headers=headers).json()
    assert whole["run"] == made
    page = client.get(f"/digests/{made}/page", headers=headers)
    assert page.headers["content-type"].startswith("text/html")
    assert "Content-Security-Policy" in page.text
    feed = client.get("/digests.atom", headers=headers)
    assert feed.text.count("<entry>") == 1
    assert client.get("/trends.atom", headers=headers).status_code == 200
    assert client.get("/trends", headers=headers).json() == []
    reader = bearer(issue(world, rows.tenant(database, "third"), "read"))
    is_problem(client.get(f"/digests/{made}", headers=reader), 404)
    with database.transaction() as session:
        assert run.listing(session, tenant_id)


@pytest.mark.timeout(600)
def test_a_thousand_filters_never_show_another_tenants_post(client, headers, other):
    luck = random.Random(11)
    questions = (
        FARE,
        "Who secretly raised the fare to 99 hryvnias?",
        "paper mill",
        "secret/1",
        "Luhva council",
    )
    shown = 0
    for _ in range(1_000):
        filters = {}
        if luck.random() < 0.6:
            filters["sources"] = luck.sample(
                ["a", "b", "secret", "secret/1", "nobody", "%", "' OR 1=1 --"], luck.randint(1, 4)
            )
        if luck.random() < 0.5:
            filters["langs"] = luck.sample(["en", "ru", "uk"], luck.randint(1, 3))
        for name in ("since", "until"):
            if luck.random() < 0.4:
                filters[name] = (DAY + timedelta(hours=luck.randint(-48, 48))).isoformat()
        response = ask(client, headers, luck.choice(questions), filters=filters)
        assert response.status_code == 200
        told = response.json()
        shown += told["known"]
        assert {one["source"] for one in told["sources"]} <= {"a", "b"}
        assert "99" not in told["answer"]
    assert shown > 100
    assert (
        "99 hryvnias" in ask(client, other, "Who secretly raised the fare to 99 hryvnias?").json()["answer"]
    )
