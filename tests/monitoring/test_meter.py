"""Counting in processes: forks, deaths, torn files and full disks cost at most a number, and never a false one."""

import json
import logging
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitoring import metrics, shelf
from monitoring.exporter import Exporter, Gauge
from monitoring.meter import ALLOCATED, OTHER, Meter
from monitoring.shelf import Shelf
from tests.servers import wait_until


@pytest.fixture
def meter(tmp_path):
    """A meter that counts below the test's folder."""
    meter = Meter(tmp_path)
    yield meter
    meter.close()


def told(folder, gauges=(), known=None):
    """Return every sample that Prometheus would read: {(name, labels): value}."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exporter(Shelf(folder), lambda: gauges, known or {}))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def work(task="digest.make", outcome="done"):
    return ("svodka_work_total", (("outcome", outcome), ("task", task)))


def in_a_child(folder, how="os._exit(0)", times=1):
    """Count in another process, which then ends as it is told."""
    code = (
        "import os, signal, sys; from pathlib import Path; from monitoring import metrics; from monitoring.meter import Meter\n"
        f"meter = Meter(Path({str(folder)!r}))\n"
        f"for _ in range({times}): meter.count(metrics.WORK, task='digest.make', outcome='done')\n"
        "meter.observe(metrics.FAST_LATENCY, 7)\n"
        "meter.show(metrics.CIRCUIT_OPEN, 1, provider='p')\n"
        f"print('counted', flush=True); {how}"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE)


def to_its_end(child):
    with child:
        child.communicate(timeout=60)


def test_every_series_stands_at_0_before_it_counts(tmp_path):
    seen = told(tmp_path, known={"provider": ("p",), "model": ("m",)})
    assert seen[work()] == 0
    assert seen["escalations_total", ()] == 0
    assert seen["llm_tokens_used_total", (("direction", "input"), ("model", "m"), ("provider", "p"))] == 0
    assert seen["fast_path_latency_seconds_bucket", (("le", "5.0"),)] == 0
    counted = [metric for metric in metrics.METRICS if metric.kind != "gauge"]
    assert {name.rsplit("_bucket")[0] for name, _ in seen} >= {metric.name for metric in counted}


def test_what_was_counted_is_told_with_every_edge(meter, tmp_path):
    meter.count(metrics.WORK, 2, task="digest.make", outcome="done")
    for seconds in (0.05, 5, 5.01, 1_000):
        meter.observe(metrics.FAST_LATENCY, seconds)
    seen = told(tmp_path)
    assert seen[work()] == 2
    buckets = {
        labels[0][1]: value
        for (name, labels), value in seen.items()
        if name == "fast_path_latency_seconds_bucket"
    }
    assert len(buckets) == len(metrics.FAST_LATENCY.edges) + 1
    assert [buckets[le] for le in ("0.1", "4.0", "5.0", "6.0", "60.0", "+Inf")] == [1, 1, 2, 3, 3, 4]
    assert seen["fast_path_latency_seconds_count", ()] == 4
    assert seen["fast_path_latency_seconds_sum", ()] == pytest.approx(1_010.06)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda meter: meter.count(metrics.WORK, task="digest.make"),
        lambda meter: meter.count(metrics.WORK, task="digest.make", outcome="done", tenant="7"),
        lambda meter: meter.observe(metrics.WORK, 1, task="digest.make", outcome="done"),
        lambda meter: meter.count(metrics.ESCALATIONS, -1),
        lambda meter: meter.show(metrics.DISK_FREE, 1),
        lambda meter: meter.count(metrics.Metric("made_up_total", "counter", "")),
    ],
)
def test_what_is_not_declared_is_refused(wrong, meter):
    with pytest.raises(ValueError, match=r"total|ratio"):
        wrong(meter)


def test_values_without_end_become_one(meter, tmp_path):
    for number in range(100):
        meter.count(metrics.WORK, task=f"digest-{number}", outcome="done")
    seen = told(tmp_path)
    assert seen[work(OTHER)] == 100
    assert not any("digest-" in str(labels) for _, labels in seen)


def test_processes_are_added_up_and_the_dead_folded_whatever_killed_them(tmp_path):
    ends = ("os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), signal.SIGKILL)")
    for end in ends * 3:
        to_its_end(in_a_child(tmp_path, end, times=2))
    assert len(list(tmp_path.glob("*.db"))) == 27
    for _ in range(3):
        seen = told(tmp_path)
        assert seen[work()] == 18
        assert seen["fast_path_latency_seconds_count", ()] == 9
        assert seen["fast_path_latency_seconds_bucket", (("le", "8.0"),)] == 9
    assert sorted(path.name for path in tmp_path.glob("*.db")) == sorted(shelf.FOLDED.values())


def test_a_gauge_goes_with_its_process(tmp_path):
    shown = ("svodka_llm_circuit_open", (("provider", "p"),))
    with in_a_child(tmp_path, "sys.stdin.read()") as child:
        child.stdout.readline()
        assert told(tmp_path)[shown] == 1
        child.kill()
        child.wait(60)
    assert shown not in told(tmp_path)
    assert told(tmp_path, known={"provider": ("p",)})[shown] == 0


def test_a_fork_counts_for_itself(meter, tmp_path):
    meter.count(metrics.ESCALATIONS)
    child = os.fork()
    if not child:
        meter.count(metrics.ESCALATIONS, 10)
        os._exit(0)
    os.waitpid(child, 0)
    meter.count(metrics.ESCALATIONS)
    assert told(tmp_path)["escalations_total", ()] == 12


@pytest.mark.parametrize("stage", ["draft", "journal", "renamed", "removed"])
def test_a_fold_that_was_cut_short_counts_once(tmp_path, stage, monkeypatch):
    """The exporter dies at each step of folding; whoever reads next tells the same numbers."""
    to_its_end(in_a_child(tmp_path, times=5))
    told(tmp_path)
    to_its_end(in_a_child(tmp_path, times=3))

    class Killed(BaseException):
        pass

    real = shelf.Shelf._finish
    calls = []

    def finish(self):
        journal = tmp_path / shelf.JOURNAL
        if not journal.exists():
            return real(self)
        calls.append(stage)
        orders = json.loads(journal.read_text("utf-8"))
        if stage == "renamed":
            (tmp_path / orders["draft"]).replace(tmp_path / orders["target"])
        if stage == "removed":
            (tmp_path / orders["draft"]).replace(tmp_path / orders["target"])
            (tmp_path / orders["remove"][0]).unlink()
        raise Killed

    if stage == "draft":
        monkeypatch.setattr(shelf.json, "dump", lambda *_: (_ for _ in ()).throw(Killed))
    else:
        monkeypatch.setattr(shelf.Shelf, "_finish", finish)
    with pytest.raises(Killed):
        told(tmp_path)
    monkeypatch.undo()
    assert told(tmp_path)[work()] == 8
    assert told(tmp_path)["fast_path_latency_seconds_count", ()] == 2


def test_a_torn_file_is_set_aside_and_told(meter, tmp_path, caplog):
    meter.count(metrics.ESCALATIONS)
    (tmp_path / "counter_1-1-aa.db").write_bytes(b"\x40\x00\x00\x00" + bytes(20) + b"\xff" * 50)
    (tmp_path / "histogram_1-1-aa.db").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert told(tmp_path)["escalations_total", ()] == 1
    assert "torn" in caplog.text
    assert len(list(tmp_path.glob("*.torn"))) == 2


def test_edges_that_have_changed_since_lose_no_count(meter, tmp_path):
    meter.observe(metrics.FAST_LATENCY, 7)
    file = meter._files["histogram"]
    key = json.dumps(
        ["fast_path_latency_seconds", "fast_path_latency_seconds_bucket", {"le": "7.0"}, ""], sort_keys=True
    )
    file.write_value(key, 4.0, 0.0)
    seen = told(tmp_path)
    assert seen["fast_path_latency_seconds_bucket", (("le", "6.0"),)] == 0
    assert seen["fast_path_latency_seconds_bucket", (("le", "8.0"),)] == 5


def test_a_folder_that_cannot_be_written_costs_a_line_in_the_log(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    meter = Meter(tmp_path / "file" / "metrics")
    with caplog.at_level(logging.WARNING):
        meter.count(metrics.ESCALATIONS)
        meter.count(metrics.ESCALATIONS)
    assert len(caplog.records) == 1


def test_a_files_blocks_are_taken_when_it_is_made(meter, tmp_path):
    meter.count(metrics.ESCALATIONS)
    (path,) = tmp_path.glob("counter_*.db")
    assert path.stat().st_blocks * 512 >= ALLOCATED


def test_threads_lose_nothing(meter, tmp_path):
    threads = [
        threading.Thread(target=lambda: [meter.count(metrics.ESCALATIONS) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(tmp_path)["escalations_total", ()] == 4_000


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_a_histogram_agrees_with_counting_by_hand(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("law")
    meter = Meter(folder)
    for value in values:
        meter.observe(metrics.VISION_LATENCY, value)
    seen = told(folder)
    meter.close()
    for edge in metrics.VISION_LATENCY.edges:
        found = seen["vision_latency_seconds_bucket", (("le", str(float(edge))),)]
        assert found == sum(value <= edge for value in values)
    assert seen["vision_latency_seconds_sum", ()] == pytest.approx(sum(values))


def test_a_measured_gauge_is_told_as_it_is(tmp_path):
    seen = told(tmp_path, [Gauge(metrics.DUE, 3, ("digest.make",)), Gauge(metrics.UNKNOWN, 0)])
    assert seen["svodka_work_due", (("task", "digest.make"),)] == 3
    assert seen["svodka_deliveries_unknown", ()] == 0
    assert ("svodka_work_due", (("task", "source.fetch"),)) not in seen


def test_a_reader_sees_no_number_go_back_while_others_write(tmp_path):
    with in_a_child(tmp_path, "sys.exit(0)", times=200_000) as child:
        numbers = []
        wait_until(lambda: numbers.append(told(tmp_path)[work()]) or child.poll() is not None, timeout_s=200)
    assert child.returncode == 0
    assert numbers == sorted(numbers)
    assert told(tmp_path)[work()] == 200_000
