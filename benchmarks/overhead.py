"""What counting costs: digests and answers with metrics on and off, one count, and reading what dead processes left.

    python -m benchmarks.overhead [PAIRS]

CPU time of this process, on and off by turns, the median of the pairs' ratios: the machine's other work hardly shows.
Dead processes are read as prometheus_client's multiprocess mode does, whose files nobody folds, and as we do.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector

from agents import loop
from benchmarks import ask
from benchmarks.prose import Journal, deps, example
from domains.digest import Briefing
from domains.domain import DIGEST
from domains.lexical import Lexical
from domains.ports import Language
from monitoring import metrics
from monitoring.meter import Meter
from monitoring.shelf import Shelf
from services.cache import Cache
from services.language import OfflineLanguage
from services.memo import Memo
from services.retrieval import Retriever
from services.wiring import World
from tasks import count
from tasks.ask import Asker, Asking

COUNTS = 20_000
DEAD = (0, 100, 512)
LIMIT = 0.02
QUESTIONS = 5


def digest_cpu_s(briefing: Briefing, language: Language, meter: Meter) -> float:
    """The CPU seconds that a digest without a model takes, the shortest there is, counted by ``meter``."""
    began_s = time.process_time()
    needs = deps(language, None, count.TimedJournal(Journal(), meter))
    outcome = loop.run(DIGEST, briefing, needs)
    count.digest(meter, outcome, time.process_time() - began_s)
    return time.process_time() - began_s


def overhead(folder: Path, pairs: int) -> float:
    """The share of a digest's CPU time that its metrics take."""
    language = OfflineLanguage()
    days = list(example(language))
    on, off = Meter(folder), Meter(None)
    ratios = []
    for number in range(pairs):
        briefing = days[number % len(days)]
        turns = (on, off) if number % 2 else (off, on)
        spent = {meter: digest_cpu_s(briefing, language, meter) for meter in turns}
        ratios.append(spent[on] / spent[off])
    on.close()
    return statistics.median(ratios) - 1


def asking(pairs: int) -> float:
    """The share of CPU time that metrics take of questions without a model, the shortest there are; no cache answers."""
    with ask.stocked() as (world, tenant_id):
        cache = Cache(Memo(None), world.clock)
        quiet = replace(world, meter=Meter(None), retriever=_retriever(world, cache))
        counting = replace(
            world, retriever=_retriever(world, Cache(Memo(None), world.clock, meter=world.meter))
        )
        askers = Asker(counting), Asker(quiet)
        questions = ask.questions_of(world, tenant_id, 1 + pairs * QUESTIONS)
        for asker in askers:
            asker.ask(tenant_id, Asking(questions[-1]))
        ratios = []
        for number in range(pairs):
            some = questions[number * QUESTIONS : (number + 1) * QUESTIONS]
            spent = {}
            for asker in askers if number % 2 else askers[::-1]:
                began_s = time.process_time()
                for text in some:
                    asker.ask(tenant_id, Asking(text))
                spent[asker] = time.process_time() - began_s
            ratios.append(spent[askers[0]] / spent[askers[1]])
        return statistics.median(ratios) - 1


def _retriever(world: World, cache: Cache) -> Retriever:
    return Retriever(world.database, world.vectors, Lexical(world.language.lemma), world.language, cache)


def one_count_us(folder: Path) -> tuple[float, float]:
    """CPU microseconds of a count and of an observation."""
    meter, found = Meter(folder), []
    for write in (
        lambda: meter.count(metrics.WORK, task="digest.make", outcome="done"),
        lambda: meter.observe(metrics.FAST_LATENCY, 3.0),
    ):
        began_s = time.process_time()
        for _ in range(COUNTS):
            write()
        found.append((time.process_time() - began_s) / COUNTS * 1e6)
    meter.close()
    return found[0], found[1]


def dead(folder: Path, count_: int) -> None:
    """Leave files as so many dead processes would."""
    for number in range(count_):
        meter = Meter(folder)
        for task in metrics.TASKS:
            meter.count(metrics.WORK, task=task, outcome="done")
        for stage in metrics.STAGES:
            meter.observe(metrics.STAGE_SECONDS, number % 9, stage=stage)
        meter.close()
    for path in folder.glob("*.db"):
        kind, name = path.stem.split("_", 1)
        path.rename(folder / f"{kind}_4194304-{name.split('-', 1)[1]}.db")


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        share = overhead(Path(folder), pairs)
        print(f"metrics on a digest  {share:+.2%} CPU (median of {pairs} pairs; at most {LIMIT:.0%})")
    answers = asking(pairs)
    print(f"metrics on an answer {answers:+.2%} CPU (median of {pairs} pairs of {QUESTIONS} questions)")
    with tempfile.TemporaryDirectory() as folder:
        print("one count {:.1f} µs, one observation {:.1f} µs".format(*one_count_us(Path(folder))))
    for processes in DEAD:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            dead(folder, processes)
            began_s = time.process_time()
            list(MultiProcessCollector.merge([str(path) for path in folder.glob("*.db")]))
            plain_s, shelf = time.process_time() - began_s, Shelf(folder)
            began_s = time.process_time()
            shelf.read()
            first_s = time.process_time() - began_s
            began_s = time.process_time()
            shelf.read()
            print(
                f"{processes:4} dead processes: unfolded {plain_s * 1e3:7.1f} ms a scrape, "
                f"folding {first_s * 1e3:7.1f} ms once, then {(time.process_time() - began_s) * 1e3:.1f} ms"
            )
    sys.exit(0 if max(share, answers) < LIMIT else 1)


if __name__ == "__main__":
    main()
