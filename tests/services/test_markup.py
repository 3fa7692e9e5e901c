"""HTML and Markdown of strangers."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.markup import feeds, links, pictures, plain, unmarked

PAGE = "https://example.org/news/1"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain words", "plain words"),
        ("  a \n b\t", "a b"),
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
        ("one<br><br>two", "one\n\ntwo"),
        ("<b>bold</b> and <i>it</i>alic", "bold and italic"),
        ("caf&eacute; &amp; &lt;bar&gt; &#1087;&#x440;", "café & <bar> пр"),
        ("<ul><li>a</li><li>b</ul>after", "• a\n• b\nafter"),
        ("x<script>evil()</script><style>p{}</style>y<!-- c -->z", "xyz"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</table>", "1 2\n3"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("<p>unclosed <b>tags", "unclosed tags"),
        ("<div><div>deep</div></div>", "deep"),
        ('<a href="/x">link words</a>', "link words"),
        ("5 < 6 & 7 > 3", "5 < 6 & 7 > 3"),
        ("", ""),
        ("<title>t</title><p>b</p>", "b"),
        ("a\x00b\x0bc\ud800d", "abcd"),
    ],
)
def test_plain_is_what_a_reader_sees(html, text):
    assert plain(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 200_000,
        "<b>" * 200_000 + "x",
        "<" * 500_000,
        "&" * 500_000,
        "<a href=x>" * 90_000,
        "<p>" * 200_000,
    ],
)
def test_hostile_nesting_takes_linear_time(html):
    began = time.process_time()
    plain(html)
    assert time.process_time() - began < 2


def test_too_deep_a_page_still_gives_its_words():
    assert plain("<div>" * 5_000 + "<p>one</p>two &amp; three" + "</div>" * 5_000) == "one\ntwo & three"


@given(st.text())
def test_plain_holds_no_control_characters(html):
    text = plain(html)
    assert text == text.strip()
    text.encode()
    assert not any(char < " " and char not in "\n\t" for char in text)


def test_links_are_absolute_web_addresses_each_once():
    html = '<a href="/a?x=1&amp;y=2">1</a><a href="/a?x=1&amp;y=2">2</a><a href="javascript:x()">3</a><a href="mailto:a@b">4</a>'
    assert links(html, PAGE) == ("https://example.org/a?x=1&y=2",)


def test_pictures_leave_out_trackers():
    html = '<img src="p.jpg"><img src="https://t.example/1.gif" width="1" height="1"><img src="data:image/png;base64,x">'
    assert pictures(html, PAGE) == ("https://example.org/news/p.jpg",)


def test_feeds_are_those_that_the_page_announces():
    html = """<head><base href="/blog/"><link rel="stylesheet" href="x.css">
    <link rel="alternate" type="application/rss+xml" href="rss.xml">
    <link rel="ALTERNATE nofollow" type="application/atom+xml; charset=utf-8" href="https://o.example/atom">
    <link rel="alternate" type="text/html" href="/uk/"><link rel="alternate" type="application/rss+xml" href="rss.xml">"""
    assert feeds(html, PAGE) == ("https://example.org/blog/rss.xml", "https://o.example/atom")


@pytest.mark.parametrize(
    ("text", "bare", "found"),
    [
        ("**Жирный** текст", "Жирный текст", ()),
        ("[Читать](https://a.example/b_(c))!", "Читать!", ("https://a.example/b_(c)",)),
        ("[Роль [ЦП] в](https://a.example)", "Роль [ЦП] в", ("https://a.example",)),
        ("__курсив__ и __ссылка__ ____слово____", "курсив и ссылка слово", ()),
        ("snake__case, 2**3, __init", "snake__case, 2**3, __init", ()),
        ("[x](javascript:alert)", "[x](javascript:alert)", ()),
        ("https://a.example/__b__/c", "https://a.example/__b__/c", ()),
        ("__________", "__________", ()),
    ],
)
def test_markdown_is_taken_out_where_it_is_paired(text, bare, found):
    assert unmarked(text) == (bare, found)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "[a](http://" * 50_000,
        "__a " * 100_000,
        "[](" * 200_000,
        "[[a]" * 100_000,
        "**" * 300_000,
    ],
)
def test_hostile_markdown_takes_linear_time(text):
    began = time.process_time()
    unmarked(text)
    assert time.process_time() - began < 2


@given(st.text())
def test_text_without_marks_stays(text):
    clean = text.replace("*", "").replace("_", "").replace("[", "")
    assert unmarked(clean) == (clean, ())
