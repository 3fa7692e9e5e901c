"""Telegram Desktop exports, in every form that was seen."""

import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains import limits
from domains.errors import InputError
from domains.post import Bad, Entry
from services.telegram import parse

AT = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
UNIX = int(AT.timestamp())
ABSENT = "(File not included. Change data exporting settings to download.)"
HERE = Path(__file__).parent / "data"


def message(number, text="", second=0, **more):
    return {
        "id": number,
        "type": "message",
        "date": "2026-11-02T12:30:00",
        "date_unixtime": str(UNIX + second),
        "from": "Канал",
        "from_id": "channel1",
        "text": text,
        **more,
    }


def chat(*messages, name="Новости Луги", kind="public_channel", number=1987400211):
    return {"name": name, "type": kind, "id": number, "messages": list(messages)}


def read(document, **options):
    body = (
        document
        if isinstance(document, bytes)
        else json.dumps(document, ensure_ascii=False, indent=1).encode()
    )
    return list(parse(Path("/nowhere/result.json"), file=io.BytesIO(body), **options))


def one(*messages, **about):
    (entry,) = read(chat(*messages, **about))
    return entry


def test_an_export_from_disk_is_read():
    found = list(parse(HERE / "channel.json"))
    assert [type(entry) for entry in found] == [Entry] * 5
    first, album, poll, forwarded, edited = found
    assert (first.external_id, first.source, first.author) == ("101", "тестовий-канал", None)
    assert first.text == "Перше речення. Посилання тут, а це https://b.example/x"
    assert first.links == ("https://a.example/page", "https://b.example/x")
    assert (album.external_id, len(album.media), album.text) == ("102", 2, "Два фото")
    assert album.media[0].path == str((HERE / "photos" / "photo_1.jpg").resolve())
    assert album.media[1].path is None
    assert poll.text == "Куди поїдемо?\n• На річку\n• У гори"
    assert (forwarded.forwarded_from, forwarded.reply_to) == ("Інший канал", "101")
    assert edited.edited_at == edited.at + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "plain", "links"),
    [
        ("просто", "просто", ()),
        (["a ", {"type": "bold", "text": "b"}, " c"], "a b c", ()),
        ([{"type": "link", "text": "https://a.example/1"}], "https://a.example/1", ("https://a.example/1",)),
        ([{"type": "link", "text": "a.example/1"}], "a.example/1", ("https://a.example/1",)),
        ([{"type": "text_link", "text": "w", "href": "https://a.example"}], "w", ("https://a.example",)),
        ([{"type": "text_link", "text": "w", "href": "tg://resolve?domain=x"}], "w", ()),
        (
            [{"type": "custom_emoji", "text": "🔥", "document_id": "x"}, {"type": "novelty", "text": "n"}],
            "🔥n",
            (),
        ),
        ([5, None, {"type": "bold"}, {"text": 7}], "", ()),
        ("", "", ()),
        (None, "", ()),
    ],
)
def test_both_forms_of_text(text, plain, links):
    entry = one(message(1, text))
    assert (entry.text, entry.links) == (plain, links)


def test_entities_give_the_links_of_a_plain_string_and_the_text_when_there_is_none():
    entities = [{"type": "text_link", "text": "тут", "href": "https://a.example/"}]
    entry = one(message(1, "тут", text_entities=entities))
    assert (entry.text, entry.links) == ("тут", ("https://a.example/",))
    late = message(1, text_entities=entities)
    del late["text"]
    assert one(late).text == "тут"


def test_an_export_without_unix_times_is_taken_as_utc_and_says_so():
    old = message(1, "x")
    del old["date_unixtime"]
    entry = one(old)
    assert (entry.at, entry.flags) == (datetime(2026, 11, 2, 12, 30, tzinfo=UTC), ("zone_assumed",))


def test_a_message_from_the_future_is_dated_now():
    (entry,) = read(chat(message(1, "x", second=7200)), now=AT)
    assert (entry.at, entry.flags) == (AT, ("future",))


def test_senders_are_authors_in_a_group_and_signatures_in_a_channel():
    assert one(message(1, "x"), kind="private_supergroup").author == "Канал"
    assert one(message(1, "x")).author is None
    assert one(message(1, "x", author="Редакторка")).author == "Редакторка"
    assert one(message(1, "x", **{"from": None}), kind="private_group").author is None


def test_replies_forwards_and_edits():
    entry = one(message(5, "x", reply_to_message_id=4, forwarded_from=None, edited_unixtime=str(UNIX + 60)))
    assert (entry.reply_to, entry.forwarded_from, entry.edited_at) == (
        "4",
        "unknown",
        AT + timedelta(minutes=1),
    )
    assert one(message(5, "x", reply_to_message_id=4, reply_to_peer_id="channel9")).reply_to is None


