"""Text files, plain or gzipped, in whatever encoding, by the line and in constant memory."""

import codecs
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from domains import limits
from domains.errors import InputError
from domains.post import Bad

HEAD_BYTES: Final = 64 * 1024
REMEDY: Final = "expected a Telegram export (result.json), a feed, JSONL or CSV"
_GZIP: Final = b"\x1f\x8b"
# Fewer letters than this tell no encoding.
_CYRILLIC_MIN: Final = 8
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
_BREAKS: Final = (OSError, EOFError, zlib.error, UnicodeError)


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its line end, and its number from 1."""

    number: int
    text: str


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacked if it is gzipped. Raises InputError."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def head(path: Path) -> bytes:
    """Return the first 64 KiB of a file, unpacked if it is gzipped. Raises InputError when it is empty or binary."""
    try:
        with open_binary(path) as file:
            start = file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: byte 0: cannot be unpacked: {error}", remedy="is the download complete?"
        ) from error
    if not start.strip():
        raise InputError(f"{path}: the file is empty", remedy=REMEDY)
    if b"\x00" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: byte {start.index(0)}: a binary file, not text", remedy=REMEDY)
    return start


def encoding(start: bytes) -> str:
    """Return the encoding of a text's first bytes: its byte order mark's, else UTF-8, or Windows-1251.

    Windows-1251 is chosen when the bytes are far from UTF-8 and most of what it gives is Cyrillic.
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1251" if _is_cp1251(start) else "utf-8-sig"
    return "utf-8-sig"


def _is_cp1251(start: bytes) -> bool:
    read = [char for char in start.decode("utf-8", "replace") if ord(char) > 127]
    if read.count("\ufffd") < 0.05 * len(read):
        return False
    high = [char for char in start.decode("cp1251", "replace") if ord(char) > 127]
    return len(high) >= _CYRILLIC_MIN and sum("\u0400" <= char <= "\u04ff" for char in high) >= 0.8 * len(
        high
    )


def read(path: Path) -> Iterator[Line | Bad]:
    """Yield a file's lines. One that is too long or does not decode is a Bad; so is the place where the file breaks.

    Raises InputError when the file is empty, binary or cannot be opened.
    """
    start = head(path)
    with open_binary(path) as file:
        text = io.TextIOWrapper(file, encoding(start), errors="surrogateescape", newline="\n")
        total = 0
        for number in itertools.count(1):
            where = f"{path}: line {number}"
            try:
                line, length = _line(text, limits.FILE_BYTES - total)
            except _BREAKS as error:
                yield Bad(where, f"the file breaks off here ({error}); the lines before it were read")
                return
            total += length
            if not length:
                return
            if total > limits.FILE_BYTES:
                yield Bad(where, f"the file passes {limits.FILE_BYTES} characters; the rest was not read")
                return
            yield _checked(line, number, where)


def _line(file: io.TextIOWrapper, left: int) -> tuple[str | None, int]:
    """Return the next line, or None for one that is too long, and its length; 0 at the end of the file."""
    line = file.readline(limits.ENTRY_BYTES + 1)
    length = len(line)
    if length <= limits.ENTRY_BYTES:
        return line, length
    while line and not line.endswith("\n") and length <= left:
        line = file.readline(limits.ENTRY_BYTES + 1)
        length += len(line)
    return None, length


def _checked(line: str | None, number: int, where: str) -> Line | Bad:
    if line is None:
        return Bad(where, f"longer than {limits.ENTRY_BYTES} characters")
    wrong = _UNDECODED.search(line)
    if wrong is not None:
        return Bad(where, f"not UTF-8 at character {wrong.start() + 1}; save the file as UTF-8")
    return Line(number, line)
