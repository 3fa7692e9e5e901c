"""Bulk replays: told first, at their rate whoever dies, in the order of lanes, and each letter once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from domains.errors import Refused, Unavailable, UsageError
from services import audit, bulk, deadletter, letter
from services.schema import DeadLetter, Source
from tests import rows
from tests.services import letterdesk as desk
from tests.services.letterdesk import NOW, timedelta

FETCH, SEND = "source.fetch", "delivery.send"


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def letters(database):
    with database.transaction() as session:
        return list(session.scalars(select(DeadLetter).order_by(DeadLetter.id)))


def states(database):
    return Counter(one.state for one in letters(database))


def test_a_dry_run_tells_all_and_does_nothing(database, tenant_id):
    desk.many(database, tenant_id, 30)
    before = [(one.state, one.next_at, one.history) for one in letters(database)]
    plan = desk.bulk(database, dry_run=True, rate_s=2)
    assert (plan.letters, plan.by_task, plan.by_class) == (30, {FETCH: 30}, {"transient": 30})
    assert (plan.begins_at, plan.ends_at, plan.number) == (NOW, NOW + timedelta(seconds=14.5), None)
    assert (plan.cost.free, plan.cost.unknown, plan.cost.micros) == (30, 0, 0)
    assert [(one.state, one.next_at, one.history) for one in letters(database)] == before
    with database.transaction() as session:
        assert audit.listing(session) == []


def test_each_letter_has_its_time_at_the_rate_and_the_sweep_keeps_it(database, tenant_id):
    desk.many(database, tenant_id, 30)
    plan = desk.bulk(database, rate_s=2)
    assert sorted(one.next_at for one in letters(database)) == [
        NOW + timedelta(seconds=number / 2) for number in range(30)
    ]
    gone = [len(desk.sweep(database, NOW + timedelta(seconds=second))) for second in (0, 1, 5, 5, 60)]
    assert gone == [1, 2, 8, 0, 19]
    assert states(database) == {"pending": 30}
    assert {one.bulk_id for one in letters(database)} == {None}
    assert all(f"bulk replay {plan.number} by alice" in str(one.history) for one in letters(database))


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"fingerprint": f"{3:016x}"}, 2),
        ({"kinds": ("transient",)}, 40),
        ({"kinds": ("bug",)}, 0),
        ({"tasks": (FETCH,)}, 40),
        ({"tasks": (SEND,)}, 0),
        ({"since": NOW + timedelta(seconds=30)}, 10),
        ({"until": NOW + timedelta(seconds=30)}, 30),
        ({"text": "HOST 7 does"}, 1),
        ({"text": "50%"}, 0),
        ({"states": ("scheduled",)}, 0),
        ({"tenant_id": 0}, 0),
    ],
)
def test_only_what_the_filter_names_is_replayed(database, tenant_id, asked, count):
    desk.many(database, tenant_id, 40)
    assert desk.bulk(database, **asked).letters == count
    assert states(database)["scheduled"] == count


def test_operators_who_ask_for_the_same_at_once_run_it_once(database, tenant_id):
    desk.many(database, tenant_id, 200)
    start = Barrier(4)

    def ask(number):
        start.wait()
        return desk.bulk(database, rate_s=100, by=f"operator {number}").letters

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(4))) == 200
    start = Barrier(4)

    def carry_out(_):
        start.wait()
        return desk.sweep(database, NOW + timedelta(minutes=1))

    with ThreadPoolExecutor(4) as pool:
        errands = [errand for found in pool.map(carry_out, range(4)) for errand in found]
    assert len(errands) == len(set(errands)) == 200
    assert desk.bulk(database).letters == 0
    with database.transaction() as session:
        acts = audit.listing(session, limit=10_000)
    assert Counter(one["what"] for one in acts if one["letter"]) == {"bulk": 200, "replay": 200}
    assert {one["who"] for one in acts if one["what"] == "replay"} == {"sweep"}


def test_a_bulk_that_nobody_swept_goes_on_where_it_stood_at_its_rate(database, tenant_id):
    desk.many(database, tenant_id, 100)
    desk.bulk(database, rate_s=1)
    assert len(desk.sweep(database, NOW + timedelta(seconds=9))) == 10
    later = NOW + timedelta(hours=3)
    with database.transaction() as session:
        assert bulk.keep_pace(session, now=later, grace_s=60) == 1
        assert bulk.keep_pace(session, now=later, grace_s=60) == 0
    assert len(desk.sweep(database, later)) == 1
    assert len(desk.sweep(database, later + timedelta(seconds=9))) == 9
    with database.transaction() as session:
        assert bulk.keep_pace(session, now=later + timedelta(seconds=30), grace_s=60) == 0


def test_lanes_keep_their_order_whatever_the_order_of_failures(database, tenant_id):
    sends = desk.deliveries(database, desk.runs(database, tenant_id, 4))
    for row_id in reversed(sends):
        desk.fail(database, SEND, row_id, Refused("no"))
    desk.bulk(database, rate_s=100)
    later, sent = NOW + timedelta(hours=1), []
    while errands := desk.sweep(database, later):
        assert len(errands) == 1
        sent += [row_id for _, row_id in errands]
        with database.transaction() as session:
            session.get_one(desk.Delivery, sent[-1]).state = "done"
            deadletter.resolve(session, SEND, sent[-1], now=later)
    assert sent == sends


def test_of_a_rows_closed_letters_the_newest_is_replayed(database, tenant_id):
    feed = rows.feed(database, tenant_id)
    for _ in range(3):
        one = desk.fail(database, FETCH, feed, Refused("no"))
        with database.transaction() as session:
            letter.discard(session, one, desk.JOBS, now=NOW, by="bob")
    assert desk.bulk(database).letters == 0
    assert desk.bulk(database, states=("discarded",)).letters == 1
    assert desk.sweep(database) == [(FETCH, feed)]


def test_a_failure_in_a_bulk_is_a_failure_like_any_other(database, tenant_id):
    feed = rows.feed(database, tenant_id)
    one = desk.fail(database, FETCH, feed, Refused("no"))
    desk.bulk(database)
    desk.sweep(database)
    assert desk.fail(database, FETCH, feed, Unavailable("again")) == one
    found = desk.get(database, one)
    assert (found.state, found.attempt, found.bulk_id) == ("scheduled", 1, None)


def test_letters_are_changed_alike_before_they_go(database, tenant_id):
    desk.many(database, tenant_id, 3)
    desk.bulk(database, edit={"url": "https://new.example/rss"}, channels={})
    with database.transaction() as session:
        assert set(session.scalars(select(Source.url))) == {"https://new.example/rss"}
        acts = Counter(one["what"] for one in audit.listing(session))
    assert acts == {"bulk": 4, "edit": 3}


def test_an_edit_that_one_letter_refuses_is_made_to_none(database, tenant_id):
    desk.many(database, tenant_id, 3)
    with database.transaction() as session:
        session.scalars(select(Source).order_by(Source.id.desc())).first().kind = "directory"
    with pytest.raises(UsageError, match=r"\$"):
        desk.bulk(database, edit={"url": "https://new.example/rss"}, channels={})
    assert states(database) == {"permanent": 3}
    with database.transaction() as session:
        assert "https://new.example/rss" not in set(session.scalars(select(Source.url)))


def test_an_edit_is_for_one_task(database, tenant_id):
    desk.many(database, tenant_id, 1)
    (send,) = desk.deliveries(database, desk.runs(database, tenant_id, 1))
    desk.fail(database, SEND, send, Refused("no"))
    with pytest.raises(UsageError, match="one task"):
        desk.bulk(database, edit={"target": "x"})
    assert states(database) == {"permanent": 2}


@pytest.mark.parametrize("rate_s", [0, -1, 1e9, float("nan")])
def test_a_rate_has_bounds(database, rate_s):
    with pytest.raises(UsageError, match="rate"):
        desk.bulk(database, rate_s=rate_s)


def test_a_history_stays_as_long_as_it_may_be(database, tenant_id):
    desk.many(database, tenant_id, 1)
    with database.transaction() as session:
        one = session.scalars(select(DeadLetter)).one()
        one.history = [{"at": "", "what": str(number), "attempt": 1} for number in range(deadletter.HISTORY)]
    desk.bulk(database)
    (one,) = letters(database)
    assert len(one.history) == deadletter.HISTORY
    assert [one.history[0]["what"], one.history[-2]["what"]] == ["1", str(deadletter.HISTORY - 1)]
