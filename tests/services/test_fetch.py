"""The fetcher against a real server on loopback, which misbehaves in every way that was thought of."""

import contextlib
import gzip
import itertools
import socket
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli
import pytest

from domains import limits
from domains.errors import InputError, Refused, TooLarge, Unavailable
from services.clock import StoppedClock
from services.fetch import Fetcher, Politeness

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
# As long as nothing on a busy machine takes; where all is well, no time of it passes.
ENOUGH_S = 30.0
FEED = b"<rss version='2.0'><channel><title>t</title></channel></rss>" * 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        path = self.path.split("?")[0]
        page = self.server.pages.get(path)
        try:
            if callable(page):
                page(self)
            elif page is None:
                self.answer(404, b"no such page")
            else:
                self.answer(*page)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def handle(self):
        # A client that has seen enough hangs up.
        with contextlib.suppress(ConnectionResetError):
            super().handle()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, chunks, **headers):
        self.close_connection = True
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("connection", "close")
        self.end_headers()
        for chunk in chunks:
            if self.server.stop.wait(0.02 if len(chunk) < 10 else 0):
                return
            self.wfile.write(chunk)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.seen, self.stop = {}, [], threading.Event()

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.server_port}{path}"

    def paths(self):
        return [path for path, _ in self.seen if path != "/robots.txt"]


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.stop.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def clock():
    return StoppedClock(NOW)


def fetcher(clock, **options):
    known = {"allow_private": True, "host_interval_s": 0, "deadline_s": ENOUGH_S, **options}
    return Fetcher("Svodka/0.1 (+https://example.org/bot)", clock=clock, **known)


def test_a_plain_answer_comes_with_what_the_next_request_needs(server, clock):
    server.pages["/feed"] = lambda h: h.answer(
        200,
        FEED,
        content_type="application/rss+xml",
        etag='"v1"',
        last_modified="Mon, 09 Nov 2026 10:00:00 GMT",
    )
    got = fetcher(clock).get(server.url("/feed"))
    assert (got.status, got.body, got.content_type) == (200, FEED, "application/rss+xml")
    assert (got.etag, got.modified) == ('"v1"', "Mon, 09 Nov 2026 10:00:00 GMT")
    assert (got.moved_to, got.not_modified, got.retry_after_s) == (None, False, None)
    headers = dict(server.seen)["/feed"]
    assert headers["user-agent"].startswith("Svodka/0.1")
    assert headers["accept-encoding"] == "gzip, deflate, br"
    assert headers["host"] == f"127.0.0.1:{server.server_port}"


def test_a_conditional_request_is_answered_not_modified(server, clock):
    def page(h):
        h.answer(304 if h.headers["if-none-match"] == '"v1"' else 200, b"", etag='"v1"')

    server.pages["/feed"] = page
    one = fetcher(clock)
    assert not one.get(server.url("/feed")).not_modified
    again = one.get(server.url("/feed"), etag='"v1"', modified="Mon, 09 Nov 2026 10:00:00 GMT")
    assert (again.not_modified, again.body, again.status) == (True, b"", 304)
    assert server.seen[-1][1]["if-modified-since"] == "Mon, 09 Nov 2026 10:00:00 GMT"


def test_a_hostile_validator_is_not_sent_back(server, clock):
    server.pages["/feed"] = (200, FEED)
    fetcher(clock).get(server.url("/feed"), etag='"a"\r\nx-evil: 1', modified="é")
    headers = server.seen[-1][1]
    assert "x-evil" not in headers
    assert "if-none-match" not in headers
    assert "if-modified-since" not in headers


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(FEED)),
        ("gzip", gzip.compress(FEED[:100]) + gzip.compress(FEED[100:])),
        ("deflate", zlib.compress(FEED)),
        ("deflate", zlib.compress(FEED)[2:-4]),
        ("br", brotli.compress(FEED)),
        ("identity", FEED),
        ("gzip, br", brotli.compress(gzip.compress(FEED))),
    ],
    # A gzip header holds the time: as part of a test's name it would differ between two workers.
    ids=["gzip", "two members", "zlib", "raw deflate", "br", "identity", "gzip, then br"],
)
def test_every_coding_that_is_asked_for_is_read(server, clock, coding, packed):
    server.pages["/feed"] = lambda h: h.answer(200, packed, content_encoding=coding)
    assert fetcher(clock).get(server.url("/feed")).body == FEED


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_broken_and_truncated_compression_is_told_apart(server, clock, coding):
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}[coding](FEED)
    server.pages["/broken"] = lambda h: h.answer(200, b"\xff" * 50, content_encoding=coding)
    server.pages["/short"] = lambda h: h.answer(200, packed[:-6], content_encoding=coding)
    server.pages["/odd"] = lambda h: h.answer(200, packed, content_encoding="zstd")
    one = fetcher(clock)
    with pytest.raises(InputError, match="broken compressed data"):
        one.get(server.url("/broken"))
    with pytest.raises(Unavailable, match="ended early"):
        one.get(server.url("/short"))
    with pytest.raises(InputError, match="zstd"):
        one.get(server.url("/odd"))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_bomb_stops_at_the_cap(server, clock, coding):
    compress = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}[coding]
    bomb = compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    server.pages["/bomb"] = lambda h: h.answer(200, bomb, content_encoding=coding)
    began = time.process_time()
    with pytest.raises(TooLarge, match="larger than 1000000 bytes"):
        fetcher(clock, cap_bytes=1_000_000).get(server.url("/bomb"))
    assert time.process_time() - began < 1


