import json
import re
import tomllib
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from pathlib import Path

import feedparser
import pytest

from examples import build, draft

ROOT = Path(build.__file__).parent
KYIV = timezone(timedelta(hours=2))
FIRST = date(2026, 11, 2)
LAST = date(2026, 11, 10)
LANGS = {
    "solvych_live": "ru",
    "tipichny_solvych": "ru",
    "luhva_novyny": "uk",
    "luhva_dispatch": "en",
    "luhva_courier": "en",
    "teplyi_dim": "uk",
}
WEEKDAYS = re.compile(
    r"понедельник|вторник|сред[ау]\b|четверг\b|пятниц|суббот|воскресень|понеділ|вівтор|серед[ау]\b|четвер\b|п.ятниц"
    r"|субот|неділ[яію]\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b202\d\b|ноябр|листопад|\bnovember",
    re.IGNORECASE,
)


@cache
def manifest():
    return tomllib.loads((ROOT / "stream.toml").read_text(encoding="utf-8"))


@cache
def exports():
    return {
        row["name"]: json.loads((ROOT / row["path"]).read_bytes())
        for row in manifest()["source"]
        if row["kind"] == "telegram"
    }


@cache
def entries():
    [row] = [row for row in manifest()["source"] if row["kind"] == "feed"]
    parsed = feedparser.parse((ROOT / row["path"]).read_bytes())
    assert not parsed.bozo
    return row["name"], parsed.entries


@cache
def posts():
    """Return {public name: (day or None, text)} of all that has an id, albums as their first message."""
    found = {}
    for name, export in exports().items():
        for row in export["messages"]:
            at = datetime.fromtimestamp(int(row["date_unixtime"]), KYIV)
            found[f"{name}/{row['id']}"] = (at.date(), "".join(part["text"] for part in row["text_entities"]))
    name, items = entries()
    for item in items:
        if "id" in item:
            parsed = item.get("published_parsed")
            day = datetime(*parsed[:6], tzinfo=UTC).astimezone(KYIV).date() if parsed else None
            found[f"{name}/{item.id}"] = (day, f"{item.title}\n{item.summary}")
    return found


@cache
def gold():
    lines = (ROOT / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["post"]: row["story"] for row in map(json.loads, lines)}


def messages():
    return [(name, row) for name, export in exports().items() for row in export["messages"]]


def families_of_day(day):
    families = json.loads((ROOT / "families.json").read_text())
    told = defaultdict(set)
    for post, story in gold().items():
        if posts()[post][0] == day:
            told[story].add(families[post.partition("/")[0]])
    return told


def test_committed_files_are_what_the_content_builds_to():
    built = build.render(draft.load())
    assert {name: (ROOT / name).read_bytes().decode() for name in built} == built
    on_disk = {path.relative_to(ROOT).as_posix() for path in (ROOT / "stream").rglob("*") if path.is_file()}
    assert on_disk == {name for name in built if name.startswith("stream/")}


def test_has_seven_sources_of_six_families_and_nine_days_in_order():
    rows = manifest()["source"]
    assert len(rows) == 7
    assert len({row["family"] for row in rows}) == 6
    assert all(set(row) == {"name", "kind", "path", "family", "title"} for row in rows)
    assert {row["name"]: row["family"] for row in rows} == json.loads((ROOT / "families.json").read_text())
    assert {export["type"] for export in exports().values()} == {"public_channel", "private_supergroup"}
    assert (manifest()["zone"], manifest()["first_day"], manifest()["days"]) == ("Europe/Kyiv", FIRST, 9)
    assert {day for day, _ in posts().values()} - {None} == {FIRST + timedelta(days=n) for n in range(9)}


def test_holds_about_four_hundred_posts_and_one_quiet_day():
    loaded = draft.load().posts
    assert 380 <= len(loaded) <= 450
    by_day = Counter(post.at.date() for post in loaded)
    quiet = FIRST + timedelta(days=6)
    assert by_day[quiet] <= 20
    assert all(count >= 40 for day, count in by_day.items() if day != quiet)
    assert not families_of_day(quiet)


@pytest.mark.parametrize(("name", "lang"), LANGS.items())
def test_each_source_writes_one_language(name, lang):
    whole = "".join(text for post, (_, text) in posts().items() if post.startswith(f"{name}/")).lower()
    letters = Counter(whole)
    scores = {
        "ru": sum(letters[letter] for letter in "ыэъё"),
        "uk": sum(letters[letter] for letter in "іїєґ"),
        "en": sum(letters[letter] for letter in "aeo") / 10,
    }
    assert max(scores, key=scores.__getitem__) == lang


