"""The composition root: one bundle, nothing connected before it is needed."""

import random

import pytest

from domains.errors import Refused, Unavailable
from services import settings, wiring
from services.valkey import free_port
from tests import worlds


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path)
    yield world
    world.close()


def test_without_a_database_there_is_no_world(monkeypatch, clock):
    monkeypatch.delenv("SVODKA_DATABASE_URL", raising=False)
    with pytest.raises(Refused, match="no database") as caught:
        wiring.build(settings.load(), clock, random.Random(7))
    assert "SVODKA_DATABASE_URL" in caught.value.remedy


def test_nothing_is_connected_before_it_is_used(clock, tmp_path):
    nowhere = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    world = wiring.build(settings.load(database_url=nowhere, var=tmp_path / "var"), clock, random.Random(7))
    assert not (tmp_path / "var").exists()
    with pytest.raises(Unavailable, match="PostgreSQL"), world.database.transaction() as session:
        session.connection()
    world.close()


def test_everything_shares_one_database_and_one_clock(world):
    assert world.intake.database is world.database
    assert world.intake.clock is world.clock
    assert world.intake.lease_s == world.settings.lease_s


def test_a_channel_is_found_by_name_and_a_missing_one_is_refused_with_what_there_is(world):
    assert world.channel("file").name == "file"
    assert {channel.name for channel in world.channels.values()} == set(world.channels)
    with pytest.raises(Refused, match="pigeon") as caught:
        world.channel("pigeon")
    assert "file" in caught.value.remedy
    assert "stdout" in caught.value.remedy


def test_a_world_may_be_closed_twice(world):
    with world.database.transaction() as session:
        session.connection()
    world.close()
    world.close()
    assert world.database.engine.pool.checkedout() == 0


def test_vectors_are_on_the_server_that_is_set(clock):
    nowhere = f"http://127.0.0.1:{free_port()}"
    set_ = settings.load(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", qdrant_url=nowhere)
    world = wiring.build(set_, clock, random.Random(7))
    assert world.vectors.maker.startswith("qdrant:")
    world.close()
