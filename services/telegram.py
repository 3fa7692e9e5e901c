"""Telegram Desktop exports (`result.json`), of one chat or a whole account, read in constant memory.

    bytes → JSON events → one message at a time → Entry, albums joined

What is yielded: every message of type "message", also those without text (a photo, a sticker, a poll). Service
messages (joins, pins, calls) and messages that the exporting program could not show yield nothing.

An album is exported as one message per photo. Neighbours are joined into one entry, under the first one's id, when
all of this holds: next to each other in the file, the same second, the same sender, origin and reply, each with a
photo or video (or each with a file), at most ten, and at most one of them with text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from domains import limits
from domains.errors import InputError
from domains.post import Bad, Entry, Media
from services import raw
from services.jsonstream import JSON_ERRORS, Counting, Element, walk

_REMEDY: Final = (
    "in Telegram Desktop choose Export chat history, format “Machine-readable JSON”, and give its result.json"
)
_CHATS: Final = ("", "chats.list.item", "left_chats.list.item")
_META: Final = frozenset({"name", "type", "id"})
_ABSENT: Final = "(File "
_ALBUM: Final = 10
_VISUAL: Final = frozenset({"photo", "video"})
_KINDS: Final = {
    "sticker": "sticker",
    "animation": "video",
    "video_file": "video",
    "video_message": "video",
    "voice_message": "audio",
    "audio_file": "audio",
}
_MESSAGES: Final = frozenset(f"{chat}.messages.item".lstrip(".") for chat in _CHATS)


@dataclass(slots=True)
class _Chat:
    """What is known of the chat whose messages are being read."""

    name: str = ""
    type: str = ""
    id: str = ""

    @property
    def channel(self) -> bool:
        return self.type.endswith("channel")

    def slug(self) -> str:
        if self.type == "saved_messages":
            return "saved-messages"
        return raw.slug(self.name) or f"chat{self.id}"


@dataclass(frozen=True, slots=True)
class _Message:
    """An entry and what else tells whether its neighbour belongs to the same album."""

    entry: Entry
    sender: str

    def shape(self) -> str:
        """Return what kind of album this could be part of, "" for none."""
        kinds = {media.kind for media in self.entry.media}
        if not kinds:
            return ""
        if kinds <= _VISUAL:
            return "visual"
        return kinds.pop() if len(kinds) == 1 and kinds <= {"audio", "file"} else ""


@dataclass(slots=True)
class _Reader:
    """Where in the export the events are."""

    where: str
    folder: Path | None
    now: datetime | None
    chat: _Chat = field(default_factory=_Chat)
    slugs: dict[str, str] = field(default_factory=dict)
    lists: int = 0
    item: int = 0

    def source(self) -> str:
        """Return the chat's name in Svodka; two chats of the same name in one file differ by their ids."""
        slug = self.chat.slug()
        owner = self.slugs.setdefault(slug, self.chat.id)
        return slug if owner == self.chat.id else f"{slug}-{self.chat.id}"


def parse(path: Path, *, file: IO[bytes] | None = None, now: datetime | None = None) -> Iterator[Entry | Bad]:
    """Yield the messages of an export, oldest first as it lists them.

    ``file`` is read instead of ``path`` when given (an unpacked archive); ``path`` then only gives the name and the
    folder in which photos are looked for. ``now`` bounds future dates. ``Entry.source`` is made from the chat's name.
    Raises InputError when the file is not an export at all; a truncated one yields its good part and then a Bad.
    """
    if file is not None:
        yield from _entries(path, file, now)
        return
    try:
        with path.open("rb") as opened:
            yield from _entries(path, opened, now)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", remedy=_REMEDY) from error


def _entries(path: Path, file: IO[bytes], now: datetime | None) -> Iterator[Entry | Bad]:
    reader = _Reader(str(path), path.parent if path.parent.is_dir() else None, now)
    return _albums(_until_broken(Counting(file), reader))


