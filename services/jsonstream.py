"""JSON read as a stream of events: how far it was read, so that a broken document names its byte."""

import codecs
from dataclasses import dataclass
from typing import IO, Final

import ijson

# A wrong escape in a string comes up as a UnicodeDecodeError, a number too long for an int as a ValueError.
JSON_ERRORS: Final = (ijson.JSONError, UnicodeDecodeError, ValueError)
_QUOTED_LINES: Final = 3
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
