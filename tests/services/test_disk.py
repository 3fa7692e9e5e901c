"""Our own files: whole or not at all, and a plain word when the disk is full or may not be written."""

import errno
import os
import subprocess

import pytest

from domains.errors import Unavailable
from services import disk, settings, stack
from services.clock import SystemClock
from services.embedded import Postgres
from tests.servers import FAST


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 1 MB; only root can, and not in every container."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "svodka-test", str(folder)]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no mount here")
        if done.returncode != 0:
            pytest.skip(f"a disk cannot be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_old_text_stays(small_disk):
    path = small_disk("size=1m") / "state"
    disk.write(path, "old")
    with pytest.raises(Unavailable, match="is on a full disk") as caught, disk.named(path):
        disk.write(path, "x" * 2_000_000)
    assert caught.value.remedy.startswith("free some space")
    assert path.read_text() == "old"
    assert [one.name for one in path.parent.iterdir()] == ["state"]


def test_a_stack_on_a_full_disk_stops_clearly(small_disk):
    folder = small_disk("size=1m")
    with pytest.raises(Unavailable, match=r"full disk: \d MB free, at least \d+ MB needed"):
        stack.Stack(settings.load(var=folder / "var"), SystemClock(), ()).start()
    assert stack.held_by(folder / "var") is None


def test_postgresql_on_a_full_disk_stops_clearly(small_disk, monkeypatch):
    folder = small_disk("size=8m")
    monkeypatch.setattr("services.embedded.FREE_BYTES", 0)
    with pytest.raises(
        Unavailable, match=r"cannot create PostgreSQL's data in .*postgres: .*No space left"
    ) as caught:
        Postgres(folder / "postgres", log=folder / "log", options=FAST).start()
    assert "room" in caught.value.remedy
    assert not (folder / "postgres").exists()
    assert not (folder / "postgres.new").exists()


def test_a_read_only_disk_is_said(small_disk):
    folder = small_disk("size=1m,ro")
    with pytest.raises(Unavailable, match="is on a read-only disk") as caught:
        stack.Stack(settings.load(var=folder / "var"), SystemClock(), ()).start()
    assert "SVODKA_VAR" in caught.value.remedy


@pytest.mark.parametrize("number", sorted(disk.REASONS))
def test_every_reason_names_the_path_and_a_remedy(number, tmp_path):
    with pytest.raises(Unavailable, match="the-file") as caught, disk.named(tmp_path):
        raise OSError(number, os.strerror(number), "the-file")
    assert caught.value.remedy


def test_an_unknown_reason_is_told_in_the_systems_words(tmp_path):
    words = f"{tmp_path.name} cannot be used: Input/output error"
    with pytest.raises(Unavailable, match=words), disk.named(tmp_path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_log_past_its_size_is_turned_once(tmp_path):
    log = tmp_path / "one.log"
    log.write_text("x" * 100)
    disk.rotate(log, limit_bytes=100)
    assert log.stat().st_size == 100
    log.write_text("y" * 101)
    disk.rotate(log, limit_bytes=100)
    assert (log.read_text(), (tmp_path / "one.log.1").read_text()) == ("", "y" * 101)
    disk.rotate(tmp_path / "no.log")


def test_the_last_line_is_the_last_with_words(tmp_path):
    (tmp_path / "log").write_bytes("first\nпоследняя\n\n  \n".encode())
    assert disk.last_line(tmp_path / "log") == "последняя"
    assert disk.last_line(tmp_path / "none") == "its log is empty"
