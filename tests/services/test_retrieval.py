"""The whole way: posts are analysed, indexed and found, whatever is down."""

from datetime import timedelta

import pytest

from domains.errors import Unavailable
from domains.retrieval import Filters, Query
from tasks import job
from tests import rows, worlds
from tests.rows import DAY, entry

MILL = "Where did the paper mill burn?"


@pytest.fixture
def world(database, tmp_path):
    built = worlds.build(database, tmp_path)
    yield built
    built.close()


@pytest.fixture
def tenant(world, database):
    tenant_id, _ = worlds.with_news(database)
    worlds.drive(world, job.INDEX, tenant_id)
    return tenant_id


def texts(database, found):
    with database.transaction() as session:
        return [post_text(session, hit.post_id) for hit in found.hits]


def post_text(session, number):
    return session.get(rows.post.Post, number).text


def test_a_question_finds_its_posts_and_says_why(world, database, tenant):
    found = world.retriever.search(Query(tenant, MILL))
    assert "paper mill" in texts(database, found)[0]
    assert found.missing == ()
    assert found.hits[0].why.keys() >= {"vectors", "fulltext"}
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert {"question", "vectors", "fulltext", "fusion", "rows", "rerank"} <= found.timing.keys()
