"""One request to a server that may do anything: what is certain is said, and nothing outlives its deadline."""

import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import httpx
import pytest

from domains.errors import InDoubt, Refused, Unreachable
from services.address import Guard
from services.channel.http import BODY_BYTES, Answer, Poster
from tests.services.channel.rigs import PRIVATE

DEADLINE_S = 0.4
# How long the servers here go on when nobody stops them.
LONG_S = 60
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@contextmanager
def server(behave):
    """A server that reads a request's head and then does as it is told; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65_536)
            try:
                behave(connection)
            except OSError:
                # The client has left, which is what several of these are about.
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/secret"
    finally:
        # Closing alone leaves a thread that waits in accept to take one more connection.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def post(url, guard=PRIVATE, deadline_s=DEADLINE_S):
    return Poster(guard, deadline_s).post(url, where="there", headers={}, body=b"{}")


def hang(connection):
    connection.settimeout(LONG_S)
    connection.recv(1)


def drip(connection):
    for _ in range(20 * LONG_S):
        connection.sendall(b"H" if _ == 0 else b"")
        connection.settimeout(0.05)
        try:
            if connection.recv(1) == b"":
                return
        except TimeoutError:
            connection.sendall(b" ")


def half(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")


def nonsense(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize("behave", [hang, drip, half, nonsense, lambda connection: None])
def test_without_a_whole_answer_in_time_nobody_knows(behave):
    with server(behave) as url:
        began = time.monotonic()
        with pytest.raises(InDoubt, match=r"^there: no answer") as error:
            post(url)
    assert time.monotonic() - began < LONG_S / 2
    assert "secret" not in str(error.value)


def test_nobody_who_listens_is_certain():
    with server(hang) as url:
        pass
    with pytest.raises(Unreachable, match=r"^there: cannot connect"):
        post(url)


def test_an_address_that_is_forbidden_is_not_connected_to():
    with server(hang) as url, pytest.raises(Refused, match="private"):
        post(url, Guard(lambda host, port: [host], allow_private=False))


def test_a_name_that_leads_to_several_addresses_must_be_good_in_all():
    guard = Guard(lambda host, port: ["93.184.216.34", "127.0.0.1"], allow_private=False)
    with pytest.raises(Refused, match=r"127\.0\.0\.1"):
        post("http://rebound.example/", guard)


def test_an_endless_answer_is_cut():
    def endless(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with server(endless) as url:
        assert len(post(url, deadline_s=LONG_S).body) == BODY_BYTES


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("", None), ("7", 7.0), ("99999999999999999999", 86_400.0), ("-1", None), ("soon", None),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0), ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_how_long_to_wait_is_read_in_both_forms_and_capped(value, wait_s):
    assert Answer(429, httpx.Headers({"retry-after": value}), b"").retry_after_s(NOW) == wait_s
