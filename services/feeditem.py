"""Items of a feed before they are entries: which id each one gets, and which time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from domains.post import Entry, Media
from services import raw

# Content systems write dates such as 0001-01-01 and 1970-01-01 when they have none.
_OLDEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_PICTURES: Final = {"image": "photo", "video": "video", "audio": "audio"}
MEDIA: Final = 20


@dataclass(frozen=True, slots=True)
class Item:
    """An item as read: ``id`` may be empty, the times None; ``body.external_id`` and ``body.at`` are not yet its own."""

    id: str
    published: datetime | None
    updated: datetime | None
    body: Entry

    def newest(self) -> datetime:
        """Return when the item last changed, as far as it says."""
        return max((at for at in (self.published, self.updated) if at), default=_OLDEST)

    def fingerprint(self) -> str:
        """Return an id made from what an edit is least likely to change: title and time, or else the text."""
        at = self.published or self.updated
        told = at.isoformat() if at and self.body.title else self.body.text
        return raw.fingerprint(self.body.title or "", told)


def dated(at: datetime | None) -> datetime | None:
    """Return a time, or None for one so old that it only means "unknown"."""
    return at if at is not None and at >= _OLDEST else None


def medium(url: str, mime: str | None, kind: str | None = None) -> Media:
    """Return a file that an item names by its address; its kind comes from its type."""
    return Media(
        kind=_PICTURES.get(kind or (mime or "").partition("/")[0].lower(), "file"), name=url, mime=mime
    )


def entries(items: Sequence[Item], now: datetime) -> Iterator[Entry]:
    """Yield the items as entries with ids and times, in their order; of several versions of one only the newest."""
    keyed = list(zip(_keys(items), items, strict=True))
    newest: dict[str, Item] = {}
    for (key, _), item in keyed:
        if key not in newest or item.newest() > newest[key].newest():
            newest[key] = item
    for (key, flags), item in keyed:
        if newest[key] is item:
            yield _entry(item, key, flags, now)


def _keys(items: Sequence[Item]) -> Iterator[tuple[str, tuple[str, ...]]]:
    urls_of_id: dict[str, set[str]] = defaultdict(set)
    titles_of_url: dict[str, set[str | None]] = defaultdict(set)
    for item in items:
        if item.body.url:
            urls_of_id[item.id].add(item.body.url)
            titles_of_url[item.body.url].add(item.body.title)
    for item in items:
        reused = bool(item.id) and len(urls_of_id[item.id]) > 1
        if item.id and not reused:
            yield raw.key(item.id), ()
            continue
        url = item.body.url
        own = url is not None and len(titles_of_url[url]) == 1
        yield raw.key(url) if own and url else item.fingerprint(), ("id_reused",) if reused else ("no_id",)


def _entry(item: Item, key: str, flags: tuple[str, ...], now: datetime) -> Entry:
    told = item.published or item.updated
    at, more = raw.at_or_now(told, now) if told else (now, ("undated",))
    edited = item.updated if item.published and item.updated and item.updated > item.published else None
    return replace(
        item.body, external_id=key, at=at, edited_at=edited, flags=(*item.body.flags, *flags, *more)
    )
