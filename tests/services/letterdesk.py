"""Dead letters for tests: of rows that failed as workers make them fail, and thousands at once."""

import random
from datetime import timedelta

from sqlalchemy import insert, select

from domains.errors import Unavailable
from services import deadletter, letter, work
from services.schema import DeadLetter, Delivery, Run, Source
from tasks import job
from tests import rows
from tests.rows import DAY

JOBS = job.LETTERS
NOW = DAY + timedelta(days=30)


def fail(database, task, row_id, error=None, *, now=NOW, seed=7):
    """Claim the row, whatever became of it before, fail, and return the letter's number."""
    one = next(one for one in JOBS if one.name == task)
    with database.transaction() as session:
        row = session.get_one(one.model, row_id)
        row.state, row.next_at = "due", now
        session.flush()
        lease = work.claim(session, one.model, row_id, owner="me", now=now, lease_s=60)
        deadletter.take(session, task, row_id, now=now)
        found = deadletter.record(
            session, one, lease, error or Unavailable("x"), now=now, base_s=60, rng=random.Random(seed)
        )
    return found.id


def get(database, letter_id):
    with database.transaction() as session:
        return session.get_one(DeadLetter, letter_id)


def state(database, letter_id):
    return get(database, letter_id).state


def row(database, model, row_id):
    with database.transaction() as session:
        return session.get_one(model, row_id)


def replay(database, letter_id, *, now=NOW, by="alice", **rest):
    with database.transaction() as session:
        return letter.replay(session, letter_id, JOBS, now=now, by=by, **rest)


def edit(database, letter_id, wanted, channels, *, now=NOW, by="alice"):
    with database.transaction() as session:
        return letter.edit_and_replay(session, letter_id, JOBS, wanted, channels, now=now, by=by)


def bulk(database, *, rate_s=10.0, dry_run=False, now=NOW, by="alice", edit=None, channels=None, **asked):
    with database.transaction() as session:
        return letter.bulk(
            session, letter.Filter(**asked), JOBS, rate_s=rate_s, dry_run=dry_run, now=now, by=by, edit=edit,
            channels=channels,
        )  # fmt: skip


def sweep(database, now=NOW):
    """Replay what is due, as the sweep does, and return the errands."""
    errands = []
    while True:
        with database.transaction() as session:
            released, _ = letter.sweep(session, JOBS, now=now)
        errands += released
        if not released:
            return errands


def runs(database, tenant_id, count, *, name="daily"):
    """Return so many runs of one subscription, in the order of their windows."""
    rows.run(database, tenant_id, name=name, now=DAY + timedelta(days=count))
    with database.transaction() as session:
        return list(
            session.scalars(select(Run.id).where(Run.tenant_id == tenant_id).order_by(Run.window_end))
        )


def deliveries(database, run_ids, channel="file"):
    """Return a delivery of each run."""
    with database.transaction() as session:
        tenant_id = session.get_one(Run, run_ids[0]).tenant_id
        query = insert(Delivery).returning(Delivery.id)
        return [
            session.scalar(query.values(tenant_id=tenant_id, run_id=run, channel=channel, target="", next_at=DAY))
            for run in run_ids
        ]  # fmt: skip


def many(database, tenant_id, count, *, fingerprints=20, now=NOW, state="permanent"):
    """Write letters of so many failed fetches, each with its dead source."""
    sources = [
        {
            "tenant_id": tenant_id, "name": f"feed {number}", "kind": "feed", "family": "f", "polled": True,
            "url": f"https://feed.example/{number}", "state": "dead",
        }
        for number in range(count)
    ]  # fmt: skip
    with database.transaction() as session:
        ids = list(session.scalars(insert(Source).returning(Source.id), sources))
        session.execute(
            insert(DeadLetter),
            [
                {
                    "tenant_id": tenant_id, "task": "source.fetch", "row_id": row_id, "kind": "transient",
                    "error": "Unavailable", "message": f"host {number} does not answer", "attempt": 3, "state": state,
                    "traceback": "Traceback (most recent call last):\n" + "  File ...\n" * 100, "place": "get:raise",
                    "fingerprint": f"{number % fingerprints:016x}", "created_at": now, "updated_at": now,
                    "failed_at": now + timedelta(seconds=number),
                    "history": [{"at": now.isoformat(), "what": "failed: Unavailable", "attempt": 3}],
                }
                for number, row_id in enumerate(ids)
            ],
        )  # fmt: skip
