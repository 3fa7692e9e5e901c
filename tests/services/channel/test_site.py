"""Pages of digests, and the list of them."""

from dataclasses import replace

import pytest
from selectolax.lexbor import LexborHTMLParser

from domains.errors import Unavailable
from services.channel import site
from services.channel.site import PageChannel
from services.render import Renderer
from tests.services.digestdesk import hostile, trilingual


@pytest.fixture(scope="module")
def parcel():
    return replace(Renderer().parcel(trilingual(), key="run-12-page", run=12), series="daily-3")


def links(folder):
    page = LexborHTMLParser((folder / "index.html").read_text("utf-8"))
    return [(one.attributes["href"], one.text()) for one in page.css("ol.digests a")]


def test_a_digest_has_its_page_and_is_listed(parcel, tmp_path):
    receipt = PageChannel(tmp_path).send(parcel, "anna")
    folder = tmp_path / "pages" / "anna" / "daily-3"
    name = "2026-11-02_run-12-page.html"
    assert receipt.where == (str(folder / name), str(folder / "index.html"))
    assert (folder / name).read_text("utf-8") == parcel.html
    assert links(folder) == [(name, parcel.title)]


def test_the_newest_come_first_and_the_list_ends(parcel, tmp_path, monkeypatch):
    monkeypatch.setattr(site, "LISTED", 2)
    for run in (13, 11, 12, 12):
        PageChannel(tmp_path).send(replace(parcel, key=f"run-{run}-page"), "")
    folder = tmp_path / "pages" / "daily-3"
    assert [href for href, _ in links(folder)] == [
        "2026-11-02_run-13-page.html",
        "2026-11-02_run-12-page.html",
    ]
    assert len(list(folder.glob("2026*"))) == 3


def test_nothing_runs_and_nothing_is_loaded(tmp_path):
    parcel = replace(Renderer().parcel(hostile(), key="run-1-page", run=1), series="daily-1")
    PageChannel(tmp_path).send(parcel, "")
    folder = tmp_path / "pages" / "daily-1"
    text = (folder / "index.html").read_text("utf-8")
    page = LexborHTMLParser(text)
    assert page.css("script, img, link, iframe") == []
    policy = page.css_first("meta[http-equiv=Content-Security-Policy]").attributes["content"]
    assert policy.startswith("default-src 'none'")
    assert [href for href, _ in links(folder)] == ["2026-11-02_run-1-page.html"]


def test_a_list_that_cannot_be_read_is_left_as_it_is(parcel, tmp_path):
    folder = tmp_path / "pages" / "daily-3"
    folder.mkdir(parents=True)
    (folder / "index.json").write_text("{")
    with pytest.raises(Unavailable, match="cannot be read"):
        PageChannel(tmp_path).send(parcel, "")
    assert (folder / "index.json").read_text() == "{"
