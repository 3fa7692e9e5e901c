import doctest
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import llm
from domains.fault import TRAITS, UNSENT, Kind, ModelError, Usage
from domains.llm import Answer, Attempt, Extractive, Message, Request, Schema, same_model, worst_case

REQUEST = Request("t", (Message("user", "Привет"),), "p", max_tokens=10)


class Named:
    provider, model, dialect = "openai", "gpt-4o", "there"


def test_the_examples_in_the_documentation_hold():
    assert doctest.testmod(llm).failed == 0
    assert doctest.testmod(llm).attempted > 0


def test_every_kind_has_its_traits():
    assert set(TRAITS) == set(Kind.__args__)
    assert not any(trait.heals and trait.repairs for trait in TRAITS.values())
    assert not any(TRAITS[kind].trips or TRAITS[kind].may_cost for kind in UNSENT)


@given(st.text(), st.text(), st.integers(1, 9999))
def test_no_vocabulary_makes_more_tokens_than_bytes(first, second, most):
    messages = (Message("system", first), Message("user", second))
    worst = worst_case(Request("t", messages, "p", max_tokens=most))
    assert worst.input_tokens >= len((first + second).encode(errors="replace")) + 32
    assert (worst.output_tokens, worst.estimated) == (most, True)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message("user", "Пока"),)},
        {"messages": (Message("system", "Привет"),)},
        {"prompt_hash": "q"},
        {"max_tokens": 11},
        {"temperature": None},
        {"top_p": 0.1},
        {"seed": 1},
        {"repeat": 1},
        {"schema": Schema("s", "{}")},
    ],
)
def test_what_changes_a_reply_changes_the_fingerprint(change):
    assert llm.fingerprint(replace(REQUEST, **change), Named) != llm.fingerprint(REQUEST, Named)


@pytest.mark.parametrize("name", ["provider", "model", "dialect"])
def test_so_does_who_is_asked(name):
    other = type("Other", (Named,), {name: "other"})
    assert llm.fingerprint(REQUEST, other) != llm.fingerprint(REQUEST, Named)


def test_what_cannot_change_a_reply_does_not():
    assert llm.fingerprint(replace(REQUEST, purpose="x", deadline_s=1.0), Named) == llm.fingerprint(
        REQUEST, Named
    )


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4", "gpt-4o", False),
        ("openai/gpt-4o", "gpt-4o", True),
        ("qwen3", "qwen3-32b", False),
        ("GigaChat-2", "GigaChat-2-Max", False),
        ("llama3.2", "llama3.2:latest", True),
        ("m", "", False),
    ],
)
def test_a_model_is_known_by_its_name(asked, answered, same):
    assert same_model(asked, answered) is same


def test_insisting_raises_what_the_ladder_ended_with():
    answer = Answer("x", None, "model", "p", "m", cached=False, attempts=())
    assert llm.insist(answer) is answer
    ended = Extractive("all out", (Attempt("model", "p", "m", "credit"),), 12.0)
    with pytest.raises(ModelError, match="all out") as error:
        llm.insist(ended)
    assert (error.value.kind, error.value.retry_after_s) == ("credit", 12.0)


def test_usages_add_up():
    assert Usage(1, 2, 1) + Usage(3, 4, 0, estimated=True) == Usage(4, 6, 1, estimated=True)
