"""How well and how fast posts are found: `uv run python -m benchmarks.retrieval [--json] [--posts 10000 100000] [--long]`.

Quality: every question of XQuAD in English, Russian and German against the passages of its language, through
`services.retrieval.Retriever` on a real PostgreSQL, beside BM25 and character TF-IDF in the same run. Weights were set on
half of the articles ("dev"); the other half is held out. Across languages: an English question against Russian passages.
Speed: questions cut from Telegram posts and from titles against streams of a growing size, Python and PostgreSQL pinned to
one core, no cache; milliseconds of each stage,
and CPU beside wall time, since other work on the machine lengthens only the latter. `--long` adds a million posts (an hour, 4 GB).
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import psutil
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sqlalchemy import insert, text

from domains import measure
from domains.lexical import Lexical
from domains.retrieval import Filters, Query
from services.cache import Cache
from services.clock import SystemClock
from services.database import Database
from services.embedded import Postgres
from services.language import OfflineLanguage
from services.memo import Memo
from services.postings import Postings
from services.retrieval import Retriever
from services.schema import Post, Source, Tenant
from services.vectors import Vectors

DATA = Path(__file__).parents[2] / "shared" / "data"
LANGUAGES = ("en", "ru", "de")
START = datetime(2026, 1, 1, tzinfo=UTC)
GOALS = {"recall@1": 0.93, "recall@5": 0.99}
QUESTIONS = 400
Ranker = Callable[[str], list[int]]


@dataclass
class Bench:
    """A PostgreSQL of this run with the product's retrieval on it."""

    database: Database
    vectors: Vectors
    lexical: Lexical
    language: OfflineLanguage
    folder: Path
    sources: dict[int, int] = field(default_factory=dict)

    def retriever(self) -> Retriever:
        """Return retrieval as a process has it that begins now: it remembers nothing."""
        clock = SystemClock()
        return Retriever(self.database, self.vectors, self.lexical, self.language, Cache(Memo(None), clock))

    def server_cpu_s(self) -> float:
        """Return the CPU seconds that this PostgreSQL's processes have used: what wall time on a busy machine hides."""
        used = 0.0
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() == "postgres" and Path(process.cwd()).is_relative_to(self.folder):
                    used += sum(process.cpu_times()[:2])
        return used

    def tenant(self, name: str) -> int:
        with self.database.transaction() as session:
            tenant = Tenant(name=name, state="done")
            session.add(tenant)
            session.flush()
            source = Source(tenant_id=tenant.id, name="s", kind="feed", family="s", state="done")
            session.add(source)
            session.flush()
            self.sources[tenant.id] = source.id
            return tenant.id

    def post(self, tenant_id: int, texts: Sequence[tuple[str, str]], first: int) -> None:
        """Store (language, text) as analysed posts with rows from ``first`` on."""
        values = [
            {
                "id": first + number, "tenant_id": tenant_id, "source_id": self.sources[tenant_id],
                "external_id": str(first + number), "at": START + timedelta(seconds=30 * number), "stored_at": START,
                "text": text, "lang": lang, "sha256": "", "indexed_at": START,
            }
            for number, (lang, text) in enumerate(texts)
        ]  # fmt: skip
        for at in range(0, len(values), 5_000):
            with self.database.transaction() as session:
                session.execute(insert(Post), values[at : at + 5_000])

    def fill(self) -> float:
        """Index all that is due and return the seconds it took."""
        began = time.perf_counter()
        generation = self.vectors.rebuild("posts").generation
        while self.vectors.fill().left:
            pass
        self.vectors.switch("posts", generation)
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        return time.perf_counter() - began


@contextmanager
def opened(language: OfflineLanguage) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="svodka-bench-") as name:
        folder = Path(name)
        options = {"fsync": "off", "synchronous_commit": "off", "shared_buffers": "512MB"}
        server = Postgres(folder / "pg", log=folder / "pg.log", options=options)
        server.start()
        database = Database(server.url())
        try:
            database.migrate()
            clock, lexical = SystemClock(), Lexical(language.lemma)
            vectors = Vectors(database, clock, Postings(database, folder / "postings"), lexical)
            vectors.found()
            yield Bench(database, vectors, lexical, language, folder)
        finally:
            database.dispose()
            server.stop()


