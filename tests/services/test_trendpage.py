"""A trend's card on a page: what is drawn is numbers only, what is said is hostile text made harmless."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domains.card import Course, Facts, First, Related, Turn
from domains.digest import TRENDS, Card, Citation, Digest, DigestStory, Sentence, with_trends
from domains.post import Post
from domains.window import Window
from services.render import Renderer

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202e*x*"
TEXT = "Fire at the Luhva paper mill. Crews are there."
FACTS = Facts(
    trend=7, unit="s:7", wave=1, state="rising", since=AT, at=AT + timedelta(hours=1), p_value=1e-6, tests=500, posts=6,
    families=3, velocity=2.0, low=1, high=5, course=Course(AT, 900, (1, 0, 4)), first=First(1, HOSTILE, AT),
    turns=(Turn("emerging", AT + timedelta(minutes=30)), Turn("rising", AT + timedelta(minutes=40))),
    publishers=("a", "b", HOSTILE, "d", "e", "f", "g"), names=(HOSTILE,), words=("paper mill",), related=(Related(9, HOSTILE, 2),),
)  # fmt: skip


def post(lang="en"):
    return Post(id=1, ref="a/1", source="a", family="a", at=AT, text=TEXT, lang=lang, sha256="")


def card(lang="en", facts=FACTS):
    headline = Sentence(TEXT[:28], (Citation(1, (0, 28), TEXT[:28]),))
    more = Sentence(TEXT[30:], (Citation(1, (30, len(TEXT)), TEXT[30:]),))
    story = DigestStory(-7, TRENDS, headline, (more,), (1,), 3, 3, (lang,), AT, 0, trend=facts)
    return Card(story, (post(lang),))


def digest(*cards, whole=True, method=TRENDS):
    window = Window(AT, AT + timedelta(days=1))
    empty = Digest(window, "UTC", "trends", (), (), (), (), "extractive", method, 1.0, ())
    return with_trends(empty, cards, whole=whole)


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        (
            "en",
            (
                "rising",
                "by chance once in 5 years",
                "▃▁█ up to 4 in 15 min",
                "next 6 h: 1–5 posts",
                "1 trend",
            ),
        ),
        ("ru", ("растёт", "случайно — раз в 5 лет", "ближайшие 6 ч: 1–5 постов", "1 тренд", "Тренды")),
        ("uk", ("зростає", "випадково — раз на 5 років", "наступні 6 год: 1–5 дописів", "1 тренд", "Тренди")),
    ],
)
def test_every_form_says_the_same_of_a_trend(lang, said):
    parcel = Renderer().parcel(digest(card(lang)), key="k", run=1)
    for form in (parcel.html, parcel.markdown, parcel.telegram[0]):
        for words in said:
            assert words in form.replace("\u2060", "").replace("\\", "")


def test_only_the_page_draws_and_nothing_hostile_gets_out():
    parcel = Renderer().parcel(digest(card()), key="k", run=1)
    assert parcel.html.count("<svg") == 1
    assert parcel.html.count("<rect") == 3 + 2
    for form in (parcel.html, parcel.markdown, *parcel.telegram):
        assert "<script" not in form
        assert "\u202e" not in form


def test_a_section_has_room_for_a_line_only():
    made = digest(card(), whole=False, method="submodular")
    (story,) = made.stories
    assert story.sentences == ()
    html = Renderer().parcel(made, key="k", run=1).html
    assert "by chance" in html
    assert "rose together" not in html
    assert "0 stories, 1 trend" in html


def test_a_trend_without_a_course_is_not_drawn():
    bare = replace(FACTS, course=Course(AT, 900, ()), low=None, high=None, first=None, turns=())
    assert "<svg" not in Renderer().parcel(digest(card(facts=bare)), key="k", run=1).html


def test_no_trends_leave_a_digest_as_it_is():
    empty = digest()
    assert with_trends(empty, ()) is empty
    assert "nothing rose" in Renderer("en").parcel(empty, key="k", run=1).markdown
