"""Feeds of digests: read again by our own reader of feeds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import feedparser
import pytest
from defusedxml.ElementTree import fromstring
from selectolax.lexbor import LexborHTMLParser

from domains.errors import Unavailable
from domains.window import Window
from services.channel import atom
from services.channel.atom import AtomChannel
from services.render import Renderer
from tests.services.digestdesk import hostile, trilingual


@pytest.fixture(scope="module")
def parcel():
    return replace(Renderer().parcel(trilingual(), key="run-12-atom", run=12), series="daily-3")


def later(parcel, days):
    start, end = parcel.digest.window.start, parcel.digest.window.end
    moved = replace(parcel.digest, window=Window(start + timedelta(days=days), end + timedelta(days=days)))
    return replace(parcel, key=f"run-{12 + days}-atom", digest=moved)


def feed(root, name="daily-3"):
    return fromstring((root / "feeds" / f"{name}.atom").read_bytes())


def titles(root):
    return [one.findtext("{*}title") for one in feed(root).findall("{*}entry")]


def test_it_is_a_feed_that_readers_understand(parcel, tmp_path):
    receipt = AtomChannel(tmp_path, "https://digests.example/d/").send(parcel, "")
    path = tmp_path / "feeds" / "daily-3.atom"
    assert receipt.where == (str(path),)
    read = feedparser.parse(path.read_bytes())
    assert not read.bozo
    assert (read.version, read.feed.title, read.feed.author) == ("atom10", "daily", "Svodka")
    assert read.feed.updated == "2026-11-02T22:00:00Z"
    assert read.feed.links[0].href == "https://digests.example/d/feeds/daily-3.atom"
    (entry,) = read.entries
    assert (entry.title, entry.id) == (parcel.title, receipt.external_id)
    assert "<article" in entry.content[0].value
    assert "<script" not in entry.content[0].value


def test_what_atom_demands_is_there(parcel, tmp_path):
    """RFC 4287, 4.1.1 and 4.1.2: id, title, updated, author; an entry without an alternate link has content."""
    AtomChannel(tmp_path).send(parcel, "")
    root = feed(tmp_path)
    for element in (root, *root.findall("{*}entry")):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{{*}}{name}")) == 1
    assert root.findtext("{*}author/{*}name")
    assert root.find("{*}entry/{*}content").attrib == {"type": "html"}
    assert root.findall("{*}link") == []


def test_the_newest_comes_first_whatever_the_order_of_sending(parcel, tmp_path):
    channel = AtomChannel(tmp_path)
    for days in (2, 0, 1):
        channel.send(later(parcel, days), "")
    assert [one.findtext("{*}updated")[:10] for one in feed(tmp_path).findall("{*}entry")] == [
        "2026-11-04", "2026-11-03", "2026-11-02",
    ]  # fmt: skip


def test_sent_again_it_is_replaced(parcel, tmp_path):
    channel = AtomChannel(tmp_path)
    for days in (0, 1):
        channel.send(later(parcel, days), "")
    channel.send(replace(parcel, title="mended"), "")
    assert titles(tmp_path) == [parcel.title, "mended"]


def test_it_does_not_grow_for_ever(parcel, tmp_path, monkeypatch):
    monkeypatch.setattr(atom, "ENTRIES", 3)
    channel = AtomChannel(tmp_path)
    for days in range(6):
        channel.send(later(parcel, days), "")
    assert [one.findtext("{*}updated")[:10] for one in feed(tmp_path).findall("{*}entry")] == [
        "2026-11-07", "2026-11-06", "2026-11-05",
    ]  # fmt: skip


def test_each_subscription_has_a_feed_of_its_own(parcel, tmp_path):
    channel = AtomChannel(tmp_path)
    channel.send(parcel, "")
    receipt = channel.send(replace(parcel, series="daily-4"), "anna")
    assert receipt.where == (str(tmp_path / "feeds" / "anna" / "daily-4.atom"),)
    assert feed(tmp_path).findtext("{*}id") != feed(tmp_path, "anna/daily-4").findtext("{*}id")
    assert feed(tmp_path).findtext("{*}entry/{*}id") != feed(tmp_path, "anna/daily-4").findtext(
        "{*}entry/{*}id"
    )


def test_workers_who_write_one_feed_at_once_lose_nothing(parcel, tmp_path):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda days: AtomChannel(tmp_path).send(later(parcel, days), ""), range(12)))
    assert len(titles(tmp_path)) == 12


def test_hostile_text_is_text(tmp_path):
    parcel = replace(Renderer().parcel(hostile(), key="run-1-atom", run=1), series="daily-1")
    AtomChannel(tmp_path).send(parcel, "")
    body = feed(tmp_path, "daily-1").findtext("{*}entry/{*}content")
    page = LexborHTMLParser(body)
    assert page.css("script, img, iframe") == []
    assert not [one for one in page.css("a") if "javascript:" in (one.attributes["href"] or "")]


def test_a_file_that_is_no_feed_is_left_as_it_is(parcel, tmp_path):
    path = tmp_path / "feeds" / "daily-3.atom"
    path.parent.mkdir()
    for rubbish in (b"<feed", b'<!DOCTYPE x [<!ENTITY y "z">]><feed>&y;</feed>'):
        path.write_bytes(rubbish)
        with pytest.raises(Unavailable, match="no feed") as error:
            AtomChannel(tmp_path).send(parcel, "")
        assert "move it away" in error.value.remedy
        assert path.read_bytes() == rubbish
