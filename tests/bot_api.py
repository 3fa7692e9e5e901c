"""A loopback Telegram: the Bot API's paths, its two ways of passing parameters, its limits and its words.

    with BotApi(clock) as api:
        api.chats[42] = Chat()
        api.next(cut)          # takes the message and says nothing

What it enforces: the token, methods, HTML (https://core.telegram.org/bots/api#html-style), 4,096 UTF-16 units after
parsing, one message a second in a chat and 30 over all (with a clock), chats that are gone, blocked or moved.
"""

import json
import re
import struct
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import parse_qs

TOKEN = "123456789:AAtestTESTtestTESTtestTESTtestTESTte"
TAGS = {
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "a",
    "blockquote",
    "tg-spoiler",
    "span",
}
ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
MARKUP = re.compile(
    r"<(/?)([a-zA-Z-]*)((?:\s+[a-z-]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s>]*))?)*)\s*>|<|&(?:#(x?[0-9a-fA-F]+)|(\w+));"
)


class BadRequest(Exception):
    def __init__(self, description, code=400, **parameters):
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass
class Chat:
    """A chat the bot is in; ``trouble`` is what Telegram says of one it cannot write to."""

    kind: str = "private"
    trouble: BadRequest | None = None
    texts: list = field(default_factory=list)
    times: list = field(default_factory=list)


def blocked():
    return Chat(trouble=BadRequest("Forbidden: bot was blocked by the user", 403))