def test_an_endless_stream_stops_at_the_cap(server, clock):
    server.pages["/endless"] = lambda h: h.stream(itertools.repeat(b"x" * 65536))
    with pytest.raises(TooLarge) as caught:
        fetcher(clock, cap_bytes=1_000_000).get(server.url("/endless"))
    assert caught.value.remedy


def test_a_dripping_body_ends_at_the_deadline(server, clock):
    server.pages["/drip"] = lambda h: h.stream(itertools.repeat(b"x"))
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"no full answer in 0\.4 s") as caught:
        fetcher(clock, deadline_s=0.4).get(server.url("/drip"))
    assert time.monotonic() - began < ENOUGH_S
    assert caught.value.__cause__ is not None


def test_dripping_headers_end_at_the_deadline(server, clock):
    def page(h):
        h.close_connection = True
        h.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in itertools.count():
            if h.server.stop.wait(0.02):
                return
            h.wfile.write(b"x-%d: 1\r\n" % number)

    server.pages["/drip"] = page
    began = time.monotonic()
    with pytest.raises(Unavailable):
        fetcher(clock, deadline_s=0.4).get(server.url("/drip"))
    assert time.monotonic() - began < ENOUGH_S


def test_a_slow_resolver_ends_at_the_deadline(clock):
    hold = threading.Event()

    def resolver(host, port):
        hold.wait(10)
        return ["127.0.0.1"]

    with pytest.raises(Unavailable, match="not resolved"):
        fetcher(clock, deadline_s=0.2, resolver=resolver).get("http://slow.example/feed")
    hold.set()


def test_a_body_cut_short_is_an_outage(server, clock):
    def page(h):
        h.close_connection = True
        h.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc")

    server.pages["/cut"] = page
    with pytest.raises(Unavailable, match="connection broke"):
        fetcher(clock).get(server.url("/cut"))


def test_nobody_listening_is_an_outage_with_its_cause(clock):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            fetcher(clock).get(f"http://127.0.0.1:{port}/feed")
    assert caught.value.__cause__ is not None


def test_an_unknown_name_is_an_outage(clock):
    def resolver(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unavailable, match=r"nowhere\.example: its name cannot be resolved"):
        fetcher(clock, resolver=resolver).get("http://nowhere.example/feed")


def test_permanent_redirects_say_where_the_feed_moved(server, clock):
    server.pages["/old"] = lambda h: h.answer(301, location="/older")
    server.pages["/older"] = lambda h: h.answer(308, location=server.url("/feed"))
    server.pages["/feed"] = (200, FEED)
    got = fetcher(clock).get(server.url("/old"))
    assert (got.moved_to, got.final_url, got.body) == (server.url("/feed"), server.url("/feed"), FEED)


def test_a_temporary_redirect_ends_the_move(server, clock):
    server.pages["/old"] = lambda h: h.answer(301, location="/new")
    server.pages["/new"] = lambda h: h.answer(302, location="/today")
    server.pages["/today"] = lambda h: h.answer(301, location="/feed")
    server.pages["/feed"] = (200, FEED)
    got = fetcher(clock).get(server.url("/old"))
    assert (got.moved_to, got.final_url) == (server.url("/new"), server.url("/feed"))


