"""A story that goes on over days: the example stream's bridge, day by day, as its subscriber reads of it."""

import json
import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec import UNSET

from domains.digest import Digest
from domains.text import numbers
from services import archive, run, subscription
from services.render import Renderer
from tasks import demo, job, replay
from tests import servers, worlds

LAST = 4


@pytest.fixture(scope="module")
def database(postgres_url):
    """A database of this file alone: its days take long to be told."""
    with servers.clone(postgres_url) as database:
        yield database


@pytest.fixture(scope="module")
def told(database, tmp_path_factory):
    """The digests of the example stream's first days, by day, with their runs and the world that made them."""
    folder = tmp_path_factory.mktemp("told")
    world = worlds.build(database, folder, now=datetime(2026, 11, 11, 8, tzinfo=UTC))
    example = demo.stream(world.clock.now())
    tenant_id, subscription_id = demo.prepare(world, example)
    for _ in demo.load(world, tenant_id, example):
        pass
    with database.transaction() as session:
        subscription.resume(session, subscription_id)
    digests = {}
    for day in range(1, LAST + 1):
        world.clock.move_to(example.begin() + timedelta(days=day, minutes=5))
        with database.transaction() as session:
            (made,) = subscription.close_windows(session, world.clock.now(), tenant_id=tenant_id)
        worlds.drive(world, job.DIGEST, made)
        with database.transaction() as session:
            body = archive.get(session, run.get(session, made).digest_sha256)
        digests[day] = made, msgspec.json.decode(body, type=Digest)
    yield world, digests
    world.close()


def of_bridge(digest):
    """Return the stories of a digest that tell of the bridge, by its name in any language."""
    return [
        story
        for story in digest.stories
        if re.search(
            r"(?i)bridge|міст|мост", " ".join([story.headline.text, *(one.text for one in story.sentences)])
        )
        and re.search(r"(?i)hrab|граб|injured|постраждал|пострадав|18.6", story.headline.text)
    ]


def said(story):
    return [story.headline.text, *(one.text for one in story.sentences)]


def test_day_four_shows_the_developing_story_with_its_change_and_does_not_repeat_day_three(told):
    world, digests = told
    (third,), (fourth,) = of_bridge(digests[3][1]), of_bridge(digests[4][1])
    assert (third.continuing, third.day, fourth.continuing, fourth.day) == (True, 2, True, 3)
    changed = {
        day: [one for one in story.changes if one.kind == "number"]
        for day, story in ((3, third), (4, fourth))
    }
    assert [(one.old, one.new) for one in changed[3]] == [("12", "14")]
    assert [(one.old, one.new) for one in changed[4]] == [("14", "15")]
    earlier = {sentence for day in (1, 2, 3) for story in digests[day][1].stories for sentence in said(story)}
    assert earlier.isdisjoint(said(fourth))
    names = {one.new for one in fourth.changes if one.kind != "number"}
    assert any("Humenchuk" in name or "Гуменчук" in name for name in names)
    for day in (3, 4):
        traceable(digests[day][1], digests[day - 1][1])
    assert all(replay.replay(world, made, {}).identical for made, _ in digests.values())


def traceable(digest, before):
    """Both numbers stand in their posts; the old one in a post that an earlier digest cited."""
    posts = {post.id: post for post in digest.posts}
    former = {} if digest.former is UNSET else {post.id: post for post in digest.former}
    for story in digest.stories:
        for change in () if story.changes is UNSET else story.changes:
            assert posts[change.now.post].quote(change.now.span) == change.now.quote
            assert change.new in change.now.quote
            assert change.now.post in digest.shown
            if change.kind == "number":
                assert former[change.before.post].quote(change.before.span) == change.before.quote
                assert numbers(change.old) <= numbers(change.before.quote)
                assert numbers(change.new) <= numbers(change.now.quote)
                assert former[change.before.post] in before.posts


FORMS = {
    "en": ("continuing, day 3 · updated", "injured", "new"),
    "ru": ("продолжение, 3-й день · обновлено", "injured", "новое"),
    "uk": ("продовження, 3-й день · оновлено", "injured", "нове"),
}


def plain(text):
    """Return a form's text without its markup and its marks."""
    bare = re.sub(r"\[+\d+\]+(?:\([^)]*\))?", " ", re.sub(r"<[^>]+>", " ", text.replace("\\", "")))
    return " ".join(bare.split())


def test_every_form_shows_what_is_new(told):
    _, digests = told
    number, digest = digests[4]
    for locale, (badge, what, new) in FORMS.items():
        renderer = Renderer(locale)
        parcel = renderer.parcel(digest, key="k", run=number)
        terminal = renderer.terminal(digest, width=100, colour=False)
        for text in (parcel.html, parcel.markdown, "\n".join(parcel.telegram), terminal):
            shown = plain(text)
            assert all(part in shown for part in badge.split(" · "))
            assert re.search(rf"\b{what} ?: 14\b.{{0,24}}→.{{0,24}}\b15\b", shown)
            assert re.search(rf"\b{new} ?: \w", shown)
    document = json.loads(parcel.json)
    marks = {post["mark"]: post for post in document["posts"]}
    (story,) = [
        story for section in document["sections"] for story in section["stories"] if story.get("changes")
    ]
    (change,) = [one for one in story["changes"] if one["kind"] == "number"]
    assert (story["day"], change["old"], change["new"]) == (3, "14", "15")
    for cited in (change["before"], change["now"]):
        start, end = cited["span"]
        assert marks[cited["mark"]]["text"][start:end] == cited["quote"]
