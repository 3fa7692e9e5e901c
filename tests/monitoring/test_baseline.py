"""Baselines against a loopback Prometheus: whole, partly failed, wholly failed, compared and kept."""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner

from monitoring import baseline
from monitoring.metrics import BY_NAME
from tests.monitoring.test_alert import NAMES, base

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


class Prometheus:
    """A Prometheus that answers every query with ``value``, but those in which a word of ``faults`` stands."""

    def __init__(self, value="1.5", faults=None):
        self.value, self.faults, self.asked = value, faults or {}, []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                asked = {name: values[0] for name, values in parse_qs(body).items()}
                owner.asked.append((self.path, asked))
                said = owner.answer(self.path, asked)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path, asked):
        fault = next((told for word, told in self.faults.items() if word in asked["query"]), None)
        if isinstance(fault, bytes):
            return fault
        value = self.value if fault is None else fault
        if path.endswith("query_range"):
            result = [{"metric": {}, "values": [[1_000 + 86_400 * day, str(day)] for day in range(3)]}]
        else:
            result = [] if value == "" else [{"metric": {}, "value": [1_000, value]}]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def run(*arguments, env=None):
    return CliRunner().invoke(baseline.main, [str(one) for one in arguments], env=env)


def test_every_probe_and_counter_is_declared():
    for probe in baseline.PROBES:
        for name in NAMES.findall(probe.query):
            assert base(name) in BY_NAME, f"{probe.metric} asks for {name}"
    assert len({probe.metric for probe in baseline.PROBES}) == len(baseline.PROBES)


def test_an_export_keeps_the_contract(tmp_path):
    with Prometheus() as prometheus:
        done = run(
            "--prometheus-url", prometheus.url, "--output", tmp_path / "deep" / "b.json", "--timeout", 5
        )
    assert (done.exit_code, done.output) == (0, "")
    document = json.loads((tmp_path / "deep" / "b.json").read_text("utf-8"))
    assert set(document) == {"timestamp", "prometheus_url", "metrics"}
    assert document["prometheus_url"] == prometheus.url
    assert datetime.fromisoformat(document["timestamp"]).tzinfo is not None
    assert [set(one) for one in document["metrics"]] == [{"metric", "query", "value", "raw"}] * len(
        baseline.PROBES
    )
    assert document["metrics"][0]["value"] == 1.5
    assert document["metrics"][0]["raw"] == [{"metric": {}, "value": [1_000, "1.5"]}]


def test_a_partial_failure_is_told_inside():
    faults = {"vision_latency": b"<html>", "vision_confidence": "NaN", "escalations": "",
              "fast_path": b'{"status": "error", "errorType": "bad_data", "error": "parse error"}'}  # fmt: skip
    with Prometheus(faults=faults) as prometheus:
        done = run("--prometheus-url", prometheus.url)
    assert done.exit_code == 0
    found = {one["metric"]: one for one in json.loads(done.stdout)["metrics"]}
    errors = {name: one["error"] for name, one in found.items() if "error" in one}
    assert set(errors) == {
        "vision_latency_seconds_p95", "vision_confidence_mean", "escalations_total",
        "fast_path_latency_seconds_p50", "fast_path_latency_seconds_p95",
    }  # fmt: skip
    assert errors["escalations_total"] == "no data"
    assert "parse error" in errors["fast_path_latency_seconds_p95"]
    assert all(
        set(one) in ({"metric", "query", "error"}, {"metric", "query", "value", "raw"})
        for one in found.values()
    )


def test_a_total_failure_is_exit_1():
    done = run("--prometheus-url", "http://127.0.0.1:1", "--timeout", "1")
    assert done.exit_code == 1
    assert all("error" in one for one in json.loads(done.stdout)["metrics"])
    assert "nothing could be measured" in done.stderr


def test_the_address_comes_from_the_environment_and_has_a_default():
    with Prometheus() as prometheus:
        done = run(env={"PROMETHEUS_BASE_URL": prometheus.url + "/"})
        assert json.loads(done.stdout)["prometheus_url"] == prometheus.url
    assert baseline.main.params[0].default == "http://localhost:9090"


def test_increases_are_told_by_period():
    with Prometheus() as prometheus:
        done = run("--prometheus-url", prometheus.url, "--increase", "1d", "--days", "3")
        (path, asked), *_ = prometheus.asked
    assert path.endswith("query_range")
    assert asked["query"] == "sum(increase(vision_requests_total[1d]))"
    assert float(asked["end"]) - float(asked["start"]) == 2 * 86_400
    document = json.loads(done.stdout)
    assert (document["increase"], document["days"]) == ("1d", 3)
    assert document["metrics"][0]["value"] == 3
    assert [row["value"] for row in document["metrics"][0]["periods"]] == [0, 1, 2]


@pytest.mark.parametrize("wrong", ["1y", "d", "0d", "1d]", "10000d"])
def test_a_wrong_period_is_a_usage_error(wrong):
    assert run("--increase", wrong).exit_code == 2


def document(**values):
    return {"metrics": [{"metric": name, "value": value} for name, value in values.items()]}


def test_a_comparison_knows_which_way_is_better():
    before = document(
        fast_path_latency_seconds_p95=4.0, vision_confidence_mean=0.5, tokens_per_request_p95=100.0,
        vision_requests_total=10.0, escalations_total=0.0, llm_calls_per_request_mean=1.0,
    )  # fmt: skip
    after = document(
        fast_path_latency_seconds_p95=2.0, vision_confidence_mean=0.4, tokens_per_request_p95=102.0,
        vision_requests_total=20.0, escalations_total=3.0, smart_path_latency_seconds_p95=1.0,
    )  # fmt: skip
    verdicts = {one.metric: (one.verdict, one.change) for one in baseline.compare(before, after)}
    assert verdicts == {
        "fast_path_latency_seconds_p95": ("better", -0.5),
        "vision_confidence_mean": ("worse", pytest.approx(-0.2)),
        "tokens_per_request_p95": ("same", pytest.approx(0.02)),
        "vision_requests_total": ("changed", 1.0),
        "escalations_total": ("worse", None),
        "llm_calls_per_request_mean": ("missing", None),
        "smart_path_latency_seconds_p95": ("missing", None),
    }


def test_dashboards_are_kept_by_name_time_and_label(tmp_path):
    made = baseline.snapshot(tmp_path, "pre-waveA", NOW)
    assert "svodka-performance_20261121T180000Z_pre-waveA.json" in {path.name for path in made}
    assert len(made) == 6
    for path in made:
        assert json.loads(path.read_text("utf-8"))["title"].startswith("Svodka")
    with pytest.raises(ValueError, match="label"):
        baseline.snapshot(tmp_path, "../out", NOW)


def test_morning_and_evening_keep_numbers_where_there_is_a_prometheus(tmp_path):
    assert len(baseline.keep(tmp_path, "morning", NOW, "")) == 6
    with Prometheus() as prometheus:
        made = baseline.keep(tmp_path, "evening", NOW, prometheus.url)
    assert made[-1].name == "metrics_20261121T180000Z_evening.json"
    assert json.loads(made[-1].read_text("utf-8"))["metrics"][0]["value"] == 1.5


def test_the_changes_are_drawn(tmp_path):
    for name, value in (("a", 1.0), ("b", 2.0)):
        (tmp_path / name).write_text(json.dumps(document(fast_path_latency_seconds_p95=value)))
    command = [
        sys.executable,
        "-m",
        "monitoring.plot",
        "deltas",
        *(str(tmp_path / name) for name in ("a", "b", "c.png")),
    ]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
