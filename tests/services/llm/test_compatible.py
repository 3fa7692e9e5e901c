"""The fault table: one row for each way in which a provider fails, against a server that really does it."""

import gzip
import socket
import threading
import time as wall
from email.utils import format_datetime

import pytest

from domains.fault import ModelError
from services.llm.compatible import CompatibleModel
from tests.llm_server import (
    LlmServer,
    cut,
    cut_stream,
    drip,
    drip_head,
    hang,
    html,
    raw,
    reset,
    say,
    status,
)
from tests.servers import wait_until
from tests.services.llm.conftest import KEY, ask, endpoint

# As long as nothing on a busy machine takes; where all is well, no time of it passes.
ENOUGH_S = 30.0
DATE = "Fri, 20 Nov 2026 12:00:30 GMT"
FAULTS = {
    "429 Retry-After seconds": (status(429, {"Retry-After": "3"}), "rate_limited", 3.0),
    "429 Retry-After date": (status(429, {"Retry-After": DATE}), "rate_limited", 30.0),
    "429 Retry-After huge": (status(429, {"Retry-After": "259200"}), "rate_limited", 259_200.0),
    "429 Retry-After senseless": (status(429, {"Retry-After": "soon"}), "rate_limited", None),
    "429 Retry-After absent": (status(429), "rate_limited", None),
    "429 Retry-After milliseconds": (status(429, {"retry-after-ms": "250"}), "rate_limited", 0.25),
    "429 out of money": (status(429, error="insufficient_quota"), "credit", None),
    "400": (status(400), "bad_request", None),
    "400 too long": (status(400, error="context_length_exceeded"), "too_long", None),
    "401": (status(401), "auth", None),
    "402": (status(402), "credit", None),
    "403": (status(403), "forbidden", None),
    "404": (status(404), "no_model", None),
    "500": (status(500), "server", None),
    "503": (status(503, {"Retry-After": "2"}), "server", 2.0),
    "502 with HTML": (html(502), "server", None),
    "redirect": (status(302, {"Location": "http://127.0.0.1:1/"}), "protocol", None),
    "hang": (hang, "timeout", None),
    "slow drip": (drip, "timeout", None),
    "slow drip of the head": (drip_head, "timeout", None),
    "reset": (reset, "broken_off", None),
    "body cut": (cut, "broken_off", None),
    "200 with HTML": (html(), "html", None),
    "200 with nothing": (raw(b""), "protocol", None),
    "200 with half JSON": (raw(b'{"choices": [{'), "protocol", None),
    "200 with a list": (raw(b"[]"), "protocol", None),
    "200 without choices": (raw(b'{"choices": []}'), "protocol", None),
    "200 with an error inside": (raw(b'{"error": {"code": 502, "message": "no"}}'), "server", None),
    "200 deep": (raw(b"[" * 100_000), "protocol", None),
    "null content": (say(None), "empty", None),
    "empty content": (say(" \n"), "empty", None),
    "truncated": (say("half a", finish="length"), "truncated", None),
    "refused": (say(None, refusal="I cannot"), "refused", None),
    "filtered": (say("x", finish="content_filter"), "refused", None),
    "another model": (say("x", model="gpt-3.5-turbo"), "other_model", None),
    "NUL": (say("a\x00b"), "protocol", None),
    "5 MB": (say("x" * 5_000_000), "too_large", None),
    "endless error": (status(500, body=b"x" * 5_000_000), "too_large", None),
}
STREAM_FAULTS = {
    "cut before DONE": (cut_stream, "broken_off"),
    "HTML": (html(), "html"),
    "truncated": (say("half a", finish="length"), "truncated"),
    "refused": (say("x", refusal="I cannot"), "refused"),
    "another model": (say("x", model="gpt-3.5-turbo"), "other_model"),
    "hang": (hang, "timeout"),
    "drip": (drip, "timeout"),
    "500": (status(500), "server"),
    "error event": (raw(b'data: {"error": {"message": "no", "code": 503}}\n\n'), "server"),
    "no choices": (raw(b"data: [DONE]\n\n"), "broken_off"),
    "odd choices": (raw(b'data: {"choices": [1, {"delta": 2}]}\n\ndata: [DONE]\n\n'), "broken_off"),
    "not JSON": (raw(b"data: {\n\n"), "protocol"),
}


@pytest.fixture
def model(server, clock):
    return CompatibleModel(endpoint(server), clock)


def fault(model, timeout_s=ENOUGH_S):
    with pytest.raises(ModelError) as found:
        model.complete(ask(), timeout_s)
    return found.value


