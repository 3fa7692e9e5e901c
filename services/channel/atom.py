"""A feed file for each subscription (Atom, RFC 4287): feed readers need no account and no server but one for files."""

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from selectolax.lexbor import LexborHTMLParser

from domains.errors import Unavailable
from domains.ports import Parcel, Receipt
from services.channel import shelf

NAMESPACE: Final = "http://www.w3.org/2005/Atom"
FOLDER: Final = "feeds"
ENTRIES: Final = 50
# Names of ours below the one that RFC 4122 gives to addresses: the same digest has the same id for ever.
_OURS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://svodka.example/atom")
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class AtomChannel:
    """Keeps a subscription's newest `ENTRIES` digests in ROOT/feeds/TARGET/SERIES.atom, replaced at once.

    An entry's id comes from the parcel's key and the series, so sending the same again changes nothing but its text.
    ``public_url`` is where ROOT can be read from outside, if it can.
    """

    name = "atom"
    idempotent = True

    def __init__(self, root: Path, public_url: str = "") -> None:
        self._root = root / FOLDER
        self._public_url = public_url.rstrip("/")

    def check(self, target: str) -> None:
        """Raise Refused when the target is no plain name or leads out of the root."""
        shelf.folder(self._root, target)

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Put the digest into its feed. Raises Refused for a target or key that names no file, Unavailable for a disk."""
        folder, key = shelf.folder(self._root, target), shelf.plain(parcel.key, "key")
        path = folder / f"{shelf.plain(parcel.series or 'digest', 'series')}.atom"
        name = str(uuid.uuid5(_OURS, f"{parcel.series}/{key}"))
        with shelf.filling(folder, key), shelf.held(folder / f".{path.name}.lock"):
            older = [one for one in _entries(path) if _text(one, "id") != f"urn:uuid:{name}"]
            entries = sorted([_entry(parcel, name), *older], key=_age, reverse=True)[:ENTRIES]
            shelf.write(path, self._feed(parcel, entries, path))
        return Receipt((str(path),), external_id=f"urn:uuid:{name}")

    def _feed(self, parcel: Parcel, entries: Sequence[ET.Element], path: Path) -> bytes:
        feed = ET.Element(_tag("feed"))
        _add(feed, "id", f"urn:uuid:{uuid.uuid5(_OURS, parcel.series)}")
        _add(feed, "title", parcel.digest.subscription)
        _add(feed, "updated", max(_text(one, "updated") for one in entries))
        _add(feed, "generator", "Svodka")
        _add(_add(feed, "author"), "name", "Svodka")
        if self._public_url:
            there = path.relative_to(self._root.resolve()).as_posix()
            href = f"{self._public_url}/{FOLDER}/{there}"
            _add(feed, "link", rel="self", type="application/atom+xml", href=href)
        feed.extend(entries)
        ET.register_namespace("", NAMESPACE)
        written: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
        return written


def _entry(parcel: Parcel, name: str) -> ET.Element:
    window = parcel.digest.window
    entry = ET.Element(_tag("entry"))
    _add(entry, "id", f"urn:uuid:{name}")
    _add(entry, "title", parcel.title)
    _add(entry, "updated", _moment(window.end))
    _add(entry, "published", _moment(window.end))
    _add(entry, "content", _body(parcel.html), type="html")
    return entry


def _entries(path: Path) -> list[ET.Element]:
    """Return the feed's entries so far. Raises Unavailable when the file is not ours to understand."""
    try:
        return list(fromstring(path.read_bytes()).iter(_tag("entry")))
    except FileNotFoundError:
        return []
    except (ET.ParseError, DefusedXmlException) as error:
        raise Unavailable(
            f"{path} is no feed any more: {type(error).__name__}", remedy="move it away; a new one begins"
        ) from error


def _age(entry: ET.Element) -> str:
    return _text(entry, "updated")


def _body(html: str) -> str:
    body = LexborHTMLParser(html).body
    return (body.inner_html or "") if body is not None else html


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, _tag(name), attributes)
    child.text = _NOT_XML.sub("", text) or None
    return child


def _text(element: ET.Element, name: str) -> str:
    return element.findtext(_tag(name)) or ""


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
