"""Posts in Postgres: stored once, versioned when edited, read by window."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from domains import limits
from domains import post as domain
from domains.errors import NotFound
from domains.text import clean_url, links, normalise
from domains.window import Window
from services.schema import Fate, Media, Post, PostVersion, Run, Source, Story, Tenant

# A row's number fits into 8 bytes.
ROW_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Stored:
    """How many entries were new, edited (a new version), or known already."""

    new: int = 0
    edited: int = 0
    same: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(self.new + other.new, self.edited + other.edited, self.same + other.same)


def store(
    session: Session, tenant_id: int, source_id: int, entries: Sequence[domain.Entry], now: datetime
) -> Stored:
    """Store a source's entries in one statement each for posts and photos.

    An id that comes back with another text is a new version of the post, not a new post. Two entries with one id in
    the same batch count as versions in their order.
    """
    rows: dict[str, dict[str, Any]] = {}
    repeats: list[domain.Entry] = []
    for entry in entries:
        if entry.external_id in rows:
            repeats.append(entry)
        else:
            rows[entry.external_id] = _row(entry, tenant_id, source_id, now)
    if not rows:
        return Stored()
    known = {
        row.external_id: row
        for row in session.execute(
            select(Post.id, Post.external_id, Post.sha256, Post.version, Post.text, Post.at, Post.stored_at)
            .where(Post.source_id == source_id, Post.external_id.in_(rows))
            .with_for_update()
        )
    }
    fresh = [row for key, row in rows.items() if key not in known]
    inserted = _insert(session, fresh)
    _attach(session, tenant_id, inserted, entries)
    edited = [(row, rows[key]) for key, row in known.items() if rows[key]["sha256"] != row.sha256]
    for old, new in edited:
        _revise(session, old, new)
    stored = Stored(len(inserted), len(edited), len(rows) - len(fresh) - len(edited))
    return stored + store(session, tenant_id, source_id, repeats, now) if repeats else stored


def window_posts(
    session: Session,
    tenant_id: int,
    subscription_id: int,
    window: Window,
    starts_at: datetime,
    sources: Sequence[str],
) -> list[domain.Post]:
    """Return the posts a run answers for, by time: those of its window, and late ones marked ``late``.

    A late post belongs to an earlier window of this subscription but was stored after that window's run had looked. A
    post that another run of the subscription has answered for is not answered for again.
    """
    earlier = aliased(Run)
    told = exists().where(
        Fate.post_id == Post.id, Fate.run_id == earlier.id, earlier.subscription_id == subscription_id
    )
    inside = and_(Post.at >= window.start, Post.at < window.end)
    # Whatever was stored before the window began has been looked at by an earlier run; the horizon is for what waited
    # to be analysed or came while runs were held up.
    late = and_(
        Post.at < window.start, Post.at >= starts_at, Post.stored_at >= window.start - limits.LATE_HORIZON
    )
    query = (
        _posts()
        .where(Post.tenant_id == tenant_id, Post.indexed_at.is_not(None), ~told, or_(inside, late))
        .order_by(Post.at, Post.id)
    )
    if sources:
        query = query.where(Source.name.in_(sources))
    return [replace(_value(row), late=row.Post.at < window.start) for row in session.execute(query)]


def repeats(session: Session, posts: Sequence[domain.Post], until: datetime) -> dict[int, int]:
    """Return for each representative among ``posts`` how many posts repeat it before ``until``."""
    ids = [post.id for post in posts if post.duplicate_of is None]
    rows = session.execute(
        select(Post.duplicate_of, func.count())
        .where(Post.duplicate_of.in_(ids), Post.at < until)
        .group_by(Post.duplicate_of)
    )
    return {of: number for of, number in rows if of is not None}


def name_of(source: str, external_id: str) -> str:
    """Return a post's public name; an id that names its source already is one by itself."""
    return external_id if external_id.startswith(f"{source}/") else f"{source}/{external_id}"


def find_anywhere(session: Session, tenant_id: int, ref: str) -> domain.Post:
    """Return a post as `find` does, or that of another tenant when only one has it. Raises NotFound."""
    try:
        return find(session, tenant_id, ref)
    except NotFound:
        others = select(Tenant.id).where(Tenant.id != tenant_id).order_by(Tenant.id.desc())
        for other in session.scalars(others).all():
            with suppress(NotFound):
                return find(session, other, ref)
        raise


def find(session: Session, tenant_id: int, ref: str) -> domain.Post:
    """Return a post by its public name ``source/external_id`` or its row number. Raises NotFound."""
    query = _posts().where(Post.tenant_id == tenant_id)
    if ref.isascii() and ref.isdecimal() and len(ref) <= ROW_DIGITS:
        query = query.where(Post.id == int(ref))
    else:
        own = and_(Post.external_id == ref, Post.external_id.startswith(Source.name + "/"))
        query = query.where(or_(Source.name + "/" + Post.external_id == ref, own))
    row = session.execute(query).first()
    if row is None:
        raise NotFound(f"no post {ref!r}", remedy="a post's name is SOURCE/ID, as digests show it")
    return _value(row)


