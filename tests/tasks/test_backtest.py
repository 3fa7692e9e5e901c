"""The backtest: the same pipeline on a stopped clock, and every post accounted for."""

import json
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domains.errors import InputError, UsageError
from domains.window import Schedule
from tasks import backtest, replay
from tests import worlds

START = datetime(2026, 11, 2, tzinfo=UTC)
EVENTS = (
    "Fire crews fought a blaze at the Luhva paper mill on street {0}; {1} workers were taken to hospital.",
    "The council of Solvych voted {1} to 9 to raise the bus fare to {0} hryvnias from January.",
    "Пожарные потушили склад на улице Заводской, {0} человек эвакуированы, площадь {1} кв. м.",
    "У Заріччі відкрили новий міст завдовжки {0} метрів, рух дозволили для {1} маршрутів.",
)


def lines(days=3, a_day=20):
    for number in range(days * a_day):
        at = START + timedelta(days=number // a_day, minutes=60 * (number % a_day))
        text = EVENTS[number // 3 % 4].format(10 + number // 12, 2 + number // 6)
        source = "abc"[number % 3]
        yield {"id": f"{source}/{number}", "text": text, "at": at.isoformat(), "source": source}


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path, now=datetime(2026, 11, 20, tzinfo=UTC))
    yield world
    world.close()


@pytest.fixture
def stream(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines()))
    return path


def run(world, stream, out, **rest):
    wish = backtest.Wish(input=stream, out=out, schedule=Schedule(period=timedelta(days=1)), **rest)
    return backtest.backtest(world, wish, lambda *_: None)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_post_is_shown_or_dropped_for_a_reason(world, stream, tmp_path):
    out = tmp_path / "out"
    summary = run(world, stream, out, start=START, end=START + timedelta(days=3))
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["digests"] == 3
    assert summary["posts"] == 60 == summary["shown"] + sum(summary["dropped"].values())
    assert sum(window["posts"] for window in summary["windows"]) == 60
    assert Counter(drop["reason"] for drop in read(out / "drops.jsonl")) == summary["dropped"]
    stories = read(out / "stories.jsonl")
    assert [one["post"] for one in stories] == [line["id"] for line in lines()]
    assert all(one["story"] for one in stories)
    for kind in ("json", "html", "md"):
        assert len(list((out / "digests").glob(f"*.{kind}"))) == 3


def test_it_is_the_same_each_time_and_can_be_replayed(world, stream, tmp_path):
    summaries, digests = [], []
    for _ in range(2):
        summary = run(world, stream, tmp_path / "out", start=START, end=START + timedelta(days=3))
        summaries.append({key: summary[key] for key in ("posts", "shown", "dropped")})
        texts = sorted((tmp_path / "out" / "digests").glob("*.txt"))
        digests.append([path.read_text() for path in texts])
    assert summaries[0] == summaries[1]
    # The run's own number is all that differs.
    assert [re.sub(r"(Run|Выпуск|Випуск|run-)\s?\d+", "", text) for text in digests[0]] == [
        re.sub(r"(Run|Выпуск|Випуск|run-)\s?\d+", "", text) for text in digests[1]
    ]
    for window in summary["windows"]:
        assert replay.replay(world, window["run"], {}).identical


def test_what_lies_outside_is_counted_and_what_lies_just_before_teaches(world, stream, tmp_path):
    start, end = START + timedelta(days=1), START + timedelta(days=2)
    summary = run(world, stream, tmp_path / "out", start=start, end=end)
    assert (summary["posts"], summary["outside"]) == (20, {"before": 20, "after": 20})
    assert summary["input"]["read"] == 40


def test_a_window_that_ends_early_is_still_answered_for(world, stream, tmp_path):
    summary = run(world, stream, tmp_path / "out")
    assert summary["posts"] == 60
    assert summary["digests"] == 3
    assert datetime.fromisoformat(summary["windows"][-1]["to"]) == datetime.fromisoformat(summary["to"])


def test_a_stream_without_a_post_in_the_asked_time_is_refused(world, stream, tmp_path):
    with pytest.raises(InputError, match="no post between"):
        run(world, stream, tmp_path / "out", start=START + timedelta(days=30), end=START + timedelta(days=31))
    with pytest.raises(UsageError, match="--from"):
        run(world, stream, tmp_path / "out", start=START, end=START)


def test_bad_lines_are_listed_and_the_rest_goes_on(world, stream, tmp_path):
    with stream.open("a") as file:
        file.write('\n{"id": "x"}\nnot json\n')
    summary = run(world, stream, tmp_path / "out", start=START, end=START + timedelta(days=3))
    assert summary["input"]["bad"] == 2
    assert summary["posts"] == 60


@pytest.mark.data
def test_real_telegram_posts_become_daily_digests(world, tmp_path):
    data = Path(__file__).parents[3] / "shared" / "data"
    if not (data / "tgnews_ru.jsonl").exists():
        pytest.skip("the labelled data is not on this machine")
    families = json.loads((data / "tgnews_families.json").read_text())
    start = datetime(2024, 11, 25, tzinfo=UTC)
    summary = run(
        world,
        data / "tgnews_ru.jsonl",
        tmp_path / "out",
        start=start,
        end=start + timedelta(days=2),
        families=families,
    )
    assert summary["digests"] == 2
    assert summary["posts"] == summary["shown"] + sum(summary["dropped"].values()) > 800


def test_each_change_of_a_trend_is_a_line(world, tmp_path):
    rng, path = random.Random(4), tmp_path / "fire.jsonl"
    posts = [
        {"id": f"n{number}", "at": (START + timedelta(minutes=40 * number)).isoformat(), "source": "abcd"[number % 4],
         "text": " ".join("".join(rng.choices("abdegiklmnoprstuvz", k=8)) for _ in range(7))}
        for number in range(3 * 36)
    ] + [
        {"id": f"fire{number}", "at": (START + timedelta(days=1, hours=9, minutes=9 * number)).isoformat(),
         "source": "abcd"[number % 4], "text": f"Fire crews fight a blaze at the Luhva paper mill, report {number}."}
        for number in range(7)
    ]  # fmt: skip
    path.write_text("\n".join(json.dumps(post) for post in posts))
    summary = run(world, path, tmp_path / "out", start=START, end=START + timedelta(days=3))
    found = read(tmp_path / "out" / "trends.jsonl")
    assert summary["trends"] == 1 == len({line["trend"] for line in found})
    assert (found[0]["state"], found[-1]["state"]) == ("emerging", "over")
    assert [line["at"] for line in found] == sorted(line["at"] for line in found)
    assert found[-1]["posts"] == [f"fire{number}" for number in range(7)]
    assert all("Luhva" in line["title"] and 0 < line["p_value"] < 1e-3 for line in found)
