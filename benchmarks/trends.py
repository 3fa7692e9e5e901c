"""How well trends are found: `uv run python -m benchmarks.trends [--json] [--seeds N] [--posts N] [--plots DIR]`.

One run, one table: hand-labelled events of a Telegram stream, beside the customer's old rule, a z-score and Kleinberg's
bursts on the same posts; streams made up with known bursts (false discoveries, power); a steady stream and a footer;
three crises in a background of tweets; speed and memory. What needs data that is not there says so and is left out.
"""

import argparse
import importlib.util
import json
import os
import re
import resource
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.pipeline import Pipeline
from benchmarks.trendpeers import Alarm, kleinberg, merged, old_rule, z_score
from domains.boilerplate import unmasked
from domains.tally import Mention
from domains.text import normalise
from domains.topic import units
from domains.trend import Change, Detector, Support
from services.language import OfflineLanguage
from services.markup import unmarked

mpl.use("Agg")
from matplotlib import pyplot as plt

DATA = Path(__file__).parents[2] / "shared" / "data"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
START = datetime(2024, 11, 4, tzinfo=UTC)
PLOTTED = ("dnipro-missile-icbm", "biden-allows-atacms", "metro-birth-spb")
PEERS: dict[str, Callable[[Sequence[Mention]], list[Alarm]]] = {
    "old rule": old_rule,
    "z-score": z_score,
    "Kleinberg": kleinberg,
}


@dataclass
class Stream:
    """A stream as detection gets it, and what is needed to judge alarms by post."""

    mentions: list[Mention] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read(rows: Iterable[dict[str, Any]], language: OfflineLanguage, families: dict[str, str]) -> Stream:
    """Return rows (id, at, source, text) by time, with stories assigned as indexing would."""
    pipeline, stream = Pipeline(language), Stream()
    for number, row in enumerate(sorted(rows, key=lambda row: (row["at"], row["id"]))):
        raw, _ = unmarked(row["text"])
        pipeline.take(row["id"], row["source"], row["at"], raw)
        text = normalise(raw)
        prose = unmasked(text, pipeline.profiles[row["source"]].mask(text))
        story = pipeline.stories.get(row["id"])
        if story is not None:
            family = families.get(row["source"], row["source"])
            stream.mentions.append(Mention(number, row["at"], family, units(prose, story), row["id"]))
        stream.names.append(row["id"])
        stream.texts.append(prose)
    return stream


def detect(mentions: Sequence[Mention], support: Support | None = None) -> list[Change]:
    """Return every change, the day after the last post included."""
    detector = Detector(support)
    detector.take(mentions)
    return detector.advance(max(one.at for one in mentions) + DAY)


def alarms_of(changes: Iterable[Change]) -> list[Alarm]:
    """Return a trend's alarm with all its posts."""
    found: dict[tuple[str, int], Alarm] = {}
    for change in changes:
        if not change.why:
            alarm = found.setdefault((change.unit, change.wave), Alarm(change.unit, change.at))
            alarm.posts = list(change.posts)
    return list(found.values())


def judge(alarms: Sequence[Alarm], stream: Stream, start: datetime) -> dict[str, Any]:
    """Return how alarms match the labelled events, by the rules of the score tool that acceptance uses."""
    events, neutral = _rows("tgnews_events_dev"), _rows("tgnews_neutral_dev")
    of: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        for channel, number in event["posts"]:
            of[f"{channel}/{number}"].add(event["event"])
    neutral_posts = {f"{channel}/{number}" for event in neutral for channel, number in event["posts"]}
    patterns = [
        re.compile(row["pattern"], re.IGNORECASE) for row in _rows("tgnews_nonevents") if row["pattern"]
    ]
    hits: defaultdict[str, list[datetime]] = defaultdict(list)
    verdicts: list[tuple[datetime, str]] = []
    routine = 0
    for alarm in [alarm for alarm in alarms if alarm.at >= start]:
        need = max(2, 0.3 * len(alarm.posts))
        counts = Counter(event for post in alarm.posts for event in of[stream.names[post]])
        told = [event for event, count in counts.items() if count >= need]
        known = sum(stream.names[post] in neutral_posts for post in alarm.posts) >= 0.3 * len(alarm.posts)
        for event in told:
            hits[event].append(alarm.at)
        verdicts.append((alarm.at, "event" if told else "neutral" if known else "false"))
        matched = sum(any(one.search(stream.texts[post]) for one in patterns) for post in alarm.posts)
        routine += not told and matched >= 0.5 * len(alarm.posts)
    return _figures(events, hits, verdicts, routine)


