"""JSONL and CSV: what is good is read, what is bad is named by its line."""

import contextlib
import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains import limits
from domains.errors import InputError, UsageError
from domains.post import Bad, Entry, Media
from services.table import Mapping, detect, guess, parse

AT = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
TGNEWS = Path(__file__).parents[2].parent / "shared" / "data" / "tgnews_ru.jsonl"


def jsonl(tmp_path, *lines, name="posts.jsonl"):
    path = tmp_path / name
    path.write_text(
        "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines), encoding="utf-8"
    )
    return path


def read(path, kind="jsonl", **options):
    return list(parse(path, kind=kind, **options))


def line(**fields):
    return {"id": "1", "text": "Text", "at": "2026-11-02T10:30:00Z", "source": "s", **fields}


def test_every_field_of_the_line_format_is_read(tmp_path):
    (tmp_path / "p.jpg").write_bytes(b"x")
    path = jsonl(
        tmp_path,
        line(id=7, family="f", url="https://a.example/1", title=" T\n t ", author="An", reply_to=6, lang="uk-UA",
             media=["p.jpg", {"name": "v.mp4", "kind": "video", "mime": "video/mp4"}]),
    )  # fmt: skip
    assert read(path) == [
        Entry(
            external_id="7", at=AT, text="Text", title="T t", url="https://a.example/1", author="An", reply_to="6",
            lang="uk", source="s", family="f",
            media=(Media("photo", "p.jpg", str(tmp_path / "p.jpg")), Media("video", "v.mp4", None, "video/mp4")),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"text": None}, 'field "text": expected the text'),
        ({"text": 5}, 'field "text": expected a string'),
        ({"text": ["a"]}, "found a list"),
        ({"at": None}, 'field "at": expected a time'),
        ({"at": "soon"}, "'soon'"),
        ({"at": True}, 'field "at"'),
        ({"id": None}, 'field "id": expected an id'),
        ({"id": ""}, 'field "id"'),
        ({"id": {}}, "found an object"),
        ({"id": True}, "found true or false"),
        ({"source": []}, 'field "source"'),
        ({"media": 5}, 'field "media"'),
        ({"media": [5]}, 'field "media"'),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path, fields, why):
    good, bad, after = read(jsonl(tmp_path, line(), line(**fields), line(id="3")))
    assert isinstance(good, Entry)
    assert isinstance(after, Entry)
    assert bad.where == f"{tmp_path / 'posts.jsonl'}: line 2"
    assert why in bad.why


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ('{"id": 1, ', "broken JSON"),
        ("[1, 2]", "expected a JSON object, found a list"),
        ("null", "found null"),
        ("[" * 100_000, "nested too deep"),
        ('{"id": ' + "9" * 5_000 + "}", "a number too long"),
        ('{"text": "' + "x" * (limits.ENTRY_BYTES + 10) + '"}', f"longer than {limits.ENTRY_BYTES}"),
    ],
)
def test_a_broken_line_does_not_stop_the_rest(tmp_path, broken, why):
    one, bad, two = read(jsonl(tmp_path, line(), broken, "", line(id="2")))
    assert (one.external_id, two.external_id) == ("1", "2")
    assert why in bad.why
    assert bad.where.endswith("line 2")


def test_blank_lines_crlf_and_byte_order_marks_are_no_matter(tmp_path):
    text = json.dumps(line()) + "\r\n\r\n" + json.dumps(line(id="2", text="два")) + "\r\n"
    for coding in ("utf-8", "utf-8-sig", "utf-16"):
        path = tmp_path / f"{coding}.jsonl"
        path.write_bytes(text.encode(coding))
        assert [entry.text for entry in read(path)] == [
            "Text",
            b"\\u0434\\u0432\\u0430".decode("unicode_escape"),
        ]


def test_bytes_that_are_not_utf8_name_their_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b"\n".join([json.dumps(line()).encode()] * 30 + [b'{"id": "x", "text": "\xff\xfe", "at": 1}'])
    )
    *good, bad = read(path)
    assert len(good) == 30
    assert (bad.where, "UTF-8" in bad.why) == (f"{path}: line 31", True)


def test_windows_1251_is_recognised(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("id;text;at\n1;Привіт, світе;2026-11-02T10:30:00Z\n".encode("cp1251"))
    assert [entry.text for entry in read(path, "csv")] == ["Привіт, світе"]


def test_gzip_is_unpacked_and_a_truncated_one_gives_its_good_part(tmp_path):
    packed = gzip.compress(
        "\n".join(json.dumps(line(id=str(n), text=f"{n * 7919}")) for n in range(20_000)).encode()
    )
    whole, cut = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    whole.write_bytes(packed)
    cut.write_bytes(packed[: len(packed) // 2])
    assert len(read(whole)) == 20_000
    *good, bad = read(cut)
    assert len(good) > 5_000
    assert "breaks off" in bad.why


def test_a_gzip_bomb_stops_at_the_cap(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FILE_BYTES", 5_000_000)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(line()).encode() + b"\n" + b" " * 50_000_000))
    good, bad = read(path)
    assert isinstance(good, Entry)
    assert "passes 5000000" in bad.why


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"\x00\x01\x02" * 99, "binary"),
        (b"\x1f\x8b\x08broken", "unpacked"),
        (b"hello\nworld\n", "broken JSON"),
        (b'{"a": 1}\n', "none of them is the text"),
    ],
)
def test_a_hopeless_file_is_refused_by_name(tmp_path, body, words):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(body)
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


def test_csv_with_quotes_line_breaks_and_any_delimiter(tmp_path):
    for delimiter in ",;\t|":
        path = tmp_path / "a.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows(
                [
                    ["id", "text", "at", "title"],
                    ["1", 'two\nlines, "quoted"; a|b\t', "1793615400", ""],
                    ["2", "x", "1793615400", "T"],
                ]
            )
        one, two = read(path, "csv")
        assert (one.text, one.title, one.at) == ('two\nlines, "quoted"; a|b\t', None, AT)
        assert (two.external_id, two.title) == ("2", "T")


