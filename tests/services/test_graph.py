"""The graph: drawn from Postgres once however often it is written, bounded, healing; on whichever server there is."""

from datetime import timedelta

import pytest
from neo4j import GraphDatabase
from sqlalchemy import delete, select, update

from domains.entity import Finder
from domains.errors import Unavailable
from domains.retrieval import Filters
from services import arcade, backlog, gazetteer, graph, settings, work
from services.clock import StoppedClock
from services.graph import Graph
from services.index import Indexer
from services.language import OfflineLanguage
from services.mention import Entity
from services.schema import Post, Tenant
from services.shelving import VectorDue, VectorShelf
from tests import rows
from tests.rows import DAY, entry

NOW = DAY + timedelta(hours=12)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def graph_url(tmp_path_factory):
    """The URL of a graph server: your own (SVODKA_NEO4J_URL, which is emptied!), or the embedded one."""
    own = settings.load().neo4j_url
    if own is not None:
        yield own.get_secret_value()
        return
    if not arcade.installed():
        pytest.skip("neither SVODKA_NEO4J_URL nor the extra `graph` is here")
    folder = tmp_path_factory.mktemp("graph")
    with arcade.Arcade(folder / "data", log=folder / "graph.log") as server:
        yield server.url()


@pytest.fixture(scope="module")
def tools():
    return OfflineLanguage(), Finder(gazetteer.build())


@pytest.fixture
def drawn(database, graph_url):
    """An empty graph of this database."""
    one = Graph(database, StoppedClock(NOW), graph_url)
    one.rebuild()
    yield one
    one.close()


@pytest.fixture
def indexed(database, tools):
    """Return a function that stores and analyses entries of a tenant, and returns its row."""
    indexer = Indexer(database, StoppedClock(NOW), tools[0], 60, tools[1])

    def store(*entries, name="t", source="feed"):
        tenant_id = rows.tenant(database, name)
        rows.posts(database, tenant_id, rows.feed(database, tenant_id, source), *entries)
        with database.transaction() as session:
            work.wake_indexing(session, now=NOW)
            lease = work.claim(session, Tenant, tenant_id, owner="me", now=NOW, lease_s=60)
        indexer.catch_up(lease)
        return tenant_id

    return store


@pytest.fixture
def ask(graph_url):
    """Return a function that asks the server itself."""
    scheme, _, rest = graph_url.partition("://")
    user, _, place = rest.rpartition("@")
    host, _, name = place.partition("/")
    with GraphDatabase.driver(f"{scheme}://{host}", auth=tuple(user.split(":", 1))) as driver:
        yield lambda query, **values: [
            tuple(row.values()) for row in driver.execute_query(query, values, database_=name or None).records
        ]


def whole(ask):
    """Return everything in the graph, comparable."""
    nodes = ask(
        "MATCH (n) RETURN labels(n) AS l, n.id AS id, n.name AS name, n.posts AS posts, n.tenant AS t"
    )
    edges = ask(
        "MATCH (a)-[r]->(b) RETURN type(r) AS kind, a.id AS a, b.id AS b, r.count AS count, "
        "toString(r.first_at) AS f, toString(r.last_at) AS l"
    )
    return sorted((sorted(row[0]), *map(str, row[1:])) for row in nodes), sorted(map(str, edges))


def ids(database):
    with database.transaction() as session:
        return dict(session.execute(select(Post.external_id, Post.id)).all())


STREAM = (
    entry(1, "A fire broke out in Kharkiv, mayor Oleh Petrenko said on Friday."),
    entry(2, "В Харькове горит склад мебели, сообщил мэр Олег Петренко утром.", at=DAY + HOUR, reply_to="1"),
    entry(
        3,
        "У Полтаві відкрили новий пішохідний міст через річку, рух почався зранку, стрічку перерізав мер Олег Петренко.",
        at=DAY + 2 * HOUR,
        forwarded_from="vesti",
    ),
    entry(4, "Ничего не случилось, все дома и пьют чай с вареньем.", at=DAY + 3 * HOUR),
)


def test_posts_and_what_they_have_to_do_with_each_other(database, indexed, drawn, ask):
    tenant_id = indexed(*STREAM)
    assert drawn.fill().put == 4
    assert drawn.waiting() == 0
    posts = ids(database)
    assert ask("MATCH (p:Post)-[:REPLIES]->(q:Post) RETURN p.id, q.id") == [(posts["2"], posts["1"])]
    assert ask("MATCH (p:Post)-[:FORWARDED]->(s:Source) RETURN p.id, s.name") == [(posts["3"], "vesti")]
    assert ask("MATCH (s:Source)-[:OF]->(f:Family) RETURN s.name, f.name") == [("feed", "feed")]
    assert ask("MATCH (p:Post)-[:IN_STORY]->(s:Story) RETURN count(*) AS n") == [(4,)]
    assert sorted(ask("MATCH (e:Place) RETURN e.name, e.posts, e.tenant")) == [
        ("Kharkiv", 2, tenant_id),
        ("Poltava", 1, tenant_id),
    ]
    assert ask("MATCH (e:Person) RETURN e.name, e.posts") == [("Oleh Petrenko", 3)]
    with database.transaction() as session:
        person = session.scalars(select(Entity.id).where(Entity.kind == "person")).one()
    met = drawn.beside(tenant_id, [person], DAY)
    assert [(one.name, one.kind, one.count) for one in met] == [
        ("Kharkiv", "place", 2),
        ("Poltava", "place", 1),
    ]
    assert (met[0].first_at, met[0].last_at) == (DAY, DAY + HOUR)


