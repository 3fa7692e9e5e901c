"""The whole way: posts are analysed, indexed and found, whatever is down."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from qdrant_client import QdrantClient
from sqlalchemy import delete, func, select

from domains.errors import Busy, Refused, Unavailable
from domains.lexical import Lexical
from domains.retrieval import Filters, Query
from services import backlog
from services.cache import Cache
from services.memo import Memo, connect
from services.postings import Postings
from services.qdrant import Qdrant
from services.retrieval import Retriever
from services.schema import Post
from services.shelving import PostText, VectorDue, VectorSegment, VectorShelf
from services.vectors import Vectors
from tasks import job
from tests import rows, worlds
from tests.rows import DAY, entry

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
MILL = "Where did the paper mill burn?"


class Switchable:
    """A store that can be switched off, as a server can."""

    def __init__(self, store):
        self._store, self.name, self.down = store, store.name, False

    def __getattr__(self, name):
        if self.down:
            raise Unavailable("the store is switched off")
        return getattr(self._store, name)


class Site:
    """A world whose store is in the test's hand, with one tenant's day of news indexed."""

    def __init__(self, database, tmp_path, store, memo=None, expander=None, embedder=None):
        world = worlds.build(database, tmp_path)
        self.database, self.clock = database, world.clock
        self.store = Switchable(store)
        lexical = Lexical(world.language.lemma)
        self.vectors = Vectors(database, world.clock, self.store, lexical, embedder)
        cache = Cache(memo or Memo(None), world.clock)
        self.time = 0.0
        self.retriever = Retriever(
            database, self.vectors, lexical, world.language, cache, expander, timer=lambda: self.time
        )
        self.world = replace(world, vectors=self.vectors, retriever=self.retriever)
        self._spare = world.vectors

    def news(self, name="t", **rest):
        tenant_id, _ = worlds.with_news(self.database, name=name, **rest)
        worlds.drive(self.world, job.INDEX, tenant_id)
        return tenant_id

    def find(self, tenant_id, text=MILL, **filters):
        return self.retriever.search(Query(tenant_id, text, Filters(**filters)))

    def texts(self, found):
        with self.database.transaction() as session:
            return [session.get(Post, hit.post_id).text for hit in found.hits]

    def due(self):
        with self.database.transaction() as session:
            return session.scalar(select(func.count()).select_from(VectorDue))


@pytest.fixture(params=["postgres", "local"])
def store(request, database, tmp_path):
    return (
        Postings(database, tmp_path / "postings")
        if request.param == "postgres"
        else Qdrant(QdrantClient(":memory:"))
    )


@pytest.fixture
def site(database, tmp_path, store):
    own = Site(database, tmp_path, store)
    yield own
    own.store.down = False
    own.world.close()


@pytest.fixture
def plain(database, tmp_path):
    own = Site(database, tmp_path, Postings(database, tmp_path / "postings"))
    yield own
    own.world.close()


def test_a_question_finds_its_posts_and_says_why(site):
    found = site.find(site.news())
    assert "paper mill" in site.texts(found)[0]
    assert found.missing == ()
    assert found.hits[0].why.keys() >= {"vectors", "fulltext"}
    assert all(0 <= hit.score <= 1 for hit in found.hits)
    assert {"question", "vectors", "fulltext", "fusion", "rows", "rerank"} <= found.timing.keys()
    assert site.due() == 0


def test_a_ukrainian_question_finds_the_russian_post_that_names_the_same(site):
    tenant = rows.tenant(site.database, "names")
    source = rows.feed(site.database, tenant)
    texts = (
        "В Харькове открыли новую станцию метро Героев Труда после ремонта",
        "Городской совет Одессы утвердил бюджет на следующий год",
        "Сборная по хоккею проиграла матч во Львове",
    )
    entries = [entry(number, text, at=DAY) for number, text in enumerate(texts)]
    rows.posts(site.database, tenant, source, *entries)
    worlds.drive(site.world, job.INDEX, tenant)
    assert "Харькове" in site.texts(site.find(tenant, "Яку станцію відкрили у Харкові?"))[0]
    assert "Одессы" in site.texts(site.find(tenant, "What did Odesa council decide on the budget?"))[0]


def test_limits_are_the_domains_and_filters_hold(plain):
    tenant = plain.news()
    wide = "Luhva council hockey mill fare"
    assert len(plain.retriever.search(Query(tenant, wide, limit=1)).hits) == 1
    assert Query(tenant, "x", limit=99).size == 30
    assert Query(tenant, "x", domain="trend").size == 50
    only_a = plain.find(tenant, wide, sources=("a",))
    assert only_a.hits
    assert plain.find(tenant, wide, sources=("nobody",)).hits == ()
    assert plain.find(tenant, wide, langs=("uk",)).hits == ()
    assert plain.find(tenant, wide, since=DAY + timedelta(days=5)).hits == ()
    assert plain.find(tenant, wide, until=DAY + timedelta(days=5)).hits
    assert plain.find(tenant + 1, wide).hits == ()
    assert plain.find(tenant, "???").hits == ()


def test_of_posts_that_repeat_each_other_one_is_found(plain):
    again = ("b", worlds.NEWS[0][1])
    found = plain.find(plain.news(extra=(again,)))
    assert plain.texts(found).count(worlds.NEWS[0][1]) == 1


def test_a_store_that_is_down_is_named_and_heals_by_itself(site):
    tenant = site.news()
    healthy = site.find(tenant, "hockey club match")
    site.store.down = True
    with ThreadPoolExecutor(4) as pool:
        questions = [f"paper mill fire {number}" for number in range(40)]
        answers = list(pool.map(lambda text: site.find(tenant, text), questions))
    assert all(one.degraded and one.missing[0].leg == "vectors" for one in answers)
    assert all("paper mill" in site.texts(one)[0] for one in answers)
    site.store.down = False
    assert site.find(tenant, "hockey club match").cached
    site.time += 10_000
    assert not site.find(tenant, MILL).degraded
    assert site.find(tenant, "hockey club match").hits == healthy.hits


def test_a_post_that_comes_while_the_store_is_down_is_found_and_caught_up(site):
    tenant = site.news()
    site.store.down = True
    more = (("a", "A meteorite was found near Luhva by two schoolchildren on Sunday."),)
    worlds.with_news(site.database, tenant_id=tenant, day=DAY + timedelta(days=1), extra=more)
    site.clock.advance(days=2)
    wake(site)
    worlds.drive(site.world, job.INDEX, tenant)
    assert site.due() > 0
    assert "meteorite" in site.texts(site.find(tenant, "Who found a meteorite?"))[0]
    site.store.down = False
    site.clock.advance(minutes=5)
    wake(site)
    worlds.drive(site.world, job.INDEX, tenant)
    assert site.due() == 0
    site.time += 10_000
    found = site.find(tenant, "Who found a meteorite?")
    assert (found.missing, "vectors" in found.hits[0].why) == ((), True)


def wake(site):
    """Do what the sweep does."""
    from services import work

    with site.database.transaction() as session:
        work.wake_indexing(session, now=site.clock.now())
        backlog.wake(session, site.clock.now())


def test_an_edit_while_a_post_is_put_is_put_again(plain):
    tenant = plain.news()
    with plain.database.transaction() as session:
        post = session.scalar(select(Post.id).where(Post.tenant_id == tenant).limit(1))
        backlog.enqueue(session, "posts", tenant, [post], plain.clock.now())
    with plain.database.transaction() as session:
        claims = backlog.take(session, plain.vectors.maker, plain.clock.now())
    with plain.database.transaction() as session:
        assert backlog.take(session, plain.vectors.maker, plain.clock.now()) == []
        backlog.enqueue(session, "posts", tenant, [post], plain.clock.now() + timedelta(seconds=1))
    with plain.database.transaction() as session:
        backlog.settle(session, claims)
    assert plain.due() == 1
    plain.clock.advance(seconds=2)
    assert plain.vectors.fill().put == 1
    assert plain.due() == 0


def test_dropping_everything_and_rebuilding_restores_the_same_answers(site):
    tenant = site.news()
    questions = (MILL, "bus fare in Solvych", "hockey in Pryvillia", "workers hospital")
    before = [site.find(tenant, text).hits for text in questions]
    site.store.drop(site.vectors.live("posts"))
    with site.database.transaction() as session:
        session.execute(delete(PostText))
        session.execute(delete(VectorSegment))
    fresh = site.vectors.rebuild("posts")
    with pytest.raises(Busy):
        site.vectors.switch("posts", fresh.generation)
    while site.vectors.fill().left:
        pass
    site.vectors.switch("posts", fresh.generation)
    assert [site.find(tenant, text).hits for text in questions] == before
    assert not any(site.find(tenant, text).cached for text in ("another one",))


def test_searches_go_on_while_a_generation_is_built_and_switched(plain):
    tenant = plain.news()
    fresh = plain.vectors.rebuild("posts")
    assert plain.find(tenant).missing == ()
    plain.vectors.fill()
    known = plain.vectors.live("posts")
    plain.vectors.switch("posts", fresh.generation)
    question = plain.vectors.question(MILL, "en")
    from domains.point import Scope

    assert plain.vectors.search("posts", question, Scope(tenant), 5, known)
    assert [one.state for one in plain.vectors.status() if one.shelf.collection == "posts"] == ["live"]


class Embedder:
    """Two dimensions: sport and everything else."""

    def __init__(self, name="toy"):
        self.name, self.width, self.calls = name, 2, []

    def embed(self, texts, *, questions=False):
        self.calls.append((len(texts), questions))
        import numpy as np

        sport = [("hockey" in text or "game" in text) for text in texts]
        return np.array([[1.0, 0.0] if one else [0.0, 1.0] for one in sport], np.float32)


def test_dense_vectors_find_what_shares_no_word_and_a_changed_embedder_is_refused(database, tmp_path):
    folder = tmp_path / "postings"
    embedder = Embedder()
    site = Site(database, tmp_path, Postings(database, folder), embedder=embedder)
    tenant = site.news()
    found = site.find(tenant, "a game on ice")
    assert "hockey" in site.texts(found)[0]
    assert found.hits[0].why["dense"] == pytest.approx(1.0)
    embedder.calls.clear()
    many = site.retriever.search_many([Query(tenant, text) for text in ("a game", "a fare", "a game")])
    assert (embedder.calls, len(many)) == ([(2, True)], 3)
    assert many[0].hits == many[2].hits
    other = Site(database, tmp_path, Postings(database, folder), embedder=Embedder("another"))
    with pytest.raises(Refused, match="toy"):
        other.vectors.live("posts")
    answer = other.find(tenant, "hockey")
    assert "hockey" in other.texts(answer)[0]
    assert {one.leg for one in answer.missing} == {"vectors", "dense"}
    fresh = other.vectors.rebuild("posts")
    other.vectors.fill()
    other.vectors.switch("posts", fresh.generation)
    assert not other.find(tenant, "a game on ice").degraded
    for one in (site, other):
        one.world.close()


class Neighbours:
    """A graph that knows one connection."""

    def __init__(self, post=None):
        self.post, self.asked = post, []

    def expand(self, tenant_id, post_ids, filters, depth, limit):
        self.asked.append((tenant_id, depth))
        if self.post is None:
            raise Unavailable("the graph is down")
        return [(self.post, 1.0)]


def test_the_graph_adds_what_is_connected_but_never_another_tenants(database, tmp_path):
    graph = Neighbours()
    site = Site(database, tmp_path, Postings(database, tmp_path / "postings"), expander=graph)
    tenant, stranger = site.news(), site.news("stranger")
    assert [one.leg for one in site.find(tenant).missing] == ["graph"]
    with database.transaction() as session:
        own = session.scalar(select(Post.id).where(Post.tenant_id == tenant, Post.text.contains("hockey")))
        foreign = session.scalar(select(Post.id).where(Post.tenant_id == stranger).limit(1))
    graph.post = own
    assert own in {hit.post_id for hit in site.find(tenant, "paper mill fire").hits}
    graph.post = foreign
    assert foreign not in {hit.post_id for hit in site.find(tenant, "paper mill in Luhva").hits}
    assert graph.asked[-1] == (tenant, 2)
    site.world.close()


def test_what_was_found_without_the_graph_is_not_kept_for_who_has_it(database, tmp_path, valkey_url):
    graph = Neighbours()
    without = Site(database, tmp_path, Postings(database, tmp_path / "p1"), memo=connect(valkey_url))
    tenant = without.news()
    within = Site(
        database, tmp_path, Postings(database, tmp_path / "p2"), memo=connect(valkey_url), expander=graph
    )
    with database.transaction() as session:
        graph.post = session.scalar(
            select(Post.id).where(Post.tenant_id == tenant, Post.text.contains("hockey"))
        )
    assert [without.find(tenant).cached for _ in range(2)] == [False, True]
    found = within.find(tenant)
    assert not found.cached
    assert graph.post in {hit.post_id for hit in found.hits}
    assert within.find(tenant).cached
    # Posts that the graph has yet to take in may change what it adds.
    with database.transaction() as session:
        session.add(
            VectorShelf(collection="graph", generation=1, state="live", maker="graph", created_at=DAY)
        )
        backlog.enqueue(session, "graph", tenant, [graph.post], DAY)
    assert [within.find(tenant, "paper mill").cached for _ in range(2)] == [False, False]
    assert [without.find(tenant, "paper mill").cached for _ in range(2)] == [False, True]
    for one in (without, within):
        one.world.close()


def test_a_thousand_random_filters_never_show_another_tenants_post(plain):
    rng = random.Random(11)
    tenants = [plain.news(name) for name in ("one", "two", "three")]
    with plain.database.transaction() as session:
        posts = {row.id: row for row in session.scalars(select(Post))}
    words = sorted({word.strip(".,;:") for _, text in worlds.NEWS for word in text.split()})
    for _ in range(1_000):
        since = rng.choice([None, DAY + timedelta(hours=rng.randint(0, 10))])
        query = Query(
            rng.choice(tenants),
            " ".join(rng.sample(words, rng.randint(1, 4))),
            Filters(
                sources=rng.choice([(), ("a",), ("a", "b"), ("c",)]),
                langs=rng.choice([(), ("en",), ("uk", "en"), ("ru",)]),
                since=since,
                until=rng.choice([None, DAY + timedelta(hours=rng.randint(0, 12))]),
            ),
            limit=rng.randint(0, 5),
        )
        for hit in plain.retriever.search(query).hits:
            post = posts[hit.post_id]
            assert post.tenant_id == query.tenant_id
            assert not query.filters.langs or post.lang in query.filters.langs
            assert query.filters.since is None or post.at >= query.filters.since
            assert query.filters.until is None or post.at < query.filters.until


def test_an_answer_is_kept_until_the_index_moves_on_and_only_when_it_is_the_truth(
    database, tmp_path, valkey_url
):
    first = Site(database, tmp_path, Postings(database, tmp_path / "p1"), memo=connect(valkey_url))
    second = Site(database, tmp_path, Postings(database, tmp_path / "p2"), memo=connect(valkey_url))
    tenant = first.news()
    answer = first.find(tenant)
    assert (answer.cached, first.find(tenant).cached, second.find(tenant).cached) == (False, True, True)
    assert second.find(tenant).hits == answer.hits
    assert not first.find(tenant, sources=("a",)).cached
    assert not first.retriever.search(Query(tenant, MILL, limit=2)).cached
    assert first.find(tenant, "zzzz").hits == first.find(tenant, "zzzz").hits == ()
    assert not first.find(tenant, "zzzz").cached
    worlds.with_news(database, tenant_id=tenant, day=DAY + timedelta(days=1))
    first.clock.advance(days=2)
    wake(first)
    worlds.drive(first.world, job.INDEX, tenant)
    assert not first.find(tenant).cached
    assert first.find(tenant).cached
    first.clock.advance(hours=2)
    assert not first.find(tenant).cached
    for one in (first, second):
        one.world.close()
