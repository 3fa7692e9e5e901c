"""Feeds as they come: every format, every encoding, every lie."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains import limits
from domains.errors import InputError, TooLarge
from domains.post import Bad, Entry
from services.feed import parse

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
URL = "https://news.example/feeds/all.xml"
RSS = """<?xml version="1.0" encoding="{encoding}"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:media="http://search.yahoo.com/mrss/">
<channel><title>Новости</title><link>https://news.example/</link>
{items}
</channel></rss>"""
BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [
 <!ENTITY lol "lol">
 <!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
 <!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">
]>
<rss version="2.0"><channel><item><title>&lol2;</title></item></channel></rss>"""


def rss(*items, encoding="utf-8"):
    return RSS.format(items="\n".join(items), encoding=encoding).encode(encoding)


def item(**tags):
    known = {"title": "Title", "guid": "g1", "pubDate": "Mon, 02 Nov 2026 12:30:00 +0200", **tags}
    inner = "".join(
        f"<{name.replace('_', ':')}>{value}</{name.replace('_', ':')}>"
        for name, value in known.items()
        if value is not None
    )
    return f"<item>{inner}</item>"


def read(body, content_type=None, url=URL, now=NOW):
    return list(
        parse(body if isinstance(body, bytes) else body.encode(), url=url, content_type=content_type, now=now)
    )


def one(**tags):
    (entry,) = read(rss(item(**tags)))
    return entry


def test_rss_2():
    entry = one(
        link="/2026/1?a=1&amp;b=2",
        description="short",
        content_encoded='<![CDATA[<p>Полный <a href="../x">текст</a>.</p><p>Второй абзац.</p><img src="/p.jpg">]]>',
        author="desk@luhva-courier.example (The Luhva Courier)",
    )
    assert entry == Entry(
        external_id="g1",
        at=datetime(2026, 11, 2, 10, 30, tzinfo=UTC),
        text="Полный текст.\nВторой абзац.",
        title="Title",
        url="https://news.example/2026/1?a=1&b=2",
        author="The Luhva Courier",
        links=("https://news.example/x",),
        media=entry.media,
    )
    assert [(media.kind, media.name, media.path) for media in entry.media] == [
        ("photo", "https://news.example/p.jpg", None)
    ]


def test_rss_1_and_rss_091_and_090():
    rdf = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
     xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><title>c</title></channel>
     <item rdf:about="https://a.example/1"><title>T</title><link>https://a.example/1</link><description>D</description>
     <dc:date>2026-11-02T10:30:00Z</dc:date><dc:creator>Ann</dc:creator></item></rdf:RDF>"""
    (entry,) = read(rdf)
    assert (entry.external_id, entry.title, entry.text, entry.author) == (
        "https://a.example/1",
        "T",
        "D",
        "Ann",
    )
    assert entry.at == datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
    old = """<?xml version="1.0"?><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://x/rss.dtd">
     <rss version="0.91"><channel><title>c</title><item><title>Caf&eacute;</title><link>https://a.example/2</link></item></channel></rss>"""
    (entry,) = read(old)
    assert (entry.title, entry.external_id, entry.flags) == (
        "Café",
        "https://a.example/2",
        ("no_id", "undated"),
    )


def test_atom():
    atom = """<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://base.example/blog/"><title>x</title>
    <entry><id>urn:1</id><title type="html">A &amp;lt; B &lt;i>q&lt;/i></title><link href="rel/1"/>
     <link rel="enclosure" href="a.mp3" type="audio/mpeg"/>
     <published>2026-11-01T00:00:00+02:00</published><updated>2026-11-02T00:00:00Z</updated><summary>s</summary>
     <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>one</p><p>two <a href="z">l</a></p></div></content>
     <author><name>Ann</name></author></entry>
    <entry><id>u2</id><title type="text">1 &lt;b&gt; 2</title><updated>2026-11-02T00:00:00Z</updated>
     <content type="text">plain &lt;lines&gt;
 stay</content></entry></feed>"""
    first, second = read(atom)
    assert (first.external_id, first.title, first.text) == ("urn:1", "A < B q", "one\ntwo l")
    assert (first.url, first.links) == ("https://base.example/blog/rel/1", ("https://base.example/blog/z",))
    assert (first.at, first.edited_at) == (
        datetime(2026, 10, 31, 22, tzinfo=UTC),
        datetime(2026, 11, 2, tzinfo=UTC),
    )
    assert [(media.kind, media.name, media.mime) for media in first.media] == [
        ("audio", "https://base.example/blog/a.mp3", "audio/mpeg")
    ]
    assert (second.title, second.text, second.external_id) == (
        "1 <b> 2",
        "plain <lines>\n stay",
        "https://base.example/blog/u2",
    )


