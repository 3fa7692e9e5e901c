"""Replays: the same bytes from what was recorded, or what a setting changes, in words."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from domains.digest import BOUNDS, Settings
from domains.errors import NotFound, UsageError
from services.schema import Artifact, Claim, Delivery, Fate, Run, RunStep
from tasks import job, replay
from tests import rows, worlds

TABLES = (Artifact, Claim, Delivery, Fate, Run, RunStep)


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path)
    yield world
    world.close()


@pytest.fixture
def run_id(database, world):
    tenant_id, _ = worlds.with_news(database)
    run_id = rows.run(database, tenant_id)
    worlds.drive(world, job.DIGEST, run_id)
    return run_id


def counts(database):
    with database.transaction() as session:
        return {table: session.scalar(select(func.count()).select_from(table)) for table in TABLES}


def test_a_replay_is_the_same_bytes_whatever_came_since(database, world, run_id):
    before = counts(database)
    with database.transaction() as session:
        tenant_id = session.get_one(Run, run_id).tenant_id
    feed = rows.feed(database, tenant_id, "later")
    rows.posts(database, tenant_id, feed, rows.entry(1, "Something that came later and is in no digest."))
    world.clock.advance(days=3)
    done = replay.replay(world, run_id, {})
    assert (done.identical, done.lines, done.run) == (True, (), run_id)
    assert counts(database) == before


def test_a_changed_setting_is_told_in_readable_lines(database, world, run_id):
    before = counts(database)
    done = replay.replay(world, run_id, {"max_stories": "1", "max_sentences": "1"})
    assert not done.identical
    assert len(done.digest.stories) == 1
    assert all(line.startswith(("- ", "+ ", "~ ")) for line in done.lines)
    gone = [line for line in done.lines if line.startswith("- story")]
    assert any("Luhva" in line or "Solvych" in line for line in gone)
    assert any("posts left out" in line for line in done.lines)
    assert not [line for line in done.lines if "Story(" in line or "{" in line or len(line) > 1_000]
    assert counts(database) == before


def test_what_changes_nothing_is_identical(world, run_id):
    assert not replay.replay(world, run_id, {"max_stories": "1"}).identical
    default = {name: str(value) for name, value in asdict(Settings()).items() if isinstance(value, int)}
    assert replay.replay(world, run_id, default).identical


def test_a_run_without_a_digest_has_nothing_to_compare_with(database, world):
    tenant_id, _ = worlds.with_news(database)
    run_id = rows.run(database, tenant_id)
    with pytest.raises(NotFound, match="no digest"):
        replay.replay(world, run_id, {})
    with pytest.raises(NotFound, match="999"):
        replay.replay(world, 999, {})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"max_stores": "1"}, "max_stores"),
        ({"max_stories": "many"}, "max_stories"),
        ({"max_stories": "1.5"}, "max_stories"),
        ({"max_stories": ""}, "max_stories"),
        ({"max_sentences": "2", "max_stories": "x"}, "max_stories"),
    ],
)
def test_a_change_that_is_none_is_named(changes, word):
    with pytest.raises(UsageError, match=word):
        replay.changed(Settings(), changes)


NUMBERS = {name: st.none() | st.integers(*bounds) for name, bounds in BOUNDS.items()}


@given(st.fixed_dictionaries(NUMBERS).map(lambda given: {k: v for k, v in given.items() if v is not None}))
def test_what_is_set_is_changed_and_nothing_else(values):
    texts = {name: str(value) for name, value in values.items()}
    assert asdict(replay.changed(Settings(), texts)) == asdict(Settings()) | values
    assert replay.changes_only(texts) == values


def test_a_list_is_given_with_commas():
    assert replay.changed(Settings(), {"languages": "uk,ru,"}).languages == ("uk", "ru")
    assert replay.changed(Settings(languages=("en",)), {"languages": ""}).languages == ()
    assert replay.changes_only({"languages": "uk,ru"}) == {"languages": ["uk", "ru"]}
