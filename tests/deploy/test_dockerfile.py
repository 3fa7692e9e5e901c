"""The Dockerfile, read: its linter, what it copies, and as whom it runs."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import cli
from services import settings
from tests.test_repository import unknown

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text("utf-8")
LINES = [
    line.strip() for line in re.sub(r"\\\n\s*", " ", TEXT).splitlines() if line.strip() and line[0] != "#"
]
RUN = LINES[next(n for n, line in enumerate(LINES) if line.endswith(" AS run")) :]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def said(instruction, lines=LINES):
    return [line.split(maxsplit=1)[1] for line in lines if line.split()[0] == instruction]


def test_the_linter_is_content(tmp_path):
    if shutil.which("hadolint") is None:
        pytest.skip("no hadolint for this platform")
    assert (
        subprocess.run(["hadolint", str(ROOT / "Dockerfile")], capture_output=True, check=False).stdout == b""
    )
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp\n", "utf-8")
    assert subprocess.run(["hadolint", str(bad)], capture_output=True, check=False).returncode


def test_it_copies_exactly_what_the_wheel_is_made_of():
    """A room that is forgotten here is missed only when the container runs."""
    copied = {
        line.split()[0] for line in said("COPY") if not line.startswith("--from") and "uv.lock" not in line
    }
    assert copied == set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])


def test_the_builder_is_sent_what_is_copied_and_nothing_else():
    rules = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] not in {"#", ""}
    ]
    assert rules[0] == "*"
    sent = {line[1:] for line in rules if line.startswith("!")}
    copied = {word for line in said("COPY") if not line.startswith("--from") for word in line.split()[:-1]}
    assert sent == copied
    assert all((ROOT / name).exists() for name in sent)


def test_two_stages_on_one_pinned_python_that_the_project_supports():
    assert said("FROM") == ["python:${PYTHON} AS build", "python:${PYTHON} AS run"]
    version = re.fullmatch(r"PYTHON=(3\.\d+)\.\d+-slim-bookworm", said("ARG")[0])
    assert version
    least = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, version[1].split("."))) >= tuple(map(int, least.split(".")))
    assert re.search(r"pip install --no-cache-dir uv==\d+\.\d+\.\d+$", TEXT, re.MULTILINE)
    installs = [line for line in said("RUN") if line.startswith("uv sync")]
    assert len(installs) == 2
    assert all("--frozen" in line and "--no-dev" in line for line in installs)


def test_it_runs_as_the_user_that_compose_names_and_not_as_root():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    assert said("USER", RUN) == [compose["x-ours"]["user"]]
    (variables,) = said("ENV", RUN)
    assert f"SVODKA_VAR={compose['x-ours']['environment']['SVODKA_VAR']}" in variables
    names = re.findall(rf"{settings.PREFIX}(\w+)=", variables)
    assert {name.lower() for name in names} <= set(settings.Settings.model_fields)
    # What is told after USER belongs to that user; the image has no more build tools.
    order = [line.split()[0] for line in RUN]
    assert order.index("USER") < order.index("CMD")
    assert not any("pip" in line or "apt" in line for line in said("RUN", RUN))


def test_its_commands_exist():
    (health,) = said("HEALTHCHECK")
    commands = [*said("CMD"), health.partition("CMD ")[2]]
    words = [yaml.safe_load(command) for command in commands]
    assert [one[0] for one in words] == ["svodka", "svodka"]
    assert [unknown(cli.command, " ".join(one[1:])) for one in words] == [None, None]
    assert unknown(cli.command, "fly") == "fly"


@pytest.mark.parametrize("secret", ["PASSWORD", "_KEY", "TOKEN", "SECRET"])
def test_no_secret_is_baked_in(secret):
    assert not any(secret in line for line in (*said("ENV"), *said("ARG")))
