"""Atom feeds (RFC 4287) of a tenant's digests and trends: plain text entries, nobody's markup."""

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

NAMESPACE: Final = "http://www.w3.org/2005/Atom"
MEDIA: Final = "application/atom+xml"
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry; ``name`` is unique in its feed and stays."""

    name: str
    title: str
    at: datetime
    text: str
    url: str


def root(told: str, asked: object) -> str:
    """Return where links begin: the address that the operator ``told``, else the one that was ``asked``, with a slash.

    Behind a proxy a request says neither its scheme nor, always, its host.
    """
    return f"{told.rstrip('/')}/" if told else str(asked)


def atom(title: str, url: str, entries: Sequence[Entry]) -> bytes:
    """Return the feed at ``url``. Ids come from the addresses, so they stay as long as those do."""
    root = ET.Element("feed", xmlns=NAMESPACE)
    _add(root, "id", _id(url))
    _add(root, "title", title)
    _add(root, "updated", _moment(max((one.at for one in entries), default=_NEVER)))
    _add(root, "generator", "Svodka")
    _add(_add(root, "author"), "name", "Svodka")
    _add(root, "link", rel="self", type=MEDIA, href=url)
    for one in entries:
        entry = _add(root, "entry")
        _add(entry, "id", _id(f"{url}#{one.name}"))
        _add(entry, "title", one.title)
        _add(entry, "updated", _moment(one.at))
        _add(entry, "link", rel="alternate", href=one.url)
        _add(entry, "content", one.text, type="text")
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _id(url: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}"


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, name, attributes)
    child.text = _NOT_XML.sub("", text) or None
    return child


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
