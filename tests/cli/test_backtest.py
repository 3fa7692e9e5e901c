"""`svodka backtest`: files for others, a sentence for people, and misuse named before anything is done."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests import worlds

DAY = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def stream(tmp_path):
    lines = [
        {
            "id": f"{source}/{n}",
            "text": text,
            "at": (DAY + timedelta(hours=7 * n)).isoformat(),
            "source": source,
        }
        for n, (source, text) in enumerate(worlds.NEWS)
    ]
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_a_stream_becomes_files_and_a_summary(svodka, stream, tmp_path):
    out = tmp_path / "out"
    answer = svodka("backtest", "--input", stream, "--out", out, "--from", DAY.isoformat(), "--json")
    assert answer.code == 0, answer.err
    assert answer.json == json.loads((out / "summary.json").read_text())
    assert answer.json["posts"] == len(worlds.NEWS)
    assert answer.json["shown"] + sum(answer.json["dropped"].values()) == len(worlds.NEWS)
    stories = [json.loads(line) for line in (out / "stories.jsonl").read_text().splitlines()]
    assert {row["post"] for row in stories} == {f"{source}/{n}" for n, (source, _) in enumerate(worlds.NEWS)}
    for name in ("digests", "stories.jsonl", "drops.jsonl", "summary.json"):
        assert (out / name).exists()
    assert list((out / "digests").glob("*.html"))
    # What a backtest did is no business of the tenant that commands act on.
    assert svodka("digest", "list", "--json").json == []


def test_people_are_told_what_was_shown_and_dropped_and_what_was_bad(svodka, stream, tmp_path):
    with stream.open("a") as file:
        file.write("\n{not json")
    answer = svodka("backtest", "--input", stream, "--out", tmp_path / "out", "--every", "12h")
    assert answer.code == 0, answer.err
    assert f"{len(worlds.NEWS)} posts = " in answer.out
    assert "could not be read" in answer.out
    assert f"line {len(worlds.NEWS) + 1}" in answer.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--every", "6x"), "6x"),
        (("--cron", "often"), "often"),
        (("--zone", "Mars/X"), "Mars/X"),
        (("--from", "2026-11-02"), "zone"),
        (("--from", "2026-11-03T00:00:00Z", "--to", "2026-11-02T00:00:00Z"), "--from"),
        (("--set", "max_stores=1"), "max_stores"),
        (("--map", "nonsense"), "nonsense"),
    ],
)
def test_misuse_is_named(svodka, stream, tmp_path, arguments, word):
    answer = svodka("backtest", "--input", stream, "--out", tmp_path / "out", *arguments)
    assert answer.code == 2
    assert word in answer.err
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_time_without_posts_is_a_failure(svodka, stream, tmp_path):
    answer = svodka(
        "backtest", "--input", stream, "--out", tmp_path / "out", "--from", "2030-01-01T00:00:00Z"
    )
    assert answer.code == 1
    assert "2030" in answer.err


def test_what_is_no_file_of_families_is_named(svodka, stream, tmp_path):
    families = tmp_path / "families.json"
    families.write_text("[1]")
    answer = svodka("backtest", "--input", stream, "--out", tmp_path / "out", "--families", families)
    assert answer.code == 1
    assert "families.json" in answer.err
