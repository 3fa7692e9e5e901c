"""A password that nobody had to think of: made once, kept in a file that only its owner reads."""

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from domains.errors import Unavailable
from services import disk

BYTES: Final = 24
MODE: Final = 0o600
FLOWER: Final = "flower.password"


def kept(path: Path) -> SecretStr:
    """Return the password kept in ``path``, made first when there is none; two that come at once get the same.

    Raises Unavailable when the file cannot be read or made, is empty, or may be read by others.
    """
    with disk.named(path):
        disk.make(path.parent)
        _make(path)
        with path.open(encoding="utf-8") as file:
            others = os.fstat(file.fileno()).st_mode & 0o077
            password = file.read().strip()
    if others or not password:
        why = "may be read by others" if others else "is empty"
        raise Unavailable(f"{path} {why}", remedy="delete it: another password is made at the next start")
    return SecretStr(password)


def _make(path: Path) -> None:
    """Put a new password into ``path`` unless it is there. A link, unlike a rename, never replaces one."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(BYTES) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
