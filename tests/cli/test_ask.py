"""`svodka ask` and `svodka key`: an answer with its sources, or one sentence about what is wrong."""

from datetime import datetime

import pytest

from domains.errors import Unavailable
from services import apikey
from tasks import job
from tests import worlds

FARE = "How much is the bus fare in Solvych?"


@pytest.fixture
def posts(database, tmp_path):
    """The day's news, analysed and indexed."""
    world = worlds.build(database, tmp_path)
    tenant, _ = worlds.with_news(database, name="default")
    worlds.drive(world, job.INDEX, tenant)
    while world.vectors.fill().left:
        pass
    world.close()
    return tenant


def test_an_answer_has_its_sources(svodka, posts):
    told = svodka("ask", FARE)
    assert (told.code, told.err) == (0, "")
    assert "18 hryvnias" in told.out
    assert "[1]" in told.out
    assert "extractive" in told.out
    value = svodka("ask", FARE, "--json").json
    assert value["known"]
    cited = {one["post"] for line in value["sentences"] for one in line["citations"]}
    assert {one["post"] for one in value["sources"]} == cited


def test_filters_narrow_what_may_answer(svodka, posts):
    only_b = svodka("ask", FARE, "--source", "b", "--lang", "en", "--json").json
    assert {one["source"] for one in only_b["sources"]} == {"b"}
    early = svodka("ask", FARE, "--until", "2026-11-01T00:00:00Z")
    assert (early.code, "I don't know" in early.out) == (0, True)


def test_what_nobody_wrote_about_is_not_known(svodka, posts):
    told = svodka("ask", "Which composer wrote the opera about Venetian gondoliers?")
    assert told.code == 0
    assert told.out.startswith("I don't know")


def test_a_follow_up_needs_only_its_session(svodka, posts, valkey_url, monkeypatch):
    monkeypatch.setenv("SVODKA_REDIS_URL", valkey_url)
    svodka("ask", FARE, "--session", "me")
    again = svodka("ask", "and from when?", "--session", "me", "--json").json
    assert again["follows"] == FARE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("",), "ask in words"),
        ((" \u200b ",), "ask in words"),
        (("x" * 2_000,), "ask a shorter one"),
        ((FARE, "--lang", "Russian"), "ISO 639-1"),
        ((FARE, "--since", "yesterday"), "ISO 8601"),
        ((FARE, "--path", "slow"), "slow"),
    ],
)
def test_what_is_no_question_is_misuse(svodka, database, arguments, said):
    told = svodka("ask", *arguments)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_a_source_that_is_none_is_said(svodka, posts):
    told = svodka("ask", FARE, "--source", "bb")
    assert told.code != 0
    assert "bb" in told.err
    assert "→" in told.err


def test_a_leg_that_is_down_is_told_with_the_answer(svodka, posts, monkeypatch):
    def away(*_, **__):
        raise Unavailable("the store is away")

    monkeypatch.setattr("services.postings.Postings.search", away)
    told = svodka("ask", FARE)
    assert told.code == 0
    assert "18 hryvnias" in told.out
    assert "degraded: vectors" in told.out


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(svodka, database):
    key = svodka("key", "add", "a phone").out.strip()
    assert key.startswith("svk_")
    listed = svodka("key", "list", "--json")
    (row,) = listed.json
    assert key not in listed.out
    assert (row["label"], row["scopes"], row["revoked_at"]) == ("a phone", ["ask", "read"], None)
    assert caller(database, key, row).tenant == "default"
    assert svodka("key", "revoke", row["key"]).code == 0
    assert caller(database, key, row) is None
    assert svodka("key", "list", "--json").json[0]["revoked_at"]


def caller(database, key, row):
    with database.transaction() as session:
        return apikey.authenticate(session, key, now=datetime.fromisoformat(row["created_at"]))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "<script>"), 2, "label"),
        (("add", "x", "--scope", "everything"), 2, "everything"),
        (("add", "x", "--per-minute", "0"), 2, "0"),
        (("revoke", "000000000000"), 1, "svodka key list"),
    ],
)
def test_a_key_that_cannot_be_is_refused(svodka, database, arguments, code, said):
    told = svodka("key", *arguments)
    assert (told.code, told.out) == (code, "")
    assert said in told.err
