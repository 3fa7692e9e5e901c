"""Differences in words: none between equal digests, one for whatever differs, the same seen from both sides."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.card import Course, Facts
from domains.difference import difference
from domains.digest import Change, Citation, Digest, DigestStory, Drop, Sentence
from domains.window import Window
from tests.rows import DAY

TEXTS = ("A fire at the mill.", "A bridge is shut.", "The fare was raised.")


def sentence(text, post=1):
    return Sentence(text, (Citation(post, (0, len(text)), text),))


SENTENCES = st.sampled_from([sentence(text) for text in TEXTS])
STORIES = st.builds(
    DigestStory,
    story=st.integers(1, 4),
    section=st.sampled_from(["top", "more"]),
    headline=SENTENCES,
    sentences=st.lists(SENTENCES, max_size=3, unique=True).map(tuple),
    posts=st.just((1,)), sources=st.just(1), families=st.just(1), languages=st.just(("en",)),
    since=st.just(DAY), repeats=st.just(0),
)  # fmt: skip
DIGESTS = st.builds(
    Digest,
    window=st.just(Window(DAY, DAY + timedelta(days=1))), zone=st.just("UTC"), subscription=st.just("daily"),
    sections=st.sampled_from([("top", "more"), ("more", "top")]),
    stories=st.lists(STORIES, max_size=4, unique_by=lambda story: story.story).map(tuple),
    shown=st.lists(st.integers(1, 9), max_size=3, unique=True).map(tuple),
    drops=st.lists(st.builds(Drop, st.integers(1, 9), st.sampled_from(["budget", "duplicate"])), max_size=3).map(tuple),
    rung=st.sampled_from(["model", "extractive"]), method=st.just("m"), score=st.sampled_from([0.5, 1.0]),
    posts=st.just(()),
)  # fmt: skip
PLAIN = Digest(
    window=Window(DAY, DAY + timedelta(days=1)), zone="UTC", subscription="daily", sections=("top",),
    stories=tuple(
        DigestStory(number, "top", sentence(text), (sentence(text),), (number,), 1, 1, ("en",), DAY, 0)
        for number, text in enumerate(TEXTS)
    ),
    shown=(0, 1, 2), drops=(Drop(7, "budget", detail="no room"),), rung="extractive", method="m", score=0.9, posts=(),
)  # fmt: skip
RISEN = Facts(
    trend=1, unit="n:1", wave=1, state="rising", since=DAY, at=DAY, p_value=0.01, tests=10, posts=5, families=3,
    velocity=1.0, low=None, high=None, course=Course(DAY, 3600, (1, 2)), first=None,
)  # fmt: skip
OTHER = {
    "posts": (0, 9), "sources": 2, "families": 2, "languages": ("uk",), "since": DAY + timedelta(hours=1),
    "repeats": 3, "continuing": True, "late": True, "section": "more", "headline": sentence(TEXTS[1]),
    "sentences": (), "story": 8, "rung": "model", "day": 2, "thread": (5, 6), "trend": RISEN,
    "changes": (Change("number", "injured", "12", "14", Citation(3, (0, 2), "12"), Citation(0, (0, 2), "14")),),
}  # fmt: skip


@given(DIGESTS)
def test_equal_digests_give_no_line(value):
    assert difference(value, value) == ()


@given(DIGESTS, DIGESTS)
def test_lines_say_by_their_first_sign_what_happened(old, new):
    for line in difference(old, new):
        assert line[:2] in {"- ", "+ ", "~ "}
        assert "\n" not in line


@given(DIGESTS, DIGESTS)
def test_what_is_gone_one_way_has_come_the_other(old, new):
    def heads(lines, sign):
        return sorted(line[2:].split(":")[0].split(" (")[0] for line in lines if line.startswith(sign))

    there, back = difference(old, new), difference(new, old)
    assert heads(there, "-") == heads(back, "+")
    assert heads(there, "+") == heads(back, "-")
    assert len([line for line in there if line[0] == "~"]) == len([line for line in back if line[0] == "~"])


def test_stories_sentences_order_and_counts_are_told():
    first, second, third = PLAIN.stories
    new = replace(
        PLAIN,
        stories=(third, replace(first, sentences=(sentence("It is out."),))),
        shown=(0, 2),
        drops=(*PLAIN.drops, Drop(1, "below_floor")),
        rung="model",
        score=0.5,
    )
    assert difference(PLAIN, new) == (
        f"- story 1: {second.headline.text}",
        f"- story 0 ({TEXTS[0]}): {TEXTS[0]}",
        f"+ story 0 ({TEXTS[0]}): It is out.",
        "~ order of stories: 0, 2 → 2, 0",
        "~ posts cited: 3 → 2",
        "~ posts left out (below_floor): 0 → 1",
        "~ rung: extractive → model",
        "~ score: 0.900 → 0.500",
    )


def test_every_field_of_a_story_is_tried():
    assert set(OTHER) == {field.name for field in fields(DigestStory)}


@pytest.mark.parametrize("name", sorted(OTHER))
def test_whatever_differs_in_a_story_is_told(name):
    first, *rest = PLAIN.stories
    assert difference(PLAIN, replace(PLAIN, stories=(replace(first, **{name: OTHER[name]}), *rest)))


@pytest.mark.parametrize(
    "change",
    [
        {"rung": "model"},
        {"method": "other"},
        {"sections": ("more",)},
        {"score": 0.8},
        {"drops": ()},
        {"stories": ()},
        {"stories": PLAIN.stories[::-1]},
        {"shown": (0,)},
        {"shown": (0, 1, 9)},
        {"drops": (Drop(8, "budget"),)},
        {"zone": "Europe/Kyiv"},
    ],
    ids=str,
)
def test_whatever_differs_in_a_digest_is_told(change):
    assert difference(PLAIN, replace(PLAIN, **change))
