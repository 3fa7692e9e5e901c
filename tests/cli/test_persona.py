"""`svodka follow`, `mute`, `rate` and `persona`: understood at once, refused in one sentence."""

from datetime import UTC, datetime, timedelta

import pytest

from tests import rows, worlds


@pytest.fixture
def me(database):
    tenant_id = rows.tenant(database, "default")
    rows.subscribed(database, tenant_id)
    return tenant_id


def test_what_is_said_is_shown_back_and_can_be_taken_back(svodka, database, me):
    rows.feed(database, me, "courier")
    assert svodka("follow", "courier").out.strip() == "Follows: source courier."
    assert "Mutes: hockey." in svodka("mute", "hockey").out
    assert svodka("follow", "--length", "2").code == 0
    assert svodka("follow", "--language", "UK").code == 0
    told = svodka("persona", "--json").json
    assert told["follows"] == [{"kind": "language", "target": "uk"}, {"kind": "source", "target": "courier"}]
    assert (told["mutes"], told["sentences"]) == ([{"kind": "word", "target": "hockey"}], 2)
    assert svodka("mute", "hockey", "--undo", "--json").json["mutes"] == []
    assert "Follows" in svodka("persona").out


def test_of_whom_nothing_is_known_it_says_so(svodka, me):
    assert svodka("persona").out.strip() == "Nothing is known of what me wants."


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["follow"], 2, "say what to follow"),
        (["mute", "x1", "--language", "uk"], 2, "say what to mute"),
        (["follow", "the"], 2, "neither a source nor a word"),
        (["follow", "--language", "../etc"], 2, "no language's code"),
        (["follow", "--length", "9"], 2, "9 is not in the range"),
        (["persona", "--subscriber", "nobody"], 1, "no subscriber 'nobody'"),
        (["rate", "99", "1", "up"], 1, "no run 99"),
        (["rate", "x", "1", "up"], 1, "no run 'x'"),
        (["rate", "1", "x", "up"], 1, "no story 'x'"),
        (["rate", "1", "1", "sideways"], 2, "sideways"),
    ],
)
def test_what_cannot_be_understood_is_refused(svodka, me, arguments, code, why):
    answer = svodka(*arguments)
    assert (answer.code, why in answer.err) == (code, True), answer.err


def test_a_rating_of_a_real_digest_is_learned(svodka, database):
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    worlds.with_news(database, name="default", day=day)
    tenant_id = rows.tenant(database, "default")
    rows.subscribed(database, tenant_id, starts_at=day)
    made = svodka("digest", "run", "daily", "--json")
    assert made.code == 0, made.err
    run = svodka("digest", "list", "--json").json[-1]["run"]
    assert svodka("rate", run, "1", "up", "--json").json["confidence"] > 0
    up = svodka("rate", run, "2", "down", "--json").json
    assert {weight > 0 for weight in up["terms"].values()} == {True, False}
    answer = svodka("rate", run, "99", "up")
    assert (answer.code, "has no story 99" in answer.err) == (1, True)
    assert svodka("rate", run, "1", "none", "--json").json["confidence"] < up["confidence"]
