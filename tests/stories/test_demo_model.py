"""The demo with a provider on loopback: written by a model, and on time without it when it dies in the middle."""

import json
import subprocess
import sys

import pytest

from tests.stories.test_demo import environment, ours, svodka  # noqa: F401  a fixture

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]


@pytest.fixture
def provider():
    """Start providers, each that dies after so many answers; return their addresses."""
    running = []

    def start(*arguments):
        command = [sys.executable, "-m", "tests.provider", *arguments]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return running[-1].stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def demo(environment, url):  # noqa: F811
    model = {
        "SVODKA_MODEL_PROVIDER": "vllm",
        "SVODKA_MODEL_NAME": "scripted",
        "SVODKA_MODEL_BASE_URL": url,
    }
    done = svodka(environment | model, "demo")
    assert done.returncode == 0, done.stderr
    assert ours(environment) == []
    return done.stdout


def made(environment, tmp_path):  # noqa: F811
    inside = environment | {"SVODKA_VAR": str(tmp_path / "var" / "demo"), "SVODKA_TENANT": "demo"}
    return json.loads(svodka(inside, "digest", "list", "--json").stdout)


@pytest.mark.drill
def test_the_demo_writes_by_model_and_says_so(environment, tmp_path, provider):  # noqa: F811
    shown = demo(environment, provider())
    assert "written by a model" in shown
    rows = made(environment, tmp_path)
    assert {row["state"] for row in rows} == {"done"}
    # A digest is called by the lowest rung that wrote one of its stories; the script's slips are told by extracts.
    assert sum(row["rung"] == "model" for row in rows) >= len(rows) / 2


def test_a_provider_killed_in_the_middle_leaves_digests_that_say_so(environment, tmp_path, provider):  # noqa: F811
    shown = demo(environment, provider("--answers", "4"))
    assert "written by a model" not in shown
    rows = sorted(made(environment, tmp_path), key=lambda row: row["run"])
    assert {row["state"] for row in rows} == {"done"}
    assert "model" in {row["rung"] for row in rows[:4]}
    assert {row["rung"] for row in rows[4:]} == {"extractive"}
    assert "without a model" in " ".join(shown.split())
