"""The units for machines without containers: systemd reads them, they start what exists, with no right too many."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from services import settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
UNITS = {
    path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.*")) if path.suffix != ".example"
}
SERVICES = {
    name.removesuffix(".service").removeprefix("svodka-"): text
    for name, text in UNITS.items()
    if ".service" in name
}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
# systemd-analyze's exposure, times ten: 100 is everything; what is left here is the network.
EXPOSURE = {"migrate": 40}
MOST_EXPOSURE = 25


@pytest.fixture
def analyze(tmp_path):
    """Run systemd-analyze on the units as they would be where the programs are installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for name, text in UNITS.items():
        (tmp_path / name).write_text(re.sub(r"/opt/svodka/bin/\w+", str(program), text), "utf-8")

    def run(*arguments):
        return subprocess.run(
            ["systemd-analyze", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    run.folder = tmp_path
    return run


def complaints(done):
    """What systemd says of our units, without what it says of the machine's own."""
    return [line for line in done.stderr.splitlines() if "svodka" in line or "Unknown" in line]


def test_systemd_understands_every_unit(analyze):
    done = analyze("verify", *(f"./{name}" for name in UNITS))
    assert complaints(done) == []


def test_systemd_finds_what_is_wrong(analyze):
    bad = analyze.folder / "svodka-beat.service"
    bad.write_text(bad.read_text("utf-8").replace("NoNewPrivileges", "NoNewPrivilege"), "utf-8")
    assert complaints(analyze("verify", "./svodka-beat.service"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_exposed_no_more_than_it_must(analyze, name):
    most = EXPOSURE.get(name, MOST_EXPOSURE)
    done = analyze("security", "--offline=true", f"--threshold={most}", f"./svodka-{name}.service")
    if "Unknown" in done.stderr or "unrecognized" in done.stderr:
        pytest.skip("this systemd-analyze judges no files")
    assert done.returncode == 0, done.stdout[-400:]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_what_compose_runs(name):
    (started,) = re.findall(r"^ExecStart=/opt/svodka/bin/(.*)$", SERVICES[name], re.MULTILINE)
    there = [
        "svodka@%h" if word.startswith("svodka@") else word for word in COMPOSE["services"][name]["command"]
    ]
    assert started.replace("%%", "%").split() == there


def test_the_target_wants_every_service_that_stays():
    (wanted,) = re.findall(r"^Wants=(.*)$", UNITS["svodka.target"], re.MULTILINE)
    assert set(wanted.split()) == {f"svodka-{name}.service" for name in SERVICES if name != "migrate"}
    for name, text in SERVICES.items():
        assert ("PartOf=svodka.target" in text) is (name != "migrate")


@pytest.mark.parametrize("name", SERVICES)
def test_its_variables_are_settings_and_its_secrets_go_by_files(name):
    text = SERVICES[name]
    fields = settings.Settings.model_fields
    for variable, value in re.findall(rf"^Environment={settings.PREFIX}(\w+)=(.*)$", text, re.MULTILINE):
        field = fields[variable.lower().removesuffix("_file")]
        assert variable.endswith("_FILE")
        assert "SecretStr" in str(field.annotation)
        given = value.removeprefix("%d/")
        assert f"LoadCredential={given}:/etc/svodka/secrets/{given}" in text
        assert given in COMPOSE["secrets"]


def test_the_example_of_the_environment_holds_settings_and_no_secret():
    lines = (FOLDER / "environment.example").read_text("utf-8").splitlines()
    names = [
        line.partition("=")[0].removeprefix(settings.PREFIX).lower() for line in lines if line[:1] != "#"
    ]
    assert names
    for name in names:
        assert "SecretStr" not in str(settings.Settings.model_fields[name].annotation)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_nobody_and_writes_in_one_place(name):
    text = SERVICES[name]
    for line in ("User=svodka", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict",
                 "StateDirectory=svodka", "PrivateTmp=yes", "UMask=0077"):  # fmt: skip
        assert re.search(f"^{line}$", text, re.MULTILINE), line
    if name != "migrate":
        assert re.search(r"^Restart=always$", text, re.MULTILINE)
