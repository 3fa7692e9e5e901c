"""How well queries are routed without a model: accuracy on the held-out half, by language, route and means.

Every query is asked with the same turn before it, so that a follow-up is not given away. The bundled queries were written
by the authors of the rules; XQuAD's questions, when ../shared/data has them, were not: each should be a search.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agents.router import Router
from domains.classifier import classifier
from domains.intent import Example, Routed, Turn, bundled

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BEFORE = (Turn("what happened today?", "digest", NOW - timedelta(minutes=2)),)
XQUAD = Path(__file__).resolve().parents[2] / "shared" / "data" / "xquad.jsonl"


@dataclass(frozen=True)
class Tally:
    """Right answers of all, by key: ("all", ""), ("lang", "uk"), ("route", "trend"), ("by", "rule") ..."""

    right: Counter[tuple[str, str]]
    of: Counter[tuple[str, str]]
    confused: Counter[tuple[str, str]]

    def accuracy(self, key: str, value: str = "") -> float:
        return self.right[key, value] / max(self.of[key, value], 1)

    def share(self, key: str, value: str) -> float:
        return self.of[key, value] / max(self.of["all", ""], 1)


def measure(examples: list[Example]) -> Tally:
    router = Router()
    right, of, confused = Counter(), Counter(), Counter()
    for one in examples:
        found = router.route(one.query, BEFORE, NOW)
        keys = (("all", ""), ("lang", one.lang), ("route", one.route), ("by", found.by))
        of.update(keys)
        if found.route == one.route:
            right.update(keys)
        else:
            confused[one.route, found.route] += 1
    return Tally(right, of, confused)


def held_out() -> list[Example]:
    return [one for one in bundled() if one.split == "held_out"]


def _strangers() -> list[Routed]:
    router = Router()
    with XQUAD.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    asked = [row for row in rows if row["kind"] == "question" and row["lang"] in {"en", "ru"}]
    return [router.route(row["question"], BEFORE, NOW) for row in asked]


def main() -> None:
    started = time.process_time()
    classifier()
    trained_s = time.process_time() - started
    examples = held_out()
    started = time.perf_counter()
    tally = measure(examples)
    each_ms = (time.perf_counter() - started) / len(examples) * 1000
    print(f"router, held-out half: {len(examples)} queries, accuracy {tally.accuracy('all'):.3f}")
    print(f"classifier trained in {trained_s:.2f} CPU s; {each_ms:.2f} ms a query")
    for key, value in sorted(tally.of):
        if key != "all":
            print(
                f"  {key:5} {value:10} accuracy {tally.accuracy(key, value):.3f} of {tally.of[key, value]}"
                f" ({tally.share(key, value):.2f} of all)"
            )
    print("  without a model: 1.00 (rules and classifier); most confused:")
    for (asked, found), count in tally.confused.most_common(5):
        print(f"    {asked} taken for {found}: {count}")
    if XQUAD.exists():
        strangers = _strangers()
        print(f"XQuAD questions (en, ru), which should be searches: {len(strangers)}")
        for route, count in Counter(one.route for one in strangers).most_common():
            print(f"  {route:10} {count / len(strangers):.3f}")


if __name__ == "__main__":
    main()