def _figures(
    events: list[dict[str, Any]],
    hits: dict[str, list[datetime]],
    verdicts: list[tuple[datetime, str]],
    routine: int,
) -> dict[str, Any]:
    kinds = Counter(kind for _, kind in verdicts)
    days = {f"{at:%m-%d}" for at, _ in verdicts}
    delays, posts = [], []
    for event in events:
        if event["event"] in hits:
            first, qualified = min(hits[event["event"]]), datetime.fromisoformat(event["qualified_at"])
            delays.append((first - qualified).total_seconds() / 60)
            posts.append(_posts_after_third_family(event, first))
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for event in events:
        groups[event["group"] or event["event"]].append(event["event"] in hits)

    def recall(least: int, *, robust: bool = False) -> float:
        asked = [one for one in events if one["n_posts"] >= least and (one["robust"] or not robust)]
        return round(sum(one["event"] in hits for one in asked) / len(asked), 3)

    def precision(left_out: str = "") -> float:
        kept = Counter(kind for at, kind in verdicts if f"{at:%m-%d}" != left_out)
        return round(kept["event"] / max(kept["event"] + kept["false"], 1), 3)

    return {
        "alarms": len(verdicts), "event": kinds["event"], "neutral": kinds["neutral"], "false": kinds["false"],
        "precision": precision(),
        "precision_without_a_day": [f([precision(day) for day in sorted(days)] or [0.0]) for f in (min, max)],
        "recall": {"all": recall(4), ">=8": recall(8), ">=16": recall(16), "robust": recall(4, robust=True),
                   "groups": round(sum(any(one) for one in groups.values()) / len(groups), 3)},
        "delay_min": _quantiles(delays), "delay_posts_after_third_family": _quantiles(posts),
        "false_a_day": round(kinds["false"] / 12, 2), "on_nonevent_patterns_a_day": round(routine / 12, 2),
        "alarms_per_event": round(statistics.fmean(map(len, hits.values())), 2) if hits else 0.0,
    }  # fmt: skip


def _posts_after_third_family(event: dict[str, Any], alarm: datetime) -> int:
    """Return how many of the event's posts came after its third family's first and before the alarm."""
    at, families = EVENT_TIMES, set()
    times = []
    third: datetime | None = None
    for channel, number in event["posts"]:
        moment = at.get(f"{channel}/{number}")
        if moment is None:
            continue
        families.add(FAMILIES.get(channel, channel))
        if len(families) == 3 and third is None:
            third = moment
        times.append(moment)
    return sum(third < moment < alarm for moment in times) if third else 0


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"median": round(statistics.median(values), 1), "p90": round(float(np.quantile(values, 0.9)), 1)}


EVENT_TIMES: dict[str, datetime] = {}
FAMILIES: dict[str, str] = {}


