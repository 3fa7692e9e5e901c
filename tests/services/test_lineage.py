"""Stories that became one: redirects have no circle, lead to where the posts are, and are followed everywhere."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from domains.window import Window
from services import lineage, precedent, run
from services.lineage import StoryRedirect
from services.schema import Post, Story
from tests import rows, worlds
from tests.rows import DAY, entry


@pytest.fixture
def posts(database):
    """A tenant with eight posts, each in a story of its own; return the tenant, and posts by story."""
    tenant_id = rows.tenant(database)
    feed = rows.feed(database, tenant_id)
    rows.posts(
        database, tenant_id, feed, *(entry(str(number), f"Post {number}.", at=DAY) for number in range(8))
    )
    with database.transaction() as session:
        found = {}
        for row in session.scalars(select(Post).where(Post.tenant_id == tenant_id).order_by(Post.id)):
            story = Story(tenant_id=tenant_id, title="", first_at=row.at, last_at=row.at, state=b"")
            session.add(story)
            session.flush()
            row.story_id = story.id
            found[story.id] = row.id
    return tenant_id, found


MERGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(merges=MERGES)
def test_redirects_lead_to_the_oldest_and_posts_are_in_one_story(database, posts, merges):
    tenant_id, own = posts
    stories = sorted(own)
    at = dict(zip(stories, stories, strict=True))
    with database.transaction() as session:
        for one, other in merges:
            kept, gone = sorted((at[stories[one]], at[stories[other]]))
            if kept == gone:
                continue
            lineage.redirect(session, tenant_id, {gone: kept}, DAY)
            at = {story: kept if now == gone else now for story, now in at.items()}
    with database.transaction() as session:
        redirects = session.scalars(select(StoryRedirect)).all()
        homes = lineage.home(session, stories)
        assert homes == at
        # Followed twice is followed once: none leads to a redirect, so there is no circle.
        assert lineage.home(session, set(homes.values())) == {story: story for story in homes.values()}
        assert all(one.into_id < one.story_id for one in redirects)
        held = dict(session.execute(select(Post.id, Post.story_id)).all())
        assert {post: at[story] for story, post in own.items()} == held
        assert all(session.get_one(Story, one.story_id).state is None for one in redirects)
        session.execute(delete(StoryRedirect))
        for story, post in own.items():
            session.get_one(Post, post).story_id = story
            session.get_one(Story, story).state = b""


def test_a_whole_chain_is_led_to_its_end_at_once(database, posts):
    tenant_id, own = posts
    one, two, three, *_ = sorted(own)
    with database.transaction() as session:
        moved = lineage.redirect(session, tenant_id, {three: one, two: one}, DAY)
        assert sorted(moved) == sorted([own[two], own[three]])
        again = lineage.redirect(session, tenant_id, {three: one, two: one}, DAY)
        assert again == []
        assert session.scalar(select(func.count()).select_from(StoryRedirect)) == 2
        assert lineage.home(session, [one, two, three]) == {one: one, two: one, three: one}


def test_what_was_told_under_an_old_id_is_told_under_the_new_one(database, tmp_path):
    world = worlds.build(database, tmp_path, now=DAY + timedelta(days=1, minutes=5))
    tenant_id, _ = worlds.with_news(database)
    made = worlds.digested(world, tenant_id)
    later = Window(DAY + timedelta(days=1), DAY + timedelta(days=2))
    with database.transaction() as session:
        of = run.get(session, made).subscription_id
        told = [one.story for one in precedent.read(session, tenant_id, of, later)]
        kept, gone = min(told), max(told)
        before = {one.story: one for one in precedent.read(session, tenant_id, of, later)}
        lineage.redirect(session, tenant_id, {gone: kept}, DAY)
    with database.transaction() as session:
        after = {one.story: one for one in precedent.read(session, tenant_id, of, later)}
    assert gone not in after
    said = {one.text for story in (kept, gone) for one in before[story].shipped}
    assert {one.text for one in after[kept].shipped} == said
    world.close()
