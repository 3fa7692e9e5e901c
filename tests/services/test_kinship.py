"""Publishers that copy each other all the time count as one: in what a digest is made from, and in trends."""

from datetime import timedelta

import pytest

from services import kinship, run, trend
from tests import rows, worlds
from tests.rows import DAY, entry
from tests.trending import FIRE_AT, MINUTE, by_time, detect, entries, store

END = DAY + timedelta(days=4)


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path, now=END)
    yield world
    world.close()


def copied(by):
    """Yield what "a" posts once more, a few minutes later, for each of ``by``."""
    for name, one in entries():
        if name == "a" and one.external_id.startswith("n"):
            for number, copier in enumerate(by, 1):
                text = entry(f"{one.external_id}-{copier}", one.text, at=one.at + 3 * number * MINUTE)
                yield copier, text


def families(world, tenant_id):
    with world.database.transaction() as session:
        return kinship.learned(session, tenant_id, FIRE_AT.replace(hour=0))


def fires(world, tenant_id):
    with world.database.transaction() as session:
        return [one for one in trend.trends(session, tenant_id) if "Luhva" in one.trend.title]


def test_a_fire_told_by_four_copies_of_one_agency_is_no_trend(world):
    alone = rows.tenant(world.database, "alone")
    store(world.database, alone, by_time(entries()))
    detect(world, alone)
    assert families(world, alone) == {}
    assert len(fires(world, alone)) == 1
    copying = rows.tenant(world.database, "copying")
    store(world.database, copying, by_time([*entries(), *copied("bcd")]))
    detect(world, copying)
    assert set(families(world, copying).values()) == {"a"}
    assert fires(world, copying) == []


def test_a_digest_is_made_from_voices_not_from_copies(world):
    tenant_id = rows.tenant(world.database)
    store(world.database, tenant_id, by_time([*entries(texts=()), *copied("b")]))
    detect(world, tenant_id)
    run_id = rows.run(world.database, tenant_id, now=END, starts_at=END - timedelta(days=1))
    with world.database.transaction() as session:
        posts = run.brief(session, run_id, now=END).posts
    told = {one.source: one.family for one in posts}
    assert told == {"a": "a", "b": "a", "c": "c", "d": "d"}
