"""The account for PostgreSQL under root: let in by name, with nobody else seeing more."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.errors import Unavailable
from services import account

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root needs another account"
)


def reaches(path, uid):
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        check=False,
        user=uid,
        group=uid,
        extra_groups=[],
        cwd="/",
    )
    return asked.returncode == 0


@needs_root
def test_the_account_gets_in_and_others_do_not(tmp_path):
    outer = tmp_path / "outer"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    outer.chmod(0o700)
    tmp_path.chmod(0o700)
    who = account.server_account()
    assert not account._reaches(who, inner)
    account.admit(who, inner)
    account.admit(who, inner)
    assert account._reaches(who, inner)
    assert not reaches(inner, who.uid + 12345)
    assert outer.stat().st_mode & 0o007 == 0


@needs_root
def test_the_account_may_enter_but_not_list(tmp_path):
    folder = tmp_path / "closed" / "inner"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    who = account.server_account()
    account.admit(who, folder)
    listed = subprocess.run(
        ["/bin/ls", str(folder.parent)], check=False, user=who.uid, group=who.gid, extra_groups=[], cwd="/",
        capture_output=True,
    )  # fmt: skip
    assert listed.returncode != 0


@needs_root
def test_a_file_it_may_not_run_is_named(tmp_path):
    program = tmp_path / "program"
    program.write_text("")
    with pytest.raises(Unavailable, match=r"may not use .*program") as caught:
        account.admit(account.server_account(), program)
    assert str(program) in caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root does need one")
def test_an_ordinary_user_needs_no_other_account():
    assert account.server_account() is None


PERMISSIONS = st.integers(0, 7)


@given(PERMISSIONS, PERMISSIONS, PERMISSIONS, st.integers(1, 1 << 31), st.integers(1, 1 << 31))
def test_an_entry_is_added_once_and_the_others_stay(user, group, other, uid, second):
    before = [
        (account.USER_OBJ, user, account.NOBODY_ID),
        (account.GROUP_OBJ, group, account.NOBODY_ID),
        (account.OTHER, other, account.NOBODY_ID),
    ]
    once = list(account._unpacked(account._with_search(before, uid)))
    assert list(account._unpacked(account._with_search(once, uid))) == once
    assert set(before) < set(once)
    assert (account.USER, account.SEARCH, uid) in once
    # The mask bounds the group too: it may not take from the group what it had.
    assert next(perm for tag, perm, _ in once if tag == account.MASK) & group == group
    twice = list(account._unpacked(account._with_search(once, second)))
    assert [(tag, who) for tag, _, who in twice] == sorted((tag, who) for tag, _, who in twice)
    assert len(twice) == len(once) + (uid != second)
