"""`svodka subscribe`, `digest`, `replay` and `why` on a day of news."""

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from cli import digest
from services import subscription, wiring
from services.language import OfflineLanguage
from services.schema import Run
from tests import rows, worlds

NOW = datetime.now(UTC)
DAY = NOW - timedelta(days=2)
words = cache(OfflineLanguage)


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """Read the word lists once: they take half a second, and each command is a process's beginning."""
    monkeypatch.setattr(wiring, "OfflineLanguage", words)


@pytest.fixture
def news(database):
    """A tenant that commands act on, with a day of news."""
    tenant_id, count = worlds.with_news(database, name="default", day=DAY)
    return tenant_id, count


@pytest.fixture
def made(svodka, news):
    """A run, made."""
    assert svodka("subscribe", "--since", DAY.isoformat()).code == 0
    answer = svodka("digest", "run", "--json")
    assert answer.code == 0, answer.err
    return svodka("digest", "list", "--json").json[0]["run"]


def test_a_digest_is_made_listed_and_shown_in_every_form(svodka, made):
    assert svodka("digest", "list", "--json").json[0]["decision"] == "ship"
    for form in ("terminal", "markdown", "html", "telegram", "json"):
        answer = svodka("digest", "show", made, "--form", form)
        assert answer.code == 0
        assert "Luhva" in answer.out
    assert (
        svodka("digest", "show", made, "--json").json == svodka("digest", "show", made, "--form", "json").json
    )
    assert svodka("digest", "show", made, "--manifest", "--json").json["run"] == made


def test_a_digest_asked_for_twice_at_once_is_not_made_twice(svodka, made):
    until = svodka("digest", "list", "--json").json[0]["to"]
    answer = svodka("digest", "run", "--until", until)
    assert answer.code == 2
    assert "already" in answer.err


def test_a_digest_of_the_future_is_misuse(svodka, news):
    svodka("subscribe", "--since", DAY.isoformat())
    answer = svodka("digest", "run", "--until", (NOW + timedelta(days=1)).isoformat())
    assert answer.code == 2
    assert "future" in answer.err


def test_a_quiet_window_says_how_to_begin_earlier(svodka, news):
    svodka("subscribe", "--since", (NOW - timedelta(hours=1)).isoformat())
    answer = svodka("digest", "run")
    assert answer.code == 0
    assert "--since" in answer.out


def test_a_run_that_is_not_made_yet_is_misuse(svodka, database, news):
    rows.subscribed(database, news[0], starts_at=DAY)
    with database.transaction() as session:
        run_id = subscription.close_windows(session, NOW)[0]
    answer = svodka("digest", "show", run_id)
    assert answer.code == 2
    assert "due" in answer.err


def test_a_held_run_says_why_and_fails(svodka, database, news):
    rows.subscribed(database, news[0], starts_at=DAY)
    with database.transaction() as session:
        run = session.get_one(Run, subscription.close_windows(session, NOW)[0])
        run.state, run.decision, run.why = "held", "hold", "nothing was supported"
    answer = svodka("digest", "show", run.id)
    assert answer.code == 1
    assert "nothing was supported" in answer.err


def test_a_replay_is_identical_or_says_in_lines_what_differs(svodka, made):
    same = svodka("replay", made)
    assert same.code == 0
    assert same.out.startswith("identical")
    other = svodka("replay", made, "--set", "max_stories=1")
    assert other.code == 0
    assert "differs with max_stories=1" in other.out
    lines = [line.strip() for line in other.out.splitlines()[1:]]
    assert lines
    assert all(line[:2] in {"- ", "+ ", "~ "} for line in lines)
    assert svodka("replay", made, "--set", "max_stories=1", "--json").json["difference"] == lines
    for wrong in ("max_stories", "=1", "max_stories=x"):
        assert svodka("replay", made, "--set", wrong).code == 2


def test_why_answers_for_every_post(svodka, made, news):
    reasons = []
    for number in range(news[1]):
        source, _ = worlds.NEWS[number]
        value = svodka("why", f"{source}/{DAY:%m%d}-{number}", "--json").json
        assert [fate["run"] for fate in value["fates"]] == [made]
        reasons.append(value["fates"][0]["reason"])
        assert reasons[-1] in svodka("why", f"{source}/{DAY:%m%d}-{number}").out
    assert "shown" in reasons


def test_why_of_a_post_before_its_digest(svodka, news):
    answer = svodka("why", f"a/{DAY:%m%d}-0")
    assert answer.code == 0
    assert "no digest" in answer.out


def test_pairs_are_split_at_the_first_sign():
    assert digest.pairs(("a=1", "b = x=y", "c=")) == {"a": "1", "b": "x=y", "c": ""}
