"""Who may enter Flower and what may be started: decisions, without a server."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domains.errors import Refused, UsageError
from tasks.celery import app
from web.flower import gate

JSON = "application/json; charset=utf-8"


def basic(text):
    return "Basic " + b64encode(text.encode()).decode()


@pytest.fixture
def keeper():
    return gate.Gate("operator", SecretStr("s:e:c-ret"))


def test_the_one_who_knows_the_password_enters(keeper):
    assert keeper.user(basic("operator:s:e:c-ret")) == "operator"
    assert keeper.user(basic("operator:s:e:c-ret").replace("Basic", "basic")) == "operator"


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Basic", "Basic ", "Basic \x00", "Basic ===", "Basic Zm9v", basic(""), basic(":"), basic("operator:"),
        basic("operator:s:e:c-re"), basic("operator:s:e:c-rett"), basic("Operator:s:e:c-ret"), basic("s:e:c-ret"),
        basic("пароль:пароль"), basic("operator:s:e:c-ret").replace("Basic", "Bearer"), "operator:s:e:c-ret",
        basic("operator:s:e:c-ret") + " x",
    ],
)  # fmt: skip
def test_nobody_else_does(keeper, header):
    assert keeper.user(header) is None


@given(st.text())
def test_no_header_breaks_the_gate(header):
    assert gate.Gate("operator", SecretStr("secret")).user(header) is None


def test_a_password_that_flower_could_not_compare_is_refused():
    with pytest.raises(UsageError, match="ASCII"):
        gate.Gate("operator", SecretStr("пароль"))


def test_the_password_is_not_in_what_is_printed(keeper):
    assert "c-ret" not in repr(vars(keeper))


def test_every_listed_task_is_one_of_the_products_and_takes_one_row():
    for name in gate.TASKS:
        assert gate.check_task(name, JSON, b'{"args": [7]}') == 7
        assert app.tasks[name].run.__code__.co_argcount == 1


@pytest.mark.parametrize(
    "name", ["source.due", "memory.purge", "celery.backend_cleanup", "", "dlq.replay ", "DLQ.replay"]
)
def test_any_other_task_is_refused(name):
    with pytest.raises(Refused, match="may not be started"):
        gate.check_task(name, JSON, b'{"args": [7]}')


@pytest.mark.parametrize(
    "body",
    [
        {}, [], 7, None, {"args": []}, {"args": [1, 2]}, {"args": ["1"]}, {"args": [True]}, {"args": [0]}, {"args": [-1]},
        {"args": [1], "queue": "digest"}, {"args": [1], "kwargs": {}}, {"args": [1], "countdown": 9}, {"kwargs": {"x": 1}},
        {"args": [1.5]}, {"args": {"0": 1}},
    ],
)  # fmt: skip
def test_a_task_takes_the_number_of_one_row_and_nothing_else(body):
    with pytest.raises(UsageError, match="one row"):
        gate.check_task("dlq.replay", JSON, json.dumps(body).encode())


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json"]
)
def test_what_a_foreign_page_could_send_unasked_is_refused(kind):
    with pytest.raises(UsageError, match="JSON"):
        gate.json_of(kind, b"{}")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[1"])
def test_a_body_that_is_no_json_is_said_to_be_none(body):
    with pytest.raises(UsageError, match="not JSON"):
        gate.json_of(JSON, body)
