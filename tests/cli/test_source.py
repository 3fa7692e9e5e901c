"""`svodka source`: what is good is kept, what is bad is named, and the database stays whole."""

import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import func, select

from services.schema import Post, Source

NOW = datetime.now(UTC)
ITEM = "<item><guid>{0}</guid><title>{1}</title><description>{2}</description><pubDate>{3}</pubDate></item>"
TEXTS = (
    ("Bridge shut", "The bridge over the Luhva was shut for lorries until the end of May."),
    ("Mill on fire", "A fire at the paper mill on Zavodska street sent three workers to hospital."),
    ("Bus fare", "The council of Solvych raised the bus fare to 18 hryvnias from January."),
)
FEED = (
    "<?xml version='1.0'?><rss version='2.0'><channel><title>Courier</title>"
    + "".join(
        ITEM.format(number, title, text, format_datetime(NOW - timedelta(hours=number + 1)))
        for number, (title, text) in enumerate(TEXTS)
    )
    + "</channel></rss>"
)
LAUGHS = (
    "<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'>"
    + "".join(f"<!ENTITY lol{n} '{f'&lol{n - 1 or str()};' * 10}'>" for n in range(1, 10))
    + "]><rss version='2.0'><channel><title>&lol9;</title><item><guid>1</guid></item></channel></rss>"
)


@pytest.fixture
def feed_url():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = FEED.encode() if self.path.startswith("/feed") else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/rss+xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/feed.xml"
        server.shutdown()
        thread.join()


def count(database, model):
    with database.transaction() as session:
        return session.scalar(select(func.count()).select_from(model))


def test_a_stranger_gets_their_own_feeds_digest(svodka, feed_url, tmp_path):
    added = svodka("source", "add", feed_url, "--name", "courier", "--json")
    assert (added.code, added.json["posts"]) == (0, 3)
    assert svodka("subscribe").code == 0
    made = svodka("digest", "run")
    assert made.code == 0, made.err
    assert "fire at the paper mill" in made.out
    assert list((tmp_path / "var" / "digests").glob("*.html"))
    listed = svodka("digest", "list", "--json").json
    assert [(row["state"], row["decision"]) for row in listed] == [("done", "ship")]
    run = str(listed[0]["run"])
    assert "identical" in svodka("replay", run).out
    assert svodka("replay", run, "--set", "max_stories=1", "--json").json["identical"] is False
    assert svodka("digest", "show", run, "--manifest").json["decision"] == "ship"
    fates = svodka("why", "courier/1", "--json").json["fates"]
    assert [fate["run"] for fate in fates] == [int(run)]
    assert svodka("dlq", "list").out.strip() == "No dead letters."
    for form in ("markdown", "html", "json", "telegram"):
        assert "Zavodska" in svodka("digest", "show", run, "--form", form).out


def test_a_private_address_is_refused_with_the_setting_that_allows_it(svodka, feed_url, monkeypatch):
    monkeypatch.delenv("SVODKA_ALLOW_PRIVATE_ADDRESSES")
    answer = svodka("source", "add", feed_url, "--name", "courier")
    assert answer.code == 1
    assert "127.0.0.1" in answer.out
    row = svodka("source", "list", "--json").json[0]
    assert row["failures"] == 1
    assert "SVODKA_ALLOW_PRIVATE_ADDRESSES" in row["last_error"] + answer.out


def test_a_feed_that_is_down_is_kept_with_its_health(svodka, feed_url):
    answer = svodka("source", "add", feed_url.replace("/feed", "/gone"), "--name", "gone")
    assert answer.code == 1
    assert "404" in answer.out
    assert svodka("source", "list", "--json").json[0]["failures"] == 1
    assert svodka("source", "fetch", "gone").code == 1
    assert svodka("dlq", "list").out.strip() == "No dead letters."


def test_the_same_feed_is_not_added_twice(svodka, feed_url):
    assert svodka("source", "add", feed_url, "--name", "one").code == 0
    again = svodka("source", "add", feed_url, "--name", "two")
    assert again.code == 2
    assert "already" in again.err


def message(number, text):
    return {
        "id": number, "type": "message", "date": "2026-11-20T10:00:00", "date_unixtime": "1795082400",
        "from": "Channel", "from_id": "channel1", "text": text, "text_entities": [],
    }  # fmt: skip


def export(*messages):
    return json.dumps(
        {"name": "Канал", "type": "public_channel", "id": 1, "messages": messages}, ensure_ascii=False
    )


