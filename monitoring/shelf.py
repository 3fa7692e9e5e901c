"""The files that workers count in: read together, and those of dead processes folded into one, so that none pile up.

    live files ─┐
    dead files ─┼─▶ read ─▶ totals        dead files + folded file ─▶ draft ─▶ journal ─▶ renamed ─▶ dead ones removed
    folded file ┘

A fold is whole or it is not: the journal is its commit, and a fold that was cut short is finished by the next reader.
So nothing is counted twice or lost, however the exporter dies. Measured: benchmarks/metrics.py.
"""

import fcntl
import json
import logging
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger("svodka.shelf")
FOLDED: Final = {"counter": "counter_folded.db", "histogram": "histogram_folded.db"}
JOURNAL: Final = "fold.json"
LOCK: Final = "lock"
# A process's beginning as the kernel tells it moves with the clock's corrections.
SAME_BEGINNING_S: Final = 10


class Shelf:
    """The files below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> tuple[list[Family], int]:
        """Fold what dead processes left, and return all totals with the number of files they came from.

        A histogram's buckets are returned as they are counted, each for itself.
        """
        with self._locked():
            self._finish()
            dead = [path for path in self._files() if path.name not in FOLDED.values() and not alive(path)]
            for kind in FOLDED:
                self._fold(kind, [path for path in dead if path.name.startswith(kind)])
            for path in dead:
                if path.name.startswith("gauge"):
                    path.unlink()
            files = self._files()
            return _merged(files), len(files)

    def _files(self) -> list[Path]:
        """Return the files that can be read; one that a crash of the machine has torn is set aside."""
        paths = sorted(self._folder.glob("*.db"))
        torn = [path for path in paths if not _sound(path)]
        for path in torn:
            logger.warning("%s is torn and set aside", path)
            path.replace(path.with_suffix(".torn"))
        return [path for path in paths if path not in torn]

    def _fold(self, kind: str, dead: list[Path]) -> None:
        if not dead:
            return
        target = self._folder / FOLDED[kind]
        draft = target.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        sources = [target, *dead] if target.exists() else dead
        _write(draft, _merged(sources))
        orders = {"draft": draft.name, "target": target.name, "remove": [path.name for path in dead]}
        written = self._folder / f"{JOURNAL}.draft"
        with written.open("w", encoding="utf-8") as file:
            json.dump(orders, file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._folder / JOURNAL)
        self._finish()

    def _finish(self) -> None:
        """Do what the journal says; each step may have been done already."""
        journal = self._folder / JOURNAL
        if not journal.exists():
            return
        orders = json.loads(journal.read_text(encoding="utf-8"))
        draft = self._folder / orders["draft"]
        if draft.exists():
            draft.replace(self._folder / orders["target"])
        for name in orders["remove"]:
            (self._folder / name).unlink(missing_ok=True)
        journal.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def alive(path: Path) -> bool:
    """Return whether the process that a file is named after still runs."""
    try:
        pid, began, _ = path.stem.rsplit("_", 1)[1].split("-")
        return abs(psutil.Process(int(pid)).create_time() - int(began)) <= SAME_BEGINNING_S
    except (ValueError, psutil.NoSuchProcess):
        return False


def _sound(path: Path) -> bool:
    try:
        for key, _, _, _ in MmapedDict.read_all_values_from_file(str(path)):
            if len(json.loads(key)) != 4:
                return False
    except (RuntimeError, ValueError, TypeError, struct.error):
        return False
    return True


def _merged(files: Iterable[Path]) -> list[Family]:
    return list(MultiProcessCollector.merge([str(path) for path in files], accumulate=False))


def _write(path: Path, families: Iterable[Family]) -> None:
    file = MmapedDict(str(path))
    for family in families:
        for sample in family.samples:
            names = list(sample.labels)
            key = mmap_key(family.name, sample.name, names, [sample.labels[name] for name in names], "")
            file.write_value(key, sample.value, 0.0)
    file.close()
