"""An HTTP transport that connects only to vetted addresses, and never outlives its deadline.

httpx resolves and connects in one step, so a name could lead to a public address when it is checked and to a private
one when it is connected to (DNS rebinding). Here the backend resolves, checks, and connects to what it checked; the
name stays in the Host header and in TLS's SNI and certificate check.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from services.address import Guard


class Deadline:
    """A moment after which every wait ends."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds

    def part(self, share: float) -> "Deadline":
        """Return a deadline at ``share`` of the time that is left."""
        return Deadline(max(0.0, self._ends - time.monotonic()) * share)

    def left_s(self, at_most_s: float | None = None) -> float:
        """Return the seconds left, or ``at_most_s`` if that is less. Raises httpcore.ReadTimeout when none are left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout(f"not done after {self._seconds:g} s")
        return left if at_most_s is None else min(left, at_most_s)


class GuardedTransport(httpx.BaseTransport):
    """A transport for the requests of one deadline. Lets httpcore's errors and the guard's pass."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, deadline: Deadline) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=_Backend(guard, deadline))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response with its body still to be read."""
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        self._guard = guard
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of ``host`` that answers; each has its share of the time left."""
        addresses = self._guard.addresses(host, port, self._deadline.left_s(timeout))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for index, address in enumerate(addresses):
            share_s = self._deadline.left_s() / (len(addresses) - index)
            try:
                stream = self._plain.connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline: a byte now and then does not keep it open."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left_s(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = self._deadline.left_s(timeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left_s), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
