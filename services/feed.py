"""Feeds: RSS 0.9x, 1.0 and 2.0, Atom, JSON Feed; bytes in, entries out.

    bytes ─▶ xmltext (decoded, disarmed) ─▶ feedparser, strict then forgiving ─▶ Item ─▶ feeditem (ids, times) ─▶ Entry
    bytes ─▶ jsonfeed ───────────────────────────────────────────────────────────▲

Ids: an item without one gets its link, or else a hash of its content, and the flag "no_id". An id that several items
with different links share is no id: they get their links, and the flag "id_reused". An id given twice for one link is
an edit, and the newest is kept. Times: an item without a usable one is dated ``now`` and flagged "undated"; one too
far ahead is dated ``now`` and flagged "future".
"""

import calendar
import io
import itertools
import re
import xml.sax
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import feedparser

from domains import limits
from domains.errors import InputError
from domains.post import Bad, Entry, Media
from services import feeditem, jsonfeed, markup, raw, xmltext
from services.feeditem import Item

_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|&#?\w{1,30};")
# What feedparser and the SGML parser under it raise on markup they did not foresee.
_PARSER_FAULTS: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
)


def parse(body: bytes, *, url: str, content_type: str | None, now: datetime) -> Iterator[Entry | Bad]:
    """Yield a feed's entries in its order, then a Bad for each part that could not be read.

    ``url`` resolves relative links and names the feed in messages; ``content_type`` is the HTTP header, if there was
    one. At most `limits.ENTRY_COUNT` items are read. Raises InputError when this is no feed, naming what it looks
    like, and when it declares entities that expand.
    """
    found = list(itertools.islice(_read(body, url, content_type, now), limits.ENTRY_COUNT + 1))
    bad = [one for one in found if isinstance(one, Bad)]
    if len(found) > limits.ENTRY_COUNT and isinstance(found[-1], Item):
        bad.append(Bad(f"{url}: item {len(found)}", f"only {limits.ENTRY_COUNT} items are read at a time"))
    items = [one for one in found[: limits.ENTRY_COUNT] if isinstance(one, Item)]
    yield from feeditem.entries(items, now)
    yield from bad


def _read(body: bytes, url: str, content_type: str | None, now: datetime) -> Iterator[Item | Bad]:
    if jsonfeed.looks_like(body):
        return jsonfeed.items(body, url=url, now=now)
    return _xml(body, url, content_type, now)


def _xml(body: bytes, url: str, content_type: str | None, now: datetime) -> Iterator[Item | Bad]:
    document = xmltext.prepare(body, content_type=content_type, where=url)
    # Without the feed's own address ids stay as written, so a feed that moves keeps them.
    headers = {"content-type": "application/xml; charset=utf-8"}
    try:
        parsed = dict(
            feedparser.parse(
                io.BytesIO(document.text.encode()),
                response_headers=headers,
                resolve_relative_uris=False,
                sanitize_html=False,
            )
        )
    except _PARSER_FAULTS as error:
        raise InputError(
            f"{url}: XML that cannot be read: {error}", remedy="check it with a feed validator"
        ) from error
    broken = _broken(parsed.get("bozo_exception"), document, url)
    if not parsed["entries"] and not parsed["version"]:
        why = f": {broken.where}: {broken.why}" if broken else ""
        raise InputError(f"{url}: no RSS or Atom feed in it{why}", remedy="check it with a feed validator")
    rss = str(parsed["version"]).startswith("rss")
    for number, found in enumerate(parsed["entries"], 1):
        item = _item(dict(found), url, rss, now)
        yield item or Bad(f"{url}: item {number}", "neither title nor text nor files")
    if broken:
        yield broken


def _broken(error: Exception | None, document: xmltext.Document, url: str) -> Bad | None:
    if not isinstance(error, xml.sax.SAXParseException):
        return None
    line = (error.getLineNumber() or 1) + document.lines_before
    return Bad(
        f"{url}: line {line}", f"malformed XML ({error.getMessage()}); what could be read around it was kept"
    )


def _item(entry: dict[str, Any], url: str, rss: bool, now: datetime) -> Item | None:
    html, text, base = _content(entry, url)
    title = raw.line(_title(entry, rss))
    # RSS takes an id for a link unless told otherwise; one that is no address is only an id.
    relative = None if entry.get("link") == entry.get("id") else url
    link = raw.web(entry.get("feedburner_origlink")) or raw.web(entry.get("link"), relative)
    media = _media(entry, html, base)
    if not (title or text or media):
        return None
    return Item(
        id=raw.line(entry.get("id")) or "",
        published=_time(entry, "published") or _time(entry, "created"),
        updated=_time(entry, "updated"),
        body=Entry(
            external_id="",
            at=now,
            text=text,
            title=title,
            url=link,
            author=_author(entry),
            links=markup.links(html, base),
            media=media,
        ),
    )


def _content(entry: dict[str, Any], url: str) -> tuple[str, str, str]:
    """Return an item's HTML ("" for plain text), its plain text and the base of its links; content before summary."""
    details = [dict(one) for one in entry.get("content") or ()]
    details.sort(key=lambda one: one.get("type") not in _HTML)
    details.append(dict(entry.get("summary_detail") or {}))
    for detail in details:
        value = str(detail.get("value") or "")
        html = value if detail.get("type") in _HTML else ""
        text = markup.plain(html) if html else raw.tidy(value).strip()
        if text or html:
            return html, text, raw.web(detail.get("base")) or url
    return "", "", url


def _title(entry: dict[str, Any], rss: bool) -> str:
    """Return the title without markup; RSS does not say whether a title is HTML, so tags and entities decide."""
    title = str(entry.get("title") or "")
    kind = dict(entry.get("title_detail") or {}).get("type")
    return markup.plain(title) if kind in _HTML or (rss and _TAG.search(title)) else title


def _author(entry: dict[str, Any]) -> str | None:
    detail = dict(entry.get("author_detail") or {})
    name = str(detail.get("name") or entry.get("author") or "")
    # RSS writes "mail@host.example (Name)"; feedparser cuts the address off, short for long top-level domains.
    before, bracket, inner = name.partition("(")
    if bracket and (")" not in inner or "@" in before):
        name = inner.rstrip(") ")
    return raw.line(name)


def _time(entry: dict[str, Any], name: str) -> datetime | None:
    """Return one of an item's times, or None; where feedparser cannot read it (no zone), it is read as UTC."""
    parsed = entry.get(f"{name}_parsed")
    if parsed is None:
        found = raw.moment(entry.get(name))
        return feeditem.dated(found[0]) if found else None
    try:
        return feeditem.dated(datetime.fromtimestamp(calendar.timegm(parsed), UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _media(entry: dict[str, Any], html: str, base: str) -> tuple[Media, ...]:
    found: dict[str, Media] = {}
    enclosures = [dict(one) for one in entry.get("links") or () if dict(one).get("rel") == "enclosure"]
    named = [*enclosures, *map(dict, entry.get("media_content") or ())]
    for one in named:
        if address := raw.web(one.get("href") or one.get("url"), base):
            found.setdefault(address, feeditem.medium(address, raw.line(one.get("type")), one.get("medium")))
    pictures = [dict(one).get("url") for one in entry.get("media_thumbnail") or ()] if not found else []
    for picture in (*pictures, *markup.pictures(html, base)):
        if address := raw.web(picture, base):
            found.setdefault(address, feeditem.medium(address, None, "image"))
    return tuple(found.values())[: feeditem.MEDIA]
