"""HTML of strangers, read: its plain text, its links and pictures, and the feeds that a page announces."""

import html as entities
import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from domains import limits
from services.raw import tidy, web

_SILENT: Final = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "svg",
        "math",
        "head",
        "title",
        "select",
        "textarea",
        "button",
        "audio",
        "video",
        "canvas",
    ]
)
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "legend",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_CELLS: Final = frozenset({"td", "th"})
_FEED_TYPES: Final = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
_SPACE: Final = re.compile(r"[ \t\n\r\f]+")
_EDGES: Final = re.compile(r" *\n *")
_BLANKS: Final = re.compile(r"\n{3,}")
_RUNS: Final = re.compile(r" {2,}")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>")
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_DEPTH: Final = 500
_MARKDOWN_LINK: Final = re.compile(
    r"\[((?:[^\[\]]|\[[^\[\]]{0,200}\]){0,1000})\]\((https?://[^\s()]{1,2000}(?:\([^\s()]{0,200}\)[^\s()]{0,200}){0,3})\)"
)
_UNDERSCORES: Final = re.compile(r"(?<![\w/])_{2}(?:_{2})?(?!_)|(?<!_)_{2}(?:_{2})?(?![\w/])")


def plain(html: str) -> str:
    """Return the text of HTML: entities decoded, markup, scripts and styles gone, blocks on lines of their own.

    Only the first `limits.ENTRY_BYTES` characters are read.
    """
    if "<" not in html and "&" not in html:
        return _SPACE.sub(" ", tidy(html[: limits.ENTRY_BYTES])).strip()
    pieces: list[str] = []
    tree = _tree(html)
    if tree is None:
        pieces.append(_crude(html))
    elif tree.root is not None:
        _collect(tree.root, pieces)
    text = _EDGES.sub("\n", _RUNS.sub(" ", tidy("".join(pieces))))
    return _BLANKS.sub("\n\n", text).strip()


def links(html: str, base_url: str | None = None) -> tuple[str, ...]:
    """Return the http(s) addresses that anchors lead to, each once, in order."""
    return _addresses(html, "a[href]", "href", base_url)


def pictures(html: str, base_url: str | None = None) -> tuple[str, ...]:
    """Return the http(s) addresses of pictures, each once, in order, without one-pixel trackers."""
    return _addresses(html, 'img[src]:not([width="1"]):not([height="1"])', "src", base_url)


def feeds(html: str, base_url: str) -> tuple[str, ...]:
    """Return the addresses of the feeds that a page announces with <link rel="alternate">."""
    tree = _tree(html)
    if tree is None:
        return ()
    base = tree.css_first("base[href]")
    root = (web(base.attributes.get("href"), base_url) if base else None) or base_url
    found = (
        web(node.attributes.get("href"), root)
        for node in tree.css("link[href]")
        if "alternate" in (node.attributes.get("rel") or "").lower().split()
        and (node.attributes.get("type") or "").lower().split(";")[0].strip() in _FEED_TYPES
    )
    return tuple(dict.fromkeys(url for url in found if url))


def unmarked(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a text without the Markdown that Telegram libraries export, and the addresses of its links.

    That is [words](address), pairs of ** and of __ around words; everything else is left as it is.
    """
    found: list[str] = []

    def words(link: re.Match[str]) -> str:
        found.append(link[2])
        return link[1]

    bare = _MARKDOWN_LINK.sub(words, text)
    if bare.count("**") % 2 == 0:
        bare = bare.replace("**", "")
    if len("".join(_UNDERSCORES.findall(bare))) % 4 == 0:
        bare = _UNDERSCORES.sub("", bare)
    return bare, tuple(dict.fromkeys(url for url in map(web, found) if url))


def _tree(html: str) -> LexborHTMLParser | None:
    """Return the parsed page, or None when it nests too deep: the parser's time grows with the square of the depth."""
    # The parser takes UTF-8: a lone surrogate from a JSON escape would stop it.
    text = tidy(html[: limits.ENTRY_BYTES])
    depth = 0
    for closing, tag in _TAG.findall(text):
        if tag.lower() not in _VOID:
            depth = max(depth - 1, 0) if closing else depth + 1
        if depth > _DEPTH:
            return None
    return LexborHTMLParser(text)


def _crude(html: str) -> str:
    """Return the text between tags, each block tag a line break, for pages that nest too deep to be parsed."""
    text = _TAG.sub(
        lambda tag: "\n" if tag[2].lower() in _BLOCKS or tag[2].lower() == "br" else " ",
        _SPACE.sub(" ", html[: limits.ENTRY_BYTES]),
    )
    return entities.unescape(text)


def _addresses(html: str, selector: str, attribute: str, base_url: str | None) -> tuple[str, ...]:
    tree = _tree(html) if "<" in html else None
    if tree is None:
        return ()
    found = (web(node.attributes.get(attribute), base_url) for node in tree.css(selector))
    return tuple(dict.fromkeys(url for url in found if url))


def _collect(root: LexborNode, pieces: list[str]) -> None:
    """Walk without recursion, since a hostile page nests deeper than Python's stack."""
    node: LexborNode | None = root
    pre = 0
    while node is not None:
        tag = node.tag or ""
        pre += tag == "pre"
        if tag == "-text":
            text = node.text_content or ""
            words = text if pre else _SPACE.sub(" ", text)
            if words != " " or (pieces and pieces[-1] != "\n"):
                pieces.append(words)
        elif tag not in _SILENT:
            _open(tag, pieces)
            if node.first_child is not None:
                node = node.first_child
                continue
        node, pre = _after(node, root, pieces, pre)


def _after(node: LexborNode, root: LexborNode, pieces: list[str], pre: int) -> tuple[LexborNode | None, int]:
    """Return the next node in document order after ``node``'s subtree, closing what is left on the way."""
    current: LexborNode | None = node
    while current is not None:
        tag = current.tag or ""
        pre -= tag == "pre"
        if tag in _BLOCKS:
            _break(pieces)
        if current.mem_id == root.mem_id:
            return None, pre
        if current.next is not None:
            return current.next, pre
        current = current.parent
    return None, pre


def _open(tag: str, pieces: list[str]) -> None:
    if tag == "br":
        pieces.append("\n")
    elif tag in _BLOCKS:
        _break(pieces)
        if tag == "li":
            pieces.append("• ")
    elif tag in _CELLS:
        pieces.append(" ")


def _break(pieces: list[str]) -> None:
    """End the line, unless it has just been ended."""
    if pieces and pieces[-1] != "\n":
        pieces.append("\n")
