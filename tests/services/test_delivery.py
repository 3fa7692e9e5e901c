"""Deliveries: what is to be sent, what was, and what nobody can know."""

import re
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from domains.delivery import Progress
from domains.digest import Digest
from domains.errors import NotFound, UsageError
from domains.ports import Receipt
from domains.window import Window
from services import archive, delivery, work
from services.schema import Delivery, Run, Subscription
from tests import rows
from tests.rows import DAY

TOMORROW = DAY + timedelta(days=1)
QUIET = Digest(
    window=Window(DAY, TOMORROW), zone="UTC", subscription="daily", sections=(), stories=(), shown=(), drops=(),
    rung="extractive", method="test", score=1.0, posts=(),
)  # fmt: skip


@pytest.fixture
def run_id(database):
    """A finished run with two deliveries that wait."""
    tenant_id = rows.tenant(database)
    run_id = rows.run(database, tenant_id)
    with database.transaction() as session:
        run = session.get_one(Run, run_id)
        run.state, run.digest_sha256 = "done", archive.put(session, msgspec.json.encode(QUIET))
        for channel, target in (("file", "family"), ("stdout", "")):
            session.add(
                Delivery(tenant_id=tenant_id, run_id=run_id, channel=channel, target=target, next_at=TOMORROW)
            )
    return run_id


@pytest.fixture
def first(database, run_id):
    with database.transaction() as session:
        return delivery.waiting(session, run_id)[0]


def claim(database, row_id, owner="me", now=TOMORROW):
    with database.transaction() as session:
        return work.claim(session, Delivery, row_id, owner=owner, now=now, lease_s=60)


def errand(database, lease):
    with database.transaction() as session:
        return delivery.errand(session, lease)


def begin(database, lease, now=TOMORROW):
    with database.transaction() as session:
        return delivery.begin(session, lease, Progress().begin(0), [""], now=now)


def row(database, row_id):
    with database.transaction() as session:
        return session.get_one(Delivery, row_id)


def test_an_errand_says_what_where_and_under_which_key(database, run_id, first):
    found = errand(database, claim(database, first))
    assert (found.id, found.run, found.channel, found.target) == (first, run_id, "file", "family")
    assert found.digest == QUIET
    assert found.tried_at is None


def test_the_key_is_the_same_at_every_try_and_another_for_each_channel(database, run_id):
    with database.transaction() as session:
        ids = delivery.waiting(session, run_id)
    keys = [errand(database, claim(database, one)).key for one in ids]
    later = TOMORROW + timedelta(seconds=61)
    again = [errand(database, claim(database, one, "next", later)).key for one in ids]
    assert keys == again
    assert len(set(keys)) == 2


def test_a_second_try_knows_that_the_first_may_have_sent(database, first):
    begin(database, claim(database, first))
    later = TOMORROW + timedelta(seconds=61)
    found = errand(database, claim(database, first, "next", later))
    assert (found.tried_at, found.progress.sending) == (TOMORROW, 0)


def test_what_certainly_was_not_taken_may_be_sent_again(database, first):
    lease = claim(database, first)
    progress = begin(database, lease)
    with database.transaction() as session:
        delivery.note(session, lease, progress.release())
    later = TOMORROW + timedelta(seconds=61)
    found = errand(database, claim(database, first, "next", later))
    assert (found.tried_at, found.progress.todo(ordered=True)) == (None, [0])


def test_what_an_older_version_began_is_on_its_way(database, first):
    lease = claim(database, first)
    with database.transaction() as session:
        session.get_one(Delivery, first).sending_at = TOMORROW
    assert errand(database, lease).progress == Progress(sending=0)


def test_a_delivery_that_was_taken_is_done_with_its_receipt(database, run_id, first):
    lease = claim(database, first)
    errand(database, lease)
    with database.transaction() as session:
        delivery.delivered(session, lease, Receipt(("a/b.html",), "42"), now=TOMORROW)
        assert len(delivery.waiting(session, run_id)) == 1
        shown = delivery.of_run(session, run_id)
    assert shown == [
        {
            "delivery": first, "channel": "file", "target": "family", "state": "done", "delivered_at": TOMORROW.isoformat(),
            "where": ["a/b.html"],
        },
        {"delivery": first + 1, "channel": "stdout", "target": "", "state": "due", "delivered_at": None, "where": []},
    ]  # fmt: skip
    assert row(database, first).receipt == {"where": ["a/b.html"], "external_id": "42"}
    assert claim(database, first, "b", TOMORROW + timedelta(days=1)) is None


