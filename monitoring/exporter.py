"""One port a host for all its processes: what workers counted, with what is measured at this moment.

GET /metrics ─▶ Shelf.read: what workers counted ─┐
                gauges(): ledger, servers, disk  ─┴▶ every declared series, at 0 where nothing was counted yet
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from monitoring.metrics import BY_NAME, METRICS, WRITERS, Metric
from monitoring.shelf import Shelf

INFINITE: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Gauge:
    """A measured value of a declared gauge; ``labels`` are the values in the declared order."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


Gauges = Callable[[], Iterable[Gauge]]


class Exporter(Collector):
    """All metrics of a host. ``known`` names the providers and models that are set up, whose series begin at 0."""

    def __init__(self, shelf: Shelf, gauges: Gauges, known: Mapping[str, tuple[str, ...]]) -> None:
        self._shelf = shelf
        self._gauges = gauges
        self._known = dict(known)
        self._lock = threading.Lock()

    def describe(self) -> list[Family]:
        """Return nothing: names are checked where they are declared."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield every declared metric once."""
        with self._lock:
            families, files = self._shelf.read()
            measured = [*self._gauges(), Gauge(WRITERS, files)]
        counted = {BY_NAME[one.name]: one for one in families if one.name in BY_NAME}
        for metric in METRICS:
            if metric.kind == "histogram":
                yield self._histogram(metric, counted.get(metric))
            elif metric.kind == "counter":
                yield self._counter(metric, counted.get(metric))
            elif metric.live:
                yield self._live(metric, counted.get(metric))
            else:
                yield _measured(metric, [one for one in measured if one.metric is metric])

    def _counter(self, metric: Metric, family: Family | None) -> Family:
        made = CounterMetricFamily(metric.name, metric.help, labels=metric.names)
        for labels, value in self._values(metric, family).items():
            made.add_metric(labels, value)
        return made

    def _live(self, metric: Metric, family: Family | None) -> Family:
        made = GaugeMetricFamily(metric.name, metric.help, labels=metric.names)
        for labels, value in self._values(metric, family).items():
            made.add_metric(labels, value)
        return made

    def _values(self, metric: Metric, family: Family | None) -> dict[tuple[str, ...], float]:
        values = dict.fromkeys(metric.series(self._known), 0.0)
        for sample in family.samples if family else ():
            if set(sample.labels) == set(metric.names):
                values[tuple(sample.labels[name] for name in metric.names)] = sample.value
        return values

    def _histogram(self, metric: Metric, family: Family | None) -> Family:
        made = HistogramMetricFamily(metric.name, metric.help, labels=metric.names)
        sums = dict.fromkeys(metric.series(self._known), 0.0)
        counts: defaultdict[tuple[str, ...], defaultdict[float, float]] = defaultdict(
            lambda: defaultdict(float)
        )
        edges = (*metric.edges, INFINITE)
        for sample in family.samples if family else ():
            if not set(metric.names) <= set(sample.labels):
                continue
            labels = tuple(sample.labels[name] for name in metric.names)
            if sample.name.endswith("_sum"):
                sums[labels] = sample.value
            elif "le" in sample.labels:
                # Where an earlier version counted by another edge, the next one of today's holds it.
                at = float(sample.labels["le"])
                counts[labels][next(edge for edge in edges if at <= edge)] += sample.value
        for labels, total in sums.items():
            reached, buckets = 0.0, []
            for edge in edges:
                reached += counts[labels][edge]
                buckets.append((floatToGoString(edge), reached))
            made.add_metric(labels, buckets, total)
        return made


def serve(exporter: Exporter, address: str, port: int) -> tuple[WSGIServer, threading.Thread]:
    """Serve ``exporter`` and return the server, to be shut down, and its thread. Raises OSError when the port is taken."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)
    return start_http_server(port, address, registry)


def _measured(metric: Metric, gauges: list[Gauge]) -> Family:
    made = GaugeMetricFamily(metric.name, metric.help, labels=metric.names)
    for one in gauges:
        made.add_metric(one.labels, one.value)
    return made
