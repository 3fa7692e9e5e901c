"""A loopback server that speaks OpenAI's chat completions, and GigaChat's, faithfully: also when it fails.

Requests are checked against the ``openai`` package's own parameter types (GigaChat's against its package's), replies
are built with its models. What it does is a queue of behaviours; when the queue is empty it answers with `answer`.

    with LlmServer() as server:
        server.next(status(429, {"Retry-After": "3"}), say("hello"))
"""

import json
import select
import socketserver
import ssl
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

PLAIN = TypeAdapter(CompletionCreateParamsNonStreaming)
STREAMING = TypeAdapter(CompletionCreateParamsStreaming)
FIELDS = {
    name
    for kind in (CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming)
    for base in (*kind.__mro__, *getattr(kind, "__orig_bases__", ()))
    for name in getattr(base, "__annotations__", {})
}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass
class Seen:
    """A request as it came."""

    path: str
    headers: dict
    json: dict


def completion(asked, text, *, finish="stop", model=None, usage=USAGE, refusal=None):
    """The bytes of a chat completion, built and checked by the openai package's model."""
    choice = {
        "index": 0,
        "finish_reason": finish,
        "logprobs": None,
        "message": {"role": "assistant", "content": text, "refusal": refusal},
    }
    whole = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_795_000_000,
            "model": model or asked["model"],
            "choices": [choice],
            "usage": usage,
        }
    )
    data = whole.model_dump(mode="json", exclude_none=True)
    data["choices"][0]["message"].setdefault("content", None)
    return json.dumps(data, ensure_ascii=False).encode()


def say(text, **rest):
    """Answer with ``text``; see `completion` for what may be odd about it."""
    return lambda handler, asked: (
        handler.stream(asked, text, **rest)
        if asked.get("stream")
        else handler.send(completion(asked, text, **rest))
    )


def status(code, headers=None, *, error="problem", body=None):
    """Answer with an error status and an error object as OpenAI writes it."""
    said = {"error": {"message": "no", "type": error, "param": None, "code": error}}
    return lambda handler, asked: handler.send(body or json.dumps(said).encode(), code, headers)


def html(code=200):
    """Answer with the page of some proxy."""
    return lambda handler, asked: handler.send(
        b"<!DOCTYPE html><html><body>Bad</body></html>", code, kind="text/html"
    )


def raw(body, **headers):
    """Answer 200 with these bytes."""
    return lambda handler, asked: handler.send(body, 200, headers)


def hang(handler, asked):
    """Say nothing until the client has gone."""
    handler.wait_for_client()


