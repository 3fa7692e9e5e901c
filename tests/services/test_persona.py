"""Personas in the database: signals append, nights refresh, kills cost nothing, ten thousand signals are no matter."""

import time
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import event, func, select, text

from domains import limits
from domains.digest import Citation, Digest, DigestStory, Sentence
from domains.errors import NotFound, UsageError
from domains.post import Post
from domains.window import Window
from services import archive, persona
from services.clock import StoppedClock
from services.diary import PersonaRow, Signal
from services.language import OfflineLanguage
from services.schema import Run, Source, Story, Subscriber
from tests import rows
from tests.rows import DAY

NOW = DAY + timedelta(days=2)


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def me(database, tenant_id):
    rows.subscribed(database, tenant_id)
    return subscriber(database, tenant_id)


def subscriber(database, tenant_id, name="me"):
    with database.transaction() as session:
        return persona.subscriber(session, tenant_id, name)


def wish(database, me, kind, target, at=NOW, target_kind="word", **rest):
    with database.transaction() as session:
        return persona.wish(session, me, kind, target_kind, target, at=at, **rest)


def loaded(database, me):
    with database.transaction() as session:
        return persona.load(session, me)


def refreshed(database, language, now=NOW, limit=persona.LIMIT):
    return persona.refresh(database, StoppedClock(now), language, limit)


def judged(session, me, count, *, at=NOW, kind="rate"):
    session.execute(
        text(
            "INSERT INTO signal (subscriber_id, kind, target_kind, target, weight, at, text, lang, sources, sentences)"
            " SELECT :me, :kind, 'story', CAST(n AS text), CASE WHEN n % 3 = 0 THEN -1 ELSE 1 END,"
            "  CAST(:at AS timestamptz) - n * interval '1 minute',"
            "  'The council of Solvych voted on matter ' || n || ' about buses and schools', 'en', '[\"a\"]', 2"
            " FROM generate_series(1, :count) n"
        ),
        {"me": me, "kind": kind, "at": at, "count": count},
    )


def test_who_says_nothing_gets_a_neutral_persona(database, language, me):
    assert loaded(database, me) is None
    assert refreshed(database, language) == persona.Refreshed(1, 1, finished=True)
    found = loaded(database, me)
    assert (found.subscriber, found.version, found.neutral, found.summary) == ("me", 1, True, "")


def test_wishes_reach_the_persona_with_lemmas_and_are_taken_back(database, language, me):
    wish(database, me, "mute", "школы")
    wish(database, me, "follow", "бюджет города")
    row = wish(database, me, "follow", "buses")
    found = persona.compute(database, StoppedClock(NOW), language, me)
    assert {one.target: one.forms for one in found.mutes} == {"школы": (("школа", "школы"),)}
    follows = {one.target: one for one in found.follows}
    assert "bus" in follows["buses"].forms[0]
    assert follows["buses"].evidence == row
    assert len(follows["бюджет города"].forms) == 2
    wish(database, me, "follow", "buses", at=NOW + timedelta(minutes=1), undo=True)
    later = persona.compute(database, StoppedClock(NOW + timedelta(minutes=2)), language, me)
    assert [one.target for one in later.follows] == ["бюджет города"]
    assert later.version == found.version + 1


def test_a_target_is_a_source_when_there_is_one_else_a_word_that_says_something(database, tenant_id):
    rows.feed(database, tenant_id, "courier")
    with database.transaction() as session:
        assert persona.target_kind(session, tenant_id, "courier") == "source"
        assert persona.target_kind(session, tenant_id, "budget") == "word"
        for nothing in ("the", "", "a b c d e f", "x" * 200):
            with pytest.raises(UsageError, match="neither a source nor a word"):
                persona.target_kind(session, tenant_id, nothing)
        with pytest.raises(NotFound, match="no subscriber 'nobody'"):
            persona.subscriber(session, tenant_id, "nobody")


def test_the_sources_of_a_subscription_are_followed(database, language, tenant_id):
    rows.subscribed(database, tenant_id, sources=("b", "a"))
    refreshed(database, language)
    found = loaded(database, subscriber(database, tenant_id))
    assert [(one.target_kind, one.target) for one in found.follows] == [("source", "a"), ("source", "b")]


def shipped(database, tenant_id):
    """A run with a digest of one story, as a row."""
    run_id = rows.run(database, tenant_id)
    quote = "Council raised the bus fare"
    post = Post(5, "a/5", "a", "a", DAY, quote, "en", "0" * 64)
    sentence = Sentence(quote, (Citation(5, (0, len(quote)), quote),))
    story = DigestStory(77, "main", sentence, (sentence,), (5,), 1, 1, ("en",), DAY, 0)
    digest = Digest(
        Window(DAY, DAY + timedelta(days=1)), "UTC", "daily", ("main",), (story,), (5,), (), "extractive", "m", 0.9,
        (post,),
    )  # fmt: skip
    with database.transaction() as session:
        session.get_one(Run, run_id).digest_sha256 = archive.put(session, msgspec.json.encode(digest))
    return run_id


