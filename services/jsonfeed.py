"""JSON Feed 1.0 and 1.1 (jsonfeed.org): its items, also those before the place where the document breaks."""

import io
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from domains.errors import InputError
from domains.post import Bad, Entry, Media
from services import markup, raw
from services.feeditem import MEDIA, Item, dated, medium
from services.jsonstream import JSON_ERRORS, Counting, walk

_REMEDY: Final = "give the address of an RSS, Atom or JSON feed"
_ITEMS: Final = frozenset({"items.item"})
_LANG: Final = re.compile(r"[a-z]{2,3}")


def looks_like(body: bytes) -> bool:
    """Return whether a feed's bytes are JSON."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def items(body: bytes, *, url: str, now: datetime) -> Iterator[Item | Bad]:
    """Yield a JSON feed's items. Raises InputError when the document is no JSON feed."""
    broken: Bad | None = None
    try:
        document = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        document, broken = _salvage(body, url)
    listed = document.get("items") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(listed, list):
        found = f"; {broken.where}: {broken.why}" if broken else ""
        raise InputError(f'{url}: JSON without a list "items", expected a JSON feed{found}', remedy=_REMEDY)
    home = raw.web(document.get("home_page_url"), url) or url
    for number, one in enumerate(listed, 1):
        where = f"{url}: item {number}"
        yield (
            _item(one, home, now) or Bad(where, "neither title nor text nor files")
            if isinstance(one, dict)
            else Bad(where, "expected an object")
        )
    if broken:
        yield broken


def _salvage(body: bytes, url: str) -> tuple[dict[str, Any], Bad]:
    """Return what stands before the place where the document breaks, and that place."""
    file = Counting(io.BytesIO(body))
    found: list[Any] = []
    try:
        for _, event, value in walk(file, _ITEMS):
            if event == "element" and not value.too_large:
                found.append(value.value)
    except JSON_ERRORS as error:
        byte, what = file.fault(error)
        return {"items": found or None}, Bad(f"{url}: byte {byte}", what)
    return {"items": found}, Bad(f"{url}: byte {file.end}", "some values could not be read")


def _item(one: dict[str, Any], home: str, now: datetime) -> Item | None:
    html = _string(one.get("content_html")) or ""
    text = _string(one.get("content_text")) or markup.plain(html) or _string(one.get("summary")) or ""
    title = raw.line(_string(one.get("title")))
    url = raw.web(one.get("url"), home) or raw.web(one.get("id"))
    links = [raw.web(one.get("external_url"), home), *markup.links(html, url or home)]
    media = _media(one, html, url or home)
    if not (title or text.strip() or media):
        return None
    published, updated = (raw.moment(one.get(key)) for key in ("date_published", "date_modified"))
    number = one.get("id")
    return Item(
        id=raw.line(str(number) if isinstance(number, int | float) else _string(number)) or "",
        published=dated(published[0]) if published else None,
        updated=dated(updated[0]) if updated else None,
        body=Entry(
            external_id="",
            at=now,
            text=raw.tidy(text).strip(),
            title=title,
            url=url,
            author=_author(one),
            lang=_lang(one.get("language")),
            links=tuple(dict.fromkeys(link for link in links if link)),
            media=media,
        ),
    )


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _author(one: dict[str, Any]) -> str | None:
    people = one.get("authors") if isinstance(one.get("authors"), list) else [one.get("author")]
    names = (raw.line(_string(person.get("name"))) for person in people or () if isinstance(person, dict))
    return next((name for name in names if name), None)


def _lang(value: Any) -> str | None:
    lang = (_string(value) or "").split("-")[0].lower()
    return lang if _LANG.fullmatch(lang) else None


def _media(one: dict[str, Any], html: str, base: str) -> tuple[Media, ...]:
    found: dict[str, Media] = {}
    attachments = one.get("attachments")
    for file in attachments if isinstance(attachments, list) else ():
        if isinstance(file, dict) and (url := raw.web(file.get("url"), base)):
            found.setdefault(url, medium(url, raw.line(_string(file.get("mime_type")))))
    for picture in (one.get("image"), one.get("banner_image"), *markup.pictures(html, base)):
        if url := raw.web(picture, base):
            found.setdefault(url, medium(url, None, "image"))
    return tuple(found.values())[:MEDIA]