def json_feed(*items, **more):
    return json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "t",
            "home_page_url": "https://h.example/",
            "items": list(items),
            **more,
        }
    )


def test_json_feed():
    found = read(
        json_feed(
            {"id": 1, "url": "/x", "title": "T", "content_html": '<p>hi</p><img src="/i.png">', "language": "uk-UA",
             "date_published": "2026-11-01T00:00:00+02:00", "date_modified": "2026-11-02T00:00:00Z",
             "authors": [{"name": "Ann"}], "external_url": "https://o.example/"},
            {"id": "2", "content_text": "a < b", "attachments": [{"url": "https://h.example/a.mp3", "mime_type": "audio/mpeg"}]},
            5,
            {},
        ),
        "application/feed+json",
    )  # fmt: skip
    first, second, *bad = found
    assert (first.external_id, first.url, first.text, first.lang, first.author) == (
        "1",
        "https://h.example/x",
        "hi",
        "uk",
        "Ann",
    )
    assert (first.at.day, first.edited_at.day, first.links) == (31, 2, ("https://o.example/",))
    assert [media.name for media in first.media] == ["https://h.example/i.png"]
    assert (second.text, second.flags, second.media[0].kind) == ("a < b", ("undated",), "audio")
    assert [one_bad.where for one_bad in bad] == [f"{URL}: item 3", f"{URL}: item 4"]


def test_a_truncated_json_feed_gives_its_whole_items():
    body = json_feed(*({"id": n, "content_text": f"t{n}"} for n in range(10)))
    *good, bad = read(body[: body.index('"t7"')])
    assert [entry.text for entry in good] == [f"t{n}" for n in range(7)]
    assert bad.where == f"{URL}: byte {body.index(chr(34) + 't7')}"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1251", "koi8-u", "utf-32"]
)
@pytest.mark.parametrize(
    "content_type", [None, "text/xml", "application/rss+xml; charset=iso-8859-1", "text/html"]
)
def test_encodings_survive_whatever_is_declared(encoding, content_type):
    text = RSS.format(items=item(title="Привіт, світе"), encoding="utf-8" if "utf" in encoding else encoding)
    (entry,) = read(text.encode(encoding), content_type if "utf" in encoding else None)
    assert entry.title == "Привіт, світе"


def test_a_wrongly_declared_or_broken_encoding_still_reads():
    body = RSS.format(items=item(title="Привіт, світе, це довгий заголовок"), encoding="utf-8")
    assert read(body.encode("cp1251"))[0].title == "Привіт, світе, це довгий заголовок"
    assert (
        read(
            RSS.format(items=item(title="Café"), encoding="iso-8859-1")
            .replace("Новости", "n")
            .encode("cp1252")
        )[0].title
        == "Café"
    )
    assert (
        read(
            RSS.format(items=item(title="日本語"), encoding="iso-2022-jp")
            .replace("Новости", "n")
            .encode("iso2022_jp")
        )[0].title
        == "日本語"
    )
    assert (
        read(RSS.format(items=item(title="Т" * 100 + "€"), encoding="punycode").encode()[:-1])[0].title
        == "Т" * 100 + "€"
    )
    broken = rss(item(title="Ціна" * 30)).replace("Ціна".encode(), "Ціна".encode()[:-1], 1)
    assert read(broken)[0].title.endswith("Ціна" * 29)