def telegram(language: OfflineLanguage, plots: Path | None) -> dict[str, Any]:
    """Return the table of the Telegram stream, ours beside the peers."""
    FAMILIES.update(json.loads((DATA / "tgnews_families.json").read_text("utf-8")))
    rows = [
        {"id": f"{row['channel']}/{row['message_id']}", "at": datetime.fromisoformat(row["date"]),
         "source": row["channel"], "text": row["text"]}
        for row in _rows("tgnews_ru")
    ]  # fmt: skip
    EVENT_TIMES.update({row["id"]: row["at"] for row in rows})
    stream = read(rows, language, FAMILIES)
    first = min(datetime.fromisoformat(event["first_post"]) for event in _rows("tgnews_events_dev"))
    began = time.process_time()
    changes = detect(stream.mentions)
    seconds = time.process_time() - began
    ours = alarms_of(changes)
    result = {"ours": judge(ours, stream, first) | {"posts_per_s": round(len(stream.mentions) / seconds)}}
    stories_only = alarms_of(
        detect([Mention(one.post, one.at, one.family, one.units[:1], one.ref) for one in stream.mentions])
    )
    result["ours, stories only"] = judge(stories_only, stream, first)
    late = [one for one in stream.mentions if one.at >= first - 4 * DAY]
    for name, peer in PEERS.items():
        result[name] = judge(merged(peer(late)), stream, first)
        by_story = [Mention(one.post, one.at, one.family, one.units[:1], one.ref) for one in late]
        result[f"{name}, on our stories"] = judge(merged(peer(by_story)), stream, first)
    told = [change.forecast.holds(actual) for change, actual in _came_true(changes, stream)]
    result["forecast"] = {"judged": len(told), "coverage": round(statistics.fmean(told), 3), "asked": 0.8}
    result["shuffled within an hour"] = shuffled(rows, language, ours, stream)
    if plots:
        result["plots"] = [str(path) for path in draw(plots, stream, ours)]
    return result


def _came_true(changes: Sequence[Change], stream: Stream) -> list[tuple[Any, int]]:
    by_unit: defaultdict[str, list[datetime]] = defaultdict(list)
    for mention in stream.mentions:
        for unit in mention.units:
            by_unit[unit].append(mention.at)
    last = stream.mentions[-1].at
    return [
        (change, sum(change.at < at <= change.at + 6 * HOUR for at in by_unit[change.unit]))
        for change in changes
        if change.forecast is not None and not change.why and change.at + 6 * HOUR <= last
    ]


def shuffled(
    rows: Sequence[dict[str, Any]], language: OfflineLanguage, ours: Sequence[Alarm], stream: Stream
) -> dict[str, Any]:
    """Return how many trends are the same when posts are analysed in an order shuffled within an hour."""
    rng = np.random.default_rng(5)
    order = sorted(rows, key=lambda row: row["at"].timestamp() + rng.uniform(0, 3600))
    pipeline = Pipeline(language)
    number = {name: at for at, name in enumerate(stream.names)}
    mentions = []
    for row in order:
        raw, _ = unmarked(row["text"])
        pipeline.take(row["id"], row["source"], row["at"], raw)
        story = pipeline.stories.get(row["id"])
        if story is not None:
            own = units(stream.texts[number[row["id"]]], story)
            mentions.append(
                Mention(
                    number[row["id"]], row["at"], FAMILIES.get(row["source"], row["source"]), own, row["id"]
                )
            )
    again = alarms_of(detect(mentions))
    start = datetime(2024, 11, 16, tzinfo=UTC)
    return {
        "same": round(_overlap(ours, again, start), 3),
        "same_backwards": round(_overlap(again, ours, start), 3),
    }


def _overlap(ours: Sequence[Alarm], others: Sequence[Alarm], start: datetime) -> float:
    """Return the share of alarms that have another within an hour with half of the posts of the smaller."""
    asked = [one for one in ours if one.at >= start]
    found = sum(
        any(
            abs(one.at - other.at) <= HOUR
            and len(set(one.posts) & set(other.posts)) >= 0.5 * min(len(one.posts), len(other.posts))
            for other in others
        )
        for one in asked
    )
    return found / max(len(asked), 1)


