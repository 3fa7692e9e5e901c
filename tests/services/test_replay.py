"""The operator's buttons: from any end, once, clearing what the failure poisoned and nothing else, and audited."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from domains.errors import Busy, NotFound, Refused, Unavailable, UsageError
from services import archive, audit, deadletter, letter, work
from services.schema import Delivery, Run, RunStep, Source, Subscription
from tests import rows
from tests.services import letterdesk as desk
from tests.services.letterdesk import NOW

FETCH, MAKE, SEND = "source.fetch", "digest.make", "delivery.send"
CHANNELS = rows.anywhere("file", "stdout")


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def feed(database, tenant_id):
    return rows.feed(database, tenant_id)


@pytest.fixture
def delivery(database, tenant_id):
    return desk.deliveries(database, desk.runs(database, tenant_id, 1))[0]


def acts(database, letter_id):
    with database.transaction() as session:
        return [(one["who"], one["what"]) for one in audit.listing(session, letter_id=letter_id)][::-1]


def discard(database, letter_id, **rest):
    with database.transaction() as session:
        letter.discard(session, letter_id, desk.JOBS, now=NOW, by="bob", **rest)


def end(database, letter_id, how):
    if how == "resolved":
        with database.transaction() as session:
            deadletter.resolve(session, FETCH, desk.get(database, letter_id).row_id, now=NOW)
    elif how == "discarded":
        discard(database, letter_id)


@pytest.mark.parametrize("how", ["permanent", "resolved", "discarded"])
def test_a_letter_is_replayed_from_any_end_with_its_history(database, feed, how):
    one = desk.fail(database, FETCH, feed, Refused("no"))
    end(database, one, how)
    before = desk.get(database, one)
    assert before.state == how
    assert desk.replay(database, one) == (FETCH, feed)
    after = desk.get(database, one)
    assert (after.state, after.attempt) == ("pending", 0)
    assert after.history[:-1] == before.history
    assert after.history[-1]["what"] == "replayed by alice"
    assert desk.row(database, Source, feed).state == "due"
    assert acts(database, one)[-1] == ("alice", "replay")


def test_what_failed_again_since_is_replayed_by_its_newer_letter(database, feed):
    old = desk.fail(database, FETCH, feed, Refused("no"))
    discard(database, old)
    new = desk.fail(database, FETCH, feed, Refused("no"))
    with pytest.raises(UsageError) as caught:
        desk.replay(database, old)
    assert str(new) in caught.value.remedy


def test_a_worker_at_a_replay_leases_its_letter_and_puts_it_back(database, feed):
    one = desk.fail(database, FETCH, feed, Refused("no"))
    desk.replay(database, one)
    with database.transaction() as session:
        deadletter.take(session, FETCH, feed, now=NOW)
    assert desk.state(database, one) == "leased"
    with pytest.raises(Busy, match="a worker is at"):
        discard(database, one)
    with database.transaction() as session:
        deadletter.put_back(session, FETCH, feed, now=NOW)
    assert desk.state(database, one) == "pending"


def test_a_discarded_replay_is_not_done(database, feed):
    one = desk.fail(database, FETCH, feed, Refused("no"))
    desk.replay(database, one)
    discard(database, one)
    assert desk.row(database, Source, feed).state == "dead"
    assert acts(database, one) == [("alice", "replay"), ("bob", "discard")]


@pytest.mark.parametrize("button", ["replay", "discard"])
def test_another_tenants_letter_is_not_there(database, feed, button):
    one, other = desk.fail(database, FETCH, feed), rows.tenant(database, "other")
    press = desk.replay if button == "replay" else discard
    with pytest.raises(NotFound, match=str(one)):
        press(database, one, tenant_id=other)


def test_a_delivery_that_arrived_is_not_sent_again(database, delivery):
    one = desk.fail(database, SEND, delivery)
    with database.transaction() as session:
        session.get_one(Delivery, delivery).state = "done"
        deadletter.resolve(session, SEND, delivery, now=NOW)
    desk.replay(database, one)
    assert desk.row(database, Delivery, delivery).state == "done"
    with database.transaction() as session:
        assert deadletter.settle_finished(session, desk.JOBS, now=NOW) == 1
    assert desk.state(database, one) == "resolved"


def test_what_nobody_knows_is_settled_and_not_replayed(database, delivery):
    one = desk.fail(database, SEND, delivery)
    with database.transaction() as session:
        session.get_one(Delivery, delivery).state = "unknown"
    with pytest.raises(UsageError) as caught:
        desk.replay(database, one)
    assert "delivery settle" in caught.value.remedy
    # What the sweep cannot replay waits for a person, and stops nobody else.
    assert desk.sweep(database, NOW + desk.timedelta(hours=1)) == []
    assert desk.get(database, one).state == "permanent"


@pytest.mark.parametrize("how", ["paused", "removed"])
def test_a_source_that_is_not_to_be_fetched_is_not_fetched(database, feed, how):
    one = desk.fail(database, FETCH, feed, Refused("no"))
    with database.transaction() as session:
        row = session.get_one(Source, feed)
        row.paused, row.removed_at = how == "paused", NOW if how == "removed" else None
    with pytest.raises(UsageError, match=how):
        desk.replay(database, one)
    assert desk.row(database, Source, feed).state == "dead"


def test_a_letter_whose_work_was_deleted_says_so_and_is_closed_by_the_sweep(database, tenant_id, feed):
    waiting, gone = desk.fail(database, FETCH, feed, Refused("no")), rows.feed(database, tenant_id, "gone")
    one = desk.fail(database, FETCH, gone, Refused("no"))
    desk.replay(database, one)
    with database.transaction() as session:
        session.delete(session.get_one(Source, gone))
        session.flush()
        assert deadletter.settle_finished(session, desk.JOBS, now=NOW) == 1
    assert (desk.state(database, one), desk.state(database, waiting)) == ("discarded", "permanent")
    with pytest.raises(NotFound, match="was deleted"):
        desk.replay(database, one)


def steps(database, run_id, *names):
    with database.transaction() as session:
        sha256 = archive.put(session, b"{}")
        for seq, name in enumerate(names):
            session.add(RunStep(run_id=run_id, name=name, seq=seq, sha256=sha256, at=NOW, elapsed_ms=1))


def left(database, run_id):
    with database.transaction() as session:
        return set(session.scalars(select(RunStep.name).where(RunStep.run_id == run_id)))


@pytest.mark.parametrize(
    ("edit", "kept"),
    [
        ({"channels": [["stdout", ""]]}, {"begin", "brief", "plan"}),
        ({"rung": "extractive"}, {"begin", "brief"}),
        ({"settings": {"max_stories": 3}}, {"begin"}),
        ({"sources": []}, {"begin", "brief", "plan"}),
    ],
)
def test_an_edit_forgets_what_was_made_of_the_old_values_and_no_more(database, tenant_id, edit, kept):
    (run_id,) = desk.runs(database, tenant_id, 1)
    steps(database, run_id, "begin", "brief", "plan")
    one = desk.fail(database, MAKE, run_id)
    assert desk.edit(database, one, edit, CHANNELS) == (MAKE, run_id)
    assert left(database, run_id) == kept
    run = desk.row(database, Run, run_id)
    assert run.changed == ({} if edit == {"sources": []} else edit)
    with database.transaction() as session:
        # What is set for one run is the others' no more than before.
        assert session.get_one(Subscription, run.subscription_id).settings == {}


def test_another_target_is_a_place_where_nothing_was_sent(database, delivery):
    with database.transaction() as session:
        row = session.get_one(Delivery, delivery)
        row.progress, row.sending_at = {"of": 2, "sending": 1}, NOW
    one = desk.fail(database, SEND, delivery)
    desk.edit(database, one, {"target": "elsewhere"}, CHANNELS)
    row = desk.row(database, Delivery, delivery)
    assert (row.target, row.progress, row.sending_at) == ("elsewhere", {}, None)


def test_a_replay_leaves_the_mark_of_a_part_on_its_way(database, delivery):
    with database.transaction() as session:
        session.get_one(Delivery, delivery).sending_at = NOW
    one = desk.fail(database, SEND, delivery, work.PoisonError("they died"))
    desk.replay(database, one)
    assert desk.row(database, Delivery, delivery).sending_at == NOW


def test_another_address_forgets_what_the_old_one_answered(database, feed):
    with database.transaction() as session:
        session.get_one(Source, feed).etag = "old"
    one = desk.fail(database, FETCH, feed)
    desk.edit(database, one, {"url": "https://new.example/rss"}, CHANNELS)
    row = desk.row(database, Source, feed)
    assert (row.url, row.etag, row.state) == ("https://new.example/rss", None, "due")
    assert acts(database, one) == [("alice", "edit")]


@pytest.mark.parametrize(
    ("task", "edit", "said"),
    [
        (SEND, {"channel": "pigeon"}, "pigeon"),
        (SEND, {"target": 7}, r"\$\.target"),
        (MAKE, {"settings": {"max_stories": 0}}, r"\$\.settings\.max_stories"),
        (MAKE, {"sources": ["nobody"]}, "nobody"),
        (MAKE, {"channels": [["file"]]}, r"\$\.channels\[0\]"),
        (FETCH, {"url": "ftp://old.example"}, r"\$\.url"),
        (FETCH, {"cursor": {}}, r"\$"),
    ],
)
def test_an_edit_that_may_not_be_is_refused_by_its_place_and_changes_nothing(
    database, feed, delivery, task, edit, said
):
    row_id = {FETCH: feed, SEND: delivery, MAKE: desk.row(database, Delivery, delivery).run_id}[task]
    one = desk.fail(database, task, row_id)
    with pytest.raises((UsageError, NotFound), match=said):
        desk.edit(database, one, edit, CHANNELS)
    assert desk.state(database, one) == "scheduled"
    assert acts(database, one) == []


def test_a_channel_that_the_run_has_already_is_refused(database, delivery):
    run_id = desk.row(database, Delivery, delivery).run_id
    desk.deliveries(database, [run_id], "stdout")
    one = desk.fail(database, SEND, delivery)
    with pytest.raises(UsageError, match=r"\$\.channel"):
        desk.edit(database, one, {"channel": "stdout"}, CHANNELS)


def test_letters_of_a_lane_are_replayed_in_their_order(database, tenant_id):
    sends = desk.deliveries(database, desk.runs(database, tenant_id, 3))
    # The latest failed first, so that by time alone it would go first.
    first, second, third = (
        desk.fail(database, SEND, row, Unavailable("x"), now=NOW - desk.timedelta(minutes=number))
        for number, row in enumerate(sends)
    )
    later = NOW + desk.timedelta(hours=1)
    assert desk.sweep(database, later) == [(SEND, sends[0])]
    assert desk.sweep(database, later) == []
    assert desk.replay(database, third, now=later) is None
    assert desk.state(database, third) == "scheduled"
    with database.transaction() as session:
        session.get_one(Delivery, sends[0]).state = "done"
        deadletter.resolve(session, SEND, sends[0], now=later)
    assert desk.sweep(database, later) == [(SEND, sends[1])]
    discard(database, second)
    assert desk.sweep(database, later) == [(SEND, sends[2])]
    assert [desk.state(database, one) for one in (first, second, third)] == [
        "resolved",
        "discarded",
        "pending",
    ]


def test_many_who_press_at_once_press_once(database, feed):
    one = desk.fail(database, FETCH, feed, Refused("no"))
    start = Barrier(8)

    def press(number):
        start.wait()
        return desk.replay(database, one, by=f"operator {number}")

    with ThreadPoolExecutor(8) as pool:
        found = [errand for errand in pool.map(press, range(8)) if errand]
    assert found == [(FETCH, feed)]
    assert len(acts(database, one)) == 1


def test_a_replay_waits_for_nobody_who_waits_for_it(database, feed):
    """A worker that fails and an operator that replays take their locks in one order."""
    one = desk.fail(database, FETCH, feed, Refused("no"))
    start = Barrier(2)

    def fail(_):
        start.wait()
        with database.transaction() as session:
            row = session.get_one(Source, feed, with_for_update=True)
            row.state, row.next_at = "due", NOW
            session.flush()
            lease = work.claim(session, Source, feed, owner="w", now=NOW, lease_s=60)
            deadletter.record(
                session, desk.JOBS[0], lease, Refused("no"), now=NOW, base_s=60, rng=desk.random.Random(1)
            )

    def press(_):
        start.wait()
        return desk.replay(database, one)

    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(fail, 0), pool.submit(press, 0)]:
                done.result(timeout=100)
    assert desk.state(database, one) in {"permanent", "pending"}
