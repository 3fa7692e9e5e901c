"""`svodka dlq`: what failed is shown, and the operator's buttons work."""

import random
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest

from domains.digest import Digest
from domains.errors import Refused
from domains.window import Window
from services import archive, deadletter, wiring, work
from services.language import OfflineLanguage
from services.schema import DeadLetter, Delivery, Run
from tasks import job
from tests import rows

NOW = datetime.now(UTC)
DAY = NOW - timedelta(days=2)
words = cache(OfflineLanguage)


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """Read the word lists once: they take half a second, and each command is a process's beginning."""
    monkeypatch.setattr(wiring, "OfflineLanguage", words)


@pytest.fixture
def letter(database):
    """The letter of a finished run's delivery that a channel refused."""
    tenant_id = rows.tenant(database, "default")
    run_id = rows.run(database, tenant_id, starts_at=DAY, now=NOW, period=timedelta(days=2))
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
        quiet = Digest(
            window=Window(run.window_start, run.window_end), zone="UTC", subscription="daily", sections=(),
            stories=(), shown=(), drops=(), rung="extractive", method="test", score=1.0, posts=(),
        )  # fmt: skip
        run.state, run.digest_sha256 = "done", archive.put(session, msgspec.json.encode(quiet))
        row = Delivery(tenant_id=tenant_id, run_id=run_id, channel="file", target="", next_at=DAY)
        session.add(row)
        session.flush()
        lease = work.claim(session, Delivery, row.id, owner="me", now=NOW, lease_s=60)
        error = Refused("the target [x] is no plain name; token=hunter2")
        found = deadletter.record(
            session, deadletter.Job(job.DELIVERY.name, Delivery), lease, error,
            now=NOW, base_s=60, rng=random.Random(7),
        )  # fmt: skip
    return found.id


def state(database, letter_id):
    with database.transaction() as session:
        return session.get_one(DeadLetter, letter_id).state


def test_no_letter_is_good_news(svodka):
    assert "No dead letters" in svodka("dlq", "list").out
    assert svodka("dlq", "list", "--json").json == []


def test_a_letter_is_listed_and_shown_with_its_history(svodka, letter):
    (row,) = svodka("dlq", "list", "--json").json
    assert (row["id"], row["task"], row["state"], row["kind"]) == (
        letter,
        "delivery.send",
        "permanent",
        "permanent",
    )
    assert "delivery.send" in svodka("dlq", "list").out
    assert svodka("dlq", "list", "--state", "scheduled", "--json").json == []
    shown = svodka("dlq", "show", letter)
    assert "target [x] is no plain name" in shown.out
    assert "failed: Refused" in shown.out
    value = svodka("dlq", "show", letter, "--json").json
    assert [event["what"] for event in value["history"]] == ["failed: Refused"]
    assert "hunter2" not in shown.out + str(value)


def test_a_replay_that_works_resolves_the_letter(svodka, database, letter):
    answer = svodka("dlq", "replay", letter)
    assert answer.code == 0, answer.out + answer.err
    assert "resolved" in answer.out
    assert state(database, letter) == "resolved"
    with database.transaction() as session:
        assert session.query(Delivery).one().state == "done"
    again = svodka("dlq", "replay", letter)
    assert again.code == 2
    assert "resolved" in again.err


def test_a_replay_that_fails_again_says_so(svodka, database, letter):
    with database.transaction() as session:
        session.query(Delivery).one().target = "../up"
    answer = svodka("dlq", "replay", letter, "--json")
    assert answer.code == 1
    (row,) = answer.json
    assert (row["state"], row["error"], row["attempt"]) == ("permanent", "Refused", 1)


def test_a_discarded_letter_is_closed_and_its_row_stays_dead(svodka, database, letter):
    answer = svodka("dlq", "discard", letter, "--json")
    assert (answer.code, answer.json) == (0, {"discarded": [letter]})
    assert state(database, letter) == "discarded"
    with database.transaction() as session:
        assert session.query(Delivery).one().state == "dead"
        assert session.query(Run).one().state == "done"
    assert svodka("dlq", "discard", letter).code == 2


@pytest.mark.parametrize(("button", "number"), [("show", "999"), ("replay", "x"), ("discard", "1.5")])
def test_a_letter_that_is_not_there_is_named(svodka, button, number):
    answer = svodka("dlq", button, number)
    assert answer.code == 1
    assert number in answer.err


def test_another_tenants_letters_are_not_shown(svodka, letter, monkeypatch):
    monkeypatch.setenv("SVODKA_TENANT", "other")
    assert svodka("dlq", "list", "--json").json == []
