"""The text of an XML feed: decoded whatever it claims to be, and disarmed before any XML parser sees it."""

import codecs
import re
import sys
from dataclasses import dataclass
from html.entities import html5
from typing import Final

from domains.errors import InputError, TooLarge
from services import lines, markup

_DECLARATION: Final = "<?xml version='1.0' encoding='utf-8'?>"
_DECLARED: Final = re.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_ILLEGAL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITY: Final = re.compile(r"<!ENTITY\b", re.IGNORECASE)
# What an old feed may declare: a short name for one character or word.
_HARMLESS: Final = re.compile(
    r"<!ENTITY\s{1,9}(\w{1,30})\s{1,9}([\"'])(&#\w{1,8};|[^&%\"'<>]{0,16})\2\s{0,9}>"
)
_REFERENCE: Final = re.compile(r"&(\w{1,30});")
_NUMBER: Final = re.compile(r"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?")
_NUMBER_DIGITS: Final = 10
_MISC: Final = re.compile(
    r"\s+|<\?.*?\?>|<!--.*?-->|<!doctype[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE
)
_ROOT: Final = re.compile(r"<(?:\w+:)?(\w+)")
_FEED: Final = re.compile(r"<(?:rss|feed|(?:\w+:)?rdf|atom:feed)\b", re.IGNORECASE)
_FEED_ROOTS: Final = frozenset({"rss", "feed", "rdf", "channel"})
_PAGE: Final = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
_PROLOG: Final = 64 * 1024
_TAGS: Final = 1_000_000
_NAMESPACE: Final = re.compile(r"xmlns:([\w.-]+)")
_NAMESPACES: Final = 200
# The text encodings that feeds use. Python has more codecs (idna, punycode, utf_7, unicode_escape): they are no
# encodings of a document, and some take time that grows with the square of the input.
_CODECS: Final = re.compile(
    r"utf-(?:8|16|32)(?:-[lb]e)?|iso8859-\d+|cp\d{3,4}|koi8-[rut]|mac-\w+|gb18030|gbk|gb2312|big5(?:hkscs)?"
    r"|euc_(?:jp|kr)|shift_jis|iso2022_jp"
)
_BOMS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\x00\x00\x00": "utf-32-le",
    b"\x00\x00\x00<": "utf-32-be",
    b"<\x00": "utf-16-le",
    b"\x00<": "utf-16-be",
}
_MAGIC: Final = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
    b"\x7fELF": "a program",
    b"RIFF": "a media file",
    b"SQLite format": "a database",
}
# "&lt;" and its like keep their meaning in XML; a name for one of these characters must not become markup.
_HTML_NAMES: Final = {
    name.removesuffix(";"): text
    for name, text in html5.items()
    if name.endswith(";") and not set(text) & set("<>&\"'")
}
_REMEDY: Final = "give the address of an RSS, Atom or JSON feed"


@dataclass(frozen=True, slots=True)
class Document:
    """A feed's XML from its root element on, and how many lines stood before that."""

    text: str
    lines_before: int


def prepare(body: bytes, *, content_type: str | None, where: str) -> Document:
    """Return a feed as XML that is safe to parse: in UTF-8, without a document type, entities already replaced.

    Raises InputError when this is no feed, naming what it looks like and a page's feeds, and when it declares
    entities that expand to more than a word.
    """
    for magic, what in _MAGIC.items():
        if body.startswith(magic):
            raise InputError(f"{where}: byte 0: not a feed but {what}", remedy=_REMEDY)
    text = decode(body, content_type)
    if not text.strip():
        raise InputError(f"{where}: byte 0: empty, expected a feed", remedy=_REMEDY)
    start = _root(text)
    if start is None:
        raise _refusal(body, text, where)
    known = _declared(text[:start], where)
    _check_size(text, where)
    xml = _NUMBER.sub(_legal, _REFERENCE.sub(lambda found: known.get(found[1], found[0]), text[start:]))
    return Document(_DECLARATION + xml, text.count("\n", 0, start))


def decode(body: bytes, content_type: str | None) -> str:
    """Return a feed's text without the characters that XML forbids.

    A byte order mark decides; then UTF-8, when the bytes are UTF-8, whatever is declared; then what the HTTP header
    or the document declares; then Windows-1251 when that gives Cyrillic; else UTF-8 with broken bytes replaced.
    """
    return _ILLEGAL.sub("", body.decode(_encoding(body, content_type), "replace").removeprefix("\ufeff"))


