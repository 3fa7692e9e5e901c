"""A digest's four forms as files."""

from pathlib import Path
from zoneinfo import ZoneInfo

from domains.ports import Parcel, Receipt
from services.channel import shelf


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
        shelf.folder(self._root, target)

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Write the files into the folder ``target`` under the root; the empty target is the root itself.

        Raises Refused when the target or key is no plain name or leads out of the root, Unavailable when the disk
        is full, read-only or not ours.
        """
        folder = shelf.folder(self._root, target)
        stem = stem_of(parcel)
        forms = {
            "html": parcel.html.encode(),
            "md": parcel.markdown.encode(),
            "json": parcel.json,
            "txt": "\n\f\n".join(parcel.telegram).encode() + b"\n",
        }
        paths = [folder / f"{stem}.{kind}" for kind in forms]
        with shelf.filling(folder, parcel.key):
            for path, body in zip(paths, forms.values(), strict=True):
                shelf.write(path, body)
        return Receipt(tuple(str(path) for path in paths), external_id=stem)


def stem_of(parcel: Parcel) -> str:
    """Return the name of a digest's files without their ending. Raises Refused for a key that cannot name a file."""
    day = parcel.digest.window.start.astimezone(ZoneInfo(parcel.digest.zone)).date()
    return f"{day.isoformat()}_{shelf.plain(parcel.key, 'key')}"
