"""What the collections of vectors are made from: rows of Postgres as texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from domains.point import Collection
from domains.post import prose
from services.diary import PersonaRow
from services.schema import Post, Story, Subscriber, Tenant


@dataclass(frozen=True, slots=True)
class Item:
    """A row as a text. ``source`` is 0 where there is none."""

    id: int
    tenant_id: int
    text: str
    lang: str
    source: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a collection's items come from: ``load`` reads some by id, ``every`` selects (id, tenant) of all."""

    load: Callable[[Session, Sequence[int]], list[Item]]
    every: Select[int, int]


def _posts(session: Session, ids: Sequence[int]) -> list[Item]:
    rows = session.scalars(
        select(Post).where(Post.id.in_(ids), Post.indexed_at.is_not(None), Post.boilerplate.is_(None))
    )
    return [
        Item(row.id, row.tenant_id, prose(row.text, row.sentences), row.lang or "und", row.source_id, row.at)
        for row in rows
    ]


def _stories(session: Session, ids: Sequence[int]) -> list[Item]:
    rows = session.scalars(select(Story).where(Story.id.in_(ids)))
    return [Item(row.id, row.tenant_id, row.title, "und", 0, row.last_at) for row in rows]


def _personas(session: Session, ids: Sequence[int]) -> list[Item]:
    rows = session.execute(
        select(PersonaRow, Subscriber.tenant_id)
        .join(Subscriber, Subscriber.id == PersonaRow.subscriber_id)
        .where(PersonaRow.subscriber_id.in_(ids))
    )
    return [
        Item(row.subscriber_id, tenant_id, row.summary, "und", 0, row.computed_at) for row, tenant_id in rows
    ]


def _live(query: Select[int, int], tenant: Any) -> Select[int, int]:
    return query.join(Tenant, Tenant.id == tenant).where(Tenant.live)


# Products join when they have rows; a collection without an origin is simply empty.
ORIGINS: Final[Mapping[Collection, Origin]] = MappingProxyType(
    {
        "posts": Origin(
            _posts,
            _live(
                select(Post.id, Post.tenant_id).where(
                    Post.indexed_at.is_not(None), Post.boilerplate.is_(None)
                ),
                Post.tenant_id,
            ),
        ),
        "stories": Origin(_stories, _live(select(Story.id, Story.tenant_id), Story.tenant_id)),
        "personas": Origin(
            _personas,
            _live(
                select(PersonaRow.subscriber_id, Subscriber.tenant_id).join(
                    Subscriber, Subscriber.id == PersonaRow.subscriber_id
                ),
                Subscriber.tenant_id,
            ),
        ),
    }
)
