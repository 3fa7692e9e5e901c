"""Entities in Postgres: written with the analysis, replaced by an edit, one row in three languages, each tenant's own."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domains.entity import Finder, Proposal
from domains.errors import NotFound
from services import entity, gazetteer, work
from services.clock import StoppedClock
from services.index import Indexer
from services.language import OfflineLanguage
from services.mention import Entity, MentionRow
from services.schema import Post, Tenant
from tests import rows
from tests.rows import DAY, entry

NOW = DAY + timedelta(hours=12)
FINDER = Finder(gazetteer.build())


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


@pytest.fixture
def indexed(database, language):
    """Return a function that stores and analyses entries of a tenant, and returns the tenant."""
    indexer = Indexer(database, StoppedClock(NOW), language, 60, FINDER)

    def store(*entries, name="t"):
        tenant_id = rows.tenant(database, name)
        rows.posts(database, tenant_id, rows.feed(database, tenant_id), *entries)
        with database.transaction() as session:
            work.wake_indexing(session, now=NOW)
            lease = work.claim(session, Tenant, tenant_id, owner="me", now=NOW, lease_s=60)
        indexer.catch_up(lease)
        return tenant_id

    return store


def named(database, tenant_id):
    """Return each entity as (kind, name) with what the posts call it."""
    query = (
        select(Entity.kind, Entity.name, Post.text, MentionRow.start, MentionRow.end)
        .join(MentionRow, MentionRow.entity_id == Entity.id)
        .join(Post, Post.id == MentionRow.post_id)
        .where(Entity.tenant_id == tenant_id)
        .order_by(Post.at, MentionRow.start)
    )
    found = {}
    with database.transaction() as session:
        for kind, name, text, start, end in session.execute(query):
            found.setdefault((kind, name), []).append(text[start:end])
    return found


def test_what_posts_name_is_kept_once_whatever_the_language(database, indexed):
    tenant_id = indexed(
        entry(1, "A fire broke out in Kharkiv, mayor Oleh Petrenko said on Friday."),
        entry(2, "В Харькове горит склад, сообщил мэр Олег Петренко утром.", at=DAY + timedelta(hours=1)),
        entry(3, "У Харкові горить склад, повідомив мер Олег Петренко вранці.", at=DAY + timedelta(hours=2)),
    )
    assert named(database, tenant_id) == {
        ("place", "Kharkiv"): ["Kharkiv", "Харькове", "Харкові"],
        ("person", "Oleh Petrenko"): ["Oleh Petrenko", "Олег Петренко", "Олег Петренко"],
    }
    with database.transaction() as session:
        place = session.scalars(select(Entity).where(Entity.kind == "place")).one()
    assert (place.first_at, place.last_at) == (DAY, DAY + timedelta(hours=2))


def test_an_edit_replaces_what_a_post_names(database, indexed):
    tenant_id = indexed(entry(1, "A fire broke out in Kharkiv this morning."))
    indexed(entry(1, "A fire broke out in Poltava this morning."))
    assert named(database, tenant_id) == {("place", "Poltava"): ["Poltava"]}


def test_tenants_share_no_entity(database, indexed):
    first, second = (indexed(entry(1, "A fire broke out in Kharkiv today."), name=name) for name in "ab")
    with database.transaction() as session:
        owners = session.execute(select(Entity.tenant_id, MentionRow.tenant_id).join(MentionRow)).all()
    assert sorted(owners) == [(first, first), (second, second)]


def test_a_kind_that_is_not_known_is_told_by_a_later_post(database, indexed):
    tenant_id = indexed(
        entry(1, "They all like Solvych very much."),
        entry(2, "У місті Сольвич відкрили нову школу для дітей.", at=DAY + timedelta(hours=1)),
        entry(3, "Today they went to Solvych again by bus.", at=DAY + timedelta(hours=2)),
    )
    assert named(database, tenant_id) == {("place", "Solvych"): ["Solvych", "Сольвич", "Solvych"]}


def test_a_model_adds_what_the_text_says_and_invents_nothing(database, indexed):
    tenant_id = indexed(entry(1, "вчера лугва праздновала день города, и все жители были рады."))
    with database.transaction() as session:
        post_id = session.scalars(select(Post.id)).one()
        proposals = [Proposal("place", "Luhva", (6, 11)), Proposal("place", "Kyiv", (6, 11))]
        assert entity.add(session, tenant_id, post_id, FINDER, proposals) == 1
        assert entity.add(session, tenant_id, post_id, FINDER, proposals) == 0
        with pytest.raises(NotFound):
            entity.add(session, tenant_id + 1, post_id, FINDER, proposals)
        assert session.scalars(select(MentionRow.origin)).all() == ["model"]
    assert named(database, tenant_id) == {("place", "лугва"): ["лугва"]}
