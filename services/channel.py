"""Ways to hand over a digest that need no account: files and a stream."""

import errno
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from domains.errors import Refused, Unavailable
from domains.ports import Channel, Parcel, Receipt

NAME_CHARS: Final = 120
_NAME: Final = re.compile(r"\w[\w.@-]*")
_REMEDIES: Final = {
    errno.ENOSPC: "free some space; the delivery is tried again",
    errno.EDQUOT: "free some of the quota; the delivery is tried again",
    errno.EROFS: "mount it writable, or set another digest folder; the delivery is tried again",
    errno.EACCES: "let this user write there, or set another digest folder; the delivery is tried again",
    errno.EPERM: "let this user write there, or set another digest folder; the delivery is tried again",
}


class FileChannel:
    """Writes a digest's four forms side by side: ROOT/TARGET/DAY_KEY.html, .md, .json and .txt.

    DAY is the window's first day in the subscriber's zone. The .txt holds the Telegram messages, with a form feed
    between two. Sending the same parcel again writes the same files again.
    """

    name = "file"
    idempotent = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self, target: str) -> None:
        """Raise Refused when the target is no plain name or leads out of the root."""
        self._folder(target)

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Write the files into the folder ``target`` under the root; the empty target is the root itself.

        Raises Refused when the target or key is no plain name or leads out of the root, Unavailable when the disk
        is full, read-only or not ours.
        """
        folder = self._folder(target)
        day = parcel.digest.window.start.astimezone(ZoneInfo(parcel.digest.zone)).date()
        stem = f"{day.isoformat()}_{_plain(parcel.key, 'key')}"
        forms = {
            "html": parcel.html.encode(),
            "md": parcel.markdown.encode(),
            "json": parcel.json,
            "txt": "\n\f\n".join(parcel.telegram).encode() + b"\n",
        }
        paths = [folder / f"{stem}.{kind}" for kind in forms]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, body in zip(paths, forms.values(), strict=True):
                _write(path, body)
            _sync(folder)
        except OSError as error:
            raise Unavailable(
                f"cannot write the digest {parcel.key} to {folder}: {error.strerror}",
                remedy=_REMEDIES.get(error.errno or 0, "look at that folder; the delivery is tried again"),
            ) from error
        return Receipt(tuple(str(path) for path in paths), external_id=stem)

    def _folder(self, target: str) -> Path:
        names = [_plain(name, "target") for name in target.split("/")] if target else []
        root = self._root.resolve()
        folder = root.joinpath(*names)
        if not folder.resolve().is_relative_to(root):
            raise Refused(
                f"the target {target!r} leads out of {root}", remedy="remove the symbolic link on its way"
            )
        return folder


class StdoutChannel:
    """Writes a digest's Markdown to a stream, once: what has been printed cannot be taken back."""

    name = "stdout"
    idempotent = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def check(self, target: str) -> None:
        """Raise Refused for any target but "" and "-"."""
        if target not in {"", "-"}:
            raise Refused(f"the channel stdout has no target {target!r}", remedy='use "-"')

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Write the Markdown and flush; ``target`` must be empty or "-".

        Raises Refused for another target and Unavailable when the stream is closed. A stream that breaks while it is
        written to raises OSError: nobody knows how much was read.
        """
        self.check(target)
        if self._stream.closed:
            raise Unavailable("standard output is closed", remedy="choose the file channel for a service")
        self._stream.write(f"{parcel.markdown}\n")
        self._stream.flush()
        return Receipt(("stdout",))


def channels(root: Path, stream: TextIO) -> dict[str, Channel]:
    """Return every channel of this installation by its name."""
    every: tuple[Channel, ...] = (FileChannel(root), StdoutChannel(stream))
    return {channel.name: channel for channel in every}


def _plain(name: str, what: str) -> str:
    if not _NAME.fullmatch(name) or len(name.encode()) > NAME_CHARS:
        raise Refused(
            f"the {what} {name!r} cannot name a file",
            remedy=f"letters, digits, '.', '-', '_' and '@', beginning with a letter or digit, "
            f"at most {NAME_CHARS} bytes",
        )
    return name


def _write(path: Path, body: bytes) -> None:
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
