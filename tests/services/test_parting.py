"""Stories that part: a post of two matters chains them, more posts prove them two, and what was told follows its posts."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domains.window import Window
from services import lineage, precedent, run, work
from services.clock import StoppedClock
from services.index import Indexer
from services.language import OfflineLanguage
from services.lineage import StorySplit
from services.schema import Claim, Post, Story, Tenant
from tests import rows, worlds
from tests.rows import DAY, entry

FIRE = (
    "Fire at the Luhva paper mill on Zavodska street: crews fight the blaze, roof of the mill fell in.",
    "Blaze at the Luhva paper mill: three workers of the mill were taken to hospital from Zavodska street.",
    "Paper mill fire in Luhva is under control, say crews; the roof of the mill on Zavodska street burnt out.",
    "Workers of the Luhva paper mill blame old wiring for the fire that burnt the mill's roof on Zavodska street.",
)
BOTH = (
    "Fire at the Luhva paper mill on Zavodska street, roof fell in. Solvych council votes to raise the bus fare:"
    " passengers pay 18 hryvnias for a bus ticket from January."
)
FARE = (
    "Solvych council raises the bus fare: passengers pay 18 hryvnias for a bus ticket from January.",
    "Bus ticket in Solvych will cost passengers 18 hryvnias, council voted on the fare; pensioners ride free.",
    "Passengers protest in Solvych: the council's bus fare of 18 hryvnias doubles what a bus ticket costs.",
    "Solvych council defends the bus fare: without 18 hryvnias a ticket, bus drivers would go unpaid.",
    "Bus drivers in Solvych back the council: passengers' fare of 18 hryvnias a ticket pays for new buses.",
)


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


def told(numbers, texts, hour):
    return [
        entry(f"{hour}-{number}", text, at=DAY + timedelta(hours=hour, minutes=number))
        for number, text in zip(numbers, texts, strict=True)
    ]


def first_day():
    """Six posts: the first is of two matters and draws posts of either to it, the last repeats the third."""
    texts = [BOTH, FIRE[0], FARE[0], FIRE[1], FARE[1], f"⚡️ {FARE[0].upper()}"]
    return told(range(len(texts)), texts, 18)


def second_day():
    texts = [FARE[2], FIRE[2], FARE[3], FIRE[3], FARE[4]]
    return told(range(len(texts)), texts, 26)


def catch_up(database, indexer, tenant_id, now):
    with database.transaction() as session:
        work.wake_indexing(session, now=now)
        lease = work.claim(session, Tenant, tenant_id, owner="me", now=now, lease_s=60)
    assert indexer.catch_up(lease)


def stories(database, tenant_id):
    with database.transaction() as session:
        query = select(Post).where(Post.tenant_id == tenant_id).order_by(Post.at, Post.id)
        return {post.external_id: post.story_id for post in session.scalars(query)}


@pytest.fixture
def chained(database, language):
    """A tenant whose first day's posts are one story; return it with its indexer, clock and feed."""
    tenant_id = rows.tenant(database)
    feed = rows.feed(database, tenant_id)
    clock = StoppedClock(DAY + timedelta(hours=23))
    indexer = Indexer(database, clock, language, 60)
    rows.posts(database, tenant_id, feed, *first_day())
    catch_up(database, indexer, tenant_id, clock.now())
    assert len(set(stories(database, tenant_id).values())) == 1
    return tenant_id, indexer, clock, feed


def go_on(database, chained):
    """Store and index the second day's posts."""
    tenant_id, indexer, clock, feed = chained
    clock.move_to(DAY + timedelta(hours=30))
    rows.posts(database, tenant_id, feed, *second_day())
    catch_up(database, indexer, tenant_id, clock.now())


def test_a_chained_story_parts_when_more_posts_come(database, chained):
    tenant_id, _indexer, _clock, _feed = chained
    before = stories(database, tenant_id)
    go_on(database, chained)
    after = stories(database, tenant_id)
    assert len(set(after.values())) == 2
    old, new = min(after.values()), max(after.values())
    assert {*before.values()} == {old}
    fires = {after[one] for one in ("18-1", "18-3", "26-1", "26-3")}
    fares = {after[one] for one in ("18-2", "18-4", "18-5", "26-0", "26-2", "26-4")}
    assert len(fires) == len(fares) == 1
    assert fires != fares
    # Five posts each that repeat none: the part of the earliest keeps the id.
    assert (after["18-0"], fires, fares) == (old, {old}, {new})
    with database.transaction() as session:
        (split,) = session.scalars(select(StorySplit)).all()
        assert (split.story_id, split.of_id, split.tenant_id) == (new, old, tenant_id)
        for story in session.scalars(select(Story)):
            own = select(func.min(Post.at), func.max(Post.at)).where(Post.story_id == story.id)
            assert (story.first_at, story.last_at) == session.execute(own).one()
            assert story.state is not None
            first = select(Post.text).where(Post.story_id == story.id).order_by(Post.at).limit(1)
            assert story.title[:60] == session.execute(first).scalar_one()[:60]


