"""The default store in files: several processes at once, merged while it is read, damage healed."""

import errno
from pathlib import Path

import pytest

from domains.errors import Unavailable
from domains.point import Scope, Shelf
from services.postings import FAN, Postings
from tests import rows
from tests.services.test_vectors import asked, ids, point

SHELF = Shelf("posts", 1)


@pytest.fixture
def tenant(database):
    return rows.tenant(database)


@pytest.fixture
def store(database, tmp_path):
    own = Postings(database, tmp_path / "postings")
    yield own
    own.close()


def put(store, tenant, numbers):
    for number in numbers:
        store.put(SHELF, [point(number, f"The mill number {number} burnt", tenant=tenant, dense=None)])


def test_many_small_segments_become_few_and_say_the_same(store, tenant, tmp_path, database):
    put(store, tenant, range(1, 3 * FAN + 2))
    found = ids(store.search(SHELF, asked("mill"), Scope(tenant), 100))
    assert sorted(found) == [*range(1, 3 * FAN + 2)]
    assert len(list((tmp_path / "postings").iterdir())) < FAN
    assert (
        ids(Postings(database, tmp_path / "other").search(SHELF, asked("mill"), Scope(tenant), 100)) == found
    )


def test_another_process_sees_what_one_wrote_and_merged(store, tenant, tmp_path, database):
    other = Postings(database, tmp_path / "postings")
    put(store, tenant, [1])
    assert other.count(SHELF, tenant) == 1
    put(store, tenant, range(2, FAN + 3))
    assert other.count(SHELF, tenant) == store.count(SHELF, tenant) == FAN + 2
    other.close()


def test_a_damaged_file_is_said_and_fetched_anew(store, tenant, tmp_path):
    put(store, tenant, [1])
    assert store.count(SHELF, tenant) == 1
    store.close()
    (file,) = (tmp_path / "postings").iterdir()
    file.write_bytes(b"not a segment at all, but long enough")
    with pytest.raises(Unavailable, match="damaged"):
        store.count(SHELF, tenant)
    assert store.count(SHELF, tenant) == 1


def test_a_folder_that_cannot_be_made_is_said(database, tenant, tmp_path):
    (tmp_path / "file").write_text("")
    store = Postings(database, tmp_path / "file" / "postings")
    put(store, tenant, [1])
    with pytest.raises(Unavailable, match="file"):
        store.count(SHELF, tenant)


def test_files_of_what_was_merged_elsewhere_or_dropped_do_not_stay(store, tenant, tmp_path, database):
    other = Postings(database, tmp_path / "other")
    for number in range(1, 2 * FAN + 1):
        put(store, tenant, [number])
        other.count(SHELF, tenant)
    assert len(list((tmp_path / "other").iterdir())) < FAN
    store.count(SHELF, tenant)
    store.drop(SHELF)
    assert list((tmp_path / "postings").iterdir()) == []
    assert store.count(SHELF, tenant) == other.count(SHELF, tenant) == 0
    assert list((tmp_path / "other").iterdir()) == []
    other.close()


def test_a_file_that_cannot_be_written_whole_leaves_no_half(store, tenant, tmp_path, monkeypatch):
    def full(path, body):
        with path.open("wb") as file:
            file.write(body[:4])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    put(store, tenant, [1])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(Unavailable, match="full disk"):
            store.count(SHELF, tenant)
    assert list((tmp_path / "postings").iterdir()) == []
    assert store.count(SHELF, tenant) == 1