def test_control_characters_do_not_break_a_feed():
    assert read(rss(item(title="a\x0bb\x00c")))[0].title == "abc"


@pytest.mark.parametrize(
    "number", ["#xd800", "#55296", "#0", "#x110000", "#99999999999", "#" + "9" * 5_000, "#xFFFF"]
)
def test_references_to_no_character_do_not_break_a_feed(number):
    entries = read(rss(item(title=f"a&{number};b"), item(guid="2", title=f"<![CDATA[&{number} x]]> & y")))
    assert [entry.title for entry in entries if isinstance(entry, Entry)] == ["a\ufffdb", "\ufffd x & y"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("&lt;b&gt;Bold&lt;/b&gt; &amp;amp; more", "Bold & more"),
        ("<![CDATA[<b>Bold</b> &amp; more]]>", "Bold & more"),
        ("5 &lt; 6", "5 < 6"),
        ("a &amp;nbsp; b", "a b"),
        ("two\n lines", "two lines"),
        ("", None),
    ],
)
def test_markup_in_titles_is_taken_out(title, expected):
    assert one(title=title, description="x").title == expected


def test_ids_that_are_missing_are_made():
    linked, bare, other = read(
        rss(
            item(guid=None, link="https://a.example/1"),
            item(guid=None, title="A"),
            item(guid=None, title="B"),
        )
    )
    assert (linked.external_id, linked.flags) == ("https://a.example/1", ("no_id",))
    assert bare.external_id.startswith("sha256:")
    assert bare.external_id != other.external_id
    assert bare.external_id == read(rss(item(guid=None, title="A", description="edited")))[0].external_id


def test_an_id_shared_by_different_items_is_no_id():
    first, second = read(
        rss(item(link="https://a.example/1"), item(link="https://a.example/2", title="Other"))
    )
    assert [first.external_id, second.external_id] == ["https://a.example/1", "https://a.example/2"]
    assert first.flags == second.flags == ("id_reused",)


def test_a_link_shared_by_items_without_ids_is_no_id():
    found = read(
        rss(
            item(guid=None, link="https://a.example/", title="A"),
            item(guid=None, link="https://a.example/", title="B"),
        )
    )
    assert len({entry.external_id for entry in found}) == 2


def test_an_id_given_twice_is_an_edit_and_the_newest_stays():
    older = item(title="Old", link="https://a.example/1")
    newer = item(title="New", link="https://a.example/1", pubDate="Mon, 02 Nov 2026 13:30:00 +0200")
    assert [entry.title for entry in read(rss(older, newer))] == ["New"]
    assert [entry.title for entry in read(rss(newer, older))] == ["New"]


def test_a_long_id_is_shortened_the_same_way_each_time():
    assert one(guid="x" * 9_000).external_id == one(guid="x" * 9_000).external_id
    assert len(one(guid="x" * 9_000).external_id) < 100


def test_an_id_that_is_no_address_is_no_link():
    assert one(guid="g1").url is None
    assert one(guid="https://a.example/p").url == "https://a.example/p"