def moved(to):
    return Chat(
        "group",
        BadRequest("Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=to),
    )


def cut(handler, taken):
    """Take the message, and break the connection before the answer."""
    taken()
    handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def refuse_connection(handler, taken):
    """Break the connection without taking anything; the sender cannot tell."""
    handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def gateway(handler, taken):
    """Answer as a proxy on the way does, in HTML."""
    handler.answer(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")


def down(handler, taken):
    """Answer as the Bot API itself when it restarts."""
    handler.refuse(BadRequest("Internal Server Error: restart", 500))


def flood(seconds):
    def behave(handler, taken):
        handler.refuse(BadRequest(f"Too Many Requests: retry after {seconds}", 429, retry_after=seconds))

    return behave


def parsed(html):
    """Return the plain text and the entities of the Bot API's HTML. Raises BadRequest as Telegram does."""
    out, open_tags, entities, at = [], [], [], 0

    def wrong(why, offset):
        return BadRequest(
            f"Bad Request: can't parse entities: {why} at byte offset {len(html[:offset].encode())}"
        )

    for match in MARKUP.finditer(html):
        out.append(html[at : match.start()])
        at = match.end()
        closing, name, attributes, number, entity = match.groups()
        if number or entity:
            code = int(number[1:], 16) if number and number[0] == "x" else int(number) if number else 0
            out.append(chr(code) if number else ENTITIES.get(entity, match[0]))
        elif not name:
            raise wrong("Unsupported start tag", match.start())
        elif closing:
            if not open_tags or open_tags[-1] != name:
                raise wrong(
                    "Unmatched end tag" if not open_tags else f"Unexpected end tag, expected {open_tags[-1]}",
                    match.start(),
                )
            open_tags.pop()
        else:
            if name not in TAGS or (name == "span" and "tg-spoiler" not in attributes):
                raise wrong(f'Unsupported start tag "{name}"', match.start())
            open_tags.append(name)
            entities.append(name)
    if open_tags:
        raise wrong(f"Can't find end tag corresponding to start tag {open_tags[-1]}", len(html))
    return "".join([*out, html[at:]]), entities


def units(text):
    return len(text.encode("utf-16-le")) // 2


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay silent."""

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        api, self.close_connection = self.server.owner, True
        asked = self.parameters()
        with api.lock:
            api.requests.append((self.path.replace(TOKEN, "TOKEN"), asked))
            try:
                method = self.method()
                behave = api.behaviours.popleft() if api.behaviours else None
                if behave is not None:
                    behave(self, lambda: method(asked))
                else:
                    self.say({"ok": True, "result": method(asked)})
            except BadRequest as error:
                self.refuse(error)

    def method(self):
        """What the path names. Raises BadRequest for a wrong token or method."""
        found = re.fullmatch(r"/bot([^/]+)/(\w+)(?:\?.*)?", self.path)
        if not found or not re.fullmatch(r"\d+:[\w-]+", found[1]):
            raise BadRequest("Not Found", 404)
        if found[1] != TOKEN:
            raise BadRequest("Unauthorized", 401)
        method = getattr(self.server.owner, f"method_{found[2].lower()}", None)
        if method is None:
            raise BadRequest("Not Found: method not found", 404)
        return method

    def parameters(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = self.headers.get_content_type()
        if kind == "application/json":
            return json.loads(body or b"{}")
        if kind == "multipart/form-data":
            whole = BytesParser(policy=HTTP).parsebytes(
                b"content-type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + body
            )
            return {
                part.get_param("name", header="content-disposition"): part.get_content()
                for part in whole.iter_parts()
            }
        return {
            name: values[-1]
            for name, values in parse_qs(body.decode() or self.path.partition("?")[2]).items()
        }

    def refuse(self, error):
        said = {"ok": False, "error_code": error.code, "description": error.description}
        self.say({**said, **({"parameters": error.parameters} if error.parameters else {})}, error.code)

    def say(self, value, code=200):
        self.answer(code, json.dumps(value).encode(), "application/json")

    def answer(self, code, body, kind):
        self.send_response(code)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class BotApi:
    """The server. ``clock`` (a `StoppedClock`) makes it count seconds; without one nothing is too fast."""

    def __init__(self, clock=None):
        self.clock, self.lock = clock, threading.Lock()
        self.chats, self.requests, self.behaviours = defaultdict(lambda: None), [], deque()
        self._number = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def next(self, *behaviours):
        """Behave so at the next requests; None is as usual."""
        self.behaviours.extend(behaviours)

    def taken(self):
        """Every text that was taken, of every chat, in order."""
        return [text for chat in self.chats.values() if chat for text in chat.texts]

    def method_getme(self, asked):
        return {"id": 123456789, "is_bot": True, "first_name": "Svodka", "username": "svodka_bot"}

    def method_sendmessage(self, asked):
        key = asked.get("chat_id")
        key = int(key) if re.fullmatch(r"-?\d+", str(key)) else key
        chat = self.chats[key]
        if chat is None:
            raise BadRequest("Bad Request: chat not found")
        if chat.trouble is not None:
            raise chat.trouble
        text = str(asked.get("text", ""))
        plain, entities = parsed(text) if asked.get("parse_mode") == "HTML" else (text, [])
        if not plain.strip():
            raise BadRequest("Bad Request: message text is empty")
        if units(plain) > 4096:
            raise BadRequest("Bad Request: message is too long")
        self._count(chat)
        chat.texts.append(plain)
        self._number += 1
        return {"message_id": self._number, "date": 0, "chat": {"id": key, "type": chat.kind}, "text": plain,
                "entities": [{"type": one} for one in entities[:100]]}  # fmt: skip

    def _count(self, chat):
        if self.clock is None:
            return
        now = self.clock.now()
        recent = [
            at for one in self.chats.values() if one for at in one.times if (now - at).total_seconds() < 1
        ]
        own = [at for at in chat.times if (now - at).total_seconds() < 1]
        minute = [at for at in chat.times if (now - at).total_seconds() < 60]
        if own and chat.kind == "private":
            raise BadRequest("Too Many Requests: retry after 1", 429, retry_after=1)
        if len(recent) >= 30:
            raise BadRequest("Too Many Requests: retry after 1", 429, retry_after=1)
        if len(minute) >= 20 and chat.kind != "private":
            raise BadRequest("Too Many Requests: retry after 37", 429, retry_after=37)
        chat.times.append(now)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
