"""Questions against the customer's limits: `uv run python -m benchmarks.ask [--json] [--questions 500] [--threads 8]`.

Load: questions about the bundled example stream at a concurrency, through `tasks.ask.Asker` on a real PostgreSQL and
Valkey, with a model that answers after 300 ms by quoting the first line it is shown; once with caches cold, once again with
them warm (the model's own answers are not cached, so that every call is paid). P50, P95 and P99 of time, calls, tokens and
steps, beside `domains.limits`. Knowing: on XQuAD (en, ru, de), when that data is there, how often the extract holds the
answer, how often a question is rightly left unanswered once its article is taken away, at the threshold in use and around
it; the threshold was chosen on half of the articles ("dev"), the figures are of the other half.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from domains import answer_line, limits
from domains.answer import Passage, Question, Told
from domains.answer_line import Ruler
from domains.lexical import Lexical, rarity
from domains.post import Post
from domains.terms import Lexicon
from services import settings, wiring
from services.clock import SystemClock
from services.embedded import Postgres
from services.language import OfflineLanguage
from services.schema import Post as Row
from services.valkey import Valkey
from tasks import demo, job
from tasks.ask import Asker, Asking
from tests.llm_server import LlmServer, say

DATA = Path(__file__).parents[2] / "shared" / "data" / "xquad.jsonl"
MODEL_S = 0.3
THRESHOLDS = (0.32, 0.36, answer_line.KNOWN, 0.44, 0.48)
FORMS = (
    "What happened with {}?",
    "What is known about {}?",
    "When did {} happen?",
    "Что известно: {}?",
    "Що відомо: {}?",
)


def scripted(handler: Any, asked: dict[str, Any], seconds: float | None = None) -> None:
    """Answer after a while (300 ms) with the first line of the first post, quoted."""
    threading.Event().wait(MODEL_S if seconds is None else seconds)
    system, user = (one["content"] for one in asked["messages"][:2])
    mark = re.search(r"the mark\s+(\^[a-z]+)", system)
    token = mark[1] if mark else "^"
    if '"queries"' in json.dumps(asked.get("response_format", {})) or "short queries" in system:
        say('{"queries": []}')(handler, asked)
        return
    if "Name the route" in system:
        say('{"route": "search", "confidence": 0.9}')(handler, asked)
        return
    lines = user.partition("p1, ")[2].split("\n")[1:]
    line = lines[0].replace(token, "") if lines else ""
    value = {
        "claims": [{"post": "p1", "quote": " ".join(line.split()[:8])}],
        "sentences": [{"text": line, "claims": [1]}],
    }
    usage = {"prompt_tokens": len(json.dumps(asked["messages"])) // 3, "completion_tokens": 120}
    usage["total_tokens"] = sum(usage.values())
    say(json.dumps(value, ensure_ascii=False), usage=usage)(handler, asked)


@contextmanager
def stocked(**overrides: Any) -> Iterator[tuple[wiring.World, int]]:
    """A world on servers of its own, with the example stream analysed and indexed, and the tenant that has it."""
    with tempfile.TemporaryDirectory(prefix="svodka-ask-") as name:
        folder = Path(name)
        postgres = Postgres(folder / "pg", log=folder / "pg.log", options={"fsync": "off"})
        postgres.start()
        with Valkey(folder / "valkey", log=folder / "valkey.log") as cache:
            set_ = settings.load(
                var=folder / "var", database_url=postgres.url(), redis_url=cache.url(), **overrides
            )
            world = wiring.build(set_, SystemClock(), random.Random(7))
            try:
                world.database.migrate()
                yield world, _indexed(world)
            finally:
                world.close()
                postgres.stop()


def _indexed(world: wiring.World) -> int:
    example = demo.stream(world.clock.now())
    tenant_id, _ = demo.prepare(world, example)
    for _ in demo.load(world, tenant_id, example):
        pass
    waiting = [(job.INDEX.name, tenant_id)]
    while waiting:
        task, row = waiting.pop(0)
        waiting += job.perform(world, job.kind_of(task), row)
    world.vectors.found()
    while world.vectors.fill().left:
        pass
    return tenant_id


def load(count: int, threads: int) -> dict[str, Any]:
    with LlmServer(scripted) as server:
        scripted_model = {
            "model_provider": "vllm", "model_name": "scripted", "model_base_url": server.url,
            "budget_allow_unknown_price": True, "model_cache_s": 0, "budget_day_money": None,
        }  # fmt: skip
        with stocked(**scripted_model) as (world, tenant_id):
            return _load(world, tenant_id, count, threads)


def _load(world: wiring.World, tenant_id: int, count: int, threads: int) -> dict[str, Any]:
    questions = questions_of(world, tenant_id, count)
    asker = Asker(world)
    asker.ask(tenant_id, Asking("warm up the dictionaries, please, in Solvych"))
    made: dict[str, Any] = {"questions": count, "threads": threads, "model_s": MODEL_S}
    for caches in ("cold", "warm"):
        with ThreadPoolExecutor(threads) as pool:
            began = time.perf_counter()
            told = list(pool.map(lambda text: asker.ask(tenant_id, Asking(text)), questions))
            took = time.perf_counter() - began
        made[caches] = {**_measured(told), "questions_per_s": round(count / took, 2)}
    return made


def questions_of(world: wiring.World, tenant_id: int, count: int) -> list[str]:
    """Return questions about what the stream's posts say: a form, and four to seven words of a post."""
    luck = random.Random(13)
    with world.database.transaction() as session:
        query = select(Row.text).where(Row.tenant_id == tenant_id, Row.boilerplate.is_(None)).order_by(Row.id)
        texts = [text for text in session.scalars(query) if len(text.split()) > 12]
    made = []
    for number in range(count):
        words = luck.choice(texts).split("\n")[0].split()
        begin = luck.randint(0, max(0, len(words) - 7))
        made.append(FORMS[number % len(FORMS)].format(" ".join(words[begin : begin + luck.randint(4, 7)])))
    return made