@pytest.mark.parametrize(
    ("more", "kind", "name"),
    [
        ({"photo": ABSENT, "width": 10, "height": 20}, "photo", "photo-1"),
        ({"photo": "photos/photo_1@02-11-2026.jpg"}, "photo", "photo_1@02-11-2026.jpg"),
        ({"file": ABSENT, "file_name": "звіт.pdf", "mime_type": "application/pdf"}, "file", "звіт.pdf"),
        ({"file": "files/a.png", "mime_type": "image/png"}, "photo", "a.png"),
        ({"file": ABSENT, "media_type": "voice_message", "mime_type": "audio/ogg"}, "audio", "audio-1"),
        ({"file": ABSENT, "media_type": "video_file", "file_name": ABSENT}, "video", "video-1"),
        ({"file": "s.webp", "media_type": "sticker", "sticker_emoji": "🙂"}, "sticker", "s.webp"),
        ({"file": 5, "media_type": []}, "file", "file-1"),
    ],
)
def test_files_are_named_whether_exported_or_not(more, kind, name):
    entry = one(message(1, **more))
    assert [(media.kind, media.name, media.path) for media in entry.media] == [(kind, name, None)]


def test_a_photo_outside_the_export_is_not_opened(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"x")
    folder = tmp_path / "export"
    folder.mkdir()
    path = folder / "result.json"
    path.write_text(json.dumps(chat(message(1, photo="../secret.jpg"))))
    (entry,) = parse(path)
    assert entry.media[0].path is None


def test_an_album_is_one_entry():
    photos = [message(n, photo=ABSENT) for n in range(1, 4)]
    photos[1]["text"] = "Підпис"
    entry = one(*photos)
    assert (entry.external_id, entry.text, [media.name for media in entry.media]) == (
        "1", "Підпис", ["photo-1", "photo-2", "photo-3"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "entries"),
    [
        ({"second": 1}, 2),
        ({"from_id": "channel2"}, 2),
        ({"forwarded_from": "X"}, 2),
        ({"reply_to_message_id": 1}, 2),
        ({"text": "own caption"}, 2),
        ({"photo": ABSENT, "type": "service"}, 1),
        ({}, 1),
    ],
)
def test_neighbours_that_only_look_like_an_album_stay_apart(change, entries):
    first = message(1, "caption", photo=ABSENT)
    second = message(2, **{"photo": ABSENT, **change})
    assert len(read(chat(first, second))) == entries


def test_text_without_a_photo_never_joins_and_an_album_has_at_most_ten():
    assert len(read(chat(message(1, photo=ABSENT), message(2, "t")))) == 2
    assert [len(entry.media) for entry in read(chat(*(message(n, photo=ABSENT) for n in range(12))))] == [
        10,
        2,
    ]


def test_photos_of_one_name_in_an_album_are_told_apart():
    entry = one(message(1, photo="photos/a.jpg"), message(2, photo="more/a.jpg"))
    assert [media.name for media in entry.media] == ["a.jpg", "2-a.jpg"]


def test_polls_in_old_and_new_form_and_places():
    new = {
        "question": [{"type": "plain", "text": "Q?"}],
        "answers": [{"text": ["a", {"type": "bold", "text": "!"}]}, 5],
    }
    assert one(message(1, poll=new)).text == "Q?\n• a!"
    assert one(message(1, "тут", place_name="Міст", address="Річкова, 1")).text == "тут\nМіст, Річкова, 1"


def test_service_messages_and_unsupported_ones_yield_nothing():
    assert (
        read(chat({"id": 1, "type": "service", "action": "pin_message"}, {"id": 2, "type": "unsupported"}))
        == []
    )


def test_an_account_gives_every_chat_its_own_source():
    document = {
        "about": "…",
        "personal_information": {"user_id": 1},
        "chats": {"about": "…", "list": [
            chat(message(1, "a")),
            chat(message(1, "b"), name="Друзі", kind="private_group", number=2),
            chat(message(1, "c"), number=3),
            chat(message(1, "d"), name=None, kind="personal_chat", number=4),
            chat(message(1, "e"), name=None, kind="saved_messages", number=5),
        ]},
        "left_chats": {"list": [chat(message(1, "f"), name="Left", number=6)]},
    }  # fmt: skip
    assert [(entry.source, entry.text) for entry in read(document)] == [
        ("новости-луги", "a"),
        ("друзі", "b"),
        ("новости-луги-3", "c"),
        ("chat4", "d"),
        ("saved-messages", "e"),
        ("left", "f"),
    ]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("text", "expected an object"),
        (7, "expected an object"),
        ({"type": "message"}, 'field "id"'),
        (message("7", "x"), 'field "id"'),
        ({**message(7, "x"), "id": True}, 'field "id"'),
        ({"id": 7, "type": "message", "date": "soon"}, "expected a time"),
        (message(7, "x" * (limits.ENTRY_BYTES + 1)), "larger than"),
    ],
)
def test_a_broken_message_is_named_and_the_rest_is_read(broken, why):
    first, bad, last = read(chat(message(1, "a"), broken, message(8, "b")))
    assert (first.text, last.text) == ("a", "b")
    assert why in bad.why
    assert bad.where.startswith("/nowhere/result.json: message ")


