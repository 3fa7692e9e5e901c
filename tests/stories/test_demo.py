"""The whole house from outside: `svodka demo` and `svodka up`, as processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]


@pytest.fixture
def environment(tmp_path):
    """An environment in which nothing is set and everything goes below the test's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SVODKA_")}  # noqa: TID251
    return kept | {"SVODKA_VAR": str(tmp_path / "var"), "COLUMNS": "120", "PYTHONWARNINGS": "default"}


def svodka(environment, *arguments):
    command = [sys.executable, "-c", "import cli; cli.main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)


def ours(environment):
    """Return every process that works in this test's folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        about = " ".join(process.info["cmdline"] or []) + str(
            (process.info["environ"] or {}).get("SVODKA_VAR")
        )
        if environment["SVODKA_VAR"] in about:
            found.append(process)
    return found


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.drill)])
def test_the_demo_prints_a_traceable_digest_and_leaves_nothing_running(environment, tmp_path, times):
    for _ in range(times):
        done = svodka(environment, "demo")
        assert done.returncode == 0, done.stderr
    assert ours(environment) == []
    made = sorted((tmp_path / "var" / "demo" / "digests").glob("*.json"))
    last = json.loads(made[-1].read_bytes())
    stories = [story for section in last["sections"] for story in section["stories"]]
    assert len(stories) >= 5
    posts = {post["mark"]: post for post in last["posts"]}
    for story in stories:
        for sentence in (story["headline"], *story["sentences"]):
            assert sentence["citations"]
            for citation in sentence["citations"]:
                assert citation["quote"] == sentence["text"]
                assert citation["mark"] in posts
    assert last["counts"]["posts"] == last["counts"]["shown"] + last["counts"]["left_out"]
    assert "Ignore" not in done.stdout
    for path in (made[-1], made[-1].with_suffix(".html"), made[-1].with_suffix(".md")):
        assert str(path) in done.stdout
    shown = svodka(
        environment | {"SVODKA_VAR": str(tmp_path / "var" / "demo"), "SVODKA_TENANT": "demo"},
        "digest",
        "list",
        "--json",
    )
    assert {row["state"] for row in json.loads(shown.stdout)} == {"done"}


def test_up_holds_its_folder_and_stops_cleanly(environment):
    command = [sys.executable, "-c", "import cli; cli.main()", "up", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as up:
        try:
            state = wait_until(lambda: _state(environment), timeout_s=200)
            assert {"postgres", "valkey", "worker", "beat"} <= {one["name"] for one in state["processes"]}
            second = svodka(environment, "up")
            assert second.returncode == 1
            assert str(up.pid) in second.stderr
            listed = svodka(environment, "source", "list")
            assert listed.returncode == 0, listed.stderr
        finally:
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=200)
    assert up.returncode == 0
    wait_until(lambda: not ours(environment))


def test_a_supervisor_killed_with_9_leaves_nothing_behind(environment):
    command = [sys.executable, "-c", "import cli; cli.main()", "up"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as up:
        wait_until(lambda: _state(environment), timeout_s=200)
        up.kill()
    wait_until(lambda: not ours(environment), timeout_s=200)
    assert svodka(environment, "source", "list").returncode == 0


def test_a_var_that_cannot_be_used_is_said_plainly(environment, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = svodka(environment | {"SVODKA_VAR": str(tmp_path / "file" / "var")}, "demo")
    assert done.returncode == 1
    assert "file" in done.stderr
    assert "Traceback" not in done.stderr


def _state(environment):
    try:
        return json.loads((Path(environment["SVODKA_VAR"]) / "stack.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
