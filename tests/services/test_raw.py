"""Single values as strangers write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import raw

AT = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-02T10:30:00Z", (AT, False)),
        ("2026-11-02T12:30:00+02:00", (AT, False)),
        ("2026-11-02 10:30", (AT, True)),
        ("2026-11-02", (AT.replace(hour=0, minute=0), True)),
        ("Mon, 02 Nov 2026 12:30:00 +0200", (AT, False)),
        (1793615400, (AT, False)),
        (1793615400.0, (AT, False)),
        ("1793615400", (AT, False)),
        (1793615400000, (AT, False)),
        ("1793615400000", (AT, False)),
        (1793615400000000, (AT, False)),
        *(
            (value, None)
            for value in ("", "soon", None, True, 0, -5, [], {}, "2026-13-01", float("nan"), float("inf"))
        ),
        ("0001-01-01T00:00:00+14:00", None),
        ("9" * 400, None),
    ],
)
def test_moment_reads_the_usual_forms(value, expected):
    assert raw.moment(value) == expected


@given(
    st.one_of(st.text(), st.floats(), st.integers(), st.from_regex(r"\d{1,4}-\d\d-\d\d[T ]\d\d:\d\d.{0,9}"))
)
def test_moment_gives_aware_utc_or_nothing(value):
    found = raw.moment(value)
    assert found is None or found[0].utcoffset() == timedelta(0)


def test_a_time_ahead_is_flagged_only_beyond_the_skew():
    assert raw.at_or_now(AT + timedelta(minutes=9), AT) == (AT + timedelta(minutes=9), ())
    assert raw.at_or_now(AT + timedelta(minutes=11), AT) == (AT, ("future",))
    assert raw.at_or_now(AT + timedelta(days=999), None) == (AT + timedelta(days=999), ())


@given(st.text())
def test_a_key_is_short_and_storable(value):
    key = raw.key(value)
    assert len(key) <= raw.ID_CHARS
    assert "\n" not in key
    key.encode()


def test_long_keys_stay_different():
    assert raw.key("a" * 500) != raw.key("a" * 501)
    assert raw.key("a" * 500).startswith("sha256:")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Мой Канал!", "мой-канал"),
        ("  The  Luhva/Dispatch ", "the-luhva-dispatch"),
        ("⚡️🔥", ""),
        ("Ｆｕｌｌ", "full"),
        ("a_b", "a_b"),
    ],
)
def test_slug(name, slug):
    assert raw.slug(name) == slug


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://a.example/x", None, "https://a.example/x"),
        ("/x", "https://a.example/y/z", "https://a.example/x"),
        ("//b.example/x", "https://a.example", "https://b.example/x"),
        (" https://a.example/\nx", None, "https://a.example/x"),
    ],
)
def test_web_resolves(url, base, expected):
    assert raw.web(url, base) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://a.example",
        "javascript:1",
        "http://[::1",
        "https://",
        5,
        None,
        "https://a/" + "x" * 3000,
    ],
)
def test_web_refuses(url):
    assert raw.web(url) is None


def test_files_outside_the_folder_are_not_named(tmp_path):
    folder = tmp_path / "export"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "1.jpg").write_bytes(b"x")
    (tmp_path / "secret.txt").write_text("s")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert raw.inside(folder, "photos/1.jpg") == str((folder / "photos" / "1.jpg").resolve())
    for name in (
        "../secret.txt",
        str(tmp_path / "secret.txt"),
        "link.txt",
        "photos",
        "none.jpg",
        "",
        "a\x00b",
        "x" * 5000,
    ):
        assert raw.inside(folder, name) is None
    assert raw.inside(None, "photos/1.jpg") is None
