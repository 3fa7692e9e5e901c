"""Indexing: languages, repeats and stories are found, and a new process goes on where the last one stopped."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from services import index, recall, work
from services.clock import StoppedClock
from services.index import Indexer
from services.language import OfflineLanguage
from services.schema import Post, Story, Tenant
from tests import rows
from tests.rows import DAY, entry

NOW = DAY + timedelta(hours=12)
FIRE = "A fire broke out at the Luhva paper mill on Zavodska street; three workers were taken to hospital."
BRIDGE = "Мост через Лугву закрыли для грузовиков до конца мая, объезд идёт через Заречье и посёлок Садовый."
FOOTER = "\nПодписаться | Прислать новость"


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def feed(database, tenant_id):
    return rows.feed(database, tenant_id)


@pytest.fixture
def indexer(database, language):
    return Indexer(database, StoppedClock(NOW), language, 60)


def catch_up(database, indexer, tenant_id, now=NOW):
    with database.transaction() as session:
        work.wake_indexing(session, now=now)
        lease = work.claim(session, Tenant, tenant_id, owner="me", now=now, lease_s=60)
    return indexer.catch_up(lease)


def found(database):
    with database.transaction() as session:
        return {row.external_id: row for row in session.scalars(select(Post))}


def test_posts_get_a_language_sentences_and_a_story(database, indexer, tenant_id, feed):
    rows.posts(
        database,
        tenant_id,
        feed,
        entry(1, f"{FIRE} Nobody died."),
        entry(2, BRIDGE, at=DAY + timedelta(hours=1)),
    )
    assert catch_up(database, indexer, tenant_id)
    posts = found(database)
    assert (posts["1"].lang, posts["2"].lang) == ("en", "ru")
    assert [posts["1"].text[a:b] for a, b in posts["1"].sentences] == [FIRE, "Nobody died."]
    assert posts["1"].story_id != posts["2"].story_id
    with database.transaction() as session:
        story = session.get_one(Story, posts["1"].story_id)
    assert story.title.startswith("A fire broke out")
    assert (story.first_at, story.last_at) == (DAY, DAY)


def test_a_repeat_joins_its_original_and_a_changed_number_is_no_repeat(database, indexer, tenant_id, feed):
    rows.posts(
        database, tenant_id, feed,
        entry(1, FIRE),
        entry(2, f"⚡️ {FIRE.upper()}", at=DAY + timedelta(minutes=5)),
        entry(3, FIRE.replace("three", "five"), at=DAY + timedelta(minutes=9)),
    )  # fmt: skip
    catch_up(database, indexer, tenant_id)
    posts = found(database)
    assert posts["2"].duplicate_of == posts["1"].id
    assert posts["3"].duplicate_of is None
    assert {post.story_id for post in posts.values()} == {posts["1"].story_id}


def test_a_footer_is_never_a_sentence_and_an_ad_never_a_story(database, indexer, tenant_id, feed):
    rows.posts(
        database, tenant_id, feed,
        entry(1, BRIDGE + FOOTER),
        entry(2, "Реклама. ООО «Ромашка», erid: 2Vtzqx. Скидки на диваны до 50 %, заказывайте на сайте."),
        entry(3, FOOTER.strip()),
    )  # fmt: skip
    catch_up(database, indexer, tenant_id)
    posts = found(database)
    assert [posts["1"].text[a:b] for a, b in posts["1"].sentences] == [BRIDGE]
    assert posts["2"].boilerplate == "advertisement"
    assert posts["3"].boilerplate == "signature only"
    assert posts["2"].story_id is posts["3"].story_id is None


def test_an_edited_post_is_read_again_and_keeps_its_story(database, indexer, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry(1, FIRE))
    catch_up(database, indexer, tenant_id)
    before = found(database)["1"].story_id
    rows.posts(database, tenant_id, feed, entry(1, FIRE.replace("three", "four") + " The fire is out."))
    assert found(database)["1"].indexed_at is None
    assert catch_up(database, indexer, tenant_id)
    after = found(database)["1"]
    assert after.story_id == before
    assert len(after.sentences) == 2


def test_posts_of_the_future_wait(database, indexer, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry(1, FIRE, at=NOW + timedelta(minutes=5)))
    assert catch_up(database, indexer, tenant_id)
    assert found(database)["1"].indexed_at is None


def towns(count):
    """Yield posts about several happenings, told in turn, with repeats and a footer."""
    kinds = [
        "Fire at the {0} mill on street {1}, {2} hurt, the roof fell in.",
        "Bridge number {1} in {0} is shut until May after {2} cracks were found.",
        "Мэр города {0} подписал указ № {1} о ремонте {2} школ.",
        "У місті {0} відкрили {2} нові дитячі садки на вулиці {1}.",
    ]
    names = ["Luhva", "Solvych", "Zarichchia", "Sadova", "Pryvillia"]
    for number in range(count):
        text = kinds[number % 4].format(names[number // 4 % 5], number // 20, 2 + number % 3)
        yield entry(number, text + FOOTER, at=DAY + timedelta(minutes=number))


def test_a_new_process_goes_on_where_the_last_one_stopped(database, language, monkeypatch):
    monkeypatch.setattr(index, "BATCH", 40)
    monkeypatch.setattr(index, "KEPT_AFTER", 70)
    outcomes = []
    for restarts in (False, True):
        tenant_id = rows.tenant(database, f"restarts-{restarts}")
        feed = rows.feed(database, tenant_id)
        clock = StoppedClock(NOW)
        indexer = Indexer(database, clock, language, 60)
        for start in range(0, 240, 60):
            clock.advance(seconds=1)
            rows.posts(database, tenant_id, feed, *list(towns(240))[start : start + 60])
            if restarts:
                indexer = Indexer(database, clock, language, 60)
            catch_up(database, indexer, tenant_id, now=clock.now())
        with database.transaction() as session:
            mine = session.scalars(select(Post).where(Post.tenant_id == tenant_id).order_by(Post.at)).all()
        first = {}
        for post in mine:
            first.setdefault(post.story_id, post.external_id)
        outcomes.append([(post.external_id, first[post.story_id], bool(post.duplicate_of)) for post in mine])
    assert outcomes[0] == outcomes[1]
    assert len({story for _, story, _ in outcomes[0]}) >= 4


def test_a_worker_that_lost_its_lease_writes_nothing(database, indexer, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry(1, FIRE))
    with database.transaction() as session:
        asleep = work.claim(session, Tenant, tenant_id, owner="asleep", now=NOW, lease_s=60)
        later = NOW + timedelta(seconds=61)
        assert work.claim(session, Tenant, tenant_id, owner="awake", now=later, lease_s=60)
    with pytest.raises(work.LeaseLostError):
        indexer.catch_up(asleep)
    assert found(database)["1"].indexed_at is None


def test_a_reply_is_known_by_what_it_answers(database, indexer, tenant_id, feed):
    rows.posts(database, tenant_id, feed, entry(1, FIRE))
    catch_up(database, indexer, tenant_id)
    with database.transaction() as session:
        raw = recall.Raw(99, feed, "2", DAY, "Is it out?", None, "1", None)
        assert recall.answered(session, [raw]) == {(feed, "1"): found(database)["1"].story_id}