def test_redirects_are_bounded(server, clock):
    server.pages["/loop"] = lambda h: h.answer(302, location="/loop")
    with pytest.raises(Unavailable, match="redirects more than"):
        fetcher(clock).get(server.url("/loop"))
    assert len(server.paths()) == limits.REDIRECTS + 1


@pytest.mark.parametrize(
    "target", ["ftp://example.org/feed", "file:///etc/passwd", "gopher://x/", "mailto:a@b.example"]
)
def test_a_redirect_to_another_scheme_is_refused(server, clock, target):
    server.pages["/go"] = lambda h: h.answer(302, location=target)
    with pytest.raises(Refused, match="only http and https"):
        fetcher(clock).get(server.url("/go"))


@pytest.mark.parametrize("url", ["ftp://example.org/", "/feed", "http://", "http://[::1", "javascript:1", ""])
def test_what_is_no_http_address_is_refused(clock, url):
    with pytest.raises(Refused):
        fetcher(clock).get(url)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "100.64.0.1", "169.254.169.254", "192.168.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "::1",
     "fe80::1", "fd00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "ff02::1", "2001:db8::1"],
)  # fmt: skip
def test_private_addresses_are_refused_before_a_connection(clock, address):
    one = fetcher(clock, allow_private=False, resolver=lambda host, port: [address])
    with pytest.raises(Refused, match="rebind") as caught:
        one.get("http://rebind.example/feed")
    assert "ALLOW_PRIVATE" in caught.value.remedy


