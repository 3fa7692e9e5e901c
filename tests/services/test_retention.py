"""Closed letters leave through a file, whole and once the file is on the disk; open ones never do."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from domains import limits
from domains.errors import Unavailable
from services import audit, letter, retention
from services.clock import StoppedClock
from services.schema import DeadLetter
from tests import rows
from tests.services import letterdesk as desk
from tests.services.letterdesk import NOW

KEEP = timedelta(days=30)
LATER = NOW + timedelta(days=31)


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


def retain(database, folder, now=LATER):
    return retention.retain(database, StoppedClock(now), folder, KEEP)


def left(database):
    with database.transaction() as session:
        return list(session.scalars(select(DeadLetter.id)))


def read(folder):
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def test_what_ended_long_ago_is_moved_whole_and_what_is_open_stays(database, tenant_id, tmp_path):
    old, waiting = (
        desk.fail(database, "source.fetch", rows.feed(database, tenant_id, name)) for name in "ab"
    )
    with database.transaction() as session:
        letter.discard(session, old, desk.JOBS, now=NOW, by="bob")
    assert retain(database, tmp_path / "letters", NOW + KEEP) == 0
    assert not (tmp_path / "letters").exists()
    assert retain(database, tmp_path / "letters") == 1
    assert left(database) == [waiting]
    (line,) = read(tmp_path / "letters")
    assert (line["id"], line["tenant"], line["state"]) == (old, "t", "discarded")
    assert (line["payload"]["url"], line["audit"][0]["who"]) == ("https://feed.example/rss", "bob")
    assert [event["what"] for event in line["history"]] == ["failed: Unavailable", "discarded by bob"]
    (path,) = (tmp_path / "letters").iterdir()
    assert path.name == f"letters-{LATER:%Y-%m-%d}.jsonl"
    assert path.stat().st_mode & 0o077 == 0


def test_many_go_in_batches_each_once_and_say_so(database, tenant_id, tmp_path):
    desk.many(database, tenant_id, 2 * retention.BATCH + 1, state="resolved")
    assert retain(database, tmp_path / "letters") == 2 * retention.BATCH + 1
    assert left(database) == []
    ids = [line["id"] for line in read(tmp_path / "letters")]
    assert len(ids) == len(set(ids)) == 2 * retention.BATCH + 1
    with database.transaction() as session:
        acts = audit.listing(session)
    assert [(one["what"], one["after"]["letters"]) for one in acts] == [("retain", 1)] + [("retain", retention.BATCH)] * 2  # fmt: skip


def test_what_cannot_be_written_is_not_deleted(database, tenant_id, tmp_path):
    desk.many(database, tenant_id, 3, state="resolved")
    (tmp_path / "letters").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="letters"):
        retain(database, tmp_path / "letters")
    assert len(left(database)) == 3


def test_the_audit_is_kept_for_more_than_a_year_and_then_forgotten(database, tenant_id, tmp_path):
    with database.transaction() as session:
        for at in (LATER - limits.AUDIT - timedelta(days=1), LATER - limits.AUDIT + timedelta(days=1)):
            audit.note(session, "discard", tenant_id=tenant_id, by="bob", at=at, letter_id=1)
    retain(database, tmp_path / "letters")
    with database.transaction() as session:
        assert len(audit.listing(session)) == 1


def test_an_export_goes_through_all_that_a_filter_finds(database, tenant_id):
    desk.many(database, tenant_id, 7)
    seen, after = [], 0
    with database.transaction() as session:
        while found := retention.lines(session, letter.Filter(tenant_id), after=after, limit=3):
            seen += [line["id"] for line in found]
            after = seen[-1]
    assert seen == left(database)
