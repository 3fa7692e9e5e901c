"""A response's body, unpacked a block at a time, so that no bomb is ever whole in memory."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import brotli

from domains.errors import InputError, TooLarge, Unavailable

ACCEPTED: Final = "gzip, deflate, br"
_BLOCK: Final = 64 * 1024
_ANY_ZLIB: Final = 32 + zlib.MAX_WBITS
_CODINGS_MAX: Final = 2


def decoded(
    chunks: Iterable[bytes], *, codings: str, cap_bytes: int, where: str, truncate: bool = False
) -> bytes:
    """Return a body without its content codings (gzip, deflate, br).

    Raises TooLarge when it passes ``cap_bytes`` before or after unpacking (or, with ``truncate``, returns what fits),
    InputError when it is not in the coding that it claims, Unavailable when it ends early.
    """
    names = [
        name for name in (part.strip().lower() for part in codings.split(",")) if name not in {"", "identity"}
    ]
    if len(names) > _CODINGS_MAX or any(name not in _DECODERS for name in names):
        raise InputError(f"{where}: sent in the coding {codings[:60]!r}, asked for {ACCEPTED}")
    stream = _counted(iter(chunks), cap_bytes, where, truncate=truncate)
    for name in reversed(names):
        stream = _DECODERS[name](stream, where)
    return b"".join(_counted(stream, cap_bytes, where, truncate=truncate))


def _counted(chunks: Iterator[bytes], cap_bytes: int, where: str, *, truncate: bool) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > cap_bytes and truncate:
            yield chunk[: len(chunk) - (total - cap_bytes)]
            return
        if total > cap_bytes:
            raise TooLarge(
                f"{where}: larger than {cap_bytes} bytes; nothing was read",
                remedy="a feed holds its newest items; is this an archive or an endless stream?",
            )
        yield chunk


def _gzip(chunks: Iterator[bytes], where: str) -> Iterator[bytes]:
    return _inflated(chunks, _ANY_ZLIB, where)


def _deflate(chunks: Iterator[bytes], where: str) -> Iterator[bytes]:
    """Unpack zlib data, or raw deflate data, which some servers send instead."""
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= 2:
            break
    zlib_header = len(start) >= 2 and start[0] & 0x0F == 8 and int.from_bytes(start[:2]) % 31 == 0
    yield from _inflated(_with(start, chunks), _ANY_ZLIB if zlib_header else -zlib.MAX_WBITS, where)


def _with(start: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if start:
        yield start
    yield from chunks


def _inflated(chunks: Iterator[bytes], wbits: int, where: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits)
    begun = False
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if unpacker.eof:
                    # A gzip file may have several members; what else follows the end is padding.
                    if not data.startswith(b"\x1f\x8b"):
                        return
                    unpacker = zlib.decompressobj(wbits)
                begun = True
                yield unpacker.decompress(data, _BLOCK)
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error as error:
        raise InputError(f"{where}: broken compressed data ({error})") from error
    if begun and not unpacker.eof:
        raise Unavailable(f"{where}: the compressed body ended early")


def _brotli(chunks: Iterator[bytes], where: str) -> Iterator[bytes]:
    unpacker = brotli.Decompressor()
    begun = False
    try:
        for chunk in chunks:
            begun = True
            yield unpacker.process(chunk, output_buffer_limit=_BLOCK)
            while not unpacker.can_accept_more_data() and not unpacker.is_finished():
                yield unpacker.process(b"", output_buffer_limit=_BLOCK)
            if unpacker.is_finished():
                return
    except brotli.error as error:
        raise InputError(f"{where}: broken compressed data ({error})") from error
    if begun:
        raise Unavailable(f"{where}: the compressed body ended early")


_DECODERS: Final[dict[str, Callable[[Iterator[bytes], str], Iterator[bytes]]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
}
