"""How well a persona orders what its reader has not seen: `uv run python -m benchmarks.persona [--json]`.

A reader likes one topic: some stories of it are rated up, as many of other topics down, and the rest are ranked. Ours
(weights of lemmas, `domains.signal.learn` and `domains.persona.reweigh`) beside the sum of hashed vectors of the same
stories (`domains.vector`), which cannot say why. AUC: the chance that a story of the topic stands above another; .5 is
no persona. Topics of NeuS are its editors', categories of the Telegram stream a model's. Also the speed of both parts.
"""

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean

import numpy as np
from sklearn.metrics import roc_auc_score

from domains.persona import Persona, reweigh
from domains.post import Post
from domains.signal import Background, Signal, learn
from domains.terms import Lexicon
from domains.vector import Vector, Vectoriser
from services.language import OfflineLanguage

DATA = Path(__file__).parents[2] / "shared" / "data"
RATED = (1, 3, 10)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
SEED = 7


@dataclass(frozen=True)
class Item:
    """A story with its topic; ``told`` is what a digest said of it, which is what is rated."""

    id: int
    topic: str
    told: str
    post: Post
    families: int = 1
    importance: float = 0.0
    news: bool = True
    routine: bool = False

    @property
    def readable(self) -> tuple[Post, ...]:
        return (self.post,)

    telling = readable


def item(number: int, topic: str, told: str, text: str, lang: str) -> Item:
    post = Post(number, f"a/{number}", f"s{number}", f"s{number}", NOW, text, lang, f"{number:064x}")
    return Item(number, topic, told, post)


def neus() -> list[Item]:
    lines = [json.loads(line) for line in (DATA / "neus_stories.jsonl").read_text("utf-8").splitlines()]
    # What is rated is the editors' summary, what is ranked an outlet's article: another text of another hand.
    return [
        item(n, one["topic"], one["summary"][:300], f"{one['articles'][0]['title']}\n{one['articles'][0]['body'][:400]}", "en")
        for n, one in enumerate(lines)
        if one["articles"]
    ]  # fmt: skip


def telegram(count: int) -> list[Item]:
    lines = (DATA / "tgnews_ru.jsonl").read_text("utf-8").splitlines()
    posts = [json.loads(line) for line in random.Random(SEED).sample(lines, count)]
    return [
        item(n, one["category"], one["text"][:300], one["text"][:400], "ru") for n, one in enumerate(posts)
    ]


def signals(up: Sequence[Item], down: Sequence[Item]) -> list[Signal]:
    at = NOW - timedelta(days=1)
    return [
        Signal(n, "rate", "story", str(one.id), 1.0 if one in up else -1.0, at, one.told, one.post.lang)
        for n, one in enumerate([*up, *down], 1)
    ]


def by_lemmas(
    up: Sequence[Item], down: Sequence[Item], rest: Sequence[Item], lexicon: Lexicon, common: Background
) -> list[float]:
    persona: Persona = learn("me", signals(up, down), NOW, lexicon.terms, common)
    likings = reweigh(rest, persona, lexicon.terms, 0).likings
    return [likings[one.id].interest for one in rest]


def by_vectors(
    up: Sequence[Item], down: Sequence[Item], rest: Sequence[Item], vectors: dict[int, tuple[Vector, Vector]]
) -> list[float]:
    return [
        sum(vectors[one.id][0].dot(vectors[other.id][1]) for one in up)
        - sum(vectors[one.id][0].dot(vectors[other.id][1]) for one in down)
        for other in rest
    ]


def measured(items: list[Item], language: OfflineLanguage, smallest: int) -> dict[str, object]:
    lexicon = Lexicon(language)
    common = Background.of(
        lexicon.gist(one.post.text.partition("\n")[0][:140], one.post.lang) for one in items
    )
    vectoriser = Vectoriser(language.lemma)
    for one in items:
        vectoriser.vector(one.post.text, one.post.lang)
    vectors = {
        one.id: (vectoriser.vector(one.told, one.post.lang), vectoriser.vector(one.post.text, one.post.lang))
        for one in items
    }
    topics: dict[str, list[Item]] = defaultdict(list)
    for one in items:
        topics[one.topic].append(one)
    wide = {topic: own for topic, own in topics.items() if len(own) >= smallest}
    found: dict[str, object] = {"stories": len(items), "topics": len(wide)}
    for count in RATED:
        lemmas, hashed, liked, others = [], [], [], []
        for topic, own in sorted(wide.items()):
            luck = random.Random(f"{SEED} {topic} {count}")
            up = luck.sample(own, count)
            down = luck.sample([one for one in items if one.topic != topic], count)
            rest = [one for one in items if one not in up and one not in down]
            truth = [one.topic == topic for one in rest]
            ours = by_lemmas(up, down, rest, lexicon, common)
            lemmas.append(roc_auc_score(truth, ours))
            hashed.append(roc_auc_score(truth, by_vectors(up, down, rest, vectors)))
            liked += [value for value, is_own in zip(ours, truth, strict=True) if is_own]
            others += [value for value, is_own in zip(ours, truth, strict=True) if not is_own]
        found[f"auc_{count}"] = {"lemmas": round(mean(lemmas), 3), "vectors": round(mean(hashed), 3)}
        found[f"interest_{count}"] = {
            "own_quartiles": [round(float(x), 2) for x in np.percentile(liked, (25, 50, 75))],
            "other_quartiles": [round(float(x), 2) for x in np.percentile(others, (25, 50, 75))],
        }
    return found


def speed(items: list[Item], language: OfflineLanguage) -> dict[str, float]:
    lexicon = Lexicon(language)
    common = Background.of(lexicon.gist(one.told, one.post.lang) for one in items)
    many = signals(items[:1000], items[1000:2000])
    began = time.process_time()
    persona = learn("me", many, NOW, Lexicon(language).terms, common)
    learned = time.process_time() - began
    began = time.process_time()
    reweigh(items[:200], persona, Lexicon(language).terms)
    return {
        "learn_2000_signals_s": round(learned, 3),
        "reweigh_200_stories_ms": round((time.process_time() - began) * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    if not (DATA / "neus_stories.jsonl").exists():
        print("benchmarks.persona: ../shared/data is not there")
        sys.exit(0)
    language = OfflineLanguage()
    posts = telegram(2_000)
    result = {
        "neus": measured(neus(), language, smallest=14),
        "telegram": measured(posts, language, smallest=40),
        "speed": speed(posts, language),
    }
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for name, values in result.items():
        print(name)
        for key, value in values.items():
            print(f"  {key:24} {value}")


if __name__ == "__main__":
    main()