def test_a_rating_keeps_what_was_told_so_that_nothing_else_need_be_kept(database, language, tenant_id):
    run_id = shipped(database, tenant_id)
    with database.transaction() as session:
        me = persona.rate(session, run_id, 1, 1.0, at=NOW)
        persona.opened(session, run_id, 1, at=NOW)
        kept = session.scalars(select(Signal).order_by(Signal.id)).all()
    assert [(one.kind, one.target, one.weight) for one in kept] == [("rate", "77", 1.0), ("open", "77", 0.3)]
    assert (kept[0].sources, kept[0].lang, kept[0].sentences, kept[0].run_id) == (["a"], "en", 1, run_id)
    found = persona.compute(database, StoppedClock(NOW), language, me)
    assert "bus" in {one.name for one in found.terms if one.weight > 0}
    assert found.sources[0].name == "a"
    assert found.sources[0].evidence == (kept[1].id, kept[0].id)
    with database.transaction() as session, pytest.raises(NotFound, match="no story 2"):
        persona.rate(session, run_id, 2, 1.0, at=NOW)


def test_a_run_without_a_digest_cannot_be_rated(database, tenant_id):
    run_id = rows.run(database, tenant_id)
    with database.transaction() as session, pytest.raises(NotFound, match="has no digest"):
        persona.rate(session, run_id, 1, 1.0, at=NOW)


def test_a_refresh_is_idempotent_and_a_night_of_nothing_new_changes_no_version(database, language, me):
    wish(database, me, "follow", "budget")
    assert refreshed(database, language).changed == 1
    before = loaded(database, me)
    assert refreshed(database, language) == persona.Refreshed(0, 0, finished=True)
    assert refreshed(database, language, NOW + timedelta(days=1)) == persona.Refreshed(1, 0, finished=True)
    assert loaded(database, me) == before


def test_a_refresh_that_stops_is_resumed_and_meets_everyone_once(database, language, tenant_id):
    for number in range(5):
        rows.subscribed(database, tenant_id, name=f"s{number}", subscriber=f"p{number}")
    done = [refreshed(database, language, limit=2) for _ in range(4)]
    assert [(one.computed, one.finished) for one in done] == [(2, False), (2, False), (1, True), (0, True)]
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(PersonaRow)) == 5


class Plain:
    """A language without linguistics."""

    def detect(self, text):
        return "en"

    def lemma(self, word, lang):
        return word


class Broken(OfflineLanguage):
    """A language that fails at a word."""

    def lemma(self, word, lang):
        if word == "poison":
            raise RuntimeError("killed")
        return super().lemma(word, lang)


def test_a_refresh_that_is_killed_keeps_what_it_had_computed(database, language, tenant_id):
    for name in ("a", "b", "c"):
        rows.subscribed(database, tenant_id, name=name, subscriber=name)
    wish(database, subscriber(database, tenant_id, "b"), "follow", "poison")
    with pytest.raises(RuntimeError):
        refreshed(database, Broken())
    assert loaded(database, subscriber(database, tenant_id, "a")).version == 1
    assert refreshed(database, language) == persona.Refreshed(2, 2, finished=True)


def test_backtests_are_left_alone(database, language):
    rows.subscribed(database, rows.tenant(database, "backtest", live=False))
    assert refreshed(database, language).computed == 0


def test_ten_thousand_signals_are_computed_in_seconds_and_the_oldest_are_purged(
    database, language, me, tenant_id
):
    with database.transaction() as session:
        judged(session, me, 10_000)
        session.execute(
            text(
                "INSERT INTO story (tenant_id, title, first_at, last_at) SELECT :t, 'Council budget ' || n, :at, :at"
                " FROM generate_series(1, 2000) n"
            ),
            {"t": tenant_id, "at": NOW},
        )
    began = time.process_time()
    assert refreshed(database, language) == persona.Refreshed(1, 1, finished=True)
    assert time.process_time() - began < 10
    found = loaded(database, me)
    assert {"bus", "school"} <= {one.name for one in found.terms}
    later = StoppedClock(NOW + limits.PERSONA_HORIZON - timedelta(minutes=9_000))
    wish(database, me, "mute", "war", at=NOW - timedelta(days=999))
    gone = persona.purge(database, later, batch=400)
    assert (gone.rows, gone.finished) == (1_000, True)
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Signal)) == 9_001


def test_signals_are_read_by_an_index(database, me):
    with database.transaction() as session:
        session.execute(text("INSERT INTO subscriber (tenant_id, name) SELECT tenant_id, 'x' || n FROM subscriber,"
                             " generate_series(1, 50) n"))  # fmt: skip
        for row in session.scalars(select(Subscriber.id)).all():
            judged(session, row, 200)
            wish(database, me, "follow", f"word {row}")
        session.execute(text("ANALYZE signal"))
    sent = []

    def note(_, __, statement, parameters, ___, ____):
        if "FROM signal" in statement:
            sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        persona.compute(database, StoppedClock(NOW), Plain(), me)
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    assert len(sent) == 2
    with database.engine.connect() as connection:
        for statement, parameters in sent:
            plan = "\n".join(row for (row,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
            assert "ix_signal_" in plan
            assert "Seq Scan" not in plan


def test_a_persona_survives_the_way_to_the_table_and_back(database, language, tenant_id):
    run_id = shipped(database, tenant_id)
    with database.transaction() as session:
        me = persona.rate(session, run_id, 1, -1.0, at=NOW)
        session.add(Source(tenant_id=tenant_id, name="a", kind="feed", family="a"))
        session.add(Story(tenant_id=tenant_id, title="Council vote", first_at=NOW, last_at=NOW))
    wish(database, me, "follow", "2", target_kind="length")
    wish(database, me, "follow", "uk", target_kind="language")
    found = persona.compute(database, StoppedClock(NOW), language, me)
    assert found.sentences == 2
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
    with database.transaction() as session:
        subscription = session.get_one(Run, run_id).subscription_id
        assert persona.of_subscription(session, subscription) == found
