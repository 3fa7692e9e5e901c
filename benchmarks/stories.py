"""How fast and how well posts are analysed: `uv run python -m benchmarks.stories [--json] [--posts N]`.

Runs what indexing does to a post, on one thread: normalise, language, sentences, boilerplate, duplicates, vector, story.
Speed is CPU time over 18,146 Telegram posts; quality is measured on hand-labelled events and pairs of the same stream,
on a stream of English articles, and on pairs of articles that came in one day. Beside each stands its goal and the floor,
which is plain TF-IDF with its best threshold. `shuffled` says how many posts change their story when each arrives up to an
hour late. Prints a reason and leaves when the data is not there.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.pipeline import STEPS, Pipeline
from services.language import OfflineLanguage
from services.markup import unmarked

DATA = Path(__file__).parents[2] / "shared" / "data"
HOUR = timedelta(hours=1)
DAY = datetime(2020, 5, 6, tzinfo=UTC)
# So many of the stream's last posts are told twice, in order and shuffled.
SHUFFLED = 6_000
# The share of posts that may tell another story for having come late.
TOLERANCE = 0.05
FLOOR_WINDOW = timedelta(days=3)
FLOOR_BARS = (0.15, 0.2, 0.25, 0.3)


def b_cubed(gold: Sequence[Hashable], found: Sequence[Hashable]) -> dict[str, float]:
    """Return B-cubed precision, recall and F1 (Bagga and Baldwin, 1998)."""
    both = Counter(zip(gold, found, strict=True))
    gold_sizes, found_sizes = Counter(gold), Counter(found)
    precision = sum(n * n / found_sizes[key[1]] for key, n in both.items()) / len(gold)
    recall = sum(n * n / gold_sizes[key[0]] for key, n in both.items()) / len(gold)
    return _scores(precision, recall)


def events(stories: dict[Hashable, int]) -> dict[str, Any]:
    """Return how well the stories match the hand-labelled events: B-cubed, and pairs of posts.

    Pairs of different events in one group (phases of one happening) count neither way.
    """
    gold: dict[Hashable, str] = {}
    group: dict[str, str] = {}
    for event in [*_rows("tgnews_events_dev"), *_rows("tgnews_neutral_dev")]:
        group[event["event"]] = event["group"] or event["event"]
        gold.update({tuple(post): event["event"] for post in event["posts"]})
    keys = sorted(key for key in gold if key in stories)
    event_of, story_of = [gold[key] for key in keys], [stories[key] for key in keys]
    group_of = [group[event] for event in event_of]
    right = _pairs(zip(event_of, story_of, strict=True))
    kin = _pairs(zip(group_of, story_of, strict=True)) - right
    return {
        "posts": len(keys),
        "b_cubed_event": b_cubed(event_of, story_of),
        "b_cubed_group": b_cubed(group_of, story_of),
        "pairs": _scores(right / max(_pairs(story_of) - kin, 1), right / max(_pairs(event_of), 1)),
    }


def hard_pairs(stories: dict[Hashable, int]) -> dict[str, Any]:
    """Return precision, recall and F1 of "same story" on the hand-picked hard pairs."""
    rows = [(tuple(row["a"]), tuple(row["b"]), row["same_story"]) for row in _rows("tgnews_pairs_dev")]
    judged = [
        (same, stories[one] == stories[other])
        for one, other, same in rows
        if one in stories and other in stories
    ]
    hit = sum(same and said for same, said in judged)
    said_same, truly_same = sum(said for _, said in judged), sum(same for same, _ in judged)
    return {"pairs": len(judged), **_scores(hit / max(said_same, 1), hit / max(truly_same, 1))}


def telegram(language: OfflineLanguage, limit: int) -> dict[str, Any]:
    """Return speed and quality on the Telegram stream."""
    rows = sorted(_rows("tgnews_ru"), key=lambda row: (row["date"], row["channel"], row["message_id"]))[
        -limit:
    ]
    pipeline = Pipeline(language)
    started = time.process_time()
    for row in rows:
        raw, _ = unmarked(row["text"])
        pipeline.take(
            (row["channel"], row["message_id"]), row["channel"], datetime.fromisoformat(row["date"]), raw
        )
    cpu_s = time.process_time() - started
    return {
        "posts": len(rows),
        "cpu_s": round(cpu_s, 2),
        "posts_per_s": round(len(rows) / cpu_s),
        "ms_per_post": {step: round(1000 * pipeline.seconds[step] / len(rows), 3) for step in STEPS},
        "stories": len(set(pipeline.stories.values())),
        "largest_story": max(Counter(pipeline.stories.values()).values(), default=0),
        "duplicates": pipeline.duplicates,
        "verdicts": dict(pipeline.verdicts),
        "merged": len(pipeline.merged),
        "parted": pipeline.parted,
        "events": events(pipeline.told()),
        "hard_pairs": hard_pairs(pipeline.told()),
        "shuffled": shuffled(language, rows[-SHUFFLED:]),
    }


def shuffled(language: OfflineLanguage, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how the stories of posts differ when each arrives at random up to an hour after it was written.

    ``changed`` is the share of posts outside the story that holds most of their former fellows; B-cubed is of the one
    telling held against the other.
    """

    def play(order: Sequence[dict[str, Any]]) -> dict[Hashable, int]:
        pipeline = Pipeline(language)
        for row in order:
            key = row["channel"], row["message_id"]
            pipeline.take(key, row["channel"], datetime.fromisoformat(row["date"]), unmarked(row["text"])[0])
        return pipeline.told()

    drawn = random.Random(7)
    late = {id(row): datetime.fromisoformat(row["date"]) + HOUR * drawn.random() for row in rows}
    before, after = play(rows), play(sorted(rows, key=lambda row: late[id(row)]))
    keys = [key for key in before if key in after]
    one, other = [before[key] for key in keys], [after[key] for key in keys]
    homes: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for story, now in zip(one, other, strict=True):
        homes[story][now] += 1
    kept = sum(max(now.values()) for now in homes.values())
    return {"posts": len(keys), "changed": round(1 - kept / len(keys), 3), "b_cubed": b_cubed(one, other)}