def test_writing_a_post_again_changes_nothing(database, indexed, drawn, ask):
    tenant_id = indexed(*STREAM)
    drawn.fill()
    before = whole(ask)
    for _ in range(2):
        with database.transaction() as session:
            backlog.enqueue(session, "graph", tenant_id, [*ids(database).values()], NOW)
        assert drawn.fill().put == 4
        assert whole(ask) == before


def test_an_edited_post_is_counted_as_it_is_now(database, indexed, drawn, ask):
    indexed(*STREAM)
    drawn.fill()
    indexed(entry(2, "В Полтаве горит склад мебели, сообщил мэр Олег Петренко утром.", at=DAY + HOUR))
    drawn.fill()
    assert sorted(ask("MATCH (e:Place) RETURN e.name, e.posts")) == [("Kharkiv", 1), ("Poltava", 2)]
    pairs = "MATCH (a)-[c:CO_OCCURS]-(:Person) RETURN a.name, c.count"
    assert sorted(ask(pairs)) == [("Kharkiv", 1), ("Poltava", 2)]


def test_a_post_that_is_gone_leaves_the_graph_and_its_counts(database, indexed, drawn, ask):
    tenant_id = indexed(*STREAM)
    drawn.fill()
    gone = ids(database)["3"]
    with database.transaction() as session:
        session.execute(delete(Post).where(Post.id == gone))
        backlog.enqueue(session, "graph", tenant_id, [gone], NOW)
    drawn.fill()
    assert ask("MATCH (e:Place) RETURN e.name, e.posts") == [("Kharkiv", 2)]
    assert ask("MATCH (p:Post) RETURN count(p) AS n") == [(3,)]


def test_a_rebuilt_graph_is_the_one_that_grew(database, indexed, drawn, ask):
    for one in STREAM:
        indexed(one)
        drawn.fill()
    before = whole(ask)
    assert drawn.rebuild() == 4
    assert ask("MATCH (n) RETURN count(n) AS n") == [(0,)]
    drawn.fill()
    assert whole(ask) == before


def test_expansion_goes_as_deep_as_it_may_and_no_further(database, indexed, drawn):
    tenant_id = indexed(
        entry(1, "Мэр Олег Петренко приехал в Полтаву рано утром."),
        entry(2, "Да неужели правда приехал сюда.", at=DAY + HOUR, reply_to="1"),
        entry(3, "Олег Петренко завтра выступит перед студентами вуза.", at=DAY + 2 * HOUR),
        entry(4, "Рассказывают, что Полтава и Сумы ждут электричку.", at=DAY + 3 * HOUR),
        entry(5, "Снегопад закрыл трассу, стоят Сумы и окрестности.", at=DAY + 4 * HOUR),
    )
    drawn.fill()
    posts = ids(database)

    def found(seed, depth, **filters):
        near = drawn.expand(tenant_id, [posts[seed]], Filters(**filters), depth, 10)
        assert all(weight > 0 for _, weight in near)
        names = {row: name for name, row in posts.items()}
        return {names[post] for post, _ in near} - {seed}

    assert found("1", 0) == set()
    assert found("1", 1) == {"2"}
    assert found("1", 2) >= {"2", "3", "4"}
    assert "5" not in found("1", 2)
    assert "5" in found("1", 3)
    assert found("1", 3, until=DAY + 3 * HOUR) == {"2", "3"}
    assert found("1", 3, since=DAY + 3 * HOUR) == {"4", "5"}
    assert len(drawn.expand(tenant_id, [posts["1"]], Filters(), 3, 2)) == 2
    assert drawn.expand(tenant_id, [], Filters(), 3, 10) == []


def test_what_everybody_mentions_connects_nothing(database, indexed, drawn, monkeypatch):
    monkeypatch.setattr(graph, "HUB", 2)
    tenant_id = indexed(*STREAM)
    drawn.fill()
    posts = ids(database)
    near = {post for post, _ in drawn.expand(tenant_id, [posts["3"]], Filters(), 2, 10)}
    assert posts["1"] not in near


def test_another_tenants_post_is_never_found(database, indexed, drawn):
    first = indexed(*STREAM, name="a")
    second = indexed(*STREAM, name="b")
    drawn.fill()
    with database.transaction() as session:
        owned = dict(session.execute(select(Post.id, Post.tenant_id)).all())
    for tenant_id in (first, second):
        for seeds in ([*owned], [post for post, owner in owned.items() if owner != tenant_id]):
            found = drawn.expand(tenant_id, seeds, Filters(), 3, 100)
            assert {owned[post] for post, _ in found} <= {tenant_id}


def test_a_graph_that_is_down_loses_nothing(database, indexed, drawn, ask):
    away = Graph(database, StoppedClock(NOW), "bolt://neo4j:secret-word@127.0.0.1:9/x")
    tenant_id = indexed(*STREAM)
    assert away.drain().left
    with pytest.raises(Unavailable) as refused:
        away.expand(tenant_id, [1], Filters(), 2, 10)
    assert "secret-word" not in f"{refused.value} {refused.value.remedy}"
    away.close()
    assert drawn.waiting() == 4
    with database.transaction() as session:
        session.execute(update(VectorDue).values(next_at=NOW))
    assert drawn.drain().put == 4
    assert ask("MATCH (p:Post) RETURN count(p) AS n") == [(4,)]


def test_a_backtest_is_not_drawn(database, indexed, drawn):
    rows.tenant(database, "past", live=False)
    indexed(*STREAM, name="past")
    assert drawn.waiting() == 0


def test_without_a_graph_nothing_waits_for_one(database, indexed, drawn):
    indexed(*STREAM)
    assert drawn.waiting() == 4
    graph.retire(database)
    with database.transaction() as session:
        assert session.scalars(select(VectorShelf).where(VectorShelf.collection == "graph")).all() == []
    assert drawn.waiting() == 0
