"""`svodka migrate`, and the commands of the processes that `svodka up` starts."""

import sys

import pytest

from cli import stack
from services import database as databases
from services import settings


@pytest.fixture
def on_bare(bare_database, svodka, monkeypatch):
    """Run commands on a database without tables."""
    url = bare_database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("SVODKA_DATABASE_URL", url)
    return svodka


def test_an_empty_database_is_migrated_up_and_down(on_bare):
    head = databases.head()
    assert on_bare("migrate", "--json").json == {"from": None, "to": head}
    assert on_bare("migrate", "--json").json == {"from": head, "to": head}
    assert "0001" in on_bare("migrate", "0001").out
    assert on_bare("digest", "list").code == 1
    assert on_bare("migrate", "base", "--json").json == {"from": "0001", "to": None}
    answer = on_bare("digest", "list")
    assert answer.code == 1
    assert "svodka migrate" in answer.err


def test_a_revision_that_does_not_exist_is_named(svodka):
    answer = svodka("migrate", "nonsense")
    assert answer.code in {1, 2}
    assert "nonsense" in answer.err


def test_a_worker_and_beat_are_what_anybody_would_start_by_hand():
    worker, beat = stack.children(settings.load(log_level="warning"))
    assert [worker.name, beat.name] == ["worker", "beat"]
    for child in (worker, beat):
        assert child.argv[:5] == (sys.executable, "-m", "celery", "-A", "tasks")
        assert child.argv[child.argv.index("--loglevel") + 1] == "WARNING"
    assert "worker" in worker.argv
    assert "beat" in beat.argv
