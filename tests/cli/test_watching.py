"""`svodka baseline`, `alerting` and `metrics` as a person uses them."""

import json
import re
import shutil
import subprocess
import urllib.request

import pytest

from tests.monitoring.test_baseline import Prometheus, document
from tests.servers import free_port, wait_until

ALERTS = {
    "SVODKA_ALERT_TELEGRAM_CHAT": "-100123", "SVODKA_TELEGRAM_TOKEN": "1:x", "SVODKA_ALERT_MAIL_TO": "ops@example.org",
    "SVODKA_SMTP_URL": "smtp://me:p%40ss@mail.example.org:587", "SVODKA_MAIL_FROM": "Svodka <svodka@example.org>",
    "SVODKA_ALERT_WEBHOOK_URL": "https://example.org/hook",
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    for name, value in (("before", 4.0), ("after", 2.0)):
        (tmp_path / name).write_text(json.dumps(document(fast_path_latency_seconds_p95=value)))
    return tmp_path / "before", tmp_path / "after"


def test_baselines_are_compared(svodka, files):
    answer = svodka("baseline", "compare", *files)
    assert answer.code == 0, answer.err
    assert "fast_path_latency_seconds_p95" in answer.out
    assert "Verdict: better (1 better, 0 worse)" in answer.out
    assert svodka("--json", "baseline", "compare", *reversed(files)).json["verdict"] == "worse"


def test_a_comparison_is_drawn(svodka, files, tmp_path):
    answer = svodka("baseline", "compare", *files, "--plot", tmp_path / "deltas.png")
    assert answer.code == 0, answer.err
    assert (tmp_path / "deltas.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_baseline_is_said(svodka, tmp_path):
    (tmp_path / "x").write_text('{"metrics": [{}]}')
    answer = svodka("baseline", "compare", tmp_path / "x", tmp_path / "x")
    assert answer.code == 1
    assert "svodka baseline export" in answer.err


def test_an_export_is_the_modules(svodka, tmp_path):
    with Prometheus() as prometheus:
        answer = svodka("baseline", "export", "--prometheus-url", prometheus.url)
    assert answer.json["metrics"][0]["value"] == 1.5


def test_dashboards_are_copied_under_a_label(svodka, tmp_path):
    answer = svodka("--json", "baseline", "dashboards", "--label", "pre-waveA", "--folder", tmp_path)
    assert len(answer.json) == 6
    assert re.search(r"svodka-budgets_\d{8}T\d{6}Z_pre-waveA\.json", answer.out)
    assert svodka("baseline", "dashboards", "--label", "a/b", "--folder", tmp_path).code == 2


def test_alertmanager_is_configured_from_the_settings(svodka, tmp_path, monkeypatch):
    for name, value in ALERTS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "alertmanager.yml"
    assert svodka("alerting", "--output", path).code == 0
    assert path.stat().st_mode & 0o077 == 0
    text = path.read_text("utf-8")
    for expected in (
        "-100123",
        "ops@example.org",
        "p@ss",
        "mail.example.org:587",
        "https://example.org/hook",
    ):
        assert expected in text
    if shutil.which("amtool"):
        done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "missing"),
    [("SVODKA_ALERT_TELEGRAM_CHAT", "TELEGRAM_TOKEN"), ("SVODKA_ALERT_MAIL_TO", "SMTP_URL")],
)
def test_a_receiver_without_its_means_is_refused(svodka, monkeypatch, name, missing):
    monkeypatch.setenv(name, ALERTS[name])
    answer = svodka("alerting")
    assert answer.code == 2
    assert missing in answer.err


def test_alerts_that_would_reach_nobody_are_refused(svodka):
    answer = svodka("alerting")
    assert answer.code == 2
    assert "nobody" in answer.err


def test_metrics_are_served_until_they_are_stopped(database, tmp_path):
    import signal
    import sys

    from services import settings

    port = free_port()
    env = settings.child_environment(
        database_url=database.engine.url.render_as_string(hide_password=False),
        var=str(tmp_path),
        metrics_port=str(port),
    )
    command = [sys.executable, "-c", "import cli; cli.main()", "metrics", "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: process.stdout.readline().startswith("{"), timeout_s=200)
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
        process.send_signal(signal.SIGTERM)
        process.wait(90)
    assert 'svodka_up{dependency="postgres"} 1.0' in text
    assert "fast_path_latency_seconds_count 0.0" in text
    assert process.returncode == 0


def test_a_port_that_is_taken_is_said(svodka, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("SVODKA_METRICS_PORT", str(taken.getsockname()[1]))
        answer = svodka("metrics")
    assert answer.code == 1
    assert "SVODKA_METRICS_PORT" in answer.err
    monkeypatch.setenv("SVODKA_METRICS_PORT", "0")
    assert svodka("metrics").code == 2