def reset(handler, asked):
    """Break the connection with RST."""
    handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def cut(handler, asked):
    """Promise a whole body, send half of it, and close."""
    body = completion(asked, "never arrives whole")
    handler.head(200, len(body))
    handler.wfile.write(body[: len(body) // 2])


def drip(handler, asked):
    """Send a byte now and then, for ever: no read timeout ever sees a silence."""
    handler.head(200, 1_000_000)
    while not handler.wait_for_client(0.03):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def drip_head(handler, asked):
    """Drip the head of the reply, so that not even the status arrives."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.wait_for_client(0.03):
        handler.wfile.write(b"X-A: b\r\n")
        handler.wfile.flush()


def cut_stream(handler, asked):
    """Stream a text, say that it is finished, and close without [DONE]."""
    handler.stream(asked, "half a story", done=False)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.one()
        except (BrokenPipeError, ConnectionResetError, ValueError):
            # The client left, which several behaviours are about.
            return

    def one(self):
        first = self.rfile.readline().decode()
        if not first:
            return
        path, headers = first.split()[1], {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        server = self.server.owner
        if path.endswith("/oauth"):
            server.oauth(self, headers, body)
            return
        asked = json.loads(body)
        server.seen.append(Seen(path, headers, asked))
        if (
            server.tokens is not None
            and headers.get("authorization", "").removeprefix("Bearer ") not in server.tokens
        ):
            self.send(b'{"status":401,"message":"Token has expired"}', 401)
            return
        problem = server.wrong(asked)
        if problem:
            server.problems.append(problem)
            self.send(
                json.dumps({"error": {"message": problem, "type": "invalid_request_error"}}).encode(), 400
            )
            return
        with server.lock:
            behave = server.queue.popleft() if server.queue else server.answer
        behave(self, asked)

    def head(self, code, length=None, headers=None, kind="application/json"):
        lines = [f"HTTP/1.1 {code} X", f"Content-Type: {kind}", "Connection: close"]
        lines += [] if length is None else [f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, body, code=200, headers=None, kind="application/json"):
        self.head(code, len(body), headers, kind)
        self.wfile.write(body)

    def stream(self, asked, text, *, done=True, finish="stop", usage=USAGE, model=None, refusal=None):
        self.head(200, kind="text/event-stream")
        base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model or asked["model"]}
        deltas = [
            {"role": "assistant"},
            *({"content": part} for part in text.partition(" ")),
            {"refusal": refusal},
        ]
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        events = [{**base, "choices": [choice]} for choice in choices]
        if asked.get("stream_options", {}).get("include_usage") and usage:
            events.append({**base, "choices": [], "usage": usage})
        for event in events:
            chunk = ChatCompletionChunk.model_validate(event).model_dump_json(exclude_none=True)
            self.wfile.write(f"data: {chunk}\n\n".encode())
        if done:
            self.wfile.write(b"data: [DONE]\n\n")

    def wait_for_client(self, timeout_s=None):
        """Return whether the client has closed; without a timeout wait for that, or for the server's end."""
        while True:
            ready, _, _ = select.select(
                [self.connection], [], [], timeout_s if timeout_s is not None else 0.05
            )
            if ready and not self.connection.recv(1):
                return True
            if self.server.owner.closing.is_set():
                return True
            if timeout_s is not None:
                return False


class LlmServer:
    """The server; ``with`` starts and stops it. ``answer`` is what it does when the queue is empty.

    With ``gigachat=True`` it hands out tokens at /oauth and accepts only those in ``tokens``.
    """

    def __init__(self, answer=None, *, port=0, gigachat=False, token_ms=30 * 60_000, tls=None):
        self.answer = answer or say("ok")
        self.queue, self.lock = deque(), threading.Lock()
        self.seen, self.problems, self.logins = [], [], []
        self.tokens = set() if gigachat else None
        self.token_ms = token_ms
        self.now_ms = lambda: time.time() * 1000
        self.closing = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler, bind_and_activate=True)
        self._server.daemon_threads = True
        self._server.request_queue_size = 64
        self._server.owner = self
        self._scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def auth_url(self):
        return self.url.replace("/v1", "/oauth")

    def next(self, *behaviours):
        with self.lock:
            self.queue.extend(behaviours)

    def wrong(self, asked):
        """Return what is wrong with a request, or None."""
        if self.tokens is not None:
            from gigachat.models import Chat

            unknown = asked.keys() - set(Chat.model_fields)
            Chat.model_validate(asked)
        else:
            unknown = asked.keys() - FIELDS
            (STREAMING if asked.get("stream") else PLAIN).validate_python(asked)
        return f"unknown parameters {sorted(unknown)}" if unknown else None

    def oauth(self, handler, headers, body):
        self.logins.append((headers, body.decode()))
        if headers.get("authorization") != "Basic Z29vZDprZXk=" or not headers.get("rquid"):
            handler.send(b'{"code":6,"message":"credentials doesn\'t match db data"}', 401)
            return
        token = f"token-{len(self.logins)}"
        self.tokens.add(token)
        handler.send(
            json.dumps({"access_token": token, "expires_at": int(self.now_ms() + self.token_ms)}).encode()
        )

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