@pytest.mark.parametrize(
    ("date", "at", "flags"),
    [
        (None, NOW, ("undated",)),
        ("yesterday-ish", NOW, ("undated",)),
        ("Mon, 01 Jan 0001 00:00:00 GMT", NOW, ("undated",)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", NOW, ("undated",)),
        ("Fri, 02 Nov 2029 10:30:00 GMT", NOW, ("future",)),
        ("Mon, 02 Nov 2026 10:30:00", datetime(2026, 11, 2, 10, 30, tzinfo=UTC), ()),
        ("2026-11-02T10:30:00", datetime(2026, 11, 2, 10, 30, tzinfo=UTC), ()),
        ("2026-11-02 12:30:00 +0200", datetime(2026, 11, 2, 10, 30, tzinfo=UTC), ()),
        ("Tue, 10 Nov 2026 12:05:00 GMT", NOW + timedelta(minutes=5), ()),
    ],
)
def test_odd_dates(date, at, flags):
    entry = one(pubDate=date)
    assert (entry.at, entry.flags) == (at, flags)


def test_enclosures_and_media():
    body = rss(
        f"<item><title>t</title><guid>1</guid><pubDate>{'Mon, 02 Nov 2026 12:30:00 +0200'}</pubDate>"
        '<enclosure url="https://a.example/e.mp3" type="audio/mpeg" length="1"/>'
        '<media:content url="https://a.example/v" medium="video"/><media:content url="/p.png" type="image/png"/></item>'
    )
    assert [(media.kind, media.name) for media in read(body)[0].media] == [
        ("audio", "https://a.example/e.mp3"),
        ("video", "https://a.example/v"),
        ("photo", "https://news.example/p.png"),
    ]


def test_malformed_xml_keeps_what_can_be_read_and_names_the_line():
    body = rss(item(guid="1"), item(guid="2", title="A & B"), item(guid="3"))
    *good, bad = read(body)
    assert [entry.external_id for entry in good] == ["1", "2", "3"]
    assert good[1].title == "A & B"
    assert bad.where == f"{URL}: line 6"
    assert "malformed XML" in bad.why


def test_a_cut_feed_keeps_its_whole_items():
    body = rss(*(item(guid=f"g{n}") for n in range(20)))
    *good, bad = read(body[: body.index(b"<guid>g15")])
    assert [entry.external_id for entry in good][:15] == [f"g{n}" for n in range(15)]
    assert "malformed" in bad.why


def test_what_a_broken_server_prints_before_a_feed_is_passed_over():
    body = b"\n<br />\n<b>Warning</b>: mysql_connect() in /x.php\n" + rss(item())
    assert read(body)[0].external_id == "g1"
    assert read(b"\n\n" + rss(item()))[0].external_id == "g1"


def test_an_item_without_anything_is_named():
    (bad,) = read(rss("<item></item>"))
    assert bad == Bad(f"{URL}: item 1", "neither title nor text nor files")


def test_an_empty_feed_is_a_feed():
    assert read(rss()) == []
    assert read(json_feed()) == []


def test_items_are_capped(monkeypatch):
    monkeypatch.setattr(limits, "ENTRY_COUNT", 3)
    *good, bad = read(rss(*(item(guid=f"g{n}") for n in range(5))))
    assert (len(good), bad.where) == (3, f"{URL}: item 4")
    assert len(read(rss(*(item(guid=f"g{n}") for n in range(3))))) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("prefix", ["", "<!-- <rss> -->", "\n\n"])
def test_billion_laughs_is_refused(encoding, prefix):
    body = BILLION_LAUGHS.replace("<!DOCTYPE", prefix + "<!DOCTYPE").encode(encoding)
    with pytest.raises(InputError, match="entities") as caught:
        read(body)
    assert "line" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://a.example/x.dtd"> %p;',
        '<!ENTITY a PUBLIC "x" "http://a.example/">',
        f'<!ENTITY a "{"x" * 5_000}">',
        "<!entity a '&b;'>",
    ],
)
def test_external_and_long_entities_are_refused(declared):
    body = f'<?xml version="1.0"?><!DOCTYPE rss [{declared}]><rss version="2.0"><channel><item><title>&a;</title></item></channel></rss>'
    with pytest.raises(InputError, match="entities"):
        read(body)


def test_harmless_entities_of_old_feeds_are_read():
    body = '<!DOCTYPE rss [<!ENTITY copy2 "&#169;">\n<!ENTITY co "Inc.">]><rss version="2.0"><channel><item><title>&copy2; A &co; &nbsp;&laquo;x&raquo;</title></item></channel></rss>'
    (entry,) = read(body)
    assert entry.title == "© A Inc. «x»"


def test_an_entity_hidden_behind_a_false_root_expands_to_nothing():
    body = "<rss version='2.0'>" + BILLION_LAUGHS[21:]
    began = time.process_time()
    found = read(body)
    assert time.process_time() - began < 1
    assert [type(entry) for entry in found] == [Entry, Bad]
    assert "lollol" not in found[0].title


