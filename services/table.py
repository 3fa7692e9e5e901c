"""Posts one to a line: JSONL and CSV, plain or gzipped, read in constant memory.

The line format is {"id", "text", "at" (ISO 8601 or Unix time), "source"?, "family"?, "url"?, "title"?, "author"?,
"reply_to"?, "lang"?, "media"?}; a `Mapping` says which of a file's own fields stand for these. The Markdown that Telegram
libraries write into texts (bold, links) is taken out.
"""

import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from domains.errors import InputError, UsageError
from domains.post import Bad, Entry, Media
from services import markup, raw
from services.lines import Line, read

_FORMAT: Final = (
    'one JSON object a line, {"id", "text", "at", "source"}, or CSV with these columns; '
    "for other names say which is which, such as --map at=date --map id={channel}/{message_id}"
)
_PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")
_DELIMITERS: Final = ",;\t|"
_DETECT_LINES: Final = 50
_SYNONYMS: Final = {
    "id": ("id", "message_id", "post_id", "guid", "uid"),
    "text": ("text", "content", "message", "body"),
    "at": ("at", "date", "created_at", "published_at", "published", "timestamp", "ts", "datetime", "time"),
    "source": ("source", "channel", "chat", "outlet"),
    "family": ("family", "publisher"),
    "url": ("url", "link", "permalink"),
    "title": ("title", "headline"),
    "author": ("author", "from"),
    "reply_to": ("reply_to", "reply_to_message_id", "in_reply_to"),
    "lang": ("lang", "language"),
    "media": ("media", "photos"),
}


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which of a file's fields stand for ours: a name, or a template over names such as "{channel}/{message_id}".

    ``id`` None means that lines have no id: it is made from their content. Other fields may be missing in a line,
    but not ``text`` and ``at``.
    """

    id: str | None = "id"
    text: str = "text"
    at: str = "at"
    source: str | None = "source"
    family: str | None = "family"
    url: str | None = "url"
    title: str | None = "title"
    author: str | None = "author"
    reply_to: str | None = "reply_to"
    lang: str | None = "lang"
    media: str | None = "media"

    @classmethod
    def of(cls, pairs: Iterable[str]) -> "Mapping":
        """Return the mapping that pairs like "at=date" describe. Raises UsageError for a pair that is none."""
        known = [one.name for one in fields(cls)]
        given: dict[str, str] = {}
        for pair in pairs:
            ours, equals, theirs = pair.partition("=")
            if not equals or ours.strip() not in known or not theirs.strip():
                raise UsageError(
                    f"cannot read the field mapping {pair!r}",
                    remedy=f"FIELD=THEIRS, where FIELD is one of {', '.join(known)}; for example at=date",
                )
            given[ours.strip()] = theirs.strip()
        return cls(**given)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line's fields as the file gives them."""

    where: str
    values: dict[str, Any]


def parse(
    path: Path,
    *,
    kind: Literal["jsonl", "csv"],
    mapping: Mapping | None = None,
    source: str | None = None,
    now: datetime | None = None,
) -> Iterator[Entry | Bad]:
    """Yield a file's posts in its order; a line that cannot be read is a Bad that names it.

    ``mapping`` None: it is detected. ``source`` is given to lines that name none. ``now`` bounds future dates; None
    takes any date, as a replay of the past needs. Raises InputError when the file as a whole cannot be read.
    """
    known = mapping or detect(path, kind)
    for row in _rows(path, kind):
        yield row if isinstance(row, Bad) else _entry(row, known, path.parent, source, now)


def detect(path: Path, kind: Literal["jsonl", "csv"]) -> Mapping:
    """Return the mapping that fits the field names of a file's first good lines. Raises InputError when none does."""
    names = _header(path) if kind == "csv" else _keys(path)
    found = guess(names)
    if found is None:
        shown = ", ".join(names[:12])[:200]
        raise InputError(
            f"{path}: fields {shown}: none of them is the text or the time", remedy=f"expected {_FORMAT}"
        )
    return found


def _header(path: Path) -> list[str]:
    feed = _Feed(read(path))
    try:
        records = csv.reader(feed, delimiter=feed.delimiter())
        return next(([cell.strip() for cell in record] for record in records if any(record)), [])
    except csv.Error as error:
        raise InputError(f"{path}: line 1: broken CSV ({error})", remedy=f"expected {_FORMAT}") from error