def test_one_private_address_among_public_ones_is_enough_to_refuse(clock):
    one = fetcher(clock, allow_private=False, resolver=lambda host, port: ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(Refused):
        one.get("http://mixed.example/feed")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_spellings_of_loopback_are_refused(server, clock, host):
    with pytest.raises((Refused, Unavailable)):
        fetcher(clock, allow_private=False).get(server.url("/feed", host))
    assert server.seen == []


def test_a_redirect_to_a_private_address_is_refused(server, clock):
    server.pages["/go"] = lambda h: h.answer(302, location="http://inside.example/secret")
    answers = {"out.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
    one = fetcher(clock, allow_private=False, resolver=lambda host, port: answers[host])
    # Loopback stands for the public address that a test cannot have.
    one._guard = Loopback(one._guard)
    with pytest.raises(Refused, match=r"inside\.example"):
        one.get(server.url("/go", "out.example"))
    assert server.paths() == ["/go"]


class Loopback:
    """A guard that also lets 127.0.0.1 pass."""

    def __init__(self, guard):
        self.guard = guard

    def addresses(self, host, port, timeout_s):
        found = self.guard.resolver(host, port)
        return found if found == ["127.0.0.1"] else self.guard.addresses(host, port, timeout_s)


def test_a_name_that_changes_its_address_is_connected_where_it_was_checked(server, clock):
    server.pages["/feed"] = (200, FEED)
    asked = []

    def resolver(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    one = fetcher(clock, allow_private=False, resolver=resolver)
    guard = one._guard = Loopback(one._guard)
    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        one.get(server.url("/feed", "rebind.example"))
    # robots.txt went where its one lookup led; the feed's own lookup (the stand-in's, then the guard's) was refused.
    assert asked == ["rebind.example"] * 3
    assert server.paths() == []
    assert guard.guard.allow_private is False


def test_the_name_stays_in_the_host_header_when_the_address_is_given(server, clock):
    server.pages["/feed"] = (200, FEED)
    one = fetcher(clock, resolver=lambda host, port: ["127.0.0.1"])
    one.get(server.url("/feed", "news.example"))
    assert server.seen[-1][1]["host"] == f"news.example:{server.server_port}"


def test_the_name_stays_in_the_tls_greeting(clock):
    greetings = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    greetings.append(peer.recv(4096))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        one = fetcher(clock, resolver=lambda host, port: ["127.0.0.1"])
        with pytest.raises(Unavailable):
            one.get(f"https://news.example:{listener.getsockname()[1]}/feed")
        thread.join(5)
    assert greetings
    assert all(b"news.example" in greeting for greeting in greetings)


def test_the_next_address_is_tried_when_one_does_not_answer(server, clock):
    server.pages["/feed"] = (200, FEED)
    one = fetcher(clock, resolver=lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert one.get(server.url("/feed", "two.example")).body == FEED


def test_robots_txt_is_honoured_and_asked_for_once(server, clock):
    rules = b"User-agent: *\nDisallow: /private/\n\nUser-agent: svodka\nDisallow: /not-svodka/\n"
    server.pages["/robots.txt"] = (200, rules)
    server.pages["/feed"] = server.pages["/not-svodka/feed"] = (200, FEED)
    one = fetcher(clock)
    assert one.get(server.url("/feed")).body == FEED
    with pytest.raises(Refused, match=r"robots\.txt"):
        one.get(server.url("/not-svodka/feed"))
    assert [path for path, _ in server.seen] == ["/robots.txt", "/feed"]
    clock.advance(days=2)
    one.get(server.url("/feed"))
    assert [path for path, _ in server.seen][2:] == ["/robots.txt", "/feed"]


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_robots_txt_that_is_not_there_forbids_nothing(server, clock, status):
    server.pages["/robots.txt"] = (status, b"User-agent: *\nDisallow: /")
    server.pages["/feed"] = (200, FEED)
    assert fetcher(clock).get(server.url("/feed")).body == FEED


def test_robots_txt_that_never_ends_leaves_time_for_the_feed(server, clock):
    server.pages["/robots.txt"] = lambda h: h.stream(itertools.repeat(b"#"))
    server.pages["/feed"] = (200, FEED)
    assert fetcher(clock, deadline_s=4.0).get(server.url("/feed")).body == FEED


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, Refused, "login"),
        (403, Unavailable, "forbids"),
        (404, Unavailable, "no such page"),
        (410, Refused, "gone"),
        (500, Unavailable, "500"),
        (503, Unavailable, "503"),
        (418, Unavailable, "418"),
        (204, Unavailable, "204"),
        (302, Unavailable, "302"),
    ],
)
def test_an_error_status_is_told_in_words(server, clock, status, error, words):
    server.pages["/feed"] = (status, b"")
    with pytest.raises(error, match=words) as caught:
        fetcher(clock).get(server.url("/feed"))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999999999", 86_400.0),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300.0),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=3), usegmt=True), 86_400.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_says_when_to_come_back(server, clock, status, header, wait_s):
    server.pages["/feed"] = lambda h: h.answer(status, b"later", retry_after=header)
    got = fetcher(clock).get(server.url("/feed"))
    assert (got.status, got.retry_after_s, got.body) == (status, wait_s, b"")


def test_a_retry_after_that_means_nothing_is_an_outage(server, clock):
    server.pages["/feed"] = lambda h: h.answer(429, b"", retry_after="soon")
    with pytest.raises(Unavailable):
        fetcher(clock).get(server.url("/feed"))


def test_a_host_is_not_asked_twice_in_its_interval(server, clock):
    server.pages["/a"] = server.pages["/b"] = (200, FEED)
    one = fetcher(clock, host_interval_s=10)
    assert one.get(server.url("/a")).status == 200
    clock.advance(seconds=4)
    later = one.get(server.url("/b"))
    assert (later.status, later.retry_after_s, later.body) == (0, 6.0, b"")
    assert server.paths() == ["/a"]
    clock.advance(seconds=6)
    assert one.get(server.url("/b")).status == 200


def test_a_crawl_delay_lengthens_the_interval(server, clock):
    server.pages["/robots.txt"] = (200, b"User-agent: *\nCrawl-delay: 30\n")
    server.pages["/a"] = (200, FEED)
    one = fetcher(clock, host_interval_s=1)
    one.get(server.url("/a"))
    assert one.get(server.url("/a")).retry_after_s == 30


def test_politeness_forgets_hosts_that_may_be_asked_again():
    polite = Politeness(5)
    for number in range(25_000):
        polite.asked(f"h{number}", NOW + timedelta(seconds=number))
    assert polite.wait_s("h0", NOW) == 0
    assert polite.wait_s("h24999", NOW + timedelta(seconds=24_999)) == 5


def test_a_password_in_an_address_is_sent_but_never_shown(server, clock):
    server.pages["/feed"] = (200, FEED)
    server.pages["/none"] = (404, b"")
    one = fetcher(clock)
    one.get(f"http://ann:hunter2@127.0.0.1:{server.server_port}/feed")
    assert server.seen[-1][1]["authorization"].startswith("Basic ")
    with pytest.raises(Unavailable) as caught:
        one.get(f"http://ann:hunter2@127.0.0.1:{server.server_port}/none")
    assert "hunter2" not in str(caught.value)


def test_environment_proxies_are_ignored(server, clock, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.pages["/feed"] = (200, FEED)
    assert fetcher(clock).get(server.url("/feed")).body == FEED
