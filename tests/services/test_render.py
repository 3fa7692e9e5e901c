import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from domains.errors import Refused, UsageError
from services import document
from services.page import clean, page
from services.render import TEMPLATES, Renderer
from tests.services.digestdesk import NASTY, DigestDesk, hostile, said, trilingual
from tests.services.test_message import plain

ROOT = Path(__file__).parents[2]
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "p", "span", "h1", "nav", "ul", "li", "a", "main",
    "section", "h2", "article", "div", "h3", "sup", "ol", "time", "em", "details", "summary", "footer",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "dir", "charset", "http-equiv", "content", "name", "class", "id", "href", "rel", "title", "datetime",
    "aria-label", "aria-labelledby",
}  # fmt: skip


@pytest.fixture(scope="module")
def renderer():
    return Renderer()


@pytest.fixture(scope="module")
def parcel(renderer):
    return renderer.parcel(trilingual(), key="run-12-file", run=12)


def squeezed(text):
    return "".join(text.split())


def forms(parcel, terminal):
    """Return the plain text of every form for people, white space removed."""
    tree = LexborHTMLParser(parcel.html)
    for mark in tree.css("sup"):
        mark.decompose()
    blocks = MarkdownIt("commonmark").parse(parcel.markdown)
    markdown = "".join(
        token.content
        for block in blocks
        for token in (block.children or [])
        if token.type in {"text", "code_inline"}
    )
    texts = {
        "html": tree.body.text(),
        "markdown": markdown,
        "telegram": "".join(plain(message).removeprefix(f"({n}/{len(parcel.telegram)})") for n, message in enumerate(parcel.telegram, 1)),
        "terminal": terminal,
    }  # fmt: skip
    return {name: squeezed(text) for name, text in texts.items()}


def assert_agreement(digest, renderer):
    parcel = renderer.parcel(digest, key="k", run=12)
    made = page(digest, run=12)
    told = json.loads(parcel.json)
    stories = [story for section in told["sections"] for story in section["stories"]]
    assert [section["title"] for section in told["sections"]] == [section.title for section in made.sections]
    assert len(stories) == len(digest.stories)
    texts = forms(parcel, renderer.terminal(digest, width=100, colour=False, run=12))
    for name, text in texts.items():
        at = 0
        for story in stories:
            for sentence in (story["headline"], *story["sentences"]):
                found = text.find(squeezed(sentence["text"]), at)
                assert found >= 0, (name, sentence["text"])
                at = found + len(squeezed(sentence["text"]))
            for fact in (*story["badges"], *story["facts"]):
                assert squeezed(fact) in text[at:], (name, fact)
        counts = told["counts"]
        assert (
            counts["posts"] == counts["shown"] + counts["left_out"] == len(digest.shown) + len(digest.drops)
        )
        for left in made.left_out:
            assert counts["by_reason"][left.reason] == left.n
            assert re.search(f"{left.count}[–]?{re.escape(squeezed(left.title))}", text), (name, left.title)


def test_every_form_tells_the_same(renderer):
    assert_agreement(trilingual(), renderer)


@settings(max_examples=25)
@given(
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(min_size=1, max_size=200)), min_size=1, max_size=5),
    st.lists(st.sampled_from(["https://e.org/?a=1&b=2", None, "javascript:x"]), min_size=1, max_size=3),
)
def test_every_form_tells_the_same_whatever_was_posted(texts, urls):
    assert_agreement(hostile(texts, urls), Renderer("en"))


