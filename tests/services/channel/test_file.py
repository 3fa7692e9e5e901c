import errno
import os
from dataclasses import replace
from io import StringIO

import pytest

from domains.errors import Refused, Unavailable
from services.channel.file import FileChannel
from services.render import Renderer
from tests.services.digestdesk import DigestDesk, trilingual

KEY = "run-12-file"
STEM = f"2026-11-02_{KEY}"


@pytest.fixture(scope="module")
def parcel():
    return Renderer().parcel(trilingual(), key=KEY, run=12)


@pytest.fixture(scope="module")
def other():
    return Renderer().parcel(DigestDesk().digest(), key=KEY, run=12)


def taken(tmp_path, stream):
    """Return everything that was handed over, by place."""
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    return {**files, "stream": stream.getvalue()}


def test_files_lie_side_by_side_under_the_target(parcel, tmp_path):
    receipt = FileChannel(tmp_path).send(parcel, "anna/morning")
    folder = tmp_path / "anna" / "morning"
    assert receipt.where == tuple(str(folder / f"{STEM}.{kind}") for kind in ("html", "md", "json", "txt"))
    assert receipt.external_id == STEM
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{STEM}.{kind}" for kind in ("html", "md", "json", "txt")
    )
    assert (folder / f"{STEM}.html").read_text("utf-8") == parcel.html
    assert (folder / f"{STEM}.md").read_text("utf-8") == parcel.markdown
    assert (folder / f"{STEM}.json").read_bytes() == parcel.json
    assert (folder / f"{STEM}.txt").read_text("utf-8") == "\n\f\n".join(parcel.telegram) + "\n"


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".x", "x" * 200, "a\x00"])
def test_a_key_that_cannot_name_a_file_is_refused(parcel, tmp_path, key):
    with pytest.raises(Refused, match="key"):
        FileChannel(tmp_path).send(replace(parcel, key=key), "")
    assert list(tmp_path.iterdir()) == []


def test_a_link_does_not_lead_out_of_the_root(parcel, tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "way").symlink_to(outside)
    with pytest.raises(Refused, match="leads out"):
        FileChannel(root).send(parcel, "way/deeper")
    assert list(outside.iterdir()) == []


def test_a_newer_rendering_takes_the_place_of_the_older(parcel, other, tmp_path):
    channel = FileChannel(tmp_path)
    channel.send(other, "")
    channel.send(parcel, "")
    assert (tmp_path / f"{STEM}.html").read_text("utf-8") == parcel.html
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "mount it writable"),
        (errno.EACCES, "let this user write"),
        (errno.EIO, "look at that folder"),
    ],
)
def test_a_disk_that_fails_leaves_the_old_files_whole_and_says_what_to_do(
    parcel, other, tmp_path, monkeypatch, number, remedy
):
    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    channel = FileChannel(tmp_path)
    channel.send(other, "")
    before = taken(tmp_path, StringIO())
    monkeypatch.setattr("services.channel.shelf.os.fsync", fail)
    with pytest.raises(Unavailable, match=os.strerror(number)) as error:
        channel.send(parcel, "")
    assert remedy in error.value.remedy
    assert isinstance(error.value.__cause__, OSError)
    assert taken(tmp_path, StringIO()) == before


def test_a_file_in_the_place_of_the_folder_is_named(parcel, tmp_path):
    (tmp_path / "digests").write_text("in the way")
    with pytest.raises(Unavailable, match="digests") as error:
        FileChannel(tmp_path / "digests").send(parcel, "")
    assert error.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_unavailable(parcel, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(Unavailable, match="Permission") as error:
        FileChannel(tmp_path).send(parcel, "")
    assert "let this user write" in error.value.remedy
