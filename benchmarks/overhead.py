"""What counting costs: digests made with metrics on and off, one count, and reading what many dead processes left.

    python -m benchmarks.overhead [DIGESTS]

CPU time of this process, on and off by turns, the median of the pairs' ratios: the machine's other work hardly shows.
Dead processes are read as prometheus_client's multiprocess mode does, whose files nobody folds, and as we do.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector

from agents import loop
from benchmarks.prose import Journal, deps, example
from domains.digest import Briefing
from domains.domain import DIGEST
from domains.ports import Language
from monitoring import metrics
from monitoring.meter import Meter
from monitoring.shelf import Shelf
from services.language import OfflineLanguage
from tasks import count

COUNTS = 20_000
DEAD = (0, 100, 512)
LIMIT = 0.02


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
    sys.exit(0 if share < LIMIT else 1)


if __name__ == "__main__":
    main()
