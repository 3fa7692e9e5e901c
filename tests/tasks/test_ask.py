"""Questions over a real database: the extract, the follow-up, what is not known, whose posts they are."""

import pytest

from tasks import job
from tasks.ask import Asker, Asking
from tests import worlds


@pytest.fixture
def world(database, tmp_path, valkey_url):
    built = worlds.build(database, tmp_path, redis_url=valkey_url)
    yield built
    built.close()


@pytest.fixture
def tenant_id(database, world):
    tenant, _ = worlds.with_news(database)
    worlds.drive(world, job.INDEX, tenant)
    world.vectors.found()
    while world.vectors.fill().left:
        pass
    return tenant


@pytest.fixture
def asker(world):
    return Asker(world)


def test_the_extract_answers_with_spans_of_posts(asker, tenant_id):
    told = asker.ask(tenant_id, Asking("How much is the bus fare in Solvych?"))
    assert told.known
    assert (told.path, told.rung, told.usage.calls) == ("extractive", "extractive", 0)
    assert "18 hryvnias" in told.answer
    assert all(one.text == one.citations[0].quote for one in told.sentences)
    assert {one.post for one in told.sources} == {c.post for one in told.sentences for c in one.citations}
    assert {"route", "retrieve", "answer", "total"} <= told.timing.keys()


def test_what_nobody_wrote_about_is_not_known(asker, tenant_id):
    told = asker.ask(tenant_id, Asking("Which composer wrote the opera about Venetian gondoliers?"))
    assert (told.known, told.answer, told.sentences, told.sources) == (False, "", (), ())
    assert told.why == "the posts do not answer this"
