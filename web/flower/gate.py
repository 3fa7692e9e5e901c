"""Who may enter Flower, and which tasks may be started from it. Both decisions are pure; what is not listed is refused.

request ─▶ signed in? ──no──▶ 401
              │ yes
              ▼
           reads? ──yes──▶ Flower's handler or ours
              │ no
              ▼
           ours or a listed task? ──no──▶ 403
"""

import binascii
import hashlib
import hmac
import json
from base64 import b64decode
from typing import Any, Final

from pydantic import SecretStr

from domains.errors import Refused, UsageError

# Each takes the number of one row and is harmless when it comes twice: the row's state decides what is done.
TASKS: Final = frozenset(
    {
        "source.fetch",
        "index.posts",
        "digest.make",
        "delivery.send",
        "trend.detect",
        "trend.make",
        "dlq.replay",
        "dlq.discard",
    }
)
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """The one user who may enter."""

    def __init__(self, user: str, password: SecretStr) -> None:
        """Raise UsageError for a password that Flower's own check could not compare."""
        if not password.get_secret_value().isascii():
            raise UsageError(
                "Flower's password has letters outside ASCII", remedy="set SVODKA_FLOWER_PASSWORD anew"
            )
        self._user = user
        self.credentials = SecretStr(f"{user}:{password.get_secret_value()}")
        self._expected = _digest(self.credentials.get_secret_value().encode())

    def user(self, header: str | None) -> str | None:
        """Return who signs in by this Authorization header, or None; takes as long for a near miss as for a far one."""
        scheme, _, encoded = (header or "").strip().partition(" ")
        try:
            given = b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        known = hmac.compare_digest(_digest(given), self._expected)
        return self._user if known and scheme.lower() == "basic" else None


def check_task(name: str, content_type: str, body: bytes) -> int:
    """Return the row's number of a request to start a task.

    Raises Refused for a task that is not listed, UsageError for anything but JSON such as ``{"args": [42]}``: Celery's
    other options (queues, delays, serialisers) are the product's to choose.
    """
    if name not in TASKS:
        raise Refused(
            f"task {name!r} may not be started from here", remedy=f"one of: {', '.join(sorted(TASKS))}"
        )
    match json_of(content_type, body):
        case {"args": [int(number)], **rest} if not rest and not isinstance(number, bool) and number > 0:
            return number
    raise UsageError("a task takes the number of one row and nothing else", remedy='send {"args": [42]}')


def json_of(content_type: str, body: bytes) -> Any:
    """Return the request's JSON; {} for an empty body.

    Raises UsageError for another content type: a page of another site cannot send this one without being asked first
    by the browser whether it may, so that a forged request never gets here.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UsageError(
            "requests that change something are JSON", remedy="set Content-Type: application/json"
        )
    return parsed(body.decode("utf-8", "replace")) if body.strip() else {}


def parsed(text: str) -> Any:
    """Return JSON that somebody wrote, by the letter of RFC 8259: no NaN. Raises UsageError that says where it is none."""
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is not JSON: {error}", remedy="mend it and try again") from None


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _digest(text: bytes) -> bytes:
    """Return a digest, so that comparing takes the same time for names and passwords of any length."""
    return hashlib.sha256(text).digest()
