"""Which publishers of a tenant are one voice, by what they copied from each other lately."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from domains import kinship
from services.schema import Post, Source


def learned(session: Session, tenant_id: int, before: datetime) -> Mapping[str, str]:
    """Return the names under which families are counted, by the posts of `kinship.REMEMBERED` before ``before``.

    Families that have no kin are not in it.
    """
    original, origin = aliased(Post), aliased(Source)
    since = before - kinship.REMEMBERED
    lately = (Post.tenant_id == tenant_id, Post.at >= since, Post.at < before, Post.boilerplate.is_(None))
    copies = session.execute(
        select(Source.family, origin.family, func.count())
        .select_from(Post)
        .join(original, original.id == Post.duplicate_of)
        .join(Source, Source.id == Post.source_id)
        .join(origin, origin.id == original.source_id)
        .where(*lately, Source.family != origin.family)
        .group_by(Source.family, origin.family)
        .having(func.count() >= kinship.COPIES)
    ).all()
    if not copies:
        return {}
    posts = session.execute(
        select(Source.family, func.count())
        .select_from(Post)
        .join(Source, Source.id == Post.source_id)
        .where(*lately, Source.family.in_([row[0] for row in copies]))
        .group_by(Source.family)
    ).all()
    return kinship.kin(
        {(copier, copied): count for copier, copied, count in copies},
        {row[0]: row[1] for row in posts},
    )