def draw(folder: Path, stream: Stream, alarms: Sequence[Alarm]) -> list[Path]:
    """Draw three real events by the hour, with the alarm marked; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    number = {name: at for at, name in enumerate(stream.names)}
    for event in [event for event in _rows("tgnews_events_dev") if event["event"] in PLOTTED]:
        own = [f"{channel}/{post}" for channel, post in event["posts"]]
        known = {number[name] for name in own if name in number}
        hits = [alarm for alarm in alarms if len(known & set(alarm.posts)) >= max(2, 0.3 * len(alarm.posts))]
        if not hits:
            continue
        best = min(hits, key=lambda alarm: alarm.at)
        first = datetime.fromisoformat(event["first_post"])
        figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
        for label, names, colour in (
            ("labelled posts", own, "#9ecae1"),
            ("posts of the trend", [stream.names[post] for post in best.posts], "#08519c"),
        ):
            hours = [(EVENT_TIMES[name] - first) / HOUR for name in names if name in EVENT_TIMES]
            axes.hist(
                hours,
                bins=np.arange(-3, 25, 0.5),
                label=label,
                color=colour,
                histtype="stepfilled",
                alpha=0.7,
            )
        axes.axvline((best.at - first) / HOUR, color="#cb181d", label=f"alarm {best.at:%d.%m. %H:%M}")
        qualified = (datetime.fromisoformat(event["qualified_at"]) - first) / HOUR
        axes.axvline(qualified, color="#555555", linestyle="--", label="fourth post, third publisher")
        axes.set(
            title=event["title_ru"],
            xlabel=f"hours after the first post ({first:%d.%m.%Y %H:%M} UTC)",
            ylabel="posts in 30 min",
        )
        axes.legend(fontsize=8)
        for suffix in ("png", "svg"):
            paths.append(folder / f"{event['event']}.{suffix}")
            figure.savefig(paths[-1], dpi=110)
        plt.close(figure)
    return paths


class Watched(Detector):
    """A detector that says which units were unusual, before support by stories and bundles is asked."""

    def __init__(self) -> None:
        super().__init__(width=1 << 12)
        self.unusual: set[str] = set()

    def _bundles(self, tick: int, units: Sequence[str], tests: int) -> list[Change]:
        self.unusual.update(units)
        return super()._bundles(tick, units, tests)


SHAPES = {
    "steady": (0.0, 0.0, 1e6),
    "daily and weekly": (0.7, 0.4, 1e6),
    "over-dispersed": (0.5, 0.2, 3.0),
}
SIZES = (4, 5, 6, 8, 12, 20)
_WORDS = 300


def made_up(
    seed: int, shape: str, *, days: int = 7, per_day: int = 200
) -> tuple[list[Mention], dict[str, int]]:
    """Return a stream and its planted bursts (story → posts).

    Each post has its story (one in eight joins an old one by chance) and two names of a vocabulary by Zipf's law, each
    with hours of its own; the rate follows the shape.
    """
    rng = np.random.default_rng(seed)
    daily, weekly, noise = SHAPES[shape]
    weights = 1 / np.arange(1, _WORDS + 1)
    phase = rng.uniform(0, 24, _WORDS)
    mentions: list[Mention] = []

    def say(at: datetime, *own: str) -> None:
        mentions.append(Mention(len(mentions), at, f"family {rng.integers(12)}", own))

    for hour in range(24 * days):
        begin = START + hour * HOUR
        rate = per_day / 24 * max(1 + daily * np.sin(2 * np.pi * (hour % 24 - 9) / 24), 0.05)
        rate *= (1 - weekly * (begin.weekday() >= 5)) * rng.gamma(noise, 1 / noise)
        own = weights * (1 + 0.8 * np.cos(2 * np.pi * (hour - phase) / 24))
        own /= own.sum()
        for _ in range(rng.poisson(rate)):
            story = (
                len(mentions)
                if not mentions or rng.random() > 0.125
                else int(rng.integers(max(0, len(mentions) - 600), len(mentions)))
            )
            names = (f"n:{word}" for word in rng.choice(_WORDS, 2, replace=False, p=own))
            say(begin + float(rng.uniform(0, 1)) * HOUR, f"s:{story}", *names)
    planted = {f"s:{10**6 + number}": int(rng.choice(SIZES)) for number in range(4)}
    for unit, size in planted.items():
        at = START + float(rng.uniform(4, days - 1)) * DAY
        for delay in [0.0, *rng.exponential(2.0, size - 1)]:
            say(at + float(delay) * HOUR, unit)
    return mentions, planted


@dataclass(frozen=True)
class Tried:
    """What became of one made-up stream: rates of false trends, and which bursts (by size) were found."""

    shape: str
    false_rate: float
    unit_rate: float
    found: tuple[tuple[int, bool], ...]


def tried(seed: int) -> Tried:
    """Detect in the stream of a seed; its shape is the seed's turn."""
    shape = list(SHAPES)[seed % len(SHAPES)]
    mentions, planted = made_up(seed, shape)
    detector = Watched()
    detector.take(mentions)
    found = alarms_of(detector.advance(START + 9 * DAY))
    hit = {alarm.unit for alarm in found}
    false = sum(alarm.unit not in planted for alarm in found)
    return Tried(
        shape,
        false / max(len(found), 1),
        len(detector.unusual) / max(len(detector.unusual) + len(hit), 1),
        tuple((size, unit in hit) for unit, size in planted.items()),
    )