def _keys(path: Path) -> list[str]:
    """Return the fields of the first good lines. Raises InputError when none of them is an object."""
    names: dict[str, None] = {}
    problem = "no line holds a JSON object"
    for row in itertools.islice(_json_rows(read(path), path), _DETECT_LINES):
        if isinstance(row, Bad):
            problem = f"{row.where}: {row.why}"
        else:
            names.update(dict.fromkeys(row.values))
    if not names:
        raise InputError(
            problem if str(path) in problem else f"{path}: {problem}", remedy=f"expected {_FORMAT}"
        )
    return list(names)


def guess(names: Sequence[str]) -> Mapping | None:
    """Return the mapping that fits these field names, or None when text or time is not among them."""
    given = set(names)
    found = {ours: next((one for one in theirs if one in given), None) for ours, theirs in _SYNONYMS.items()}
    text, at = found.pop("text"), found.pop("at")
    if text is None or at is None:
        return None
    mapping = Mapping(text=text, at=at, **found)
    if mapping.id in {"message_id", "post_id"} and mapping.source:
        # Such numbers are unique only within their channel.
        return replace(mapping, id=f"{{{mapping.source}}}/{{{mapping.id}}}")
    return mapping


def _rows(path: Path, kind: str) -> Iterator[_Row | Bad]:
    lines = read(path)
    yield from _json_rows(lines, path) if kind == "jsonl" else _csv_rows(lines, path)


def _json_rows(lines: Iterable[Line | Bad], path: Path) -> Iterator[_Row | Bad]:
    for line in lines:
        if isinstance(line, Bad):
            yield line
        elif line.text.strip():
            yield _json_row(line, f"{path}: line {line.number}")


def _json_row(line: Line, where: str) -> _Row | Bad:
    try:
        value = json.loads(line.text)
    except json.JSONDecodeError as error:
        return Bad(where, f"column {error.colno}: broken JSON ({error.msg}); expected one object a line")
    except (ValueError, RecursionError):
        return Bad(where, "nested too deep or a number too long; expected one object a line")
    if not isinstance(value, dict):
        return Bad(where, f"expected a JSON object, found {_kind(value)}")
    return _Row(where, value)


def _csv_rows(lines: Iterable[Line | Bad], path: Path) -> Iterator[_Row | Bad]:
    """Yield the records under the header; a record's number is that of its first line."""
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=feed.delimiter())
    names: list[str] | None = None
    while True:
        feed.first = None
        try:
            record = next(reader, None)
        except csv.Error as error:
            yield from feed.taken()
            yield Bad(f"{path}: line {feed.first}", f"broken CSV ({error}); is a quotation mark left open?")
            continue
        yield from feed.taken()
        if record is None:
            return
        if not any(cell.strip() for cell in record):
            continue
        if names is None:
            names = [name.strip() for name in record]
        elif len(record) != len(names):
            yield Bad(f"{path}: line {feed.first}", f"expected {len(names)} columns, found {len(record)}")
        else:
            values = {name: cell for name, cell in zip(names, record, strict=True) if cell != ""}
            yield _Row(f"{path}: line {feed.first}", values)


class _Feed:
    """Lines for the CSV reader, which keeps those that could not be read and where a record began."""

    def __init__(self, lines: Iterable[Line | Bad]) -> None:
        self._lines = iter(lines)
        self._peeked: list[Line] = []
        self._bad: list[Bad] = []
        self.first: int | None = None

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._peeked.pop() if self._peeked else self._pull()
        self.first = self.first or line.number
        return line.text

    def delimiter(self) -> str:
        """Return the delimiter that the header uses most; a comma when there is none."""
        try:
            self._peeked.append(self._pull())
        except StopIteration:
            return ","
        return max(_DELIMITERS, key=self._peeked[0].text.count)

    def taken(self) -> list[Bad]:
        """Return and forget the lines that could not be read."""
        bad, self._bad = self._bad, []
        return bad

    def _pull(self) -> Line:
        for line in self._lines:
            if isinstance(line, Line):
                return line
            self._bad.append(line)
        raise StopIteration


class _Wrong(Exception):
    """A field of a line is not what it should be."""


