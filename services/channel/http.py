"""One request to somebody else's server, and an honest word on whether it can have been taken.

Nothing was taken when no connection came about. Once the request is on its way, only an answer tells; without one
nobody knows. Connections go to vetted addresses only and end at a deadline (services/guarded.py); redirects are not
followed: a message is sent where it was meant to go.
"""

import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpcore
import httpx

from domains.errors import InDoubt, Unavailable, Unreachable
from services import raw
from services.address import Guard
from services.guarded import Deadline, GuardedTransport

BODY_BYTES: Final = 256 * 1024
RETRY_AFTER_MAX_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; of a body that is too long, the beginning."""

    status: int
    headers: httpx.Headers
    body: bytes

    def retry_after_s(self, now: datetime) -> float | None:
        """Return the seconds that Retry-After (seconds or a date) asks for, at most a day, or None."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text[:9]), RETRY_AFTER_MAX_S)
        found = raw.moment(text) if text else None
        wait = found[0] - now if found else None
        return None if wait is None else min(max(wait, timedelta()).total_seconds(), RETRY_AFTER_MAX_S)


class Poster:
    """Posts to servers within ``deadline_s`` of wall-clock time, each over a connection of its own."""

    def __init__(self, guard: Guard, deadline_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._deadline_s = deadline_s
        self._tls = tls

    def post(self, url: str, *, where: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer. ``where`` names the server in messages, in which the address never is.

        Raises Refused for a forbidden address, Unreachable when no connection came about, InDoubt when no whole
        answer came.
        """
        request = httpx.Request("POST", url, headers={**headers}, content=body)
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        deadline = Deadline(self._deadline_s)
        try:
            with (
                closing(GuardedTransport(self._guard, self._tls, deadline)) as transport,
                closing(transport.handle_request(request)) as response,
            ):
                return Answer(response.status_code, response.headers, _beginning(response))
        except Unavailable as error:
            raise Unreachable(str(error), remedy=error.remedy) from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Unreachable(
                f"{where}: cannot connect ({type(error).__name__})",
                remedy="does the server run? it is tried again",
            ) from error
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise InDoubt(
                f"{where}: no answer, after the message was sent ({type(error).__name__})",
                remedy="look there whether it has arrived",
            ) from error


def _beginning(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) >= BODY_BYTES:
            break
    return body[:BODY_BYTES]