def bm25(texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> Ranker:
    """Return Okapi BM25 over lower-case words as written: the plain tool."""
    counter = CountVectorizer(token_pattern=r"(?u)\b\w+\b")
    counts = counter.fit_transform(texts).tocsc().astype(float)
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    held = np.diff(counts.indptr)
    idf = np.log1p((len(texts) - held + 0.5) / (held + 0.5))
    rows = counts.tocoo()
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    rows.data = rows.data * (k1 + 1) / (rows.data + norm[rows.row]) * idf[rows.col]
    weighted = rows.tocsr()
    return lambda question: _order(np.asarray((weighted @ counter.transform([question]).T).todense()).ravel())


def tfidf(texts: Sequence[str]) -> Ranker:
    """Return cosine of character 3-5-gram TF-IDF: the other plain tool."""
    vectoriser = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    matrix = vectoriser.fit_transform(texts)
    return lambda question: _order(
        np.asarray((matrix @ vectoriser.transform([question]).T).todense()).ravel()
    )


def quality(bench: Bench) -> dict[str, Any]:
    """Return each ranker's measures by language: over all questions, and on the held-out half."""
    rows = _rows("xquad")
    titles = sorted({row["title"] for row in rows if row["kind"] == "passage"})
    dev = set(titles[::2])
    result: dict[str, Any] = {}
    owners: dict[str, tuple[int, int, list[dict[str, Any]]]] = {}
    for number, lang in enumerate(LANGUAGES):
        passages = [row for row in rows if row["kind"] == "passage" and row["lang"] == lang]
        first = 1 + 10_000 * number
        owner = bench.tenant(f"xquad-{lang}")
        bench.post(owner, [(lang, row["text"]) for row in passages], first)
        owners[lang] = (owner, first, passages)
    bench.fill()
    for lang in LANGUAGES:
        owner, first, passages = owners[lang]
        texts = [row["text"] for row in passages]
        place = {row["pid"]: at for at, row in enumerate(passages)}
        asked = [row for row in rows if row["kind"] == "question" and row["lang"] == lang]
        held = [passages[place[row["pid"]]]["title"] not in dev for row in asked]
        result[lang] = {"passages": len(passages), "questions": len(asked)}
        for name, ranker in (
            ("svodka", _product(bench, owner, first, lang)), ("bm25", bm25(texts)), ("tfidf", tfidf(texts)),
        ):  # fmt: skip
            ranked = [ranker(row["question"]) for row in asked]
            wanted = [place[row["pid"]] for row in asked]
            result[lang][name] = _measures(ranked, wanted)
            result[lang][f"{name}, held out"] = _measures(
                [one for one, out in zip(ranked, held, strict=True) if out],
                [one for one, out in zip(wanted, held, strict=True) if out],
            )
    owner, first, passages = owners["ru"]
    place = {row["pid"]: at for at, row in enumerate(passages)}
    asked = [row for row in rows if row["kind"] == "question" and row["lang"] == "en"]
    ranker = _product(bench, owner, first, None)
    result["en > ru"] = {
        "svodka": _measures([ranker(row["question"]) for row in asked], [place[row["pid"]] for row in asked]),
        "tfidf": _measures(
            list(map(tfidf([row["text"] for row in passages]), (row["question"] for row in asked))),
            [place[row["pid"]] for row in asked],
        ),
    }
    return result


def speed(bench: Bench, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Return for each size how long indexing and searching took, stage by stage."""
    stream = [row["text"] for row in _rows("tgnews_ru")]
    rng = random.Random(3)
    results = []
    for step, size in enumerate(sizes):
        owner = bench.tenant(f"stream-{size}")
        first = 1_000_000 + 10_000_000 * step
        bench.post(owner, [("ru", one) for one in _stream(stream, size, rng)], first)
        indexed_s = bench.fill()
        # A stream that grows tenfold between two questions is the benchmark's, not a tenant's: nothing is remembered of it.
        retriever = bench.retriever()
        for question in _questions(stream, 20, rng):
            retriever.search(Query(owner, question))
        laps, stages = [], defaultdict(list)
        server, cpu = bench.server_cpu_s(), []
        for question in _questions(stream, QUESTIONS, rng):
            began, own_s = time.perf_counter(), time.process_time()
            found = retriever.search(Query(owner, question))
            laps.append(1000 * (time.perf_counter() - began))
            cpu.append(1000 * (time.process_time() - own_s))
            for stage, seconds in found.timing.items():
                stages[stage].append(1000 * seconds)
        results.append(
            {
                "posts": size,
                "indexed_per_s": round(size / indexed_s),
                "p50_ms": _percentile(laps, 50),
                "p95_ms": _percentile(laps, 95),
                "p99_ms": _percentile(laps, 99),
                "cpu_p95_ms": _percentile(cpu, 95),
                "cpu_mean_ms": round(fmean(cpu), 2),
                "postgres_cpu_mean_ms": round(1000 * (bench.server_cpu_s() - server) / QUESTIONS, 2),
                "stages_p50_ms": {stage: _percentile(own, 50) for stage, own in stages.items()},
                "stages_p95_ms": {stage: _percentile(own, 95) for stage, own in stages.items()},
            }
        )
    return results


def _product(bench: Bench, owner: int, first: int, lang: str | None) -> Ranker:
    filters = Filters(langs=(lang,)) if lang else Filters()
    retriever = bench.retriever()

    def rank(question: str) -> list[int]:
        return [hit.post_id - first for hit in retriever.search(Query(owner, question, filters)).hits]

    return rank


def _stream(stream: Sequence[str], size: int, rng: random.Random) -> Iterator[str]:
    """Yield ``size`` different posts: the real ones, then halves of two of them, sentence by sentence."""
    yield from stream[:size]
    for _ in range(size - len(stream)):
        one, other = rng.choice(stream).split(), rng.choice(stream).split()
        yield " ".join((*one[: len(one) // 2], *other[len(other) // 2 :]))


def _questions(stream: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Return runs of 4 to 12 words of posts: as long as questions are, and all of them in the stream."""
    found: list[str] = []
    while len(found) < count:
        words = rng.choice(stream).split()
        size = rng.randint(4, 12)
        if len(words) > size:
            at = rng.randrange(len(words) - size)
            found.append(" ".join(words[at : at + size]))
    return found


def _measures(ranked: Sequence[list[int]], wanted: Sequence[int]) -> dict[str, float]:
    pairs = [(own, {one}) for own, one in zip(ranked, wanted, strict=True)]
    return {
        "recall@1": round(fmean(measure.recall(own, one, 1) for own, one in pairs), 4),
        "recall@5": round(fmean(measure.recall(own, one, 5) for own, one in pairs), 4),
        "mrr": round(fmean(measure.reciprocal_rank(own, one) for own, one in pairs), 4),
        "ndcg@10": round(fmean(measure.ndcg(own, dict.fromkeys(one, 1.0), 10) for own, one in pairs), 4),
    }


def _order(scores: Any) -> list[int]:
    return [int(at) for at in np.argsort(-scores, kind="stable")]


def _percentile(values: Sequence[float], share: float) -> float:
    return round(float(np.percentile(values, share)), 2)


def _rows(name: str) -> list[dict[str, Any]]:
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _print(result: dict[str, Any]) -> None:
    for lang, rankers in result["quality"].items():
        for name, own in rankers.items():
            if isinstance(own, dict):
                print(f"{lang:8}{name:20}", *(f"{measured} {value:.3f} " for measured, value in own.items()))
    for own in result["speed"]:
        print(json.dumps(own, ensure_ascii=False))
    print("goals:", result["goals"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--posts", type=int, nargs="*", default=[10_000, 100_000], help="sizes of the stream")
    parser.add_argument("--long", action="store_true", help="a million posts, too")
    arguments = parser.parse_args()
    missing = [name for name in ("xquad", "tgnews_ru") if not (DATA / f"{name}.jsonl").exists()]
    if missing:
        print(f"skipped: {', '.join(missing)} not found in {DATA.name}/", file=sys.stderr)
        return 0
    # The server that is started below inherits it: both share one core.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    language = OfflineLanguage()
    with opened(language) as bench:
        measured = quality(bench)
        timed = speed(bench, [*arguments.posts, *([1_000_000] if arguments.long else [])])
    reached = {
        f"{lang} {goal}": measured[lang]["svodka"][goal] >= least
        for lang in LANGUAGES
        for goal, least in GOALS.items()
    }
    reached |= {f"p95 < 20 ms at {own['posts']}": own["p95_ms"] < 20.0 for own in timed}
    result = {"quality": measured, "speed": timed, "goals": reached}
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
