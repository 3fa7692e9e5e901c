"""Counting in a worker: plain writes to files that one exporter a host reads, with no server and no lock between processes.

    Meter.count ─▶ FOLDER/counter_PID-START-LUCK.db (mmap) ─▶ monitoring.shelf ─▶ monitoring.exporter

The files are prometheus_client's own multiprocess format. Its value classes are not used: they want an environment
variable before the first import and make every series in every process, when most processes touch few.
"""

import logging
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import psutil
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.utils import floatToGoString

from monitoring.metrics import BY_NAME, Metric

logger = logging.getLogger("svodka.meter")
# All that a worker can touch fits; what is allocated can be written on a disk that has filled up since.
ALLOCATED: Final = 1 << 17
OTHER: Final = "other"
PREFIX: Final = {"counter": "counter", "histogram": "histogram", "gauge": "gauge_livemax"}


class Counting(Protocol):
    """What the product counts with."""

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add ``amount`` to a counter."""
        ...

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add ``value`` to a histogram."""
        ...

    def show(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a live gauge of this process; the host's is the largest of its processes'."""
        ...


class Meter:
    """The counters of this process, below ``folder``; without one nothing is kept. Threads may share it, forks may too.

    A name or a label that is not declared raises ValueError; a value that its label does not have counts as `OTHER`, so
    that nobody makes series without end. A disk that does not take the files costs the numbers and a line in the log,
    never the work.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pid = 0
        self._files: dict[str, MmapedDict] = {}
        self._keys: dict[tuple[str, ...], str] = {}
        self._broken = False

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add ``amount`` to a counter."""
        values = _checked(metric, "counter", labels)
        if amount < 0:
            raise ValueError(f"{metric.name}: a counter does not go down by {amount}")
        self._write(metric, ((metric.name, ""),), values, amount)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add ``value`` to a histogram."""
        values = _checked(metric, "histogram", labels)
        edge = next((edge for edge in metric.edges if value <= edge), float("inf"))
        self._write(metric, ((f"{metric.name}_bucket", floatToGoString(edge)),), values, 1)
        self._write(metric, ((f"{metric.name}_sum", ""),), values, value)

    def show(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a live gauge of this process."""
        values = _checked(metric, "gauge", labels)
        if not metric.live:
            raise ValueError(f"{metric.name} is measured when it is asked for, not shown by a worker")
        self._write(metric, ((metric.name, ""),), values, value, add=False)

    def close(self) -> None:
        """Close the files; the next count opens them again."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files = {}

    def _write(
        self,
        metric: Metric,
        samples: tuple[tuple[str, str], ...],
        values: tuple[str, ...],
        amount: float,
        *,
        add: bool = True,
    ) -> None:
        if self._folder is None or self._broken:
            return
        with self._lock:
            try:
                file = self._file(metric.kind)
                for name, edge in samples:
                    key = self._key(metric, name, edge, values)
                    file.write_value(key, file.read_value(key)[0] + amount if add else amount, 0.0)
            except OSError as error:
                self._broken = True
                logger.warning("metrics are not counted: %s", error)

    def _file(self, kind: str) -> MmapedDict:
        if self._pid != os.getpid():
            # After a fork the parent's files are the parent's.
            self._pid, self._files = os.getpid(), {}
        if kind not in self._files:
            self._files[kind] = MmapedDict(str(self._allocated(kind)))
        return self._files[kind]

    def _allocated(self, kind: str) -> Path:
        """Return a new file, its blocks taken: a write to a mapped page that the disk has no room for kills the process."""
        if self._folder is None:
            raise ValueError("a meter without a folder has no files")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{PREFIX[kind]}_{own_name(os.getpid())}-{secrets.token_hex(4)}.db"
        draft = path.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(bytes(ALLOCATED))
        draft.replace(path)
        return path

    def _key(self, metric: Metric, name: str, edge: str, values: tuple[str, ...]) -> str:
        short = (name, edge, *values)
        if short not in self._keys:
            labels = (*metric.names, "le") if edge else metric.names
            self._keys[short] = mmap_key(metric.name, name, list(labels), [*values, edge][: len(labels)], "")
        return self._keys[short]


def own_name(pid: int) -> str:
    """Return a process's name for its files: its number and when it began, since numbers are used again."""
    return f"{pid}-{round(psutil.Process(pid).create_time())}"


def _checked(metric: Metric, kind: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    if BY_NAME.get(metric.name) is not metric or metric.kind != kind:
        raise ValueError(f"{metric.name} is no declared {kind}")
    if tuple(labels) != metric.names and set(labels) != set(metric.names):
        raise ValueError(f"{metric.name} has the labels {metric.names}, not {tuple(labels)}")
    return tuple(
        labels[name] if not known or labels[name] in known else OTHER for name, known in metric.labels.items()
    )