def test_the_group_chat_speaks_both_languages_and_replies():
    chat = exports()["sadova_chat"]["messages"]
    texts = ["".join(part["text"] for part in row["text_entities"]).lower() for row in chat]
    assert sum(any(letter in text for letter in "ыэъё") for text in texts) >= 15
    assert sum(any(letter in text for letter in "іїєґ") for text in texts) >= 40
    assert sum("reply_to_message_id" in row for row in chat) >= 30
    assert len({row["from_id"] for row in chat if row["type"] == "message"}) >= 10


def test_exports_are_shaped_as_telegram_desktop_writes_them():
    for export in exports().values():
        assert list(export) == ["name", "type", "id", "messages"]
        ids = [row["id"] for row in export["messages"]]
        assert ids == sorted(set(ids))
        times = [int(row["date_unixtime"]) for row in export["messages"]]
        assert times == sorted(times)
    for name, row in messages():
        local = datetime.fromisoformat(row["date"]).replace(tzinfo=KYIV)
        assert local.timestamp() == int(row["date_unixtime"])
        flat = (
            row["text"]
            if isinstance(row["text"], str)
            else "".join(part if isinstance(part, str) else part["text"] for part in row["text"])
        )
        assert flat == "".join(part["text"] for part in row["text_entities"])
        ids = {other["id"] for other in exports()[name]["messages"]}
        assert row.get("reply_to_message_id", row["id"]) in ids


def test_holds_what_importers_must_cope_with():
    rows = [row for _, row in messages()]
    assert {row["action"] for row in rows if row["type"] == "service"} >= {
        "join_group_by_link",
        "pin_message",
    }
    assert sum("poll" in row for row in rows) >= 2
    assert sum("edited" in row for row in rows) >= 3
    assert {row["photo"] for row in rows if "photo" in row} == {build.ABSENT}
    assert any("forwarded_from_id" in row for row in rows)
    assert any("forwarded_from" in row and "forwarded_from_id" not in row for row in rows)
    assert any(isinstance(row["text"], list) for row in rows)
    albums = Counter((name, row["date"]) for name, row in messages() if "photo" in row)
    assert max(albums.values()) == 3


def test_the_feed_has_an_undated_a_late_an_unnamed_and_a_marked_up_entry():
    _, items = entries()
    assert sum("published" not in item for item in items) == 1
    assert sum("id" not in item for item in items) == 1
    assert any("<b>" in item.title for item in items)
    times = [tuple(item.published_parsed) for item in items if "published" in item]
    assert sum(later < earlier for later, earlier in pairwise(times)) == 1


def test_hostile_posts_are_there():
    texts = [text for _, text in posts().values()]
    assert sum("ignore all previous instructions" in text for text in texts) == 1
    assert sum("<script>document.location" in text for text in texts) == 1
    assert b"<script>steal()</script>" in (ROOT / "stream/luhva_courier/feed.xml").read_bytes()


def test_posts_are_repeated_across_families():
    where = defaultdict(set)
    for post, (_, text) in posts().items():
        if len(text) > 120:
            where[text.split("\n\n")[0]].add(post.partition("/")[0])
    assert sum(len(names) > 1 for names in where.values()) >= 6
    ads = Counter(text for _, text in posts().values() if "erid:" in text)
    assert max(ads.values()) >= 4


def test_every_gold_post_exists_and_says_something():
    assert len(gold()) >= 200
    assert gold().keys() <= posts().keys()
    assert all(posts()[post][1].strip() for post in gold())


def test_the_bridge_story_develops_over_four_days_with_changing_numbers():
    told = [posts()[post] for post, story in gold().items() if story == "bridge"]
    assert {day for day, _ in told} == {FIRST + timedelta(days=n) for n in range(1, 5)}
    for count in ("12 пострадавших", "выросло до 14", "15 пострадавших"):
        assert any(count in text for _, text in told)


def test_the_last_day_is_rich():
    told = families_of_day(LAST)
    assert len(told) >= 8
    assert sum(len(families) >= 2 for families in told.values()) >= 6


def test_posts_name_no_weekday_and_no_date_so_that_days_can_be_moved():
    assert not [(post, found[0]) for post, (_, text) in posts().items() if (found := WEEKDAYS.search(text))]


def test_is_small():
    files = [path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 1_000_000


def test_an_unknown_option_is_refused():
    head = draft.HEAD.match("@ live 07:15 foto")
    with pytest.raises(ValueError, match="unknown option foto"):
        draft.draft(head, ["text"], 1)


def test_two_posts_with_one_label_are_refused():
    [first, second, *_] = draft.load().posts
    twins = [replace(post, options={"as": "twin"}) for post in (first, second)]
    with pytest.raises(ValueError, match="labelled 'twin'"):
        draft.labelled(twins)