@pytest.mark.parametrize(
    ("body", "words", "remedy"),
    [
        (b"", "empty", "address"),
        (b"  \n", "empty", "address"),
        (b"%PDF-1.7 x", "a PDF", "address"),
        (b"\x89PNG\r\n", "PNG", "address"),
        (bytes(range(1, 256)) * 4, "binary", "address"),
        (b"hello", "text that begins 'hello'", "address"),
        (b"<svg></svg>", "root is <svg>", "address"),
        (b'{"items": {}}', 'without a list "items"', "address"),
        (b"[1]", "JSON", "address"),
        (b'{"a": ', "ends in the middle", "address"),
        (b"<!DOCTYPE html><html><body>x", "web page", "look for"),
        (
            b"<html><link rel=alternate type='application/rss+xml' href='/rss'>",
            "web page",
            "https://news.example/rss",
        ),
        (b"\n" * 100_000 + b"<rss>", "characters before", "address"),
    ],
)
def test_what_is_no_feed_is_told_with_a_remedy(body, words, remedy):
    with pytest.raises(InputError) as caught:
        read(body)
    assert words in str(caught.value)
    assert str(caught.value).startswith(URL)
    assert remedy in caught.value.remedy


def test_markup_that_would_take_minutes_is_refused():
    spaces = "".join(f"<a{n}:b xmlns:a{n}='http://x/{n}'>" for n in range(5_000))
    with pytest.raises(TooLarge, match="5000 namespaces"):
        read(f"<rss>{spaces}")
    with pytest.raises(TooLarge, match="tags"):
        read(b"<rss>" + b"<" * 1_000_001)


@pytest.mark.parametrize(
    "body",
    [
        b"<rss>" + b"<a " * 30_000,
        b"<rss><item><title>" + b"<b>" * 30_000,
        b"<rss><channel><item><description>" + b"&" * 200_000,
        b"<rss>" + b"<!--" * 100_000,
        b"<rss>" + b"<![CDATA[" * 100_000,
        b"<rss>" + b"<item>" * 30_000,
        b"<?" * 500_000,
        b"<!DOCTYPE x [" + b"] " * 500_000 + b"<rss>",
        b"<rss><item><description><![CDATA[" + b"<div>" * 100_000,
        b'{"items": ' + b"[" * 500_000,
    ],
)
def test_hostile_feeds_take_linear_time(body):
    began = time.process_time()
    try:
        read(body)
    except InputError as error:
        assert error.remedy  # noqa: PT017 - either outcome is right
    assert time.process_time() - began < 4


SNIPPETS = [
    "<item>", "</item>", "<title>", "</title>", "<![CDATA[", "]]>", "&amp;", "&", "<!--", "-->", "<!DOCTYPE rss [", "]>",
    "<?x", "?>", "<guid>", "<pubDate>", "9999-99-99", "<link>", "http://[", "<content:encoded>", "<description>", "xmlns:a='b'",
    "<entry>", "<feed xmlns='http://www.w3.org/2005/Atom'>", "<author>", "a@b.cc (", "<enclosure url='", "'/>", "\x00", "\ud83d\ude00",
    "<media:content url='//['/>", "<updated>", "<base64>", "<content type='application/octet-stream'>AAA", "<xhtml:div>", "<%", "<!x",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=8), max_size=12))
def test_any_markup_gives_entries_bads_or_an_input_error(parts):
    check("<rss version='2.0'><channel>" + "".join(parts))


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(
        [b"", b"<rss>", b"<?xml version='1.0' encoding='", b"<feed>", b'{"items": [', b"\xff\xfe"]
    ),
)
def test_any_bytes_give_entries_bads_or_an_input_error(noise, head):
    check(head + noise)


def check(body):
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        found = read(raw)
    except InputError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
        return
    for one_of in found:
        assert isinstance(one_of, Entry | Bad)
        if isinstance(one_of, Entry):
            assert one_of.at.utcoffset() == timedelta(0)
            assert one_of.external_id
            for text in (
                one_of.text,
                one_of.external_id,
                one_of.title or "",
                one_of.url or "",
                one_of.author or "",
            ):
                text.encode()
                assert "\x00" not in text