def test_the_same_digest_gives_the_same_bytes_in_every_process(parcel):
    code = (
        "import hashlib, sys, msgspec;"
        "from services.render import Renderer;"
        "from tests.services.digestdesk import trilingual;"
        "made = Renderer().parcel(trilingual(), key='run-12-file', run=12);"
        "sys.stdout.write(hashlib.sha256(msgspec.json.encode(made)).hexdigest())"
    )
    environment = {"PYTHONHASHSEED": "4242", "TZ": "Asia/Tokyo", "LC_ALL": "C", "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == hashlib.sha256(msgspec.json.encode(parcel)).hexdigest()


class TestHtml:
    def test_the_policy_lets_our_own_style_through_and_nothing_else(self, parcel):
        tree = LexborHTMLParser(parcel.html)
        style = tree.css_first("style").text(deep=True)
        assert style == (TEMPLATES / "digest.css").read_text("utf-8")
        policy = tree.css_first('meta[http-equiv="Content-Security-Policy"]').attributes["content"]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert (
            policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        )

    def test_it_asks_nobody_for_anything(self, parcel):
        assert not re.search(r"url\(|@import|@font-face|src=|<link|<script|<img", parcel.html)

    def test_it_is_for_small_screens_dark_rooms_and_paper(self, parcel):
        assert 'content="width=device-width, initial-scale=1"' in parcel.html
        assert "@media (prefers-color-scheme: dark)" in parcel.html
        assert "@media print" in parcel.html

    def test_languages_are_marked(self, parcel):
        tree = LexborHTMLParser(parcel.html)
        assert tree.css_first("html").attributes["lang"] == "ru"
        assert tree.css_first("h3 span").attributes["lang"] == "uk"
        assert [node.attributes["lang"] for node in tree.css_first(".text").css("span")] == ["ru", "uk", "en"]

    def test_marks_lead_to_the_post_or_to_its_note(self, parcel):
        tree = LexborHTMLParser(parcel.html)
        links = [node.attributes["href"] for node in tree.css("sup a")]
        assert links[:2] == ["https://t.example/luhva_novyny/1001", "https://t.example/tipichny_solvych/1002"]
        assert "#story-2-5" in links
        assert tree.css_first("#story-2-5").text().split() == ["5", "luhva_dispatch", "09:15"]

    def test_left_out_posts_are_folded_and_lead_to_what_stands_for_them(self, parcel):
        details = LexborHTMLParser(parcel.html).css("#left-out details")
        assert [" ".join(node.css_first("summary").text().split()) for node in details[:2]] == [
            "83 Повторы других постов", "43 Их история здесь, рассказана по другим постам",
        ]  # fmt: skip
        assert not [node for node in details if "open" in node.attributes]
        assert [node.attributes["href"] for node in details[1].css("a")] == ["#story-1", "#story-2"]
        assert all(f"#{row}" in parcel.html for row in range(5001, 5156))

    def test_a_quiet_digest_says_so(self, renderer):
        desk = DigestDesk()
        desk.drop(14, "below_floor")
        tree = LexborHTMLParser(renderer.parcel(desk.digest(), key="k", run=1).html)
        assert tree.css_first(".quiet").text().startswith("Quiet: nothing happened")
        assert not tree.css("article, nav")


def assert_inert(html, urls=frozenset()):
    """Fail when ``html`` holds a tag, an attribute or an address that is not the template's own."""
    tree = LexborHTMLParser(html)
    nodes = [node for node in tree.root.traverse() if node.tag != "-text"]
    assert {node.tag for node in nodes} <= TAGS
    assert {name for node in nodes for name in node.attributes} <= ATTRIBUTES
    ids = [node.attributes["id"] for node in nodes if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    targets = {node.attributes["href"] for node in nodes if "href" in node.attributes}
    assert targets <= set(urls) | {f"#{name}" for name in ids}


def test_the_page_links_only_to_posts_and_into_itself(parcel):
    assert_inert(parcel.html, {post.url for post in trilingual().posts})


@settings(max_examples=40)
@given(st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=80)), min_size=1, max_size=6))
def test_hostile_text_is_inert_in_html_and_in_the_terminal(texts):
    digest = hostile(texts)
    renderer = Renderer("en")
    assert_inert(renderer.parcel(digest, key="k", run=1).html)
    shown = renderer.terminal(digest, width=80, colour=False)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_all_hostile_text_at_once_is_inert(renderer):
    made = renderer.parcel(hostile(), key="k", run=1)
    assert_inert(made.html)
    assert "javascript:" not in re.sub(r"&lt;.*?&gt;|\(javascript:alert\(1\)\)", "", made.html)
    assert "javascript:alert" not in {post["url"] for post in json.loads(made.json)["posts"]}


