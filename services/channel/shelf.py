"""Folders of digests: where a target's files lie, and how they are written whole."""

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from domains.errors import Busy, Refused, Unavailable
from services import lock

NAME_CHARS: Final = 120
LOCK_S: Final = 10.0
_NAME: Final = re.compile(r"\w[\w.@-]*")
_REMEDIES: Final = {
    errno.ENOSPC: "free some space; the delivery is tried again",
    errno.EDQUOT: "free some of the quota; the delivery is tried again",
    errno.EROFS: "mount it writable, or set another digest folder; the delivery is tried again",
    errno.EACCES: "let this user write there, or set another digest folder; the delivery is tried again",
    errno.EPERM: "let this user write there, or set another digest folder; the delivery is tried again",
}


def folder(root: Path, target: str) -> Path:
    """Return the folder ``target`` under ``root``; the empty target is the root itself.

    Raises Refused when the target is no plain name or leads out of the root.
    """
    names = [plain(name, "target") for name in target.split("/")] if target else []
    top = root.resolve()
    found = top.joinpath(*names)
    if not found.resolve().is_relative_to(top):
        raise Refused(
            f"the target {target!r} leads out of {top}", remedy="remove the symbolic link on its way"
        )
    return found


def plain(name: str, what: str) -> str:
    """Return a name that may be a file's. Raises Refused."""
    if not _NAME.fullmatch(name) or len(name.encode()) > NAME_CHARS:
        raise Refused(
            f"the {what} {name!r} cannot name a file",
            remedy=f"letters, digits, '.', '-', '_' and '@', beginning with a letter or digit, "
            f"at most {NAME_CHARS} bytes",
        )
    return name


@contextmanager
def filling(place: Path, key: str) -> Iterator[None]:
    """Make the folder ``place``, and turn an OSError of the block into Unavailable that says what to do."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        yield
        _sync(place)
    except OSError as error:
        raise Unavailable(
            f"cannot write the digest {key} to {place}: {error.strerror}",
            remedy=_REMEDIES.get(error.errno or 0, "look at that folder; the delivery is tried again"),
        ) from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock ``path`` alone for the block. Raises Unavailable when somebody else does for long."""
    try:
        descriptor = lock.exclusive(path, time.monotonic() + LOCK_S)
    except Busy as error:
        raise Unavailable(
            f"{path} is held by another delivery", remedy="the delivery is tried again"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def write(path: Path, body: bytes) -> None:
    """Put ``body`` at ``path`` whole or not at all, also when the power goes."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