BROKEN = {
    "truncated.json": (
        export(*(message(n, f"Post number {n} of a long export.") for n in range(50)))[:-900],
        "byte",
    ),
    "binary.jsonl": (bytes(range(256)) * 40, "binary"),
    "empty.json": ("", "empty"),
    "laughs.xml": (LAUGHS, "entit"),
    "page.html": ("<!doctype html><html><body>Hello</body></html>", "web page"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_file_says_what_and_where_and_leaves_the_database_whole(svodka, database, tmp_path, name):
    body, word = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    answer = svodka("source", "import", path)
    assert answer.code == 1
    assert name in answer.out
    assert word in answer.out.lower()
    assert "Traceback" not in answer.out + answer.err
    good = count(database, Post)
    assert (good > 20) == (name == "truncated.json")
    assert svodka("source", "list").code == 0


def test_the_good_lines_of_a_file_are_kept_and_the_bad_ones_listed(svodka, database, tmp_path):
    path = tmp_path / "lines.jsonl"
    good = {
        "id": "1",
        "text": "A line that is as it should be.",
        "at": "2026-11-20T10:00:00Z",
        "source": "wire",
    }
    lines = [
        json.dumps(good),
        "{not json",
        json.dumps({"id": "2", "text": "No time."}),
        json.dumps(good | {"id": "3"}),
    ]
    path.write_text("\n".join(lines))
    answer = svodka("source", "import", path, "--json")
    assert answer.code == 1
    (result,) = answer.json
    assert (result["new"], result["bad_count"], result["sources"]) == (2, 2, {"wire": 2})
    assert ["line 2" in bad["where"] or "line 3" in bad["where"] for bad in result["bad"]] == [True, True]
    assert count(database, Source) == 1


def test_importing_again_changes_nothing(svodka, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(export(message(1, "One message."), message(2, "Another message.")))
    assert svodka("source", "import", path, "--json").json[0]["new"] == 2
    again = svodka("source", "import", path, "--json").json[0]
    assert (again["new"], again["known"]) == (0, 2)


def test_a_watched_folder_is_read_and_read_again_when_it_changes(svodka, tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    old = (datetime.now(UTC) - timedelta(hours=1)).timestamp()

    def put(name, *messages):
        (folder / name).write_text(export(*messages))
        import os

        os.utime(folder / name, (old, old))

    put("one.json", message(1, "One message in a watched folder."))
    assert svodka("source", "add", folder).code == 0
    assert {row["name"]: row["posts"] for row in svodka("source", "list", "--json").json}["inbox"] == 0
    put(
        "two.json",
        message(1, "One message in a watched folder."),
        message(2, "Two messages in a watched folder."),
    )
    assert svodka("source", "fetch").code == 0
    assert sum(row["posts"] for row in svodka("source", "list", "--json").json) == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("source", "add", "ftp://x.example/feed"), "http(s)"),
        (("source", "fetch", "nobody"), "nobody"),
        (("source", "import", "/nonexistent.json"), "nonexistent"),
        (("subscribe", "--zone", "Mars/Olympus"), "time zone"),
        (("subscribe", "--cron", "often"), "cron"),
        (("subscribe", "--daily", "25:00"), "25:00"),
        (("subscribe", "--every", "6x"), "6x"),
        (("subscribe", "--channel", "pigeon"), "pigeon"),
        (("subscribe", "--set", "max_stores=3"), "max_stories"),
        (("subscribe", "--set", "max_stories=many"), "max_stories"),
        (("subscribe", "--since", "2026-11-18"), "zone"),
        (("digest", "run", "nothing"), "nothing"),
        (("digest", "show", "999"), "999"),
        (("replay", "x1"), "x1"),
        (("why", "nobody/1"), "nobody/1"),
        (("dlq", "show", "7"), "7"),
        (("dlq", "replay", "7"), "7"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(svodka, arguments, word):
    answer = svodka(*arguments)
    assert answer.code in {1, 2}
    assert word in answer.err
    assert "Traceback" not in answer.err
    assert svodka(*arguments, "--json").code == answer.code


def test_a_paused_source_is_fetched_again_when_it_is_resumed(svodka, feed_url):
    assert svodka("source", "add", feed_url, "--name", "courier").code == 0
    assert svodka("subscribe", "--source", "courier").code == 0
    assert "Subscriptions that name it: daily" in svodka("source", "pause", "courier").out
    assert "paused" in svodka("source", "list").out
    refused = svodka("source", "fetch", "courier")
    assert refused.code == 2
    assert "svodka source resume courier" in refused.err
    assert svodka("source", "fetch", "--json").json[0]["paused"]
    assert "is resumed" in svodka("source", "resume", "courier").out
    assert "was not paused" in svodka("source", "resume", "courier").out
    assert svodka("source", "fetch", "courier").code == 0


def test_a_removed_source_keeps_its_posts_and_a_purged_one_does_not(svodka, feed_url, database):
    assert svodka("source", "add", feed_url, "--name", "courier").code == 0
    assert "Its 3 posts are kept" in svodka("source", "remove", "courier").out
    assert count(database, Post) == 3
    assert svodka("source", "list", "--json").json == []
    assert svodka("source", "remove", "courier").code == 1
    again = svodka("source", "add", feed_url, "--name", "courier", "--json")
    assert again.json["posts"] == 3
    asked = svodka("source", "remove", "courier", "--purge")
    assert asked.code == 2
    assert "3 posts" in asked.err
    assert count(database, Post) == 3
    assert "deleted with 3 posts" in svodka("source", "remove", "courier", "--purge", "--yes").out
    assert (count(database, Post), count(database, Source)) == (0, 0)


def test_a_list_of_sources_fits_eighty_columns(svodka, feed_url, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert svodka("source", "add", feed_url, "--name", "courier").code == 0
    out = svodka("source", "list").out.splitlines()
    assert len(out) == 2
    assert all(len(line) <= 80 for line in out)
