"""The operator's desk: a thousand equal failures are one line, pages are quick, and a letter says all that is known."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from domains.errors import NotFound, Refused, Unavailable
from services import archive, letter
from services.schema import RunStep, Source
from tests import rows
from tests.services import letterdesk as desk
from tests.services.letterdesk import NOW

Filter = letter.Filter


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def asked(database, read, *arguments, **filter_):
    with database.transaction() as session:
        return read(session, Filter(**filter_), *arguments)


def test_a_thousand_equal_failures_are_one_line(database, tenant_id):
    desk.many(database, tenant_id, 1_000, fingerprints=1)
    (group,) = asked(database, letter.groups)
    assert (group.count, group.states, group.tenants) == (1_000, {"permanent": 1_000}, 1)
    assert (group.task, group.kind, group.error, group.place) == (
        "source.fetch",
        "transient",
        "Unavailable",
        "get:raise",
    )
    assert group.message == "host 999 does not answer"
    assert (group.first_at, group.last_at) == (NOW, NOW + timedelta(seconds=999))
    assert asked(database, letter.total) == 1_000


def test_groups_are_the_most_numerous_first_and_a_filter_narrows_them(database, tenant_id):
    desk.many(database, tenant_id, 30, fingerprints=2)
    desk.fail(database, "source.fetch", rows.feed(database, tenant_id), Refused("no"))
    groups = asked(database, letter.groups)
    assert [group.count for group in groups] == [15, 15, 1]
    assert [group.error for group in asked(database, letter.groups, kinds=("permanent",))] == ["Refused"]
    assert asked(database, letter.groups, tenant_id=rows.tenant(database, "other")) == []
    assert asked(database, letter.groups, states=("resolved",)) == []
    assert asked(database, letter.groups, states=()) == groups


def test_a_fault_of_many_hosts_has_one_fingerprint(database, tenant_id):
    for number in range(5):
        feed = rows.feed(database, tenant_id, f"feed {number}")
        error = Unavailable(f"host 'n{number}.example' gave {500 + number}")
        desk.fail(database, "source.fetch", feed, error)
    (group,) = asked(database, letter.groups)
    assert group.count == 5


def test_pages_follow_one_another_and_hold_every_letter_once(database, tenant_id):
    desk.many(database, tenant_id, 25)
    seen, after = [], None
    while page := asked(database, letter.page, after, 10):
        seen += [row["id"] for row in page]
        after = seen[-1]
        assert {row["tenant"] for row in page} == {"t"}
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)


def test_a_page_reads_nothing_heavy(database, tenant_id):
    desk.many(database, tenant_id, 3)
    statements = []
    from_engine = database.engine

    def note(_, __, statement, *___):
        statements.append(statement)

    event.listen(from_engine, "before_cursor_execute", note)
    try:
        asked(database, letter.page)
    finally:
        event.remove(from_engine, "before_cursor_execute", note)
    (query,) = [one for one in statements if "dead_letter" in one]
    assert not any(name in query for name in ("traceback", "history", "payload"))


def test_a_digests_letter_says_after_which_step_it_failed(database, tenant_id):
    (run_id,) = desk.runs(database, tenant_id, 1)
    with database.transaction() as session:
        sha256 = archive.put(session, b"{}")
        for seq, name in enumerate(("begin", "brief")):
            session.add(RunStep(run_id=run_id, name=name, seq=seq, sha256=sha256, at=NOW, elapsed_ms=1))
    one = desk.fail(database, "digest.make", run_id)
    with database.transaction() as session:
        found = letter.detail(session, one, desk.JOBS)
    assert (found["step"], [step["name"] for step in found["steps"]]) == ("brief", ["begin", "brief"])
    assert (found["run"], found["editable"], found["replayable"]) == (run_id, True, True)
    assert found["payload"] == {"sources": [], "channels": [["file", ""]], "settings": {}, "rung": "best"}
    assert set(found["schema"]["properties"]) == set(found["payload"])
    assert "Unavailable" in found["traceback"]
    assert found["history"][0]["what"] == "failed: Unavailable"


def test_a_letter_of_a_deleted_row_still_says_what_it_was_given(database, tenant_id):
    feed = rows.feed(database, tenant_id)
    one = desk.fail(database, "source.fetch", feed)
    with database.transaction() as session:
        session.delete(session.get_one(Source, feed))
        session.flush()
        found = letter.detail(session, one, desk.JOBS)
    assert found["payload"]["url"] == "https://feed.example/rss"
    assert found["steps"] == []


def test_what_is_under_way_has_no_buttons_and_the_audit_is_shown(database, tenant_id):
    one = desk.fail(database, "source.fetch", rows.feed(database, tenant_id))
    desk.replay(database, one)
    with database.transaction() as session:
        found = letter.detail(session, one, desk.JOBS)
    assert (found["replayable"], found["editable"], found["discardable"]) == (False, False, True)
    assert [(act["who"], act["what"]) for act in found["audit"]] == [("alice", "replay")]


def test_another_tenants_letter_is_not_there(database, tenant_id):
    one = desk.fail(database, "source.fetch", rows.feed(database, tenant_id))
    other = rows.tenant(database, "other")
    with database.transaction() as session, pytest.raises(NotFound, match=str(one)):
        letter.detail(session, one, desk.JOBS, tenant_id=other)


PLANS = {
    "ix_dead_letter_due": "SELECT id FROM dead_letter WHERE state = 'scheduled' AND next_at <= now() ORDER BY next_at",
    "ix_dead_letter_under_way": "SELECT id FROM dead_letter WHERE task = 'x' AND state IN ('pending', 'leased')",
    "uq_dead_letter_open": "SELECT id FROM dead_letter WHERE task = 'x' AND row_id = 7"
    " AND state IN ('pending', 'leased', 'scheduled', 'permanent')",
    "ix_dead_letter_waiting": "SELECT id FROM dead_letter WHERE tenant_id = 1"
    " AND state IN ('pending', 'leased', 'scheduled', 'permanent') ORDER BY id DESC LIMIT 200",
    "ix_dead_letter_closed": "SELECT id FROM dead_letter WHERE state IN ('resolved', 'discarded')"
    " AND updated_at < now() - interval '30 days' ORDER BY updated_at LIMIT 500",
    "ix_dead_letter_lane": "SELECT id FROM dead_letter WHERE lane = 'x' AND turn < now()",
    "ix_dead_letter_bulk": "SELECT bulk_id, min(next_at) FROM dead_letter WHERE bulk_id IS NOT NULL GROUP BY bulk_id",
    "ix_dead_letter_fingerprint": "SELECT id FROM dead_letter WHERE fingerprint = 'x'",
    "ix_audit_letter_id": "SELECT id FROM audit WHERE letter_id = 7 ORDER BY id DESC",
    "ix_audit_tenant_id_id": "SELECT id FROM audit WHERE tenant_id = 7 ORDER BY id DESC LIMIT 200",
    "ix_audit_at": "SELECT ctid FROM audit WHERE at < now() ORDER BY at LIMIT 5000",
}  # fmt: skip


def test_what_is_polled_is_read_by_its_index(database, tenant_id):
    for state in ("permanent", "resolved"):
        desk.many(database, rows.tenant(database, state), 1_500, state=state)
    found = {}
    with database.transaction() as session:
        session.execute(text(FILL))
    with database.transaction() as session:
        session.execute(text("ANALYZE dead_letter, audit"))
        for index, query in PLANS.items():
            found[index] = "\n".join(session.execute(text(f"EXPLAIN {query}")).scalars())
    assert {index: plan for index, plan in found.items() if index not in plan} == {}


FILL = """
    INSERT INTO audit (tenant_id, at, who, what, letter_id)
    SELECT tenant_id, failed_at, 'alice', 'replay', id FROM dead_letter
"""