def _measured(told: list[Told]) -> dict[str, Any]:
    def spread(values: list[float]) -> dict[str, float]:
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        return {
            "p50": round(p50, 3),
            "p95": round(p95, 3),
            "p99": round(p99, 3),
            "mean": round(float(np.mean(values)), 3),
        }

    stages: dict[str, list[float]] = defaultdict(list)
    for one in told:
        for name, seconds in one.timing.items():
            stages[name].append(seconds)
    return {
        "seconds": spread(stages.pop("total")),
        "calls": spread([one.usage.calls for one in told]),
        "tokens": spread([one.usage.tokens for one in told]),
        "steps": spread([one.usage.steps for one in told]),
        "known": round(sum(one.known for one in told) / len(told), 3),
        "by_model": round(sum(one.rung == "model" for one in told) / len(told), 3),
        "escalated": round(sum(bool(one.escalation) for one in told) / len(told), 3),
        "stages_p95": {name: round(float(np.percentile(values, 95)), 3) for name, values in stages.items()},
    }


def knowing(count: int) -> dict[str, Any]:
    """Return by language how the extract does on XQuAD's held-out articles."""
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    titles = sorted({row["title"] for row in rows if row["kind"] == "passage"})
    language = OfflineLanguage()
    lexical = Lexical(language.lemma)
    return {
        lang: _knowing(
            [row for row in rows if row["lang"] == lang], set(titles[1::2]), language, lexical, count
        )
        for lang in ("en", "ru", "de")
    }


