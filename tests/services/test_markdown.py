import re

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.markdown import inert, markdown
from services.page import clean, page
from tests.services.digestdesk import NASTY, hostile, trilingual

TEXT = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=60), st.text("`*_[]()<>#-+=.1&!\\|~ @:/w\n", max_size=30)
)


def shown(text):
    """Return what a CommonMark renderer shows, and the kinds of tokens it saw."""
    words, kinds = [], []
    for block in MarkdownIt("commonmark").parse(text):
        kinds.append(block.type)
        for token in block.children or []:
            kinds.append(token.type)
            words += [token.content] if token.type in {"text", "code_inline"} else []
    return "".join(words), kinds


@settings(max_examples=300)
@given(TEXT)
def test_a_text_is_shown_as_it_is(text):
    text = clean(text)
    words, kinds = shown(inert(text))
    assert words == text
    assert set(kinds) <= {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}


@settings(max_examples=100)
@given(TEXT)
def test_a_text_is_shown_as_it_is_wherever_it_stands(text):
    text = clean(text)
    for before, after in (("# ", ""), ("- ", ""), ("*", "*"), ("x ", " y"), ("[", "](https://e.org)")):
        if before == "*" and not text:
            continue
        words, kinds = shown(before + "a" + inert(text) + "b" + after)
        assert words.strip("x y") == f"a{text}b".strip("x y")
        assert not {"html_inline", "html_block", "image", "softbreak", "fence"} & set(kinds)


def test_hostile_posts_make_no_link_and_no_markup():
    text = markdown(page(hostile(), run=1))
    tokens = [
        token for block in MarkdownIt("commonmark").parse(text) for token in (block, *(block.children or []))
    ]
    assert not [token.attrs for token in tokens if token.type in {"link_open", "image"}]
    assert {token.tag for token in tokens if token.tag} <= {
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "em",
        "br",
        "hr",
        "code",
    }
    said = [token.content for token in tokens if token.type == "text"]
    assert not [text for text in said if re.search(r"://|www\.|@\w", text)]
    assert any("evil@evil.example" in token.content for token in tokens if token.type == "code_inline")


def test_marks_and_sources_link_to_the_posts():
    text = markdown(page(trilingual(), run=1))
    tokens = [token for block in MarkdownIt("commonmark").parse(text) for token in (block.children or [])]
    links = [token.attrs["href"] for token in tokens if token.type == "link_open"]
    assert links[:2] == ["https://t.example/luhva_novyny/1001", "https://t.example/tipichny_solvych/1002"]
    assert links.count("https://courier.example/bridge?a=1&b=2") == 2


def test_an_address_with_an_entity_in_it_stays_what_it_is():
    text = markdown(page(hostile(["Text."], ["https://e.org/?a=1&copy;=2&lt=3"]), run=1))
    tokens = [token for block in MarkdownIt("commonmark").parse(text) for token in (block.children or [])]
    assert {token.attrs["href"] for token in tokens if token.type == "link_open"} == {
        "https://e.org/?a=1&copy;=2&lt=3"
    }