def synthetic(seeds: int, jobs: int = 1) -> dict[str, Any]:
    """Return the false-discovery rate over ``seeds`` streams of three shapes, and the power by size of burst.

    ``ci95`` is the rate's interval by the normal approximation over streams.
    """
    with ProcessPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(tried, range(seeds), chunksize=10))
    rates = [one.false_rate for one in outcomes]
    by_shape = {shape: [one.false_rate for one in outcomes if one.shape == shape] for shape in SHAPES}
    power: defaultdict[int, list[bool]] = defaultdict(list)
    for one in outcomes:
        for size, is_found in one.found:
            power[size].append(is_found)
    spread = 1.96 * statistics.pstdev(rates) / len(rates) ** 0.5
    return {
        "seeds": seeds, "asked": 0.1, "fdr": round(statistics.fmean(rates), 4), "ci95": round(spread, 4),
        "streams_with_a_false_trend": sum(rate > 0 for rate in rates),
        "fdr_by_shape": {shape: round(statistics.fmean(found), 4) for shape, found in by_shape.items() if found},
        "fdr_of_single_terms_too": round(statistics.fmean(one.unit_rate for one in outcomes), 4),
        "power": {size: round(statistics.fmean(found), 3) for size, found in sorted(power.items())},
        "bursts": {size: len(found) for size, found in sorted(power.items())},
    }  # fmt: skip


def steady() -> dict[str, Any]:
    """Return the alarms on one post every 4 minutes for 7 days, and on a footer with "subscribe" under each."""
    rng = np.random.default_rng(2)
    one = [Mention(n, START + 4 * n * MINUTE, f"family {n % 8}", ("s:1", "n:word")) for n in range(2520)]
    footer = [
        Mention(n, START + 4 * n * MINUTE, f"family {rng.integers(8)}", (f"s:{n}", "n:subsc", "t:news subsc"))
        for n in range(2520)
    ]
    everyone: dict[str, Callable[[Sequence[Mention]], int]] = {
        "ours": lambda mentions: len(alarms_of(detect(mentions))),
        **{
            name: (lambda mentions, peer=peer: len(peer([_first(one) for one in mentions])))
            for name, peer in PEERS.items()
        },
    }
    return {
        name: {"one post in 4 minutes": count(one), "subscribe": count(footer)}
        for name, count in everyone.items()
    }


def _first(mention: Mention) -> Mention:
    """Return a mention of the word alone."""
    return Mention(mention.post, mention.at, mention.family, (mention.units[1],))


def crises(language: OfflineLanguage) -> dict[str, Any]:
    """Return delay and false alarms for three crises, a sample of each put into a week of unrelated tweets."""
    rng = np.random.default_rng(3)
    tweets = _rows("crisislex_t6")
    events = sorted({row["event"] for row in tweets})
    rows, begun, truth = [], {}, {}
    for row in tweets:
        if row["label"] == "off-topic" and rng.random() < 0.25:
            at = START + float(rng.uniform(0, 8)) * DAY
            rows.append(
                {"id": row["id"], "at": at, "source": f"author {row['id'][-3:]}", "text": row["text"]}
            )
    for place, event in enumerate(events):
        topical = sorted(
            (row for row in tweets if row["event"] == event and row["label"] == "on-topic"),
            key=lambda row: row["ts"],
        )
        first = datetime.fromisoformat(topical[0]["ts"])
        begun[event] = START + (4 + place) * DAY
        for row in topical[:150]:
            offset = min(datetime.fromisoformat(row["ts"]) - first, DAY)
            truth[row["id"]] = event
            rows.append(
                {
                    "id": row["id"],
                    "at": begun[event] + offset,
                    "source": f"author {row['id'][-3:]}",
                    "text": row["text"],
                }
            )
    stream = read(rows, language, {})
    at = {row["id"]: row["at"] for row in rows}
    result: dict[str, Any] = {"posts": len(rows)}
    late = stream.mentions
    for name, alarms in {
        "ours": alarms_of(detect(late)), **{name: merged(peer(late)) for name, peer in PEERS.items()}
    }.items():  # fmt: skip
        found: dict[str, datetime] = {}
        false = 0
        for alarm in sorted(alarms, key=lambda one: one.at):
            names = Counter(truth.get(stream.names[post]) for post in alarm.posts)
            event, count = max(
                ((event, n) for event, n in names.items() if event), key=lambda one: one[1], default=(None, 0)
            )
            if event and count >= max(2, 0.3 * len(alarm.posts)):
                found.setdefault(event, alarm.at)
            else:
                false += 1
        delays = {
            event: {
                "minutes": round((when - begun[event]) / MINUTE),
                "posts": sum(truth.get(one) == event and at[one] < when for one in at),
            }
            for event, when in found.items()
        }
        result[name] = {
            "found": f"{len(found)} of {len(events)}",
            "alarms": len(alarms),
            "false": false,
            "delay": delays,
        }
    return result