def test_what_parted_is_remembered_by_this_process_and_by_the_next(database, chained, language):
    tenant_id, indexer, clock, feed = chained
    go_on(database, chained)
    at = stories(database, tenant_id)
    for number, who in enumerate((indexer, Indexer(database, clock, language, 60))):
        clock.advance(seconds=60)
        more = [f"{FIRE[2]} Day {number} of work.", f"{FARE[2]} Line {number} stands still."]
        now = clock.now() - timedelta(seconds=30)
        rows.posts(database, tenant_id, feed, *(entry(f"{number}{at}", text, at=now) for at, text in enumerate(more)))  # fmt: skip
        catch_up(database, who, tenant_id, clock.now())
        found = stories(database, tenant_id)
        assert found[f"{number}0"] == at["18-1"]
        assert found[f"{number}1"] == at["18-2"]


def test_what_was_told_of_posts_that_left_is_told_of_the_story_they_are_in(database, tmp_path, language):
    world = worlds.build(database, tmp_path, now=DAY + timedelta(days=1, minutes=5))
    tenant_id = rows.tenant(database)
    feed = rows.feed(database, tenant_id)
    rows.posts(database, tenant_id, feed, *first_day())
    made = worlds.digested(world, tenant_id)
    later = Window(DAY + timedelta(days=1), DAY + timedelta(days=2))
    with database.transaction() as session:
        of = run.get(session, made).subscription_id
        fare = session.scalars(select(Post).where(Post.external_id == "18-2")).one()
        (story,) = set(session.scalars(select(Claim.story_id)))
        session.add(
            Claim(
                run_id=made,
                story_id=story,
                place="stories[0].sentences[9]",
                sentence=FARE[0],
                post_id=fare.id,
                post_version=fare.version,
                start=0,
                end=len(FARE[0]),
            )
        )
        session.flush()
        (before,) = precedent.read(session, tenant_id, of, later)
        claims = session.execute(select(Claim.id, Claim.story_id, Claim.post_id)).all()
    clock = StoppedClock(DAY + timedelta(hours=30))
    rows.posts(database, tenant_id, feed, *second_day())
    catch_up(database, Indexer(database, clock, language, 60), tenant_id, clock.now())
    with database.transaction() as session:
        after = {one.story: one for one in precedent.read(session, tenant_id, of, later)}
        held = dict(session.execute(select(Post.id, Post.story_id)).all())
        assert session.execute(select(Claim.id, Claim.story_id, Claim.post_id)).all() == claims
        (split,) = session.scalars(select(StorySplit)).all()
    assert {*after} == {held[post] for _, _, post in claims} == {split.of_id, split.story_id}
    assert {one.text for told in after.values() for one in told.shipped} == {
        one.text for one in before.shipped
    }
    for story, told in after.items():
        assert {held[quoted.post] for one in told.shipped for quoted in one.citations} == {story}
    world.close()


def test_told_posts_are_followed_through_partings_and_merges(database):
    tenant_id = rows.tenant(database)
    feed = rows.feed(database, tenant_id)
    rows.posts(database, tenant_id, feed, *(entry(number, f"Post {number}.") for number in range(4)))
    with database.transaction() as session:
        made = [Story(tenant_id=tenant_id, title="", first_at=DAY, last_at=DAY, state=b"") for _ in range(5)]
        session.add_all(made)
        session.flush()
        older, story, part, piece, twin = (one.id for one in made)
        posts = session.scalars(select(Post).order_by(Post.id)).all()
        for post, home in zip(posts, (story, part, piece, twin), strict=True):
            post.story_id = home
        lineage.parted(session, tenant_id, part, story, DAY)
        lineage.parted(session, tenant_id, piece, part, DAY)
        told = [(story, post.id) for post in posts]
        # A post of a story that was only told together with this one did not leave it.
        assert [*lineage.told_of(session, told).values()] == [story, part, piece, story]
        lineage.redirect(session, tenant_id, {piece: part}, DAY)
        assert [*lineage.told_of(session, told).values()] == [story, part, part, story]
        lineage.redirect(session, tenant_id, {story: older}, DAY)
        assert [*lineage.told_of(session, told).values()] == [older, part, part, older]
        lineage.redirect(session, tenant_id, {part: older}, DAY)
        assert {*lineage.told_of(session, told).values()} == {older}


def test_a_worker_that_dies_in_a_parting_leaves_nothing_and_it_is_repeated(
    database, chained, language, monkeypatch
):
    tenant_id, _indexer, clock, _feed = chained
    before = stories(database, tenant_id)
    with monkeypatch.context() as patched:
        patched.setattr(lineage, "parted", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go_on(database, chained)
    assert {one: story for one, story in stories(database, tenant_id).items() if one in before} == before
    clock.advance(seconds=61)
    with database.transaction() as session:
        lease = work.claim(session, Tenant, tenant_id, owner="next", now=clock.now(), lease_s=60)
    assert Indexer(database, clock, language, 60).catch_up(lease)
    after = stories(database, tenant_id)
    assert after["18-1"] == before["18-1"] != after["18-2"]
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(StorySplit)) == 1
        assert session.scalar(select(func.count()).select_from(Story)) == 2
