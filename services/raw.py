"""Values as strangers write them, made safe to keep: text, ids, times, addresses, file names."""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from domains import limits

ID_CHARS: Final = 200
URL_CHARS: Final = 2_000
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SPACES: Final = re.compile(r"\s+")
_UNIX: Final = re.compile(r"[+-]?\d{9,19}(?:\.\d+)?")
_MILLISECONDS_FROM: Final = 1e11
_MICROSECONDS_FROM: Final = 1e14
_NOT_WORD: Final = re.compile(r"[^\w]+")


def tidy(text: str) -> str:
    """Return text that UTF-8 and Postgres can hold: no control characters but line feed and tab, no surrogates."""
    return _UNSAFE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def line(text: str | None) -> str | None:
    """Return text on one line without surrounding white space, or None when nothing is left."""
    return (_SPACES.sub(" ", tidy(text)).strip() or None) if text else None


def key(value: str) -> str:
    """Return an external id of at most 200 characters; a longer one is replaced by its hash. May be empty."""
    one = line(value) or ""
    return one if len(one) <= ID_CHARS else fingerprint(one)


def fingerprint(*parts: str) -> str:
    """Return an id made from content: "sha256:" and 40 hex digits."""
    joined = "\x1f".join(parts).encode("utf-8", "replace")
    return f"sha256:{hashlib.sha256(joined).hexdigest()[:40]}"


def slug(name: str) -> str:
    """Return a name for commands and links: lower case, letters of any script, digits, hyphens; may be empty."""
    return (
        _NOT_WORD.sub("-", unicodedata.normalize("NFKC", tidy(name)).casefold()).strip("-_")[:64].strip("-_")
    )


def moment(value: object) -> tuple[datetime, bool] | None:
    """Return a time as aware UTC and whether its zone had to be assumed, or None when it is not a time.

    Understood: ISO 8601, Unix seconds (or milli- and microseconds) as number or digits, RFC 5322.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _unix(float(value)) if abs(value) < 1e18 else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _UNIX.fullmatch(text):
        return _unix(float(text))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return _rfc5322(text)
    return _utc(at)


def at_or_now(at: datetime, now: datetime | None) -> tuple[datetime, tuple[str, ...]]:
    """Return ``at`` without flags, or ``now`` and the flag "future" when ``at`` lies too far ahead of it."""
    if now is not None and at > now + limits.FUTURE_SKEW:
        return now, ("future",)
    return at, ()


def web(url: object, base: str | None = None) -> str | None:
    """Return an absolute http or https address, resolved against ``base``, or None when it is none."""
    if not isinstance(url, str):
        return None
    text = _SPACES.sub("", tidy(url))
    if not text or len(text) > URL_CHARS:
        return None
    try:
        whole = urljoin(base, text) if base else text
        parts = urlsplit(whole)
        host = parts.hostname
    except ValueError:
        return None
    return whole if parts.scheme in {"http", "https"} and host else None


def inside(folder: Path | None, name: str) -> str | None:
    """Return the path of an existing file that a document names, or None when it is absent or outside ``folder``."""
    if folder is None or not name or "\x00" in name or len(name) > URL_CHARS:
        return None
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        return str(path) if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


def _unix(value: float) -> tuple[datetime, bool] | None:
    seconds = value
    if value >= _MICROSECONDS_FROM:
        seconds = value / 1e6
    elif value >= _MILLISECONDS_FROM:
        seconds = value / 1e3
    if not seconds > 0:
        return None
    return datetime.fromtimestamp(seconds, UTC), False


def _rfc5322(text: str) -> tuple[datetime, bool] | None:
    try:
        return _utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _utc(at: datetime) -> tuple[datetime, bool] | None:
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC), True
    try:
        return at.astimezone(UTC), False
    except OverflowError:
        return None