def _until_broken(file: Counting, reader: _Reader) -> Iterator[_Message | Bad]:
    """Yield messages up to the end or to the byte at which the file breaks."""
    try:
        yield from _messages(file, reader)
    except JSON_ERRORS as error:
        byte, what = file.fault(error)
        if not reader.lists:
            raise InputError(
                f"{reader.where}: byte {byte}: {what}; expected a Telegram Desktop export", remedy=_REMEDY
            ) from error
        yield Bad(
            f"{reader.where}: byte {byte}", f"{what}; the messages before it were read, the rest was not"
        )
        return
    if not reader.lists:
        raise InputError(
            f'{reader.where}: no list "messages"; expected a Telegram Desktop export', remedy=_REMEDY
        )


def _messages(file: Counting, reader: _Reader) -> Iterator[_Message | Bad]:
    for path, event, value in walk(file, _MESSAGES):
        if path not in _MESSAGES:
            _note(path, event, value, reader)
            continue
        reader.item += 1
        if event != "element":
            yield Bad(f"{reader.where}: message {reader.item}", f"expected an object, found {value!r:.40}")
        elif (found := _message(value, reader)) is not None:
            yield found


def _note(prefix: str, event: str, value: Any, reader: _Reader) -> None:
    """Keep what the events say of the chat: its name, type and id come before its messages."""
    owner, _, key = prefix.rpartition(".")
    if event == "start_map" and prefix in _CHATS:
        reader.chat = _Chat()
    elif event == "start_array" and key == "messages" and owner in _CHATS:
        reader.lists += 1
        reader.item = 0
    elif owner in _CHATS and key in _META and event in {"string", "number"}:
        setattr(reader.chat, key, str(value))


def _message(item: Element, reader: _Reader) -> _Message | Bad | None:
    message = item.value
    where = f"{reader.where}: message {message.get('id', f'number {reader.item}')} of {reader.chat.name or 'the chat'}"
    if item.too_large:
        return Bad(where, f"it is larger than {limits.ENTRY_BYTES} bytes, or nests too deep")
    if message.get("type", "message") != "message":
        return None
    number = message.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        return Bad(where, f'field "id": expected a whole number, found {number!r:.40}')
    at, flags = _at(message, reader.now)
    if at is None:
        return Bad(where, 'field "date_unixtime" or "date": expected a time')
    text, links = _text(message)
    edited = raw.moment(message.get("edited_unixtime")) or raw.moment(message.get("edited"))
    entry = Entry(
        external_id=str(number),
        at=at,
        text=text,
        author=_author(message, reader.chat),
        reply_to=_reply(message),
        forwarded_from=_forwarded(message),
        edited_at=edited[0] if edited else None,
        source=reader.source(),
        links=links,
        media=_media(message, number, reader.folder),
        flags=flags,
    )
    return _Message(entry, _sender(message))


def _at(message: dict[str, Any], now: datetime | None) -> tuple[datetime | None, tuple[str, ...]]:
    found = raw.moment(message.get("date_unixtime"))
    assumed = False
    if found is None:
        found = raw.moment(message.get("date"))
        assumed = found is not None and found[1]
    if found is None:
        return None, ()
    at, flags = raw.at_or_now(found[0], now)
    return at, (*flags, "zone_assumed") if assumed else flags


def _author(message: dict[str, Any], chat: _Chat) -> str | None:
    """Return who wrote: a channel's signature, or in other chats the sender."""
    signed = message.get("author")
    if isinstance(signed, str) and signed.strip():
        return raw.line(signed)
    sender = message.get("from")
    return raw.line(sender) if isinstance(sender, str) and not chat.channel else None


def _sender(message: dict[str, Any]) -> str:
    return str(message.get("from_id") or message.get("from") or "")


def _reply(message: dict[str, Any]) -> str | None:
    """Return the id replied to; a reply to another chat's message has no id here."""
    number = message.get("reply_to_message_id")
    known = isinstance(number, int) and not isinstance(number, bool) and "reply_to_peer_id" not in message
    return str(number) if known else None


def _forwarded(message: dict[str, Any]) -> str | None:
    if "forwarded_from" not in message:
        return None
    origin = message["forwarded_from"]
    return (raw.line(origin) if isinstance(origin, str) else None) or "unknown"