def _knowing(
    rows: list[dict[str, Any]], held_out: set[str], language: OfflineLanguage, lexical: Lexical, count: int
) -> dict[str, Any]:
    passages = {row["pid"]: row for row in rows if row["kind"] == "passage"}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    posts = {
        pid: Post(
            pid,
            str(pid),
            "s",
            "s",
            at,
            row["text"],
            row["lang"],
            "",
            sentences=language.sentences(row["text"], row["lang"]),
        )
        for pid, row in passages.items()
    }
    vectors = {pid: lexical.document(post.text, post.lang) for pid, post in posts.items()}
    holding: dict[int, int] = defaultdict(int)
    for vector in vectors.values():
        for index in vector.indices:
            holding[int(index)] += 1
    questions = [
        row for row in rows if row["kind"] == "question" and passages[row["pid"]]["title"] in held_out
    ]
    random.Random(5).shuffle(questions)
    right, there, gone = [], [], []
    for row in questions[:count]:
        asked = lexical.question(row["question"], row["lang"])
        held = np.array([holding[int(index)] for index in asked.indices], dtype=float)
        weights = dict(
            zip(asked.indices.tolist(), (asked.values * rarity(len(posts), held)).tolist(), strict=True)
        )
        scores = {
            pid: sum(
                weights.get(index, 0.0) * value
                for index, value in zip(one.indices.tolist(), one.values.tolist(), strict=True)
            )
            for pid, one in vectors.items()
        }
        order = sorted(scores, key=lambda pid: -scores[pid])
        title = passages[row["pid"]]["title"]
        question = Question(row["question"], row["lang"])

        def weighed(
            ids: list[int], question: Question = question, scores: dict[int, float] = scores
        ) -> list[Any]:
            best = scores[ids[0]] or 1.0
            found = [Passage(posts[pid], scores[pid] / best) for pid in ids[: answer_line.READ]]
            return answer_line.weighed(question, found, Ruler(question, lexical, found))

        lines = weighed(order)
        said = " ".join(
            line.text for line in answer_line.chosen(question, lines, Lexicon(language))
        ).casefold()
        right.append(any(one.casefold() in said for one in row["answers"]))
        there.append(answer_line.support_of(lines))
        gone.append(
            answer_line.support_of(weighed([pid for pid in order if passages[pid]["title"] != title]))
        )
    return {
        "questions": len(right),
        "extract_holds_the_answer": round(float(np.mean(right)), 3),
        "answered / rightly_unknown": {
            f"{at:.2f}": [
                round(float(np.mean(np.array(there) >= at)), 3),
                round(float(np.mean(np.array(gone) < at)), 3),
            ]
            for at in THRESHOLDS
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument(
        "--knowing", type=int, default=150, help="Questions of XQuAD in each language; 0: none"
    )
    options = parser.parse_args()
    found: dict[str, Any] = {"load": load(options.questions, options.threads)}
    if options.knowing and DATA.exists():
        found["knowing"] = knowing(options.knowing)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    return 0 if all(ok for *_, ok in _promises(found["load"])) else 1


def _promises(found: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """Return each promise to the customer: its name, what was found, the limit, and whether it holds."""
    rows = []
    for caches in ("cold", "warm"):
        one = found[caches]
        for name, value, limit in (
            ("P95 seconds <", one["seconds"]["p95"], limits.FAST_P95_S),
            ("mean calls <", one["calls"]["mean"], limits.FAST_CALLS),
            ("P95 tokens <", one["tokens"]["p95"], limits.FAST_TOKENS),
            ("P95 steps <=", one["steps"]["p95"], limits.FAST_STEPS + 1e-9),
        ):
            rows.append((f"{caches}: {name}", value, limit, value < limit))
    return rows


def _print(found: dict[str, Any]) -> None:
    one = found["load"]
    print(f"{one['questions']} questions, {one['threads']} at once, a model that takes {one['model_s']} s")
    print(f"{'caches':8}{'what':10}{'P50':>10}{'P95':>10}{'P99':>10}{'mean':>10}")
    for caches in ("cold", "warm"):
        for what in ("seconds", "calls", "tokens", "steps"):
            row = "".join(f"{one[caches][what][name]:10.10g}" for name in ("p50", "p95", "p99", "mean"))
            print(f"{caches:8}{what:10}{row}")
        rest = ("questions_per_s", "known", "by_model", "escalated", "stages_p95")
        print(f"{'':8}" + ", ".join(f"{name} {one[caches][name]}" for name in rest))
    for name, value, limit, ok in _promises(one):
        print(f"  {'ok  ' if ok else 'OVER'} {name} {limit:.0f}: {value}")
    for lang, row in found.get("knowing", {}).items():
        print(f"  {lang}: {json.dumps(row)}")


if __name__ == "__main__":
    sys.exit(main())
