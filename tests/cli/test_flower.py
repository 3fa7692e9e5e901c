"""`svodka flower`, and Flower as a child of `svodka up`."""

import sys

import pytest

from cli import flower
from services import settings


def test_flower_is_a_child_that_may_fail():
    (child,) = flower.children(settings.load())
    assert child.name == "flower"
    assert child.argv == (sys.executable, "-m", "web.flower")
    assert not child.vital


def test_without_a_port_there_is_no_flower(svodka, monkeypatch):
    assert flower.children(settings.load(flower_port=0)) == []
    monkeypatch.setenv("SVODKA_FLOWER_PORT", "0")
    answer = svodka("flower")
    assert answer.code == 2
    assert "SVODKA_FLOWER_PORT" in answer.err


def test_without_a_broker_it_says_what_to_start(svodka):
    answer = svodka("flower")
    assert answer.code == 1
    assert "svodka up" in answer.err


@pytest.mark.parametrize(
    ("given", "url", "kept"),
    [
        ({}, "http://127.0.0.1:5555/dead-letters", True),
        ({"flower_address": "::1", "flower_port": 80}, "http://[::1]:80/dead-letters", True),
        ({"flower_password": "secret"}, "http://127.0.0.1:5555/dead-letters", False),
    ],
)
def test_the_entrance_is_told_and_never_the_password(given, url, kept, tmp_path):
    told = flower.entrance(settings.load(var=tmp_path, **given))
    assert told == {
        "url": url,
        "user": "operator",
        "password_file": str(tmp_path / "flower.password") if kept else None,
    }


def test_it_becomes_flower_with_the_settings_that_it_has(svodka, monkeypatch):
    became = []
    monkeypatch.setattr("os.execve", lambda path, argv, env: became.append((path, argv, env)))
    monkeypatch.setenv("SVODKA_BROKER_URL", "redis://127.0.0.1:1/0")
    answer = svodka("flower", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["user"] == "operator"
    ((path, argv, env),) = became
    assert (path, argv) == (sys.executable, flower.FLOWER)
    assert env["SVODKA_BROKER_URL"] == "redis://127.0.0.1:1/0"