def _encoding(body: bytes, content_type: str | None) -> str:
    for mark, name in _BOMS.items():
        if body.startswith(mark):
            return name
    declared = _DECLARED.match(body[:400])
    charset = _CHARSET.search(content_type or "")
    names = [
        _codec(found) for found in (charset and charset[1], declared and declared[1].decode("ascii")) if found
    ]
    # Its escapes are plain ASCII, so they would pass for UTF-8.
    if "iso2022_jp" in names:
        return "iso2022_jp"
    for name in ("utf-8", *(name for name in names if name)):
        try:
            body.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return lines.encoding(body)


def _codec(name: str) -> str | None:
    """Return Python's name of a declared encoding, or None when it is none that feeds use."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    # What calls itself Latin-1 is Windows-1252 on the web.
    if known in {"iso8859-1", "ascii"}:
        return "cp1252"
    return known if _CODECS.fullmatch(known) else None


def _root(text: str) -> int | None:
    """Return where the feed's root element starts, past whatever a broken server printed before it."""
    at = 0
    while at < len(text) and (found := _MISC.match(text, at)):
        at = found.end()
    root = _ROOT.match(text, at)
    if root is not None and root[1].lower() in _FEED_ROOTS:
        return at
    later = _FEED.search(text)
    return later.start() if later is not None else None


def _declared(prolog: str, where: str) -> dict[str, str]:
    """Return what named references stand for: HTML's names and the few harmless ones that the feed declares."""
    if len(prolog) > _PROLOG:
        raise InputError(
            f"{where}: {len(prolog)} characters before the first element, expected a feed", remedy=_REMEDY
        )
    harmless = list(_HARMLESS.finditer(prolog))
    if len(harmless) != len(_ENTITY.findall(prolog)):
        line = prolog.count("\n", 0, next(_ENTITY.finditer(prolog)).start()) + 1
        raise InputError(
            f"{where}: line {line}: the feed declares XML entities that expand to other text (as a “billion laughs” "
            "attack does); nothing was read",
            remedy="ask the publisher for a feed without <!ENTITY>",
        )
    return _HTML_NAMES | {found[1]: found[3] for found in harmless}


def _legal(number: re.Match[str]) -> str:
    """Return a numeric reference, or U+FFFD for one to no character: a single such would make feedparser give up."""
    digits, base = (number[1], 16) if number[1] else (number[2], 10)
    code = int(digits, base) if len(digits) <= _NUMBER_DIGITS else 0
    return number[0] if 0 < code <= sys.maxunicode and not _ILLEGAL.match(chr(code)) else "\ufffd"


def _check_size(text: str, where: str) -> None:
    """Refuse what would keep the XML parser busy for minutes: it takes 10 µs a tag, and far more a namespace."""
    tags, names = text.count("<"), len(set(_NAMESPACE.findall(text)))
    if tags > _TAGS or names > _NAMESPACES:
        raise TooLarge(
            f"{where}: {tags} tags and {names} namespaces, more than {_TAGS} and {_NAMESPACES}",
            remedy="ask the publisher for a feed with fewer items",
        )


def _binary(body: bytes) -> bool:
    """Return whether one byte in twenty, or more, is a control character that no text holds."""
    return 20 * (len(body) - len(body.translate(None, _CONTROLS))) >= len(body)


def _refusal(body: bytes, text: str, where: str) -> InputError:
    """Return the error that says what a text is instead of a feed, and what to do."""
    if _PAGE.search(text[:_PROLOG]):
        found = markup.feeds(text, where)
        remedy = (
            f"its feed may be {' or '.join(found[:3])}"
            if found
            else "look for the site's RSS or Atom address"
        )
        return InputError(f"{where}: not a feed but a web page", remedy=remedy)
    root = _ROOT.search(text)
    if text.lstrip().startswith("<") and root is not None:
        what = f"XML whose root is <{root[1][:40]}>"
    else:
        what = "binary data" if _binary(body) else f"text that begins {text.strip()[:40]!r}"
    return InputError(f"{where}: byte 0: not a feed but {what}", remedy=_REMEDY)
