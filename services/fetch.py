"""Feeds fetched over HTTP from servers that nobody vouches for.

    url ─▶ politeness, robots.txt ─▶ request ─▶ guarded connection (services/address.py) ─▶ status ─▶ body, capped
             ▲                                                                               │ redirect
             └───────────────────────────────────────────────────────────────────────────────┘

Every request runs under one wall-clock deadline, redirects, robots.txt and a dripping body included. Every address
that a name resolves to is checked, and the connection goes to the address that was checked. Environment proxies are
ignored: they would connect for us, unchecked. A `Fetcher` serves one thread.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.robotparser import RobotFileParser

import httpcore
import httpx

from domains import limits
from domains.errors import Refused, SvodkaError, Unavailable
from domains.ports import Clock
from services import raw
from services.address import Guard, Resolver, resolve
from services.body import ACCEPTED, decoded
from services.guarded import Deadline, GuardedTransport

RETRY_AFTER_MAX_S: Final = 86_400.0
ROBOTS_BYTES: Final = 512 * 1024
ROBOTS_FRESH_S: Final = 86_400.0
ROBOTS_RETRY_S: Final = 600.0
_ROBOTS_SHARE: Final = 0.25
_REMEMBERED: Final = 10_000
_VALIDATOR_CHARS: Final = 1_000
_ACCEPT: Final = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, "
    "application/json;q=0.8, */*;q=0.1"
)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PERMANENT: Final = frozenset({301, 308})
_BUSY: Final = frozenset({429, 503})
_WORDS: Final = {
    400: "does not understand the request",
    401: "asks for a login",
    402: "asks for payment",
    403: "forbids access",
    404: "has no such page",
    406: "has no feed for us",
    410: "is gone for good",
    451: "withholds it for legal reasons",
}
_NEVER: Final = frozenset({401, 402, 410, 451})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered.

    ``not_modified``: nothing is new, and ``body`` is empty. ``moved_to`` is where the feed lives from now on, when
    every redirect on the way was permanent. ``retry_after_s``: come back later; the server is busy (``status`` 429 or
    503) or, with ``status`` 0, it was not asked because its host was asked a moment ago. Then ``body`` is empty too.
    """

    status: int
    body: bytes
    final_url: str
    content_type: str | None = None
    etag: str | None = None
    modified: str | None = None
    not_modified: bool = False
    moved_to: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response with its body read."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Robots:
    """A site's rules and until when they are believed."""

    rules: RobotFileParser
    until: datetime


