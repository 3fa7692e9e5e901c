"""One HTTP attempt under a wall clock: it ends when it should, whatever the other side does.

A client's own read timeout begins again with each byte, so a slow drip passes it. Here the attempt runs on a thread
of its own, the caller waits for it as long as it may, and then the attempt's sockets are shut down, which ends the
thread too. What is read is counted, so a reply cannot fill the memory, and kept, so it can be replayed.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Final, TypeVar

import httpx
import httpx2

from domains import limits
from domains.fault import ModelError

T = TypeVar("T")
# All that is sent: clients add telemetry of their own, and headers that they find in the environment. The last one
# is how the openai package remembers that we want to read the reply ourselves.
HEADERS: Final = frozenset(
    {
        "host",
        "accept",
        "authorization",
        "connection",
        "content-type",
        "content-length",
        "user-agent",
        "rquid",
        "x-stainless-raw-response",
    }
)
AGENT: Final = "Svodka"


def tls(ca_file: str | None, *urls: str) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those in ``ca_file``.

    When no url needs it, none are read (it takes 20 ms): such a context trusts nobody.
    """
    if not any(url.startswith("https:") for url in urls):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class Wire:
    """What went over the wire in one attempt: ``status``, ``headers``, ``body`` as far as it came.

    ``hooks`` are for a client of httpx or httpx2 that keeps no connection alive: a pooled one would be opened by
    an earlier attempt, out of our sight, and may be half closed.
    """

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self._secrets = tuple(secret.encode() for secret in secrets if secret)
        self._chunks: list[bytes] = []
        self._sockets: list[socket.socket] = []
        self._size = 0
        self._cut = False

    @property
    def body(self) -> bytes:
        """The bytes that came, without the secrets that a careless server echoes."""
        body = b"".join(self._chunks)
        for secret in self._secrets:
            body = body.replace(secret, b"[secret]")
        return body

    @property
    def hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """Event hooks that let this object watch a client's requests."""
        return {"request": [self._before], "response": [self._after]}

    def run(self, provider: str, timeout_s: float, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, within ``timeout_s``. Raises ModelError of kind timeout, or what it raised."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"model-{provider}")
        try:
            future = executor.submit(call)
            wait([future], timeout=max(timeout_s, 0.0))
            if not future.done():
                self.cut()
                raise ModelError(
                    f"{provider}: no complete reply within {timeout_s:.1f} s",
                    kind="timeout",
                    status=self.status,
                )
            return future.result()
        finally:
            executor.shutdown(wait=False)

    def cut(self) -> None:
        """Shut down every socket of the attempt, and those it may still open."""
        self._cut = True
        for one in self._sockets:
            # socket.socket's own method: an SSLSocket's would touch the TLS state that the other thread is using.
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def _before(self, request: Any) -> None:
        for name in [name for name in request.headers if name.lower() not in HEADERS]:
            del request.headers[name]
        request.headers["User-Agent"] = AGENT
        # A compressed reply could be a thousand times its size on the wire.
        request.headers["Accept-Encoding"] = "identity"
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            found = info["return_value"].get_extra_info("socket")
            if isinstance(found, socket.socket):
                self._sockets.append(found)
            if self._cut:
                self.cut()

    def _after(self, response: Any) -> None:
        self.status = response.status_code
        self.headers = dict(response.headers)
        self._chunks, self._size = [], 0
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ModelError(
                "the reply is compressed, which was not asked for", kind="protocol", status=self.status
            )
        response.stream = _Counted(response.stream, self._take)

    def _take(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > limits.MODEL_REPLY_BYTES:
            raise ModelError(
                f"the reply passes {limits.MODEL_REPLY_BYTES} bytes", kind="too_large", status=self.status
            )


class _Counted(httpx.SyncByteStream, httpx2.SyncByteStream):
    """A response's stream that shows each chunk to ``take`` first. Both clients check for their own base class."""

    def __init__(self, inner: Any, take: Callable[[bytes], None]) -> None:
        self._inner = inner
        self._take = take

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self._take(chunk)
            yield chunk

    def close(self) -> None:
        self._inner.close()