def read(session: Session, tenant_id: int, ids: Sequence[int]) -> dict[int, domain.Post]:
    """Return those posts of the tenant that have these rows, in one query."""
    query = _posts().where(Post.tenant_id == tenant_id, Post.id.in_(ids))
    return {row.Post.id: _value(row) for row in session.execute(query)} if ids else {}


def pending(session: Session, tenant_id: int, until: datetime | None = None) -> int:
    """Return how many posts before ``until`` wait to be indexed."""
    query = select(func.count()).where(Post.tenant_id == tenant_id, Post.indexed_at.is_(None))
    return session.scalar(query if until is None else query.where(Post.at < until)) or 0


def newest(session: Session, tenant_id: int) -> datetime | None:
    """Return the time of a tenant's newest post."""
    return session.scalar(select(func.max(Post.at)).where(Post.tenant_id == tenant_id))


def story_rows(session: Session, ids: Sequence[int]) -> dict[int, Any]:
    """Return id, title, first_at, last_at of stories by id."""
    rows = session.execute(
        select(Story.id, Story.title, Story.first_at, Story.last_at).where(Story.id.in_(ids))
    )
    return {row.id: row for row in rows}


def _row(entry: domain.Entry, tenant_id: int, source_id: int, now: datetime) -> dict[str, Any]:
    title = normalise(entry.title).replace("\n", " ").strip() if entry.title else ""
    body = normalise(entry.text)
    # A feed often repeats the title as the first line; one is enough.
    text = normalise(f"{title}\n{body}") if title and not body.startswith(title) else body or title
    urls = [clean_url(link) for link in (*entry.links, *links(entry.text))]
    return {
        "tenant_id": tenant_id,
        "source_id": source_id,
        "external_id": entry.external_id,
        "at": entry.at,
        "edited_at": entry.edited_at,
        "stored_at": now,
        "text": text,
        "title": title or None,
        "url": (clean_url(entry.url) or None) if entry.url else None,
        "author": normalise(entry.author)[:200] if entry.author else None,
        "reply_to": entry.reply_to,
        "forwarded_from": normalise(entry.forwarded_from)[:200] if entry.forwarded_from else None,
        "links": sorted({url for url in urls if url})[:50],
        "flags": list(entry.flags),
        "lang": entry.lang,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _insert(session: Session, rows: list[dict[str, Any]]) -> dict[str, int]:
    if not rows:
        return {}
    query = insert(Post).on_conflict_do_nothing().returning(Post.external_id, Post.id)
    return {row.external_id: row.id for row in session.execute(query, rows)}


def _attach(session: Session, tenant_id: int, ids: dict[str, int], entries: Sequence[domain.Entry]) -> None:
    rows = [
        {
            "tenant_id": tenant_id,
            "post_id": ids[entry.external_id],
            "kind": media.kind,
            "name": media.name,
            "path": media.path,
            "mime": media.mime,
            "width": media.width,
            "height": media.height,
            "state": "present" if media.path else "absent",
        }
        for entry in entries
        if entry.external_id in ids
        for media in entry.media
    ]
    if rows:
        session.execute(insert(Media).on_conflict_do_nothing(), rows)


def _revise(session: Session, old: Any, new: dict[str, Any]) -> None:
    """Keep the old text as a version and put the new one in its place; the post keeps its time and its story."""
    session.execute(
        insert(PostVersion).values(
            post_id=old.id,
            version=old.version,
            text=old.text,
            sha256=old.sha256,
            at=old.at,
            stored_at=old.stored_at,
        )
    )
    changed = {
        key: new[key]
        for key in ("text", "title", "url", "edited_at", "links", "flags", "sha256", "stored_at")
    }
    session.execute(
        update(Post).where(Post.id == old.id).values(**changed, version=old.version + 1, indexed_at=None)
    )


def _posts() -> Any:
    return select(Post, Source.name.label("source"), Source.family.label("family")).join(
        Source, Source.id == Post.source_id
    )


def _value(row: Any) -> domain.Post:
    post: Post = row.Post
    return domain.Post(
        id=post.id,
        ref=name_of(row.source, post.external_id),
        source=row.source,
        family=row.family,
        at=post.at,
        text=post.text,
        lang=post.lang or "und",
        sha256=post.sha256,
        version=post.version,
        title=post.title,
        url=post.url,
        author=post.author,
        reply_to=post.reply_to,
        duplicate_of=post.duplicate_of,
        boilerplate=post.boilerplate,
        story=post.story_id,
        sentences=tuple((start, end) for start, end in post.sentences),
    )