class TestJson:
    def test_it_is_complete_and_its_quotes_are_where_it_says(self, parcel):
        told = json.loads(parcel.json)
        posts = {post["mark"]: post for post in told["posts"]}
        citations = [
            citation
            for section in told["sections"]
            for story in section["stories"]
            for sentence in (story["headline"], *story["sentences"])
            for citation in sentence["citations"]
        ]
        assert len(citations) == 15
        for citation in citations:
            post = posts[citation["mark"]]
            assert post["id"] == citation["post"]
            assert post["text"][slice(*citation["span"])] == citation["quote"]
        assert [drop["post"] for drop in told["left_out"]] == list(range(5001, 5156))
        assert (told["run"], told["rung"], told["score"], told["window"]["zone"]) == (
            12,
            "extractive",
            0.934,
            "Europe/Kyiv",
        )
        assert datetime.fromisoformat(told["window"]["start"]) == trilingual().window.start

    def test_a_sentence_is_what_its_post_says_even_where_people_read_a_full_stop(self, renderer):
        desk = DigestDesk()
        desk.story("main", *(said(desk.post("a_b", text, "en", 1)) for text in ("Mill burns", "Nobody died")))
        parcel = renderer.parcel(desk.digest(), key="k", run=1)
        (story,) = json.loads(parcel.json)["sections"][0]["stories"]
        assert (
            story["sentences"][0]["text"] == story["sentences"][0]["citations"][0]["quote"] == "Nobody died"
        )
        assert "Nobody died. " in parcel.markdown

    def test_its_keys_are_sorted(self, parcel):
        assert list(json.loads(parcel.json)) == sorted(json.loads(parcel.json))
        assert parcel.json.endswith(b"\n}\n")

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"version": 2}, "$.version"),
            ({"score": 1.5}, "$.score"),
            ({"rung": "gossip"}, "$.rung"),
            ({"extra": 1}, "$"),
            (
                {"left_out": [{"post": 1, "reason": "taste", "of": None, "detail": "", "ref": ""}]},
                "$.left_out[0].reason",
            ),
            (
                {"counts": {"posts": 1, "shown": 1, "left_out": 0, "by_reason": {"budget": 0}}},
                "by_reason.budget",
            ),
        ],
    )
    def test_what_is_not_to_the_schema_is_refused_and_the_place_named(self, parcel, change, place):
        with pytest.raises(Refused, match=re.escape(place)):
            document.check(json.dumps({**json.loads(parcel.json), **change}).encode())

    def test_a_digest_that_breaks_the_schema_does_not_leave(self, renderer):
        with pytest.raises(Refused, match=r"\$\.score"):
            renderer.parcel(replace(trilingual(), score=7.0), key="k", run=1)

    def test_a_lone_surrogate_keeps_its_place(self, renderer):
        desk = DigestDesk()
        desk.story("main", said(desk.post("a_b", "a\ud800b.", "en", 1)))
        told = json.loads(renderer.parcel(desk.digest(), key="k", run=1).json)
        assert told["posts"][0]["text"] == "a?b."


class TestTerminal:
    def test_it_fits_the_width(self, renderer):
        for width in (40, 80, 100):
            lines = renderer.terminal(trilingual(), width=width, colour=False, run=12).splitlines()
            assert max(len(line) for line in lines) <= width

    def test_colour_is_only_there_when_asked_for(self, renderer):
        plain_text = renderer.terminal(trilingual(), width=80, colour=False)
        coloured = renderer.terminal(trilingual(), width=80, colour=True)
        assert "\x1b" not in plain_text
        assert "\x1b[" in coloured
        assert squeezed(re.sub(r"\x1b\[[\d;]*m", "", coloured)) == squeezed(plain_text)

    def test_colour_does_not_depend_on_the_environment(self, renderer, monkeypatch):
        before = [renderer.terminal(trilingual(), width=80, colour=colour) for colour in (False, True)]
        for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "30"), ("FORCE_COLOR", "1")):
            monkeypatch.setenv(name, value)
        assert [
            renderer.terminal(trilingual(), width=80, colour=colour) for colour in (False, True)
        ] == before

    def test_a_run_is_named_when_there_is_one(self, renderer):
        assert "Выпуск 12" in renderer.terminal(trilingual(), width=80, colour=False, run=12)
        assert "Выпуск" not in renderer.terminal(trilingual(), width=80, colour=False)


def test_the_interface_speaks_the_language_it_is_told(parcel):
    made = {lang: Renderer(lang).parcel(trilingual(), key="k", run=12) for lang in ("en", "uk")}
    assert made["en"].title == "Svodka: daily · Monday, 2 November 2026"
    assert "17 posts · 5 sources from 3 publishers" in made["en"].markdown
    assert "17 дописів · 5 джерел від 3 видавців" in made["uk"].markdown
    assert parcel.title == "Сводка: daily · Понедельник, 2 ноября 2026"
    with pytest.raises(UsageError) as error:
        Renderer("eo")
    assert error.value.remedy == "one of: en, ru, uk"


def test_the_parcel_carries_what_it_was_made_from(parcel):
    assert (parcel.key, parcel.digest) == ("run-12-file", trilingual())


def test_the_texts_of_posts_are_shown_clean(renderer):
    desk = DigestDesk()
    post = desk.post("a_b", "One\u202e two.", "en", 1)
    desk.story("main", said(post))
    made = renderer.parcel(desk.digest(), key="k", run=1)
    assert clean(post.text) == "One two."
    for text in (made.html, made.markdown, *made.telegram):
        assert "One two." in text
        assert "\u202e" not in text