class Politeness:
    """When each host may be asked again: at least ``interval_s`` after the last time, at most 10,000 hosts known."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next: dict[str, datetime] = {}

    def wait_s(self, host: str, now: datetime) -> float:
        """Return how long to wait before asking ``host``, 0 when it may be asked now."""
        return max(0.0, (self._next.get(host, now) - now).total_seconds())

    def asked(self, host: str, now: datetime, delay_s: float = 0.0) -> None:
        """Note that ``host`` was asked; ``delay_s`` is what its robots.txt wants between two requests."""
        if len(self._next) >= _REMEMBERED:
            self._next = {one: at for one, at in self._next.items() if at > now}
        self._next[host] = now + timedelta(seconds=max(self._interval_s, delay_s))


class Fetcher:
    """Fetches feeds.

    ``resolver`` gives a name's addresses (the system's by default); every other limit defaults to the product's.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        allow_private: bool,
        clock: Clock,
        host_interval_s: float,
        deadline_s: float = limits.FEED_S,
        cap_bytes: int = limits.FEED_BYTES,
        resolver: Resolver = resolve,
    ) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._cap_bytes = cap_bytes
        self._guard = Guard(resolver, allow_private)
        self._politeness = Politeness(host_interval_s)
        self._robots: dict[str, _Robots] = {}
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._agent = user_agent
        self._headers = {"user-agent": user_agent, "accept": _ACCEPT, "accept-encoding": ACCEPTED}

    def close(self) -> None:
        """Forget what was learned of hosts; connections are closed after every request already."""
        self._robots.clear()

    def get(self, url: str, *, etag: str | None = None, modified: str | None = None) -> Fetched:
        """Return what a server answers, after redirects. ``etag`` and ``modified`` are those of the last answer.

        Raises Refused (scheme, private address, robots.txt, login, gone), Unavailable (no connection, no answer in
        time, an error status), TooLarge and InputError (broken compression).
        """
        start = _address(url)
        now = self._clock.now()
        if wait_s := self._politeness.wait_s(start.host, now):
            return Fetched(0, b"", url, retry_after_s=wait_s)
        self._politeness.asked(start.host, now)
        return self._follow(start, Deadline(self._deadline_s), _conditions(etag, modified))

    def _follow(self, start: httpx.URL, deadline: Deadline, conditions: Mapping[str, str]) -> Fetched:
        url, moved, permanent = start, None, True
        for _ in range(limits.REDIRECTS + 1):
            self._check_robots(url, deadline)
            answer = self._ask(url, deadline, self._cap_bytes, conditions)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return self._judged(answer, url, str(moved) if moved else None)
            permanent = permanent and answer.status in _PERMANENT
            url = _next(url, answer.headers["location"])
            moved = url if permanent else moved
        raise Unavailable(
            f"{_shown(start)}: redirects more than {limits.REDIRECTS} times",
            remedy="open the address in a browser; the site is set up wrongly",
        )

    def _judged(self, answer: _Answer, url: httpx.URL, moved: str | None) -> Fetched:
        status, headers = answer.status, answer.headers
        fetched = Fetched(
            status=status,
            body=answer.body,
            final_url=str(url),
            content_type=headers.get("content-type"),
            etag=_validator(headers.get("etag")),
            modified=_validator(headers.get("last-modified")),
            moved_to=moved,
        )
        if status == httpx.codes.OK:
            return fetched
        if status == httpx.codes.NOT_MODIFIED:
            return replace(fetched, body=b"", not_modified=True)
        wait_s = _retry_after_s(headers.get("retry-after"), self._clock.now())
        if status in _BUSY and wait_s is not None:
            return replace(fetched, body=b"", moved_to=None, retry_after_s=wait_s)
        kind = Refused if status in _NEVER else Unavailable
        raise kind(
            f"{_shown(url)}: answers {status}, {_WORDS.get(status, 'no feed')}",
            remedy="open the address in a browser; has the feed moved?",
        )

    def _check_robots(self, url: httpx.URL, deadline: Deadline) -> None:
        """Raise Refused when the host's robots.txt forbids ``url``; one that cannot be read forbids nothing."""
        origin = str(url.copy_with(raw_path=b"/robots.txt", userinfo=b"", fragment=None))
        now = self._clock.now()
        known = self._robots.get(origin)
        if known is None or known.until <= now:
            if len(self._robots) >= _REMEMBERED:
                self._robots.clear()
            known = self._robots[origin] = self._read_robots(origin, deadline.part(_ROBOTS_SHARE), now)
        delay = known.rules.crawl_delay(self._agent)
        if delay:
            self._politeness.asked(url.host, now, min(float(delay), ROBOTS_RETRY_S))
        if not known.rules.can_fetch(self._agent, str(url)):
            raise Refused(
                f"{_shown(url)}: the site's robots.txt forbids it",
                remedy="ask the publisher to allow feed readers, or use another address",
            )

    def _read_robots(self, origin: str, deadline: Deadline, now: datetime) -> _Robots:
        rules = RobotFileParser()
        try:
            url = httpx.URL(origin)
            for _ in range(limits.REDIRECTS + 1):
                answer = self._ask(url, deadline, ROBOTS_BYTES, {}, truncate=True)
                if answer.status not in _REDIRECTS or "location" not in answer.headers:
                    break
                url = _next(url, answer.headers["location"])
        except SvodkaError:
            rules.parse([])
            return _Robots(rules, now + timedelta(seconds=ROBOTS_RETRY_S))
        found = answer.status == httpx.codes.OK
        rules.parse(answer.body.decode("utf-8", "replace").splitlines() if found else [])
        return _Robots(rules, now + timedelta(seconds=ROBOTS_FRESH_S))

    def _ask(
        self,
        url: httpx.URL,
        deadline: Deadline,
        cap_bytes: int,
        conditions: Mapping[str, str],
        *,
        truncate: bool = False,
    ) -> _Answer:
        """Return one answer; its body is read only when its status is 200."""
        where = _shown(url)
        request = httpx.Request("GET", url, headers={**self._headers, **conditions})
        if url.userinfo:
            next(httpx.BasicAuth(url.username, url.password).sync_auth_flow(request))
        try:
            with (
                closing(GuardedTransport(self._guard, self._tls, deadline)) as transport,
                closing(transport.handle_request(request)) as response,
            ):
                body = b""
                if response.status_code == httpx.codes.OK:
                    codings = response.headers.get("content-encoding", "")
                    chunks = response.iter_raw()
                    body = decoded(
                        chunks, codings=codings, cap_bytes=cap_bytes, where=where, truncate=truncate
                    )
                return _Answer(response.status_code, response.headers, body)
        except httpcore.TimeoutException as error:
            raise Unavailable(f"{where}: no full answer in {self._deadline_s:g} s") from error
        except httpcore.ConnectError as error:
            raise Unavailable(f"{where}: cannot connect ({error})", remedy="is the address right?") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Unavailable(f"{where}: the connection broke ({error})") from error


def _address(url: str) -> httpx.URL:
    """Return a URL that may be fetched. Raises Refused."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused(f"{url[:200]!r} is no address: {error}", remedy="https://HOST/PATH") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise Refused(
            f"{_shown(parsed)}: only http and https addresses are fetched", remedy="https://HOST/PATH"
        )
    return parsed


def _next(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return _address(str(url.join(location)))
    except (httpx.InvalidURL, ValueError) as error:
        raise Unavailable(f"{_shown(url)}: redirects to {location[:200]!r}, which is no address") from error


def _shown(url: httpx.URL) -> str:
    """Return a URL for messages, without a password."""
    return str(url.copy_with(userinfo=b"")) if url.userinfo else str(url)


def _conditions(etag: str | None, modified: str | None) -> dict[str, str]:
    found = {"if-none-match": _validator(etag), "if-modified-since": _validator(modified)}
    return {name: value for name, value in found.items() if value}


def _validator(value: str | None) -> str | None:
    """Return a header's value that can be sent back later, or None."""
    return (
        value
        if value and len(value) <= _VALIDATOR_CHARS and value.isascii() and value.isprintable()
        else None
    )


def _retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the seconds that Retry-After (seconds or a date) asks for, at most a day, or None."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_MAX_S)
    found = raw.moment(text) if text else None
    return min(max((found[0] - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S) if found else None
