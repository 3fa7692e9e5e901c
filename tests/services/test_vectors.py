"""One suite for every vector store: the default on Postgres, Qdrant's client in process and over HTTP, and a server.

A Qdrant server is tried where SVODKA_QDRANT_URL names one; over HTTP it is Qdrant's own local mode that answers.
"""

import random
from datetime import timedelta

import numpy as np
import pytest
from qdrant_client import QdrantClient

from domains.lexical import Lexical
from domains.point import Point, Scope, Shelf
from services import settings
from services.language import OfflineLanguage
from services.postings import Postings
from services.qdrant import Qdrant, open_server
from tests import rows
from tests.qdrant_server import QdrantServer
from tests.rows import DAY

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
LANGUAGE = OfflineLanguage()
LEXICAL = Lexical(LANGUAGE.lemma)
SERVER = settings.environment("SVODKA_QDRANT_URL")
SHELF = Shelf("posts", 1, width=3)
TEXTS = (
    "A fire at the paper mill in Luhva sent three workers to hospital",
    "The city council raised the bus fare to 18 hryvnias",
    "The hockey club of Luhva won its first match of the season",
    "Пожежа на паперовій фабриці в Лугві: троє робітників у лікарні",
    "Городской совет поднял стоимость проезда в автобусе",
)


def point(number, text, *, tenant=1, source=1, lang=None, at=DAY, dense=(1.0, 0.0, 0.0)):
    lang = lang or LANGUAGE.detect(text)
    unit = None if dense is None else np.array(dense, np.float32)
    return Point(number, tenant, LEXICAL.document(text, lang), source, lang, at, unit)


def asked(text, lang="en"):
    return LEXICAL.question(text, lang)


@pytest.fixture
def qdrant_url():
    with QdrantServer() as server:
        yield server.url
        assert server.seen


@pytest.fixture(params=["postgres", "local", "http", "server"])
def store(request, tmp_path):
    if request.param == "server":
        if not SERVER:
            pytest.skip("SVODKA_QDRANT_URL names no Qdrant server")
        own = Qdrant(open_server(SERVER, settings.environment("SVODKA_QDRANT_KEY") or None))
    elif request.param == "local":
        own = Qdrant(QdrantClient(":memory:"))
    elif request.param == "http":
        own = Qdrant(open_server(request.getfixturevalue("qdrant_url"), None))
    else:
        database = request.getfixturevalue("database")
        for name in ("one", "two"):
            rows.tenant(database, name)
        own = Postings(database, tmp_path / "postings")
    own.drop(SHELF)
    own.prepare(SHELF)
    yield own
    own.drop(SHELF)
    own.close()


@pytest.fixture
def owners(request, store):
    """Two tenants' numbers; on Postgres they are rows."""
    if isinstance(store, Postings):
        database = request.getfixturevalue("database")
        return rows.tenant(database, "one"), rows.tenant(database, "two")
    return 1, 2


def ids(found):
    return [one for one, _ in found]


def test_the_post_that_says_it_is_found_first_with_its_inflections(store, owners):
    store.put(SHELF, [point(number, text, tenant=owners[0]) for number, text in enumerate(TEXTS, 1)])
    scope = Scope(owners[0])
    assert ids(store.search(SHELF, asked("Where did the paper mill burn?"), scope, 5))[0] == 1
    assert ids(store.search(SHELF, asked("bus fares"), scope, 5))[0] == 2
    assert ids(store.search(SHELF, asked("проезд в автобусах", "ru"), scope, 5))[0] == 5


