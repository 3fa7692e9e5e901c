"""Files that people drop: what kind each one is, the one door to read them, and a folder watched for new ones."""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from domains import limits
from domains.errors import InputError, TooLarge
from domains.post import Bad, Entry, SourceKind
from services import feed, lines, table, telegram
from services.jsonstream import JSON_ERRORS, Counting, walk

EXPORT: Final = "result.json"
_SUFFIXES: Final = frozenset(
    {".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".rss", ".atom", ".rdf", ".txt", ".gz"}
)
_PARTIAL: Final = (".part", ".partial", ".crdownload", ".download", ".tmp", ".swp", "~")
_DEPTH: Final = 4
_SETTLE_S: Final = 5.0
_FEED: Final = re.compile(r"<(?:rss|feed|(?:\w+:)?rdf)\b", re.IGNORECASE)
_PAGE: Final = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file was when it was looked at; ``sha256`` is its identity, the rest saves reading it again."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a watched folder; ``name`` is its path below the folder, with "/"."""

    name: str
    path: Path
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look into a folder gave. ``touched`` have content that is known already, under this or another name.

    ``growing`` are files that changed a moment ago, and may still be written; ``skipped`` could not be looked at.
    """

    fresh: tuple[Found, ...] = ()
    touched: tuple[Found, ...] = ()
    growing: tuple[str, ...] = ()
    skipped: tuple[Bad, ...] = ()


def scan(directory: Path, seen: Mapping[str, Stamp], *, now: datetime, settle_s: float = _SETTLE_S) -> Scan:
    """Return what is new in a folder and four levels below it, by name, compared with the stamps of ``seen``.

    Only files whose suffix may be posts are looked at (photos of an export are not); hidden and partial ones and links
    that lead outside are passed over, and files modified less than ``settle_s`` ago wait. Raises InputError when the
    folder cannot be read.
    """
    try:
        root = directory.resolve(strict=True)
        candidates = sorted(_candidates(root, root, _DEPTH))
    except OSError as error:
        raise InputError(
            f"{directory}: cannot be read: {error.strerror}",
            remedy="the watched folder must exist and be readable",
        ) from error
    known = {stamp.sha256 for stamp in seen.values()}
    fresh: list[Found] = []
    touched: list[Found] = []
    growing: list[str] = []
    skipped: list[Bad] = []
    for path in candidates:
        name = path.relative_to(root).as_posix()
        try:
            stat = path.stat()
            before = seen.get(name)
            if before and (before.size, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                continue
            if now.timestamp() - stat.st_mtime < settle_s:
                growing.append(name)
                continue
            found = Found(name, path, Stamp(stat.st_size, stat.st_mtime_ns, _sha256(path)))
        except OSError as error:
            skipped.append(Bad(str(path), f"cannot be read: {error.strerror}"))
            continue
        (touched if found.stamp.sha256 in known else fresh).append(found)
    return Scan(tuple(fresh), tuple(touched), tuple(growing), tuple(skipped))


def sniff(path: Path) -> SourceKind:
    """Return what a file or folder holds, by its content. Raises InputError that says what it is instead of posts."""
    if path.is_dir():
        return "telegram" if (path / EXPORT).is_file() else "directory"
    start = lines.head(path)
    text = start.decode(lines.encoding(start), "replace").lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        return _sniff_markup(path, text)
    if text.startswith("{"):
        return _sniff_object(text)
    if path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if text.startswith("["):
        raise InputError(
            f"{path}: a JSON array, expected one object a line",
            remedy="convert it: jq -c '.[]' FILE > posts.jsonl",
        )
    _check_csv(path, text)
    return "csv"


def read(path: Path, *, now: datetime, mapping: table.Mapping | None = None) -> Iterator[Entry | Bad]:
    """Yield the posts of a file of any known kind; of an export's folder, those of its `result.json`.

    ``now`` is the real present, also in a replay of the past: entries dated after it are flagged "future". Raises
    InputError when the file is none of the kinds.
    """
    kind = sniff(path)
    file = path / EXPORT if path.is_dir() else path
    if kind == "directory":
        raise InputError(
            f"{path}: a folder without {EXPORT}", remedy="watch it as a source, or name a file in it"
        )
    if kind == "feed":
        return _read_feed(file, now)
    if kind == "telegram":
        return _read_export(file, now)
    return table.parse(file, kind="csv" if kind == "csv" else "jsonl", mapping=mapping, now=now)


def _read_export(path: Path, now: datetime) -> Iterator[Entry | Bad]:
    with lines.open_binary(path) as file:
        yield from telegram.parse(path, file=file, now=now)


def _read_feed(path: Path, now: datetime) -> Iterator[Entry | Bad]:
    with lines.open_binary(path) as file:
        body = file.read(limits.FEED_BYTES + 1)
    if len(body) > limits.FEED_BYTES:
        raise TooLarge(
            f"{path}: larger than {limits.FEED_BYTES} bytes", remedy="split the feed into smaller files"
        )
    yield from feed.parse(body, url=str(path), content_type=None, now=now)


def _candidates(root: Path, folder: Path, depth: int) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name.lower().endswith(_PARTIAL):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            continue
        if path.is_dir():
            # A link to a folder inside would show its files twice.
            if depth and not path.is_symlink():
                yield from _candidates(root, path, depth - 1)
        elif path.is_file() and path.suffix.lower() in _SUFFIXES:
            yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sniff_markup(path: Path, text: str) -> SourceKind:
    if _FEED.search(text) and not text.lower().startswith(("<!doctype html", "<html")):
        return "feed"
    if _PAGE.search(text):
        if "tgme" in text or "page_wrap" in text:
            remedy = (
                "in Telegram Desktop export the chat again as “Machine-readable JSON” and give result.json"
            )
            raise InputError(f"{path}: a Telegram export as web pages", remedy=remedy)
        raise InputError(f"{path}: a web page, not a feed", remedy=lines.REMEDY)
    raise InputError(f"{path}: XML that is no feed", remedy=lines.REMEDY)


def _sniff_object(text: str) -> SourceKind:
    """Tell by the keys of the first object: an export's, a JSON feed's, or those of a line."""
    keys, version = _first_keys(text)
    if keys & {"messages", "chats", "left_chats", "personal_information"} and not keys & {"text", "content"}:
        return "telegram"
    if "jsonfeed.org" in version or {"version", "items"} <= keys:
        return "feed"
    return "jsonl"


def _first_keys(text: str) -> tuple[set[str], str]:
    keys: set[str] = set()
    version = ""
    try:
        for path, event, value in walk(Counting(io.BytesIO(text.encode("utf-8", "replace"))), frozenset()):
            if path == "" and keys:
                break
            if path and "." not in path:
                keys.add(path)
            if event == "string" and path == "version":
                version = value
    except JSON_ERRORS:
        # The head ends where it ends; what was seen before is what counts.
        return keys, version
    return keys, version


def _check_csv(path: Path, text: str) -> None:
    """Raise InputError unless the first line can be a header."""
    first = text.partition("\n")[0]
    cells = [cell.strip(' "\r') for cell in re.split(r"[,;\t|]", first)]
    if len(cells) < 2 or not all(cells) or len(first) > 4_000:
        raise InputError(
            f"{path}: line 1: plain text, not posts: {first.strip()[:60]!r}", remedy=lines.REMEDY
        )
