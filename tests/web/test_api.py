"""The dead letters over HTTP, for scripts."""

import pytest

from domains.errors import Unavailable
from tests.web.conftest import HOSTILE, USER


def test_letters_are_listed_and_shown(client, failed):
    letter = failed(Unavailable(HOSTILE))
    found = client.get("/api/dead-letters").json()
    assert [row["id"] for row in found["letters"]] == [letter]
    assert found["groups"][0]["count"] == 1
    assert client.get("/api/dead-letters", params={"state": "resolved"}).json()["letters"] == []
    shown = client.get(f"/api/dead-letters/{letter}").json()
    assert shown["message"] == HOSTILE
    assert "Unavailable" in shown["traceback"]
    assert shown["history"]


def test_a_letter_is_replayed_and_discarded(client, failed):
    letter = failed(Unavailable("gone"))
    replayed = client.post(f"/api/dead-letters/{letter}/replay", json={}).json()
    assert replayed["state"] == "pending"
    assert [(one["who"], one["what"]) for one in replayed["audit"]] == [(USER, "replay")]
    other = failed(Unavailable("gone"))
    assert client.post(f"/api/dead-letters/{other}/discard", json={}).json()["state"] == "discarded"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-type": "text/plain"}, 422),
        ({"content-type": "application/x-www-form-urlencoded"}, 422),
        ({"content-type": "application/json", "origin": "https://evil.example"}, 403),
        ({"content-type": "application/json", "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_another_site_cannot_act_in_the_operators_name(client, failed, headers, code):
    letter = failed(Unavailable("gone"))
    before = client.get(f"/api/dead-letters/{letter}").json()
    for verb in ("replay", "discard"):
        answer = client.post(f"/api/dead-letters/{letter}/{verb}", content=b"{}", headers=headers)
        assert answer.status_code == code
    assert client.get(f"/api/dead-letters/{letter}").json() == before


def test_what_is_wrong_is_said_in_json(client):
    answer = client.get("/api/dead-letters/7")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "NotFound", "message": "no dead letter 7", "remedy": "see `svodka dlq list`",
    }  # fmt: skip
    assert client.post("/api/dead-letters/7/replay", json={}).status_code == 404
    assert client.post("/api/dead-letters/7/replay", json={"surprise": 1}).json()["error"] == "UsageError"
    assert (
        client.post(
            "/api/dead-letters/7/replay", content=b"{", headers={"content-type": "application/json"}
        ).status_code
        == 422
    )


def test_a_replay_of_all_is_a_dry_run_unless_told_otherwise(client, failed):
    letter = failed(Unavailable("gone"))
    shown = client.get(f"/api/dead-letters/{letter}").json()
    asked = {"filter": {"class": "transient"}}
    for body in (asked, asked | {"dry_run": True}, asked | {"dry_run": "false"}):
        answer = client.post("/api/dead-letters/bulk", json=body).json()
        assert (answer["dry_run"], answer["plan"]["by_task"]) == (True, {"source.fetch": 1})
        assert client.get(f"/api/dead-letters/{letter}").json() == shown
    done = client.post("/api/dead-letters/bulk", json=asked | {"dry_run": False, "rate": 6}).json()
    assert (done["dry_run"], done["plan"]["letters"], done["plan"]["rate_s"]) == (False, 1, 0.1)
    audit = client.get(f"/api/dead-letters/{letter}").json()["audit"]
    assert [(one["who"], one["what"]) for one in audit] == [(USER, "bulk")]


def test_a_replay_of_all_with_an_edit_that_breaks_a_schema_does_nothing(client, failed):
    letter = failed(Unavailable("gone"))
    shown = client.get(f"/api/dead-letters/{letter}").json()
    body = {"filter": {"task": "source.fetch"}, "dry_run": False, "payload": {"url": 7}}
    answer = client.post("/api/dead-letters/bulk", json=body)
    assert answer.status_code == 422
    assert "$.url: " in answer.json()["message"]
    assert client.get(f"/api/dead-letters/{letter}").json() == shown


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"dry_run": False}, {"filter": []}, {"filter": {"class": 1}}, {"filter": {"nonsense": "x"}}, {"filter": {"since": "soon"}}, {"filter": {"class": "x"}}, {"filter": {"text": "a\x00"}},
        {"filter": {}, "rate": 0, "dry_run": False}, {"filter": {}, "rate": "x", "dry_run": False},
        {"filter": {}, "rate": 1e9, "dry_run": False}, {"filter": {}, "extra": 1},
    ],
)  # fmt: skip
def test_a_replay_of_all_that_is_not_understood_does_nothing(client, body):
    answer = client.post("/api/dead-letters/bulk", json=body)
    assert answer.status_code == 422
    assert answer.json()["remedy"]


def test_an_edited_payload_is_checked_then_replayed(client, failed):
    letter = failed(Unavailable("gone"), name="a")
    shown = client.get(f"/api/dead-letters/{letter}").json()
    path = f"/api/dead-letters/{letter}/replay"
    answer = client.post(path, json={"payload": shown["payload"] | {"url": "ftp://b.example"}})
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("$.url: ")
    assert client.get(f"/api/dead-letters/{letter}").json() == shown
    done = client.post(path, json={"payload": shown["payload"] | {"url": "https://b.example/"}}).json()
    assert (done["state"], done["payload"]["url"]) == ("pending", "https://b.example/")
    again = client.post(path, json={"payload": {"url": "https://c.example/"}}).json()
    assert again["payload"]["url"] == "https://b.example/"


def test_a_secret_that_is_not_shown_is_not_in_the_history_either(client, failed):
    letter = failed(Unavailable("gone"), name="a")
    payload = {"url": "https://me:hushhush@b.example/?api_key=hushhush"}
    done = client.post(f"/api/dead-letters/{letter}/replay", json={"payload": payload})
    assert done.status_code == 200
    assert "hush" not in done.text