def _text(message: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return a message's plain text and the addresses its entities lead to, each once, in order."""
    links: list[str | None] = []
    text = _join(message.get("text"), links) or _join(message.get("text_entities"), links)
    if isinstance(message.get("text"), str):
        _join(message.get("text_entities"), links)
    parts = [text, _poll(message.get("poll"), links), _place(message)]
    whole = "\n".join(part for part in parts if part.strip())
    return raw.tidy(whole), tuple(dict.fromkeys(link for link in links if link))


def _join(value: Any, links: list[str | None]) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    pieces: list[str] = []
    for part in value:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, dict) and isinstance(words := part.get("text"), str):
            pieces.append(words)
            if part.get("type") == "text_link":
                links.append(raw.web(part.get("href")))
            elif part.get("type") == "link":
                # Telegram recognises addresses without a scheme.
                links.append(raw.web(words if "://" in words else f"https://{words}"))
    return "".join(pieces)


def _poll(poll: Any, links: list[str | None]) -> str:
    """Return a poll's question and its answers, one a line."""
    if not isinstance(poll, dict):
        return ""
    answers = poll.get("answers")
    options = (
        [_join(one.get("text"), links) for one in answers if isinstance(one, dict)]
        if isinstance(answers, list)
        else []
    )
    return "\n".join(
        [_join(poll.get("question"), links), *(f"• {option}" for option in options if option)]
    ).strip()


def _place(message: dict[str, Any]) -> str:
    words = [message.get(key) for key in ("place_name", "address")]
    return ", ".join(word for word in words if isinstance(word, str) and word)


def _media(message: dict[str, Any], number: int, folder: Path | None) -> tuple[Media, ...]:
    if "photo" in message:
        return (_medium("photo", message["photo"], None, "image/jpeg", message, number, folder),)
    if "file" in message or "media_type" in message:
        media_type = message.get("media_type")
        kind = _KINDS.get(media_type, "file") if isinstance(media_type, str) else "file"
        mime = message.get("mime_type")
        if kind == "file" and isinstance(mime, str) and mime.startswith("image/"):
            kind = "photo"
        return (_medium(kind, message.get("file"), message.get("file_name"), mime, message, number, folder),)
    return ()


def _medium(
    kind: str, file: Any, name: Any, mime: Any, message: dict[str, Any], number: int, folder: Path | None
) -> Media:
    """Return a message's file; one that was not exported is named after the message, so that names differ."""
    given = file if isinstance(file, str) and not file.startswith(_ABSENT) else ""
    own = name if isinstance(name, str) and not name.startswith(_ABSENT) else given.rpartition("/")[2]
    return Media(
        kind=kind,
        name=raw.line(own) or f"{kind}-{number}",
        path=raw.inside(folder, given),
        mime=raw.line(mime) if isinstance(mime, str) else None,
        width=_pixels(message.get("width")),
        height=_pixels(message.get("height")),
    )


def _pixels(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1_000_000 else None


def _albums(stream: Iterable[_Message | Bad]) -> Iterator[Entry | Bad]:
    """Join the messages of an album; what is yielded keeps the order of the file."""
    held: _Message | None = None
    for found in stream:
        if isinstance(found, _Message) and held is not None and (joined := _join_album(held, found)):
            held = joined
            continue
        if held is not None:
            yield held.entry
        held = found if isinstance(found, _Message) else None
        if isinstance(found, Bad):
            yield found
    if held is not None:
        yield held.entry


def _join_album(held: _Message, found: _Message) -> _Message | None:
    one, two = held.entry, found.entry
    same = (
        (one.source, one.at, one.reply_to, one.forwarded_from, held.sender)
        == (two.source, two.at, two.reply_to, two.forwarded_from, found.sender)
    )  # fmt: skip
    shape = held.shape()
    if not same or not shape or shape != found.shape() or len(one.media) >= _ALBUM or (one.text and two.text):
        return None
    edits = [at for at in (one.edited_at, two.edited_at) if at]
    entry = replace(
        one,
        text=one.text or two.text,
        links=tuple(dict.fromkeys((*one.links, *two.links))),
        media=_distinct((*one.media, *two.media)),
        edited_at=max(edits, default=None),
    )
    return _Message(entry, held.sender)


def _distinct(media: tuple[Media, ...]) -> tuple[Media, ...]:
    """Give a file that has the name of an earlier one a number, since a post's files are told apart by name."""
    last = media[-1]
    if all(last.name != other.name for other in media[:-1]):
        return media
    return (*media[:-1], replace(last, name=f"{len(media)}-{last.name}"))
