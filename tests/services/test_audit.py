"""The audit: who did what, when, and what it was before and after; a tenant sees its own."""

from datetime import timedelta

from services import audit, subscription
from tests import rows
from tests.rows import DAY


def note(database, **values):
    with database.transaction() as session:
        row = audit.note(session, values.pop("what", "replay"), **{"by": "alice", "at": DAY, **values})
        session.flush()
        return row.id


def listing(database, **asked):
    with database.transaction() as session:
        return audit.listing(session, **asked)


def test_an_action_is_kept_with_all_that_is_known(database):
    tenant_id = rows.tenant(database)
    number = note(
        database, tenant_id=tenant_id, letter_id=7, task="source.fetch", row_id=3, before={"state": "permanent"},
        after={"state": "pending"},
    )  # fmt: skip
    assert listing(database) == [
        {
            "id": number, "at": DAY.isoformat(), "who": "alice", "what": "replay", "letter": 7, "task": "source.fetch",
            "row": 3, "before": {"state": "permanent"}, "after": {"state": "pending"},
        }
    ]  # fmt: skip


def test_the_newest_come_first_and_a_tenant_sees_its_own(database):
    one, other = rows.tenant(database, "one"), rows.tenant(database, "other")
    ids = [note(database, tenant_id=whose, letter_id=7, at=DAY + timedelta(hours=n)) for n, whose in enumerate((one, other, None))]  # fmt: skip
    assert [row["id"] for row in listing(database)] == ids[::-1]
    assert [row["id"] for row in listing(database, tenant_id=one)] == ids[:1]
    assert [row["id"] for row in listing(database, limit=1)] == ids[-1:]
    assert listing(database, letter_id=8) == []


def test_a_name_is_kept_short_and_without_secrets(database):
    note(database, tenant_id=None, by="token=hunter2hunter2 " + "я" * 1_000 + "\0")
    (row,) = listing(database)
    assert "hunter2" not in row["who"]
    assert len(row["who"]) == audit.WHO_CHARS


def test_what_was_done_goes_with_its_tenant(database):
    note(database, tenant_id=rows.tenant(database, "goes"))
    with database.transaction() as session:
        subscription.remove_tenant(session, "goes", live=True)
    assert listing(database) == []
