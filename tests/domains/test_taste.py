"""A window and a plan in a reader's taste; every post keeps exactly one fate."""

from dataclasses import replace

import msgspec

from domains.digest import Drop, Plan, PlannedStory, Settings
from domains.persona import Persona, Reweighed, Wish
from domains.survey import Survey
from domains.taste import arranged, personalised, preferred
from tests.domains.tastes import likes, story, terms

STORIES = (
    story(1, "Flood cuts the bridge", sources=tuple("abcd"), importance=9.0),
    story(2, "Hockey club wins the cup", sources=tuple("ab"), importance=5.0),
    story(3, "Neighbours talk about hockey", sources=("c",), importance=2.0, kind="chat"),
)
WINDOW = Survey(
    {post.id: post for one in STORIES for post in one.members},
    {101: Drop(101, "duplicate", of=100)},
    dict.fromkeys("abcd", "channel"),
    STORIES,
    {},
)


def test_nothing_known_changes_nothing():
    facts, taste = personalised(WINDOW, None, terms, 5)
    assert facts == WINDOW
    plan = Plan(("main",), (PlannedStory(1, "main", (100,), 1),), {}, (), ("why",))
    assert arranged(plan, taste) is plan
    assert preferred(Settings(), None) == Settings()


def test_muted_posts_are_unread_with_the_reason_and_repeats_stay_repeats():
    facts, taste = personalised(WINDOW, likes(mutes=("hockey",)), terms, 5)
    assert [one.id for one in facts.stories] == [1]
    assert {
        row: drop.detail for row, drop in facts.unread.items() if drop.reason == "out_of_persona"
    } == dict.fromkeys((200, 201, 300), "you mute “hockey”")
    assert facts.unread[101] == Drop(101, "duplicate", of=100)
    assert sorted(taste.muted) == [2, 3]


def test_reasons_survive_a_journal():
    _, taste = personalised(WINDOW, likes("hockey", mutes=("talk",)), terms, 5)
    assert msgspec.json.decode(msgspec.json.encode(taste), type=Reweighed) == taste


def test_a_silent_source_is_neither_read_nor_lost():
    facts, _ = personalised(WINDOW, Persona("me", mutes=(Wish("source", "a"),)), terms, 5)
    assert [post.source for post in facts.by_story[2].readable] == ["b"]
    assert [post.source for post in facts.by_story[2].telling] == ["b"]
    assert facts.unread[200].detail == "you mute a"
    assert facts.by_story[2].members == STORIES[1].members


def test_sections_and_their_stories_follow_the_reader():
    plan = Plan(
        ("main", "developing", "chats", "brief"),
        tuple(
            PlannedStory(row, section, (100,), 1)
            for row, section in ((1, "main"), (5, "developing"), (3, "chats"), (2, "brief"))
        ),
        {},
        (),
        ("why",),
    )
    facts, taste = personalised(WINDOW, likes("talk"), terms, 5)
    assert [one.id for one in facts.stories] == [1, 3, 2]
    made = arranged(plan, taste)
    assert made.sections == ("main", "chats", "developing", "brief")
    assert [item.story for item in made.stories] == [1, 3, 5, 2]
    assert made.reasons == ("why", "story 3 is above your floor because you follow “talk”")
    assert replace(made, sections=plan.sections, stories=plan.stories, reasons=plan.reasons) == plan
