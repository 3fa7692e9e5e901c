"""The account that PostgreSQL runs as when we are root, since it refuses root: created once, and let in where needed."""

import errno
import os
import pwd
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domains.errors import Unavailable

NAME: Final = "pgserver"
ACL: Final = "system.posix_acl_access"
# From linux/posix_acl.h: the tags of an entry, in the order in which the kernel wants them.
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY_ID: Final = 0xFFFFFFFF
SEARCH: Final = 1


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account for a server that refuses root, or None when we are not root.

    Raises Unavailable when the account does not exist and cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(NAME)
    except KeyError:
        found = _create()
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def admit(account: Account, path: Path) -> None:
    """Let ``account`` search the folders on the way to ``path``, by an access list entry for it alone.

    Modes are left as they are: nobody else sees more than before. Raises Unavailable naming the folder that stays shut.
    """
    path = path.resolve()
    if _reaches(account, path):
        return
    for folder in reversed(path.parents):
        if not _reaches(account, folder):
            _grant_search(account, folder)
    if not _reaches(account, path):
        raise Unavailable(
            f"PostgreSQL runs as the account {account.name!r}, which may not use {path}",
            remedy=f"let others read it: chmod o+rx {path}; or run as an ordinary user",
        )


def _reaches(account: Account, path: Path) -> bool:
    # Asking the kernel as that account is the one answer that knows modes, access lists and mounts.
    asked = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        check=False,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        env={},
    )
    return asked.returncode == 0


def _create() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        return pwd.getpwnam(NAME)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise Unavailable(
            f"PostgreSQL refuses to run as root, and the account {NAME!r} cannot be made",
            remedy="run as an ordinary user, or set SVODKA_DATABASE_URL",
        ) from error


def _grant_search(account: Account, folder: Path) -> None:
    try:
        _write_entries(folder, _with_search(_entries(folder), account.uid))
    except OSError as error:
        raise Unavailable(
            f"PostgreSQL runs as the account {account.name!r}, which may not enter {folder}",
            remedy=f"chmod o+x {folder}, or set SVODKA_VAR to a folder elsewhere, or run as an ordinary user",
        ) from error


Entry = tuple[int, int, int]


def _write_entries(folder: Path, entries: bytes) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    os.setxattr(folder, ACL, entries)


def _entries(folder: Path) -> list[Entry]:
    """Return the folder's access list as (tag, permissions, id), made up from its mode when it has none."""
    try:
        raw = os.getxattr(folder, ACL) if sys.platform == "linux" else b""
    except OSError:
        mode = stat.S_IMODE(folder.stat().st_mode)
        return [
            (USER_OBJ, mode >> 6 & 7, NOBODY_ID),
            (GROUP_OBJ, mode >> 3 & 7, NOBODY_ID),
            (OTHER, mode & 7, NOBODY_ID),
        ]
    return list(_unpacked(raw))


def _unpacked(raw: bytes) -> Iterator[Entry]:
    yield from struct.iter_unpack("<HHI", raw[4:])


def _with_search(entries: list[Entry], uid: int) -> bytes:
    """Return the access list with the right to search for ``uid``, in the kernel's form (version 2)."""
    mask = next((perm for tag, perm, _ in entries if tag == MASK), None)
    if mask is None:
        mask = next(perm for tag, perm, _ in entries if tag == GROUP_OBJ)
    kept = [entry for entry in entries if entry[0] != MASK and (entry[0], entry[2]) != (USER, uid)]
    wanted = sorted(
        [*kept, (USER, SEARCH, uid), (MASK, mask | SEARCH, NOBODY_ID)],
        key=lambda entry: (entry[0], entry[2]),
    )
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in wanted)
