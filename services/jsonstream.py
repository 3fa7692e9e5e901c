"""JSON of any size read in constant memory: the elements of the wanted lists one by one, and the byte of a fault."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import ijson

from domains import limits

# A wrong escape in a string comes up as a UnicodeDecodeError, a number too long for an int as a ValueError.
JSON_ERRORS: Final = (ijson.JSONError, UnicodeDecodeError, ValueError)
_QUOTED_LINES: Final = 3
_OPEN: Final = frozenset({"start_map", "start_array"})
_CLOSE: Final = frozenset({"end_map", "end_array"})
_PATH_DEPTH: Final = 8
_ELEMENT_DEPTH: Final = 100
_AS_QUOTED: Final = bytes.maketrans(b"\r\n", b"  ")


@dataclass(slots=True)
class Counting:
    """A file, without its byte order mark, that remembers how far it was read."""

    file: IO[bytes]
    end: int = 0
    chunk: bytes = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end."""
        data = self.file.read(size)
        if not self.end and data.startswith(codecs.BOM_UTF8):
            self.end = len(codecs.BOM_UTF8)
            data = data[self.end :]
        if data:
            self.chunk = data
            self.end += len(data)
        return data

    def fault(self, error: Exception) -> tuple[int, str]:
        """Return the byte at which the parser stopped and what it expected, in words.

        The parser's message quotes what stands around the fault, line breaks as spaces, with an arrow below it; that
        gives the byte. Where it cannot be found, the byte is the start of the last 64 KiB read.
        """
        told = error.args[0] if error.args else b""
        lines = (told if isinstance(told, bytes) else str(told).encode("utf-8", "replace")).split(b"\n")
        what = lines[0].decode("utf-8", "replace").strip()
        if len(lines) < _QUOTED_LINES:
            return self.end - len(self.chunk), f"broken JSON ({what})"
        quoted = lines[1][: lines[2].find(b"^")].strip()
        if not quoted:
            return self.end, "the file ends in the middle of a value; expected more JSON"
        start = self.end - len(self.chunk)
        found = self.chunk.translate(_AS_QUOTED).rfind(quoted)
        return (start if found < 0 else start + found + len(quoted)), f"broken JSON ({what})"


class Element:
    """An object being built from its events; one that is too large or nests too deep is counted, not kept."""

    def __init__(self) -> None:
        self._builder = ijson.ObjectBuilder()
        self._bytes = 0
        self._depth = 0
        self.too_large = False

    def add(self, event: str, value: Any) -> bool:
        """Take an event and return whether the object is complete."""
        if event in _OPEN:
            self._depth += 1
        elif event in _CLOSE:
            self._depth -= 1
        self._bytes += 8 + (len(value) if isinstance(value, str) else 0)
        if self._bytes > limits.ENTRY_BYTES or self._depth > _ELEMENT_DEPTH:
            self.too_large = True
        if not self.too_large:
            self._builder.event(event, value)
        return not self._depth

    @property
    def value(self) -> dict[str, Any]:
        """The object, or as much of it as fitted."""
        found: dict[str, Any] = self._builder.value
        return found


def walk(file: Counting, wanted: frozenset[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield (path, event, value) of a document's values; a path is like "chats.list.item.name".

    Objects at the ``wanted`` paths come whole, as the event "element" with an `Element`. Paths deeper than eight levels
    are all "?", since a hostile document's paths would outgrow the memory. Raises one of `JSON_ERRORS` at a fault.
    """
    containers: list[tuple[str, bool]] = []
    key, element, element_path = "", None, ""
    for event, value in ijson.basic_parse(file, use_float=True):
        if element is not None:
            if element.add(event, value):
                yield element_path, "element", element
                element = None
        elif event == "map_key":
            key = value
        elif event in _CLOSE:
            containers.pop()
        else:
            path = _path(containers, key)
            if event == "start_map" and path in wanted:
                element, element_path = Element(), path
                element.add(event, value)
                continue
            yield path, event, value
            if event in _OPEN:
                containers.append((path, event == "start_array"))


def _path(containers: list[tuple[str, bool]], key: str) -> str:
    if not containers:
        return ""
    parent, is_list = containers[-1]
    if len(containers) > _PATH_DEPTH:
        return "?"
    name = "item" if is_list else key
    return f"{parent}.{name}" if parent else name
