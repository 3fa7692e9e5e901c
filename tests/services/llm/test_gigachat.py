"""GigaChat through the same server: OAuth, tokens that expire or are revoked, and its way to fail."""

import pytest

pytest.importorskip("gigachat", reason="the gigachat extra is not installed")

from pydantic import SecretStr

from domains.fault import ModelError
from services.llm.gigachat import GigaChatModel
from services.llm.profile import Endpoint, profile
from tests.llm_server import LlmServer, drip, hang, html, raw, reset, say, status
from tests.services.llm.conftest import ask

GOOD, WRONG = "Z29vZDprZXk=", "d3Jvbmc6a2V5"
FAULTS = {
    "429": (status(429, {"Retry-After": "3"}), "rate_limited"),
    "402": (status(402), "credit"),
    "404": (status(404), "no_model"),
    "500": (status(500), "server"),
    "hang": (hang, "timeout"),
    "drip": (drip, "timeout"),
    "reset": (reset, "broken_off"),
    "HTML": (html(), "html"),
    "half": (raw(b'{"choices"'), "protocol"),
    "null": (say(None), "empty"),
    "truncated": (say("x", finish="length"), "truncated"),
    "blacklist": (
        raw(b'{"choices":[{"message":{"role":"assistant","content":"x"},"finish_reason":"blacklist"}]}'),
        "refused",
    ),
    "5 MB": (say("x" * 5_000_000), "too_large"),
    "another model": (say("x", model="GigaChat-2-Max"), "other_model"),
}


@pytest.fixture
def giga(clock):
    with LlmServer(gigachat=True) as one:
        one.now_ms = lambda: clock.now().timestamp() * 1000
        yield one
        assert one.problems == []


@pytest.fixture
def model(giga, clock):
    def make(key=GOOD):
        return GigaChatModel(
            Endpoint(
                profile("gigachat"), "GigaChat-2", SecretStr(key), base_url=giga.url, auth_url=giga.auth_url
            ),
            clock,
        )

    return make


def fault(model, timeout_s=30.0):
    with pytest.raises(ModelError) as found:
        model.complete(ask(), timeout_s)
    return found.value


def test_a_token_is_fetched_once_and_used_until_it_is_old(giga, model, clock):
    giga.answer = say("да", model="GigaChat-2:2.0.28.2")
    one = model()
    assert [one.complete(ask(), 30.0).text for _ in range(2)] == ["да", "да"]
    assert len(giga.logins) == 1
    clock.advance(minutes=29, seconds=30)
    one.complete(ask(), 30.0)
    assert len(giga.logins) == 2
    assert "scope=GIGACHAT_API_PERS" in giga.logins[0][1]


def test_a_token_that_expires_early_heals_with_the_next_attempt(giga, model):
    one = model()
    one.complete(ask(), 30.0)
    giga.tokens.clear()
    error = fault(one)
    assert (error.kind, error.trait.heals) == ("token_expired", True)
    assert one.complete(ask(), 30.0).text == "ok"
    assert (len(giga.logins), len(giga.seen)) == (2, 3), "no attempt is hidden"


def test_a_fresh_token_that_is_refused_is_no_question_of_time(giga, model):
    one = model()
    giga.tokens = frozenset_that_forgets()
    assert fault(one).kind == "token_expired"
    assert fault(one).kind == "auth"


def frozenset_that_forgets():
    class Forgetful(set):
        def add(self, _token):
            """A token that is handed out and never known."""

    return Forgetful()


def test_wrong_credentials_are_said_and_not_shown(giga, model):
    error = fault(model(WRONG))
    assert error.kind == "auth"
    assert WRONG not in f"{error} {error.detail} {error.remedy} {error.__cause__}"
    assert giga.seen == []


@pytest.mark.parametrize(("behave", "kind"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_an_error_of_its_kind(giga, model, behave, kind):
    giga.next(behave)
    error = fault(model(), 0.4 if kind == "timeout" else 5.0)
    assert error.kind == kind
    assert GOOD not in str(error)
    assert len(giga.seen) == 1


def test_an_address_that_refuses_is_unreachable(clock):
    with LlmServer(gigachat=True) as gone:
        there = Endpoint(
            profile("gigachat"), "GigaChat-2", SecretStr(GOOD), base_url=gone.url, auth_url=gone.auth_url
        )
    assert fault(GigaChatModel(there, clock)).kind == "unreachable"


def test_an_authority_of_its_own_may_be_added(clock, certificate):
    with LlmServer(gigachat=True, tls=certificate) as secure:
        there = {"base_url": secure.url, "auth_url": secure.auth_url}
        stranger = Endpoint(profile("gigachat"), "GigaChat-2", SecretStr(GOOD), **there)
        assert fault(GigaChatModel(stranger, clock)).kind == "unreachable"
        known = Endpoint(profile("gigachat"), "GigaChat-2", SecretStr(GOOD), ca_file=certificate[0], **there)
        assert GigaChatModel(known, clock).complete(ask(), 30.0).text == "ok"


def test_missing_usage_is_the_worst_case(giga, model):
    giga.next(say("x", usage=None))
    assert model().complete(ask(), 30.0).usage.estimated
