"""From `svodka subscribe --channel` to the reader, by the command line alone, on servers that keep the real rules."""

import time
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from sqlalchemy import select

from services import wiring
from services.language import OfflineLanguage
from services.schema import Delivery
from tests import bot_api, rows, worlds
from tests.bot_api import TOKEN, BotApi, Chat
from tests.mailbox import Mailbox
from tests.receiver import Receiver

NOW = datetime.now(UTC)
DAY = (NOW - timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
words = cache(OfflineLanguage)


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """Read the word lists once: they take half a second, and each command is a process's beginning."""
    monkeypatch.setattr(wiring, "OfflineLanguage", words)


@pytest.fixture
def news(database):
    worlds.with_news(database, name="default", day=DAY, tenant_id=rows.tenant(database, "default"))


@pytest.fixture
def api(monkeypatch):
    with BotApi() as made:
        made.chats[42] = Chat()
        monkeypatch.setenv("SVODKA_TELEGRAM_TOKEN", TOKEN)
        monkeypatch.setenv("SVODKA_TELEGRAM_API_URL", made.url)
        yield made


def subscribe(svodka, *channels, **more):
    flags = [part for one in channels for part in ("--channel", one)]
    flags += [part for name, value in more.items() for part in (f"--{name}", value)]
    return svodka("subscribe", "--since", DAY.isoformat(), *flags)


def test_a_digest_reaches_everybody_who_is_subscribed(svodka, news, api, monkeypatch, tmp_path):
    with Mailbox() as box, Receiver("hunter2", time.time) as hook:
        monkeypatch.setenv("SVODKA_SMTP_URL", f"smtp+plain://127.0.0.1:{box.port}")
        monkeypatch.setenv("SVODKA_MAIL_FROM", "Svodka <digest@svodka.example>")
        monkeypatch.setenv("SVODKA_WEBHOOK_SECRET", "hunter2")
        made = subscribe(
            svodka,
            "telegram:42",
            "mail:anna@example.org,boris@example.org",
            f"webhook:{hook.url}/x?token=s3cret",
            "atom",
            "page",
            "file",
        )
        assert made.code == 0, made.err
        ran = svodka("digest", "run", "daily")
    assert ran.code == 0, ran.err
    assert "paper mill" in api.taken()[0]
    assert [readers for _, readers, _ in box.letters] == [["anna@example.org"], ["boris@example.org"]]
    assert len(hook.taken) == 1
    digests = tmp_path / "var" / "digests"
    assert len(list(digests.glob("feeds/*.atom"))) == len(list(digests.glob("pages/*/index.html"))) == 1
    listed = svodka("--json", "delivery", "list").json
    assert {(one["channel"], one["state"]) for one in listed} == {
        (name, "done") for name in ("telegram", "mail", "webhook", "atom", "page", "file")
    }
    for said in (svodka("delivery", "list").out, svodka("subscription", "list").out, ran.out):
        assert "s3cret" not in said


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("telegram:42", "SVODKA_TELEGRAM_TOKEN"),
        ("mail:me@example.org", "SVODKA_SMTP_URL"),
        ("webhook:https://example.org/x", "SVODKA_WEBHOOK_SECRET"),
        ("atom:../x", "letters, digits"),
        ("pigeon:x", "telegram"),
    ],
)
def test_what_cannot_be_sent_to_is_said_when_subscribing(svodka, news, channel, said):
    answer = subscribe(svodka, channel)
    assert answer.code == 2
    assert said in answer.err


def test_an_operator_settles_what_nobody_knows(svodka, news, api, database):
    subscribe(svodka, "telegram:42")
    api.next(bot_api.cut)
    ran = svodka("digest", "run", "daily")
    assert ran.code == 1
    assert "nobody knows" in ran.err
    assert len(api.taken()) == 1
    (one,) = svodka("--json", "delivery", "list", "--state", "unknown").json
    assert (one["channel"], one["target"], one["in_doubt"]) == ("telegram", "42", [1])
    settled = svodka("delivery", "settle", one["delivery"], "--as", "delivered", "--by", "olga")
    assert (settled.code, settled.out.strip()) == (0, f"delivery {one['delivery']}: done")
    assert len(api.taken()) == 1
    (told,) = svodka("--json", "delivery", "list").json
    assert [(note["by"], note["what"]) for note in told["history"]] == [("olga", "delivered: part 1 of 1")]
    again = svodka("delivery", "settle", one["delivery"], "--as", "again")
    assert (again.code, "nothing to settle" in again.err) == (2, True)


def test_an_operator_has_it_sent_again_at_once(svodka, news, api, database):
    subscribe(svodka, "telegram:42")
    api.next(bot_api.refuse_connection)
    svodka("digest", "run", "daily")
    assert api.taken() == []
    with database.transaction() as session:
        row_id = session.scalars(select(Delivery.id)).one()
    # The server did not answer a moment ago and is left alone; the operator's word is that it is well.
    settled = svodka("--json", "delivery", "settle", row_id, "--as", "again").json
    assert settled == {"delivery": row_id, "as": "again", "state": "done"}
    assert len(api.taken()) == 1


@pytest.mark.parametrize("number", ["nine", "999999", "-1"])
def test_a_delivery_that_is_not_there_is_not_settled(svodka, news, number):
    assert svodka("delivery", "settle", "--as", "again", "--", number).code == 1


def test_quiet_digests_are_skipped_where_that_is_wanted(svodka, api, database):
    rows.tenant(database, "default")
    subscribe(svodka, "telegram:42", quiet="skip")
    assert svodka("digest", "run", "daily").code == 0
    assert api.requests == []
    assert svodka("--json", "delivery", "list").json == []