def test_what_nobody_knows_is_shown_as_unknown_and_not_tried_again(database, run_id, first):
    lease = claim(database, first)
    with database.transaction() as session:
        delivery.unknown(session, lease)
        assert delivery.of_run(session, run_id)[0]["state"] == "unknown"
        assert work.due(session, Delivery, now=TOMORROW + timedelta(days=9)) == delivery.waiting(
            session, run_id
        )
    assert claim(database, first, "b", TOMORROW + timedelta(days=1)) is None


def test_a_worker_that_overslept_settles_nothing(database, first):
    asleep = claim(database, first, "asleep")
    later = TOMORROW + timedelta(seconds=61)
    awake = claim(database, first, "awake", later)
    with pytest.raises(work.LeaseLostError), database.transaction() as session:
        delivery.delivered(session, asleep, Receipt(("lost",)), now=later)
    with pytest.raises(work.LeaseLostError), database.transaction() as session:
        delivery.unknown(session, asleep)
    assert (row(database, first).state, row(database, first).receipt) == ("leased", None)
    with database.transaction() as session:
        delivery.delivered(session, awake, Receipt(("kept",)), now=later)
    assert row(database, first).receipt["where"] == ["kept"]


def test_done_and_unknown_ones_are_counted_as_settled(database, run_id):
    with database.transaction() as session:
        tenant_id = session.get_one(Run, run_id).tenant_id
        ids = delivery.waiting(session, run_id)
        assert delivery.settled(session, tenant_id) == 0
    for one, state in zip(ids, ("done", "unknown"), strict=True):
        with database.transaction() as session:
            session.get_one(Delivery, one).state = state
    with database.transaction() as session:
        assert delivery.settled(session, tenant_id) == 2
        assert delivery.settled(session, rows.tenant(database, "other")) == 0


def test_two_subscriptions_never_share_a_series(database):
    tenant_id = rows.tenant(database)
    with database.transaction() as session:
        for name in ("вечір", "a b", "a-b", "../../etc", ".", "x" * 90):
            rows.subscribed(database, tenant_id, name=name)
        found = {row.name: delivery._series(row) for row in session.scalars(select(Subscription))}
    assert len(set(found.values())) == 6
    assert all(
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*-\d+", one) and len(one) < 60 for one in found.values()
    )


def test_unknowns_are_shown_with_what_came_before(database, run_id, first):
    lease = claim(database, first)
    progress = Progress(of=3).begin(0).confirm(0, Receipt(("here",), "7"), TOMORROW).begin(1).doubt()
    with database.transaction() as session:
        delivery.note(session, lease, progress)
        delivery.unknown(session, lease)
        tenant_id = session.get_one(Run, run_id).tenant_id
        (shown,) = delivery.unknowns(session, tenant_id)
        assert delivery.unknowns(session, rows.tenant(database, "other")) == []
    assert (shown["parts"], shown["sent"], shown["in_doubt"], shown["where"]) == (3, [1], [2], ["here"])


def test_what_is_not_in_doubt_cannot_be_settled(database, run_id, first):
    def settle(tenant_id, row_id):
        with database.transaction() as session:
            delivery.settle_unknown(session, tenant_id, row_id, ruling="again", by="olga", now=TOMORROW)

    with database.transaction() as session:
        tenant_id = session.get_one(Run, run_id).tenant_id
    with pytest.raises(UsageError, match="due, not unknown"):
        settle(tenant_id, first)
    for whose, which in ((tenant_id, 10**9), (rows.tenant(database, "other"), first)):
        with pytest.raises(NotFound):
            settle(whose, which)


def test_two_operators_who_settle_at_once_settle_it_once(database, run_id, first):
    with database.transaction() as session:
        delivery.unknown(session, claim(database, first))
        tenant_id = session.get_one(Run, run_id).tenant_id

    def settle(ruling):
        with database.transaction() as session:
            return delivery.settle_unknown(session, tenant_id, first, ruling=ruling, by="olga", now=TOMORROW)

    assert settle("delivered") == "done"
    with pytest.raises(UsageError, match="done"):
        settle("again")
    assert row(database, first).state == "done"
