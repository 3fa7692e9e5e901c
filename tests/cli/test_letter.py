"""`svodka dlq`: what failed is shown, and the operator's buttons work."""

import json
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
        sent = session.query(Delivery).one()
    assert sent.state == "done"
    assert svodka("dlq", "replay", letter).code == 0
    with database.transaction() as session:
        again = session.query(Delivery).one()
    assert (again.state, again.delivered_at, again.receipt) == ("done", sent.delivered_at, sent.receipt)
    assert state(database, letter) == "resolved"


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


def test_another_tenants_letters_are_neither_shown_nor_touched(
    svodka, database, letter, monkeypatch, tmp_path
):
    monkeypatch.setenv("SVODKA_TENANT", "other")
    assert svodka("dlq", "list", "--json").json == []
    assert svodka("dlq", "list", "--group", "--json").json == []
    for button in ("show", "replay", "discard"):
        answer = svodka("dlq", button, letter)
        assert (answer.code, f"no dead letter {letter}" in answer.err) == (1, True)
    assert svodka("dlq", "replay", "--all", "--yes", "--json").json["letters"] == 0
    assert svodka("dlq", "export", "--output", tmp_path / "all.jsonl", "--json").json["exported"] == 0
    assert state(database, letter) == "permanent"


def test_equal_failures_are_one_line(svodka, letter):
    (group,) = svodka("dlq", "list", "--group", "--json").json
    assert (group["count"], group["newest"], group["states"]) == (1, letter, {"permanent": 1})
    assert "hunter2" not in svodka("dlq", "list", "--group").out


@pytest.mark.parametrize("options", [
    ("--class", "bug"), ("--task", "source.fetch"), ("--fingerprint", "0" * 16), ("--text", "another"),
    ("--since", "2999-01-01T00:00:00Z"), ("--until", "2001-01-01T00:00:00Z"), ("--after", "1"),
])  # fmt: skip
def test_a_filter_leaves_out_what_it_does_not_name(svodka, letter, options):
    assert svodka("dlq", "list", "--json", *options).json == []


@pytest.mark.parametrize("options", [
    ("--class", "permanent"), ("--task", "delivery.send"), ("--text", "PLAIN name"),
    ("--since", "2001-01-01T00:00:00Z"), ("--until", "2999-01-01T00:00:00Z"),
])  # fmt: skip
def test_a_filter_finds_what_it_names(svodka, letter, options):
    assert [row["id"] for row in svodka("dlq", "list", "--json", *options).json] == [letter]


def test_a_replay_of_all_is_told_before_it_is_done(svodka, database, letter):
    told = svodka("dlq", "replay", "--all", "--json").json
    assert (told["dry_run"], told["letters"], told["by_task"]) == (True, 1, {"delivery.send": 1})
    assert (told["cost"]["free"], told["cost"]["unknown"]) == (1, 0)
    assert "say --yes" in svodka("dlq", "replay", "--all").out
    assert state(database, letter) == "permanent"
    done = svodka("dlq", "replay", "--all", "--yes", "--rate", "5/s", "--json").json
    assert (done["dry_run"], done["letters"], done["rate_s"]) == (False, 1, 5.0)
    assert state(database, letter) == "scheduled"
    assert "Replaying 0 letters" in svodka("dlq", "replay", "--all", "--yes").out


def test_an_edit_that_breaks_the_schema_is_refused_with_its_path(svodka, database, letter):
    for edit, path in (('{"target": 7}', "$.target"), ('{"colour": "red"}', "$: "), ("[]", "$: ")):
        answer = svodka("dlq", "replay", letter, "--edit", edit)
        assert (answer.code, path in answer.err) == (2, True), answer.err
    assert state(database, letter) == "permanent"


def test_a_payload_is_changed_and_replayed(svodka, database, letter, tmp_path):
    with database.transaction() as session:
        session.query(Delivery).one().target = "../up"
    (tmp_path / "edit.json").write_text('{"target": ""}')
    answer = svodka("dlq", "replay", letter, "--edit", f"@{tmp_path}/edit.json")
    assert answer.code == 0, answer.out + answer.err
    assert state(database, letter) == "resolved"
    acts = svodka("dlq", "audit", "--letter", letter, "--json").json
    assert [act["what"] for act in acts] == ["edit"]
    assert (acts[0]["before"]["payload"]["target"], acts[0]["after"]["payload"]["target"]) == ("../up", "")
    assert acts[0]["who"]
    assert "edit" in svodka("dlq", "audit").out


def test_letters_are_exported_with_all_that_is_known(svodka, letter, tmp_path):
    svodka("dlq", "discard", letter)
    path = tmp_path / "letters.jsonl"
    assert svodka("dlq", "export", "--output", path, "--json").json == {"exported": 1, "file": str(path)}
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["id"], line["state"], line["audit"][0]["what"]) == (letter, "discarded", "discard")
    assert "hunter2" not in path.read_text()
    assert svodka("dlq", "export", "--output", path).code == 2


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("--all", "--rate", "fast"), ("--all", "--rate", "0/s"), ("1", "--edit", "{")])  # fmt: skip
def test_what_cannot_be_understood_is_refused(svodka, database, arguments):
    assert svodka("dlq", "replay", *arguments).code == 2