def speed(sizes: Sequence[int]) -> dict[str, Any]:
    """Return posts a second of detection alone on one core, and the peak of memory, by size of stream."""
    result: dict[str, Any] = {}
    for size in sizes:
        rng = np.random.default_rng(size)
        per_day = max(2_000, size // 10)
        detector, spent = Detector(), 0.0
        words = rng.zipf(1.25, (size, 12)) % 1_000_000
        families = rng.integers(0, 200, size)
        stories = np.where(rng.random(size) < 0.15, rng.integers(0, size, size), np.arange(size))
        for begin in range(0, size, 5_000):
            chunk = [
                Mention(
                    n,
                    START + n / per_day * DAY,
                    f"f{families[n]}",
                    (f"s:{stories[n]}", *(f"t:{word} x" for word in set(words[n].tolist()))),
                )
                for n in range(begin, min(begin + 5_000, size))
            ]
            began = time.process_time()
            detector.take(chunk)
            detector.advance(chunk[-1].at)
            spent += time.process_time() - began
        result[f"{size} posts"] = {
            "posts_per_s": round(size / spent),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "terms": int(np.unique(words).size),
        }
    return result


def bertopic() -> str:
    """Return why BERTopic's topics over time are not in the table."""
    if importlib.util.find_spec("bertopic") is None:
        return (
            "skipped: bertopic is not installed; it pulls torch and reads its sentence model from a model hub"
        )
    return "skipped: its topics are fitted on the whole stream, later posts included, so it raises no alarms in time"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=1000, help="streams made up")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes for these")
    parser.add_argument("--posts", type=int, default=1_000_000, help="largest stream of the measure of speed")
    parser.add_argument("--plots", type=Path, help="folder for plots of three events")
    parser.add_argument("--only", action="append", help="telegram, synthetic, steady, crises or speed")
    arguments = parser.parse_args()
    language = OfflineLanguage()
    wanted: dict[str, tuple[tuple[str, ...], Callable[[], Any]]] = {
        "steady": ((), steady),
        "speed": ((), lambda: speed([size for size in (10_000, 100_000, 1_000_000) if size <= arguments.posts])),
        "synthetic": ((), lambda: synthetic(arguments.seeds, arguments.jobs)),
        "telegram": (("tgnews_ru", "tgnews_events_dev", "tgnews_neutral_dev", "tgnews_nonevents"),
                     lambda: telegram(language, arguments.plots)),
        "crises": (("crisislex_t6",), lambda: crises(language)),
    }  # fmt: skip
    result: dict[str, Any] = {}
    for name, (files, measure) in wanted.items():
        if arguments.only and name not in arguments.only:
            continue
        missing = [file for file in files if not (DATA / f"{file}.jsonl").exists()]
        result[name] = f"skipped: {', '.join(missing)} not found in {DATA.name}/" if missing else measure()
    result["BERTopic over time"] = bertopic()
    print(json.dumps(result, ensure_ascii=False, indent=None if arguments.json else 2))
    return 0


def _rows(name: str) -> list[dict[str, Any]]:
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main())
