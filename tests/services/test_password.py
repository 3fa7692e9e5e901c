"""A password made once and kept for its owner."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from domains.errors import Unavailable
from services import password


def test_a_password_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "var" / "secret"
    made = password.kept(path).get_secret_value()
    assert len(made) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert password.kept(path).get_secret_value() == made
    assert [one.name for one in path.parent.iterdir()] == ["secret"]


def test_passwords_differ(tmp_path):
    assert password.kept(tmp_path / "a") != password.kept(tmp_path / "b")


def test_all_who_come_at_once_get_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(password.kept, [tmp_path / "secret"] * 32))
    assert len({one.get_secret_value() for one in made}) == 1


def test_one_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "secret"
    password.kept(path)
    path.chmod(0o640)
    with pytest.raises(Unavailable, match="others") as caught:
        password.kept(path)
    assert "delete it" in (caught.value.remedy or "")


def test_an_empty_one_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    with pytest.raises(Unavailable, match="empty"):
        password.kept(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="file"):
        password.kept(tmp_path / "file" / "secret")