@pytest.mark.parametrize(("behave", "kind", "wait"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_an_error_of_its_kind(server, model, behave, kind, wait):
    server.next(behave)
    error = fault(model, 0.6 if kind == "timeout" else ENOUGH_S)
    assert (error.kind, error.retry_after_s) == (kind, wait)
    assert KEY not in f"{error} {error.remedy} {error.detail}"
    # On a busy machine a question may be given up before the server has read it.
    wait_until(lambda: server.seen)
    assert len(server.seen) == 1


@pytest.mark.parametrize(("behave", "kind"), STREAM_FAULTS.values(), ids=STREAM_FAULTS)
def test_each_fault_of_a_stream_is_an_error_of_its_kind(server, clock, behave, kind):
    server.next(behave)
    streaming = CompatibleModel(endpoint(server, stream=True), clock)
    assert fault(streaming, 0.3 if kind == "timeout" else ENOUGH_S).kind == kind


def test_a_refused_connection_is_unreachable(clock):
    with LlmServer() as gone:
        model = CompatibleModel(endpoint(gone), clock)
    error = fault(model)
    assert error.kind == "unreachable"
    assert not error.trait.may_cost


def test_only_a_certificate_that_is_trusted_is_talked_to(clock, certificate):
    with LlmServer(tls=certificate) as secure:
        secure.next(say("in secret"), drip)
        assert fault(CompatibleModel(endpoint(secure), clock)).kind == "unreachable"
        assert secure.seen == []
        trusting = CompatibleModel(endpoint(secure, ca_file=certificate[0]), clock)
        assert trusting.complete(ask(), ENOUGH_S).text == "in secret"
        assert fault(trusting, 0.4).kind == "timeout"


def test_a_host_without_a_name_is_unreachable(server, clock):
    nowhere = endpoint(server).__class__(
        endpoint(server).profile, "m", endpoint(server).key, base_url="http://nowhere.invalid/v1"
    )
    assert fault(CompatibleModel(nowhere, clock)).kind in {"unreachable", "timeout"}


def test_a_listener_that_never_accepts_ends_in_time(clock, server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        deaf = endpoint(server).__class__(
            endpoint(server).profile, "gpt-4o", endpoint(server).key, base_url=there
        )
        began = wall.monotonic()
        assert fault(CompatibleModel(deaf, clock), 0.3).kind == "timeout"
        assert wall.monotonic() - began < ENOUGH_S


@pytest.mark.parametrize("behave", [hang, drip, drip_head])
def test_the_deadline_is_wall_clock_and_leaves_no_thread(server, model, behave):
    server.next(behave)
    began = wall.monotonic()
    assert fault(model, 0.3).kind == "timeout"
    assert wall.monotonic() - began < ENOUGH_S
    ours = [one for one in threading.enumerate() if one.name.startswith("model-")]
    for one in ours:
        one.join(timeout=ENOUGH_S)
    assert not any(one.is_alive() for one in ours)


@pytest.mark.parametrize("stream", [False, True])
def test_a_whole_reply_is_read(server, clock, stream):
    server.next(say("Привет \u2028 \U0001f600"))
    reply = CompatibleModel(endpoint(server, stream=stream), clock).complete(ask(), ENOUGH_S)
    assert reply.text == "Привет \u2028 \U0001f600"
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.estimated) == (11, 7, False)


@pytest.mark.parametrize("stream", [False, True])
def test_missing_usage_is_the_worst_case(server, clock, stream):
    server.next(say("four", usage=None))
    usage = CompatibleModel(endpoint(server, stream=stream), clock).complete(ask(), ENOUGH_S).usage
    assert usage.estimated
    assert usage.input_tokens >= len("hi")
    assert usage.output_tokens == 4


def test_a_dated_version_of_the_model_is_the_model(server, model):
    server.next(say("x", model="gpt-4o-mini-2024-07-18"))
    assert model.complete(ask(), ENOUGH_S).model == "gpt-4o-mini-2024-07-18"


def test_a_router_may_answer_with_any_model(server, clock):
    server.next(say("x", model="somebody/else"))
    free = CompatibleModel(endpoint(server, "openrouter", "openrouter/auto", any_model=True), clock)
    assert free.complete(ask(), ENOUGH_S).model == "somebody/else"


def test_only_what_is_needed_is_sent(server, model, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-project")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Spy: yes")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    model.complete(ask(), ENOUGH_S)
    (seen,) = server.seen
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["user-agent"] == "Svodka"
    assert not {"openai-organization", "x-spy", "x-stainless-os", "x-stainless-lang"} & seen.headers.keys()


def test_a_key_that_the_server_echoes_is_not_kept(server, model):
    server.next(say(f"your key is {KEY}"))
    reply = model.complete(ask(), ENOUGH_S)
    assert KEY not in reply.text
    assert KEY.encode() not in reply.body


def test_a_compressed_reply_is_not_unpacked(server, model):
    bomb = gzip.compress(b" " * 100_000_000)
    server.next(raw(bomb, **{"Content-Encoding": "gzip"}))
    assert fault(model).kind == "protocol"


def test_the_date_row_of_the_table_is_thirty_seconds_ahead(clock):
    assert format_datetime(clock.now().replace(second=30), usegmt=True) == DATE
