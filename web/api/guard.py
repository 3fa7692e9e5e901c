"""What stands before every request: a size, a time to send it, and a time to answer it. Pure ASGI.

read the body (≤ BODY_BYTES, ≤ BODY_S) ─▶ 413 | 408      answer (≤ ANSWER_S) ─▶ 504
"""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.api import problem

BODY_BYTES: Final = 64 * 1024
BODY_S: Final = 10.0
ANSWER_S: Final = 60.0
# Said with every answer: nothing of it is to be guessed at, framed or kept by somebody in between.
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


class _TooLongError(Exception):
    """The body passes its cap."""


class Guard:
    """Lets through what is small and soon; the limits are given for tests."""

    def __init__(
        self,
        app: ASGIApp,
        body_bytes: int = BODY_BYTES,
        body_s: float = BODY_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._app, self._bytes, self._body_s, self._answer_s = app, body_bytes, body_s, answer_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outgoing = _Outgoing(send)
        try:
            async with asyncio.timeout(self._body_s):
                body = await self._read(scope, receive)
        except _TooLongError:
            await outgoing.refuse(413, f"The body is larger than {self._bytes} bytes.")
            return
        except TimeoutError:
            await outgoing.refuse(408, f"The body did not arrive in {self._body_s:g} s.")
            return
        if body is None:
            return
        try:
            async with asyncio.timeout(self._answer_s):
                await self._app(scope, _Incoming(body, receive), outgoing)
        except TimeoutError:
            await outgoing.refuse(504, f"There was no answer within {self._answer_s:g} s.")

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, or None when the client has gone."""
        told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if told.isdigit() and int(told) > self._bytes:
            raise _TooLongError
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._bytes:
                raise _TooLongError
            if not message.get("more_body", False):
                return b"".join(parts)


class _Incoming:
    """The body once more, then whatever the server says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


class _Outgoing:
    """The answer, with our headers; remembers whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            own = {name for name, _ in message.get("headers", [])}
            extra = [(name, value) for name, value in HEADERS if name not in own]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self._send(message)

    async def refuse(self, status: int, detail: str) -> None:
        """Answer with a problem, unless an answer has begun: then what is sent ends here."""
        body = problem.body(status, detail)
        if not self._begun:
            headers = [
                (b"content-type", problem.MEDIA.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            await self({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})
        else:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
