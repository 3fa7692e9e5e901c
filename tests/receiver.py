"""A loopback receiver of webhooks that checks signatures by the Standard Webhooks' rules and remembers keys.

It is written from the specification, apart from what it checks: id, timestamp within five minutes, HMAC-SHA256 over
"id.timestamp.body", constant-time comparison of every "v1," in the header.
"""

import base64
import hmac
import struct
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET


def verified(secret, headers, body, now):
    """Return the message's id. Raises ValueError for a signature that is not the sender's, or too old."""
    key, seconds = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(int(seconds) - now) > 300:
        raise ValueError("too old")
    raw = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    wanted = base64.b64encode(hmac.digest(raw, f"{key}.{seconds}.".encode() + body, "sha256")).decode()
    given = [one.partition(",")[2] for one in headers["webhook-signature"].split() if one.startswith("v1,")]
    if not any(hmac.compare_digest(wanted, one) for one in given):
        raise ValueError("wrong signature")
    return key


def status(code, **headers):
    """Answer so, taking nothing."""
    return lambda handler, take: handler.answer(code, headers)


def cut(handler, take):
    """Take it, and break the connection before the answer."""
    take()
    handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay silent."""

    def do_POST(self):
        receiver, self.close_connection = self.server.owner, True
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.requests.append((self.path, headers, body))
        behave = receiver.behaviours.popleft() if receiver.behaviours else None
        try:
            if receiver.secret is not None:
                headers["key"] = verified(receiver.secret, headers, body, receiver.now())
        except (KeyError, ValueError):
            self.answer(401, {})
            return
        take = lambda: receiver.taken.setdefault(headers.get("key", len(receiver.taken)), body)
        if behave is not None:
            behave(self, take)
        else:
            take()
            self.answer(204, {})

    def answer(self, code, headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", "0")
        self.end_headers()


class Receiver:
    """The server; ``taken`` is what it took, by key. Without a ``secret`` it believes everybody."""

    def __init__(self, secret=None, now=None):
        self.secret, self.now = secret, now
        self.requests, self.taken, self.behaviours = [], {}, deque()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def next(self, *behaviours):
        self.behaviours.extend(behaviours)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
