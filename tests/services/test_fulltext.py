"""Postgres full text: which words of a question are looked up, and what is remembered of them."""

import pytest
from sqlalchemy import select

from domains.lexical import Lexical
from domains.point import Scope
from services import fulltext
from services.item import Item
from services.language import OfflineLanguage
from services.schema import Post
from tests import rows
from tests.rows import DAY, entry

LEXICAL = Lexical(OfflineLanguage().lemma)
# More than are looked at.
POSTS = fulltext.MATCHES + 20
RARE = 3


@pytest.fixture
def tenant_id(database):
    """A new tenant, whose words Postgres has not counted yet: all posts say "mill", three of them "fire" as well."""
    tenant_id = rows.tenant(database)
    source_id = rows.feed(database, tenant_id)
    rows.posts(database, tenant_id, source_id, *(entry(str(number), "mill") for number in range(POSTS)))
    with database.transaction() as session:
        ids = session.scalars(select(Post.id).where(Post.tenant_id == tenant_id).order_by(Post.id)).all()
        items = [
            Item(one, tenant_id, "mill fire" if number < RARE else "mill", "en", source_id, DAY)
            for number, one in enumerate(ids)
        ]
        fulltext.put(session, items, LEXICAL)
    return tenant_id


class Clock:
    at = 0.0

    def __call__(self):
        return self.at


def found(database, searcher, tenant_id, *words, **scope):
    with database.transaction() as session:
        return searcher.search(session, words, Scope(tenant_id, **scope), 2 * POSTS)


def test_a_word_that_turns_out_common_is_left_out_until_postgres_is_asked_again(database, tenant_id):
    clock = Clock()
    searcher = fulltext.FullText(clock)
    assert len(found(database, searcher, tenant_id, "mill", "fire")) >= fulltext.MATCHES
    assert len(found(database, searcher, tenant_id, "mill", "fire")) == RARE
    clock.at = 2 * fulltext.REMEMBERED_S
    assert len(found(database, searcher, tenant_id, "mill", "fire")) >= fulltext.MATCHES


def test_a_filter_does_not_make_a_common_word_rare(database, tenant_id):
    searcher = fulltext.FullText(Clock())
    found(database, searcher, tenant_id, "mill", "fire")
    assert found(database, searcher, tenant_id, "mill", langs=frozenset({"ru"})) == []
    assert len(found(database, searcher, tenant_id, "mill", "fire")) == RARE


def test_a_question_of_common_words_is_answered_all_the_same(database, tenant_id):
    searcher = fulltext.FullText(Clock())
    for _ in range(2):
        assert len(found(database, searcher, tenant_id, "mill")) == fulltext.MATCHES
    assert found(database, searcher, tenant_id + 1, "mill") == []
