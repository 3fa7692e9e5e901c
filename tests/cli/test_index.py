"""`svodka index`: rebuilt, switched, and told in one line each."""

import pytest

from tasks import job
from tests import worlds


@pytest.fixture
def world(database, tmp_path):
    built = worlds.build(database, tmp_path)
    yield built
    built.close()


def test_the_index_is_rebuilt_from_posts_and_answers(svodka, database, world):
    tenant, count = worlds.with_news(database, name="default")
    worlds.drive(world, job.INDEX, tenant)
    told = svodka("index", "rebuild", "--collection", "posts", "--json").json
    assert [(row["collection"], row["generation"], row["rows"], row["switched"]) for row in told] == [
        ("posts", 2, count, True)
    ]
    rows = {row["collection"]: row for row in svodka("index", "status", "--json").json}
    assert (rows["posts"]["generation"], rows["posts"]["state"], rows["posts"]["due"]) == (2, "live", 0)
    assert rows["stories"]["usable"] is True


def test_a_generation_of_ones_own_is_filled_and_switched_to_later(svodka, database, world):
    worlds.with_news(database, name="default")
    world.vectors.found()
    assert "not switched yet" in svodka("index", "rebuild", "--collection", "posts", "--to", "7").out
    assert (
        svodka("index", "switch", "7", "--collection", "posts").out.strip() == "generation 7 answers: posts"
    )
    assert "posts 7: live, 0 due" in svodka("index", "status").out


def test_what_cannot_be_is_refused_in_one_sentence(svodka, database):
    taken = svodka("index", "switch", "9", "--collection", "posts")
    assert (taken.code, "no generation 9 of posts" in taken.err) == (1, True)
    svodka("index", "rebuild", "--collection", "posts")
    again = svodka("index", "rebuild", "--collection", "posts", "--to", "1")
    assert (again.code, "is taken" in again.err) == (2, True)