def contest(language: OfflineLanguage) -> dict[str, Any]:
    """Return how well pairs of articles of one day are told: same story or not, all in one stream, by language."""
    rows = _rows("tgcontest_pairs")
    return {
        lang: _contest(language, [row for row in rows if row["lang"] == lang])
        for lang in sorted({row["lang"] for row in rows})
    }


def _contest(language: OfflineLanguage, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    pipeline = Pipeline(language)
    texts = [[f"{row[side]['title']}\n{row[side]['text']}" for side in "ab"] for row in rows]
    for number, pair in enumerate(texts):
        for side, text in enumerate(pair):
            pipeline.take((number, side), f"{number}-{side}", DAY, text)
    told = pipeline.told()
    gold = [row["label"] == "OK" for row in rows]
    said = [told.get((number, 0)) == told.get((number, 1), -1) for number in range(len(rows))]
    matrix = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(
        [text for pair in texts for text in pair]
    )
    alike = [float((matrix[2 * number] @ matrix[2 * number + 1].T).sum()) for number in range(len(rows))]
    floor = max(_judged(gold, [value >= bar for value in alike])["f1"] for bar in alike)
    return {"pairs": len(rows), **_judged(gold, said), "floor_f1": floor}


def _judged(gold: Sequence[bool], said: Sequence[bool]) -> dict[str, float]:
    hit = sum(one and other for one, other in zip(gold, said, strict=True))
    return _scores(hit / max(sum(said), 1), hit / max(sum(gold), 1))


def plain(texts: Sequence[str], times: Sequence[datetime], threshold: float) -> list[int]:
    """Return the floor's stories: the nearest centroid of 1-2-gram TF-IDF within three days, or a new one."""
    matrix = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit_transform(texts).toarray()
    totals: list[Any] = []
    last: list[datetime] = []
    found: list[int] = []
    for row, at in zip(matrix, times, strict=True):
        alike = [
            float(total @ row) / float(np.linalg.norm(total)) if at - seen <= FLOOR_WINDOW else 0.0
            for total, seen in zip(totals, last, strict=True)
        ]
        best = int(np.argmax(alike)) if alike else 0
        if alike and alike[best] >= threshold:
            totals[best], last[best] = totals[best] + row, at
        else:
            best = len(totals)
            totals.append(row.copy())
            last.append(at)
        found.append(best)
    return found


def press(language: OfflineLanguage) -> dict[str, Any]:
    """Return quality on the stream of articles: story against hand-made story."""
    pipeline = Pipeline(language)
    gold: dict[Hashable, int] = {}
    articles = [
        (datetime.fromisoformat(story["ts"]), story["story"], at, article)
        for story in _rows("neus_stories")
        for at, article in enumerate(story["articles"])
    ]
    for at, story, number, article in sorted(articles, key=lambda one: one[:3]):
        pipeline.take((story, number), article["source"], at, f"{article['title']}\n{article['body']}")
        gold[story, number] = story
    told = pipeline.told()
    keys = [key for key in gold if key in told]
    ordered = sorted(articles, key=lambda one: one[:3])
    texts = [f"{article['title']}\n{article['body']}" for _, _, _, article in ordered]
    times = [at for at, _, _, _ in ordered]
    labels = [story for _, story, _, _ in ordered]
    floors = [b_cubed(labels, plain(texts, times, bar))["f1"] for bar in FLOOR_BARS]
    return {
        "articles": len(gold),
        "placed": len(keys),
        "b_cubed": b_cubed([gold[key] for key in keys], [told[key] for key in keys]),
        "floor_f1": max(floors),
    }


def goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was wanted, what was reached, and what plain TF-IDF reaches."""
    ru = result["contest"]["ru"]
    return [
        {"goal": "B3 F1 of articles", "wanted": 0.90, "reached": result["press"]["b_cubed"]["f1"],
         "floor": result["press"]["floor_f1"]},
        {"goal": "pair F1 of one day's articles, ru", "wanted": 0.92, "reached": ru["f1"], "floor": ru["floor_f1"]},
        {"goal": "posts that change their story within an hour's delay", "wanted": TOLERANCE,
         "reached": result["telegram"]["shuffled"]["changed"], "floor": None},
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--posts", type=int, default=1_000_000, help="only the last N posts of the stream")
    arguments = parser.parse_args()
    missing = [
        name
        for name in (
            "tgnews_ru",
            "tgnews_events_dev",
            "tgnews_neutral_dev",
            "tgnews_pairs_dev",
            "neus_stories",
            "tgcontest_pairs",
        )
        if not (DATA / f"{name}.jsonl").exists()
    ]
    if missing:
        print(f"skipped: {', '.join(missing)} not found in {DATA.name}/", file=sys.stderr)
        return 0
    language = OfflineLanguage()
    result: dict[str, Any] = {
        "telegram": telegram(language, arguments.posts),
        "press": press(language),
        "contest": contest(language),
    }
    result["goals"] = goals(result)
    print(
        json.dumps(result, ensure_ascii=False)
        if arguments.json
        else json.dumps(result, ensure_ascii=False, indent=2)
    )
    return 0


def _rows(name: str) -> list[dict[str, Any]]:
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _pairs(labels: Any) -> int:
    return sum(n * (n - 1) // 2 for n in Counter(labels).values())


def _scores(precision: float, recall: float) -> dict[str, float]:
    total = precision + recall
    f1 = 2 * precision * recall / total if total else 0.0
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}


if __name__ == "__main__":
    sys.exit(main())