def test_a_truncated_export_gives_its_whole_messages_and_the_byte():
    body = json.dumps(chat(*(message(n, f"m{n}", second=n) for n in range(100)))).encode()
    for size in range(len(body) // 2, len(body), 997):
        *good, bad = read(body[:size])
        assert [entry.text for entry in good] == [f"m{n}" for n in range(len(good))]
        assert len(good) >= 40
        assert bad.where == f"/nowhere/result.json: byte {size}"
        assert "ends in the middle" in bad.why


def test_an_album_at_the_end_of_a_truncated_export_is_kept():
    body = json.dumps(chat(message(1, photo=ABSENT), message(2, "t", photo=ABSENT), message(3, "x"))).encode()
    album, bad = read(body[:-40])
    assert (album.text, len(album.media)) == ("t", 2)
    assert isinstance(bad, Bad)


@pytest.mark.parametrize("wrong", [b"xyz", b'"\xff\xfe"', b'"\\ud8"', b"01", b'{"a" 1}'])
@pytest.mark.parametrize("indent", [None, 1])
def test_broken_json_inside_names_its_byte(wrong, indent):
    body = json.dumps(chat(message(1, "a"), message(2, "MARK")), indent=indent, ensure_ascii=False).encode()
    at = body.index(b'"MARK"')
    *good, bad = read(body.replace(b'"MARK"', wrong))
    assert [entry.text for entry in good] == ["a"]
    byte = int(bad.where.rpartition(" ")[2])
    assert abs(byte - at) <= 12


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"hello",
        b"{",
        b"[]",
        b"{}",
        b'{"messages": {}}',
        b"\x00\x01",
        b'{"items": [1]}',
        b"<html>",
    ],
)
def test_what_is_no_export_is_refused_with_a_remedy(body):
    with pytest.raises(InputError) as caught:
        read(body)
    assert "/nowhere/result.json" in str(caught.value)
    assert "JSON" in caught.value.remedy


def test_a_missing_export_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        list(parse(tmp_path / "result.json"))


def test_a_byte_order_mark_is_no_matter():
    assert len(read(b"\xef\xbb\xbf" + json.dumps(chat(message(1, "a"))).encode())) == 1


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "result.json"
    with path.open("w") as file:
        file.write('{"name": "Big", "type": "public_channel", "id": 1, "messages": [')
        row = json.dumps(message(1, "word " * 100))
        file.write(",".join([row] * 15_000))
        file.write("]}")
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    try:
        assert sum(1 for _ in parse(path)) == 15_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "href", "id", "a"]), inner)
    ),
    max_leaves=6,
)
KEYS = [
    "id",
    "type",
    "date",
    "date_unixtime",
    "text",
    "text_entities",
    "photo",
    "file",
    "file_name",
    "media_type",
    "mime_type",
    "width",
    "height",
    "poll",
    "from",
    "author",
    "forwarded_from",
    "reply_to_message_id",
    "edited",
    "edited_unixtime",
    "place_name",
    "address",
]
messages = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, json_values))


@settings(max_examples=150)
@given(st.lists(messages | json_values, max_size=4))
def test_any_messages_give_entries_or_bads(rows):
    whole = [message(n, "x") | row if isinstance(row, dict) and n % 2 else row for n, row in enumerate(rows)]
    body = json.dumps(chat(*whole)).encode()
    for found in read(body):
        check(found)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 600))
def test_any_bytes_give_entries_bads_or_an_input_error(noise, at):
    body = json.dumps(chat(message(1, "a"), message(2, "b"))).encode()
    try:
        found = read(body[:at] + noise + body[at + len(noise) :])
    except InputError:
        return
    for one_of in found:
        check(one_of)


def check(found):
    assert isinstance(found, Entry | Bad)
    if isinstance(found, Entry):
        assert found.at.utcoffset() == timedelta(0)
        for text in (
            found.text,
            found.external_id,
            found.author or "",
            *(media.name for media in found.media),
        ):
            text.encode()
            assert "\x00" not in text
