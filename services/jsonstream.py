"""JSON read as a stream of events: how far it was read, so that a broken document names its byte."""

import codecs
from dataclasses import dataclass
from typing import IO, Final

import ijson

# A wrong escape in a string comes up as a UnicodeDecodeError, a number too long for an int as a ValueError.
JSON_ERRORS: Final = (ijson.JSONError, UnicodeDecodeError, ValueError)


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

        The parser's message quotes what stands before the fault, with an arrow below it; that gives the byte. Where
        it cannot be found, the byte is the start of the last 64 KiB read.
        """
        # The C parser puts a message that is not UTF-8 into its repr.
        lines = str(error).replace("\\n", "\n").split("\n")
        what = lines[0].removeprefix("b'").strip()
        if "premature EOF" in what:
            return self.end, "the file ends in the middle of a value; expected more JSON"
        start = self.end - len(self.chunk)
        quoted = lines[1][: lines[2].find("^")].lstrip().encode("utf-8", "replace") if len(lines) > 2 else b""
        found = self.chunk.rfind(quoted) if quoted else -1
        return (start if found < 0 else start + found + len(quoted)), f"broken JSON ({what})"
