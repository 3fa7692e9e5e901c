"""Files of our own under ``var``: made, written whole or not at all, rotated; a full or read-only disk is said plainly."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from domains.errors import Unavailable

LOG_BYTES: Final = 10 * 1024**2
TAIL_BYTES: Final = 4096
REASONS: Final = {
    errno.EROFS: ("is on a read-only disk", "set SVODKA_VAR to a folder that can be written"),
    errno.EACCES: ("may not be written by this user", "set SVODKA_VAR to a folder that can be written"),
    errno.EPERM: ("may not be written by this user", "set SVODKA_VAR to a folder that can be written"),
    errno.ENOSPC: ("is on a full disk", "free some space, then try again"),
    errno.EDQUOT: ("is over this user's quota", "free some space, then try again"),
    errno.ENOENT: ("cannot be made there", "set SVODKA_VAR to a folder that can be made"),
    errno.ENOTDIR: ("needs a folder where a file stands", "move that file, or set SVODKA_VAR elsewhere"),
    errno.EEXIST: ("needs a folder where a file stands", "move that file, or set SVODKA_VAR elsewhere"),
    errno.ENOTEMPTY: ("holds files of somebody else", "move them away, or set SVODKA_VAR elsewhere"),
}


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into Unavailable that names the path and what to do."""
    try:
        yield
    except OSError as error:
        why, remedy = REASONS.get(
            error.errno or 0, (f"cannot be used: {error.strerror}", "see that the disk is well")
        )
        raise Unavailable(f"{error.filename or path} {why}", remedy=remedy) from error


def make(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and those above it."""
    folder.mkdir(mode=mode, parents=True, exist_ok=True)


def write(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` at once, readable by its owner only: a reader sees the old or the new, whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def log_file(path: Path) -> BinaryIO:
    """Return ``path`` open for appending, rotated when it has grown."""
    make(path.parent)
    rotate(path)
    return path.open("ab")


def rotate(path: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Move a log past ``limit_bytes`` to ``NAME.1`` by copying, since its writer keeps it open."""
    try:
        if path.stat().st_size > limit_bytes:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)
    except FileNotFoundError:
        return


def check_free(folder: Path, least_bytes: int) -> None:
    """Raise Unavailable when the disk of ``folder`` has less than ``least_bytes`` free."""
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        raise Unavailable(
            f"{folder} is on a full disk: {free // 1024**2} MB free, at least {least_bytes // 1024**2} MB needed",
            remedy="free some space, or set SVODKA_VAR to a folder on another disk",
        )


def tail(path: Path) -> str:
    """Return the end of a text file, or nothing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def last_line(path: Path) -> str:
    """Return the last line of a text file."""
    return next((line for line in reversed(tail(path).splitlines()) if line.strip()), "its log is empty")