def test_scores_fall_and_are_positive(store, owners):
    store.put(SHELF, [point(number, text, tenant=owners[0]) for number, text in enumerate(TEXTS, 1)])
    scores = [
        score for _, score in store.search(SHELF, asked("Luhva mill fire workers"), Scope(owners[0]), 5)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_putting_twice_changes_nothing_and_a_new_text_replaces_the_old(store, owners):
    own = [point(number, text, tenant=owners[0]) for number, text in enumerate(TEXTS, 1)]
    store.put(SHELF, own)
    before = store.search(SHELF, asked("Luhva hockey"), Scope(owners[0]), 5)
    store.put(SHELF, own)
    assert store.count(SHELF, owners[0]) == len(TEXTS)
    again = store.search(SHELF, asked("Luhva hockey"), Scope(owners[0]), 5)
    assert ids(again) == ids(before)
    store.put(SHELF, [point(3, "Nothing about sport any more", tenant=owners[0])])
    assert 3 not in ids(store.search(SHELF, asked("hockey"), Scope(owners[0]), 5))
    assert store.count(SHELF, owners[0]) == len(TEXTS)


def test_what_is_removed_is_gone_and_may_come_back(store, owners):
    store.put(SHELF, [point(number, text, tenant=owners[0]) for number, text in enumerate(TEXTS, 1)])
    store.remove(SHELF, owners[1], [1])
    assert store.count(SHELF, owners[0]) == len(TEXTS)
    store.remove(SHELF, owners[0], [1, 99])
    assert 1 not in ids(store.search(SHELF, asked("paper mill fire"), Scope(owners[0]), 5))
    assert store.count(SHELF, owners[0]) == len(TEXTS) - 1
    store.put(SHELF, [point(1, TEXTS[0], tenant=owners[0])])
    assert ids(store.search(SHELF, asked("paper mill fire"), Scope(owners[0]), 1)) == [1]


def test_named_vectors_live_side_by_side(store, owners):
    store.put(
        SHELF,
        [
            point(1, TEXTS[0], tenant=owners[0], dense=(1, 0, 0)),
            point(2, TEXTS[1], tenant=owners[0], dense=(0, 1, 0)),
            point(3, TEXTS[2], tenant=owners[0], dense=None),
        ],
    )
    found = store.nearest(SHELF, np.array([0.6, 0.8, 0.0], np.float32), Scope(owners[0]), 5)
    assert ids(found) == [2, 1]
    assert found[0][1] == pytest.approx(0.8, abs=1e-5)
    assert ids(store.search(SHELF, asked("hockey"), Scope(owners[0]), 1)) == [3]


def test_rarity_is_counted_among_the_tenants_own_points(store, owners):
    one, two = owners
    store.put(SHELF, [point(number, text, tenant=one) for number, text in enumerate(TEXTS, 1)])
    alone = store.search(SHELF, asked("council fire"), Scope(one), 5)
    store.put(SHELF, [point(100 + number, "A fire. Fire!", tenant=two) for number in range(20)])
    assert store.search(SHELF, asked("council fire"), Scope(one), 5) == alone


def test_a_shelf_that_is_dropped_is_empty(store, owners):
    store.put(SHELF, [point(1, TEXTS[0], tenant=owners[0])])
    store.drop(SHELF)
    assert store.count(SHELF, owners[0]) == 0
    store.drop(SHELF)


def test_who_made_the_collection_may_have_died_before_its_indexes():
    with QdrantServer() as server:
        first = Qdrant(open_server(server.url, None))
        first.prepare(SHELF)
        made = [path for method, path in server.seen if path.endswith("/index?wait=true")]
        server.seen.clear()
        second = Qdrant(open_server(server.url, None))
        second.prepare(SHELF)
        assert [path for method, path in server.seen if path.endswith("/index?wait=true")] == made != []
        server.seen.clear()
        second.prepare(SHELF)
        assert [path for _, path in server.seen] == [f"/collections/{SHELF.name}/exists"]
        for one in (first, second):
            one.close()


def test_a_bound_within_a_second_loses_no_point(store, owners):
    mine, _ = owners
    at = DAY + timedelta(milliseconds=500)
    store.prepare(SHELF)
    store.put(SHELF, [point(1, "The mill burnt", tenant=mine, at=at)])
    scope = Scope(mine, since=DAY + timedelta(milliseconds=200), until=DAY + timedelta(milliseconds=700))
    assert ids(store.search(SHELF, asked("mill"), scope, 5)) == [1]


def test_an_empty_question_finds_nothing(store, owners):
    store.put(SHELF, [point(1, TEXTS[0], tenant=owners[0])])
    assert store.search(SHELF, asked("the of and?"), Scope(owners[0]), 5) == []
    assert store.search(SHELF, asked("fire"), Scope(owners[0]), 0) == []


def test_a_thousand_random_filters_never_show_another_tenants_point(request, store, owners):
    # Over HTTP the same client answers, only slower: a hundred try the wire.
    times = 100 if "http" in request.node.name else 1_000
    rng = random.Random(5)
    words = [
        "fire",
        "mill",
        "council",
        "bus",
        "fare",
        "match",
        "club",
        "season",
        "street",
        "worker",
        "hospital",
        "city",
    ]
    world = {}
    for number in range(1, 301):
        text = " ".join(rng.sample(words, 5))
        world[number] = point(
            number, text, tenant=rng.choice(owners), source=rng.randint(1, 4), lang=rng.choice(["en", "uk"]),
            at=DAY + timedelta(hours=rng.randint(0, 47)),
        )  # fmt: skip
    store.put(SHELF, [*world.values()])
    for _ in range(times):
        scope = random_scope(rng, owners)
        found = ids(store.search(SHELF, asked(" ".join(rng.sample(words, 2))), scope, 300))
        assert all(allowed(world[one], scope) for one in found)
    everything = set(ids(store.search(SHELF, asked(" ".join(words)), Scope(owners[0]), 300)))
    assert everything == {number for number, one in world.items() if one.tenant_id == owners[0]}


def random_scope(rng, owners):
    start = DAY + timedelta(hours=rng.randint(-5, 50))
    return Scope(
        rng.choice(owners),
        sources=rng.choice([None, frozenset(), frozenset(rng.sample(range(1, 6), 2))]),
        langs=rng.choice([frozenset(), frozenset({"en"}), frozenset({"en", "uk"}), frozenset({"de"})]),
        since=rng.choice([None, start]),
        until=rng.choice([None, start + timedelta(hours=rng.randint(0, 20))]),
        only=rng.choice([None, None, frozenset(rng.sample(range(1, 301), 40))]),
    )


def allowed(one, scope):
    return (
        one.tenant_id == scope.tenant_id
        and (scope.sources is None or one.source in scope.sources)
        and (not scope.langs or one.lang in scope.langs)
        and (scope.since is None or one.at >= scope.since)
        and (scope.until is None or one.at < scope.until)
        and (scope.only is None or one.id in scope.only)
    )
