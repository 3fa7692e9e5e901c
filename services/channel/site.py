"""A page for each subscription that lists its digests, and a page for each digest: files for any web server."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from domains.errors import Unavailable
from domains.ports import Parcel, Receipt
from services import page, phrase
from services.channel import shelf
from services.channel.file import stem_of

FOLDER: Final = "pages"
LISTED: Final = 500
TEMPLATES: Final = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A digest in the list: its file's name, which begins with its day, and its title."""

    file: str
    title: str


class PageChannel:
    """Writes ROOT/pages/TARGET/SERIES/DAY_KEY.html and the list of the newest `LISTED` there, index.html.

    The list is kept beside it as index.json. Sending the same parcel again writes the same files again.
    """

    name = "page"
    idempotent = True

    def __init__(self, root: Path) -> None:
        self._root = root / FOLDER
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._template = environment.get_template("series.html")
        # Ours, not a stranger's: escaping it would break both the style and its hash in the policy.
        self._style = Markup((TEMPLATES / "digest.css").read_text(encoding="utf-8"))  # noqa: S704

    def check(self, target: str) -> None:
        """Raise Refused when the target is no plain name or leads out of the root."""
        shelf.folder(self._root, target)

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Write the page and list it. Raises Refused for a target or key that names no file, Unavailable for a disk."""
        stem = stem_of(parcel)
        series = shelf.plain(parcel.series or "digest", "series")
        folder = shelf.folder(self._root, f"{target}/{series}" if target else series)
        one = Listed(f"{stem}.html", parcel.title)
        with shelf.filling(folder, parcel.key), shelf.held(folder / ".index.lock"):
            shelf.write(folder / one.file, parcel.html.encode())
            known = {old.file: old for old in _listed(folder / "index.json")} | {one.file: one}
            newest = sorted(known.values(), reverse=True)[:LISTED]
            shelf.write(folder / "index.json", msgspec.json.format(msgspec.json.encode(newest)))
            shelf.write(folder / "index.html", self._index(parcel, newest).encode())
        return Receipt((str(folder / one.file), str(folder / "index.html")), external_id=stem)

    def _index(self, parcel: Parcel, digests: list[Listed]) -> str:
        words = phrase.LOCALES[page.locale_of(parcel.digest)]
        sha256 = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        return self._template.render(
            lang=words.lang,
            brand=words.brand,
            title=page.clean(parcel.digest.subscription),
            digests=digests,
            style=self._style,
            policy=f"default-src 'none'; style-src 'sha256-{sha256}'; base-uri 'none'; form-action 'none'",
        )


def _listed(path: Path) -> list[Listed]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Listed])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise Unavailable(f"{path} cannot be read", remedy="move it away; a new list begins") from error