def test_csv_records_are_named_by_their_first_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text,at\n1,"a\nb\nc",bad\n\n2,x\n3,y,1793615400\n4,"open,1\n' + "z\n" * 100_000)
    wrong, short, good, opened, *_ = read(path, "csv")
    assert (wrong.where, short.where) == (f"{path}: line 2", f"{path}: line 6")
    assert "expected 3 columns, found 2" in short.why
    assert good.external_id == "3"
    assert opened.where == f"{path}: line 8"
    assert "quotation mark" in opened.why


def test_naive_and_future_times_are_flagged(tmp_path):
    path = jsonl(tmp_path, line(at="2026-11-02T10:30:00"), line(id="2", at="2030-01-01T00:00:00Z"))
    naive, future = read(path, now=AT + timedelta(hours=1))
    assert (naive.at, naive.flags) == (AT, ("zone_assumed",))
    assert (future.at, future.flags) == (AT + timedelta(hours=1), ("future",))
    assert read(path)[1].at.year == 2030


def test_a_default_source_serves_lines_without_one(tmp_path):
    path = jsonl(tmp_path, line(), line(id="2", source=None))
    assert [entry.source for entry in read(path, source="own")] == ["s", "own"]
    assert [entry.source for entry in read(path)] == ["s", None]


def test_a_mapping_names_other_fields_and_builds_ids(tmp_path):
    path = jsonl(
        tmp_path, {"message_id": 5, "channel": "Chan", "date": 1793615400, "body": "x", "channel_id": 1}
    )
    mapping = Mapping.of(("at=date", "source=channel", "id={channel}/{message_id}", "text=body"))
    (entry,) = read(path, mapping=mapping)
    assert (entry.external_id, entry.source, entry.text, entry.at) == ("Chan/5", "Chan", "x", AT)
    (bad,) = read(
        jsonl(tmp_path, {"date": 1, "body": "x", "channel": "c"}),
        mapping=Mapping.of(("at=date", "text=body", "id={channel}/{message_id}")),
    )
    assert isinstance(bad, Bad)


def test_a_template_names_its_missing_part(tmp_path):
    mapping = Mapping.of(("id={source}/{number}",))
    (bad,) = read(jsonl(tmp_path, line()), mapping=mapping)
    assert bad.why == 'field "number": expected a part of the id, found nothing'


@pytest.mark.parametrize("pair", ["at", "when=date", "at=", "=date", ""])
def test_a_mapping_that_cannot_be_read_says_what_can(pair):
    with pytest.raises(UsageError) as caught:
        Mapping.of((pair,))
    assert "reply_to" in caught.value.remedy


def test_known_shapes_are_detected(tmp_path):
    assert detect(jsonl(tmp_path, line()), "jsonl") == guess(["id", "text", "at", "source"])
    found = guess(["message_id", "text", "date", "channel", "category"])
    assert (found.id, found.at, found.source) == ("{channel}/{message_id}", "date", "channel")
    assert guess(["id", "ts", "text"]).at == "ts"
    assert guess(["id", "text"]) is None


def test_a_csv_is_known_by_its_header_even_without_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text,at,title\n")
    assert read(path, "csv") == []
    assert detect(path, "csv").title == "title"


def test_lines_without_ids_get_stable_ones(tmp_path):
    path = jsonl(tmp_path, {"text": "a", "date": 1793615400}, {"text": "b", "date": 1793615400})
    one, two = read(path)
    assert one.flags == ("no_id",)
    assert one.external_id != two.external_id
    assert [entry.external_id for entry in read(path)] == [one.external_id, two.external_id]


def test_exported_markdown_is_taken_out(tmp_path):
    (entry,) = read(jsonl(tmp_path, line(text="**Head**\n[more](https://a.example/x)")))
    assert (entry.text, entry.links) == ("Head\nmore", ("https://a.example/x",))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
fields = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("id", "text", "at", "source", "media", "url", "lang", "reply_to", "title"), json_values
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(fields, min_size=1, max_size=4))
def test_any_fields_give_entries_or_bads(tmp_path, rows):
    path = jsonl(tmp_path, *rows)
    found = read(path, mapping=Mapping())
    assert len(found) == len(rows) or not any(rows)
    check(found)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=400),
    kind=st.sampled_from(["jsonl", "csv"]),
    head=st.sampled_from([b"", b"id,text,at\n", b'{"id":']),
)
def test_any_bytes_give_entries_bads_or_an_input_error(tmp_path, body, kind, head):
    path = tmp_path / "any"
    path.write_bytes(head + body)
    with contextlib.suppress(InputError):
        check(read(path, kind))


def check(found):
    for one in found:
        assert isinstance(one, Entry | Bad)
        if isinstance(one, Entry):
            assert one.at.utcoffset() == timedelta(0)
            assert one.external_id
            for text in (one.text, one.external_id, one.title or "", one.source or "", one.author or ""):
                text.encode()
                assert "\x00" not in text


@pytest.mark.data
@pytest.mark.skipif(not TGNEWS.exists(), reason="needs ../shared/data/tgnews_ru.jsonl")
def test_the_telegram_news_stream_is_read_whole():
    found = read(TGNEWS)
    assert len(found) == 18_146
    assert all(isinstance(one, Entry) for one in found)
    assert len({(one.source, one.external_id) for one in found}) == 18_146
    assert sum("**" in one.text for one in found) < 20
