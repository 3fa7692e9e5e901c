"""Claims: one owner at a time, fenced; a worker's death is counted, not lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from domains import dlq
from services import work
from services.schema import DeadLetter, Source, Tenant
from tests import rows
from tests.rows import DAY


def claim(database, row_id, owner="a", now=DAY, model=Source):
    with database.transaction() as session:
        return work.claim(session, model, row_id, owner=owner, now=now, lease_s=60)


def settle(database, lease, state, **values):
    with database.transaction() as session:
        work.settle(session, lease, state, **values)


@pytest.fixture
def feed(database):
    return rows.feed(database, rows.tenant(database))


def test_a_row_has_one_owner(database, feed):
    assert claim(database, feed, "a").owner == "a"
    assert claim(database, feed, "b") is None


def test_of_many_claims_at_once_one_wins(database, feed):
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda n: claim(database, feed, str(n)), range(24)))
    assert sum(lease is not None for lease in leases) == 1


def test_what_is_not_due_yet_is_left_alone(database, feed):
    lease = claim(database, feed)
    settle(database, lease, "due", next_at=DAY + timedelta(minutes=5))
    assert claim(database, feed, now=DAY + timedelta(minutes=4)) is None
    assert claim(database, feed, now=DAY + timedelta(minutes=5)) is not None


def test_an_expired_lease_is_taken_over_and_counted_until_it_is_poison(database, feed):
    now = DAY
    for deaths in range(4):
        lease = claim(database, feed, str(deaths), now=now)
        assert lease.expiries == deaths
        assert work.is_poison(lease) == (deaths >= work.POISON_EXPIRIES)
        now += timedelta(seconds=61)


def test_success_forgives_deaths(database, feed):
    claim(database, feed, "dies")
    lease = claim(database, feed, "lives", now=DAY + timedelta(seconds=61))
    settle(database, lease, "done")
    with database.transaction() as session:
        assert session.get_one(Source, feed).expiries == 0


def test_a_worker_that_overslept_its_lease_changes_nothing(database, feed):
    asleep = claim(database, feed, "asleep")
    awake = claim(database, feed, "awake", now=DAY + timedelta(seconds=61))
    with pytest.raises(work.LeaseLostError, match="taken over"):
        settle(database, asleep, "done")
    with pytest.raises(work.LeaseLostError), database.transaction() as session:
        work.extend(session, asleep, now=DAY, lease_s=60)
    settle(database, awake, "done")


def test_a_kept_lease_does_not_run_out(database, feed):
    lease = claim(database, feed)
    with database.transaction() as session:
        work.extend(session, lease, now=DAY + timedelta(seconds=50), lease_s=60)
    assert claim(database, feed, "b", now=DAY + timedelta(seconds=100)) is None


def test_sweeps_see_due_and_expired_rows_of_live_tenants_only(database):
    live, past = rows.tenant(database, "live"), rows.tenant(database, "backtest", live=False)
    due = rows.feed(database, live, "due")
    expired = rows.feed(database, live, "expired")
    rows.feed(database, live, "later", now=DAY + timedelta(days=1))
    rows.feed(database, past, "past")
    claim(database, expired, "dead", now=DAY)
    with database.transaction() as session:
        assert work.due(session, Source, now=DAY + timedelta(seconds=61)) == [due, expired]
        assert set(work.due(session, Tenant, now=DAY)) == {live}


def test_indexing_is_woken_by_new_posts_only(database, feed):
    with database.transaction() as session:
        tenant_id = session.get_one(Source, feed).tenant_id
    settle(database, claim(database, tenant_id, model=Tenant), "done")
    with database.transaction() as session:
        work.wake_indexing(session, now=DAY)
        assert session.get_one(Tenant, tenant_id).state == "done"
    rows.posts(database, tenant_id, feed, rows.entry(1, "Something happened in the town today."))
    with database.transaction() as session:
        work.wake_indexing(session, now=DAY)
        session.expire_all()
        assert session.get_one(Tenant, tenant_id).state == "due"


def test_a_dead_row_is_revived_with_its_deaths_forgiven(database, feed):
    settle(database, claim(database, feed), "dead")
    assert claim(database, feed) is None
    with database.transaction() as session:
        work.revive(session, Source, feed, now=DAY)
    assert claim(database, feed).expiries == 0


def letter(database, row_id, state):
    with database.transaction() as session:
        tenant_id = session.get_one(Source, row_id).tenant_id
        session.add(
            DeadLetter(
                tenant_id=tenant_id, task="source.fetch", row_id=row_id, kind="transient", error="E", message="",
                traceback="", fingerprint="0", attempt=1, state=state, created_at=DAY, updated_at=DAY, history=[],
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "task", "lettered"),
    [
        *((state, "source.fetch", True) for state in dlq.OPEN),
        ("resolved", "source.fetch", False),
        ("discarded", "source.fetch", False),
        ("scheduled", "index.posts", False),
        ("resolved", None, True),
    ],
)
def test_a_claim_says_whether_the_tasks_letter_is_open(database, feed, state, task, lettered):
    letter(database, feed, state)
    with database.at_once() as session:
        lease = work.claim(session, Source, feed, owner="a", now=DAY, lease_s=60, task=task)
    assert lease.lettered is lettered


def test_a_claim_does_not_wait_for_the_disk_and_what_follows_does(database, feed):
    """The setting is that of the claim's own transaction, not of the connection, which settles next."""
    with database.at_once() as session:
        told = session.connection().exec_driver_sql
        told("SET synchronous_commit = on")
        assert work.claim(session, Source, feed, owner="a", now=DAY, lease_s=60)
        assert told("SHOW synchronous_commit").scalar() == "on"
        told("RESET synchronous_commit")
    with database.transaction() as session:
        told = session.connection().exec_driver_sql
        told("SET LOCAL synchronous_commit = on")
        assert work.claim(session, Source, feed, owner="b", now=DAY + timedelta(seconds=61), lease_s=60)
        assert told("SHOW synchronous_commit").scalar() == "off"