def _entry(
    row: _Row, mapping: Mapping, folder: Path, source: str | None, now: datetime | None
) -> Entry | Bad:
    try:
        return _build(row.values, mapping, folder, source, now)
    except _Wrong as wrong:
        return Bad(row.where, str(wrong))


def _build(
    values: dict[str, Any], mapping: Mapping, folder: Path, source: str | None, now: datetime | None
) -> Entry:
    text = _string(values, mapping.text, "text")
    at, flags = _time(values, mapping.at, now)
    if text is None:
        raise _Wrong(f'field "{mapping.text}": expected the text, found nothing')
    name = raw.line(_string(values, mapping.source, "source")) or source
    url = _string(values, mapping.url, "url")
    external_id = raw.key(_string(values, mapping.id, "id") or "")
    if not external_id and mapping.id is not None:
        raise _Wrong(f'field "{mapping.id}": expected an id, found nothing')
    if not external_id:
        external_id, flags = raw.fingerprint(name or "", at.isoformat(), text), (*flags, "no_id")
    body, links = markup.unmarked(raw.tidy(text))
    return Entry(
        external_id=external_id,
        at=at,
        text=body,
        title=raw.line(_string(values, mapping.title, "title")),
        url=raw.web(url),
        author=raw.line(_string(values, mapping.author, "author")),
        reply_to=raw.key(_string(values, mapping.reply_to, "reply_to") or "") or None,
        lang=_lang(values, mapping.lang),
        source=name,
        family=raw.line(_string(values, mapping.family, "family")),
        links=links,
        media=_media(values.get(mapping.media) if mapping.media else None, folder),
        flags=flags,
    )


def _string(values: dict[str, Any], field: str | None, ours: str) -> str | None:
    """Return a field as text, None when it is absent or null; a template needs every field that it names."""
    if field is None:
        return None
    if "{" not in field:
        return _scalar(values.get(field), field, ours)
    parts: dict[str, str] = {}
    for name in _PLACEHOLDER.findall(field):
        part = _scalar(values.get(name), name, ours)
        if part is None:
            raise _Wrong(f'field "{name}": expected a part of the {ours}, found nothing')
        parts[name] = part
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], field)


def _scalar(value: Any, field: str, ours: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and ours not in {"text", "title"}:
        return str(value)
    raise _Wrong(f'field "{field}": expected a string for the {ours}, found {_kind(value)}')


def _time(values: dict[str, Any], field: str, now: datetime | None) -> tuple[datetime, tuple[str, ...]]:
    value = _string(values, field, "time") if "{" in field else values.get(field)
    found = raw.moment(value)
    if found is None:
        shown = "nothing" if value is None else f"{value!r:.60}"
        raise _Wrong(f'field "{field}": expected a time (ISO 8601 or Unix seconds), found {shown}')
    at, flags = raw.at_or_now(found[0], now)
    return at, (*flags, "zone_assumed") if found[1] else flags


def _lang(values: dict[str, Any], field: str | None) -> str | None:
    lang = (_string(values, field, "lang") or "").split("-")[0].split("_")[0].strip().lower()
    return lang if re.fullmatch("[a-z]{2,3}", lang) else None


def _media(value: Any, folder: Path) -> tuple[Media, ...]:
    """Return the files that a line names: names or paths, or objects with "name" or "path", "kind" and "mime"."""
    if value is None:
        return ()
    given = [name for name in value.split(";") if name.strip()] if isinstance(value, str) else value
    if not isinstance(given, list):
        raise _Wrong(f'field "media": expected a list, found {_kind(value)}')
    media: dict[str, Media] = {}
    for one in given:
        parts = {"name": one} if isinstance(one, str) else one
        if not isinstance(parts, dict):
            raise _Wrong(f'field "media": expected names or objects, found {_kind(one)}')
        path = next((parts[key] for key in ("path", "name", "url") if isinstance(parts.get(key), str)), "")
        name = raw.line(parts["name"] if isinstance(parts.get("name"), str) else path.rpartition("/")[2])
        if name:
            kind, mime = (parts[key] if isinstance(parts.get(key), str) else None for key in ("kind", "mime"))
            media.setdefault(
                name, Media(raw.line(kind) or "photo", name, raw.inside(folder, path.strip()), raw.line(mime))
            )
    return tuple(media.values())


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
