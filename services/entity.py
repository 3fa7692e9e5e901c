"""Writing down what posts name: rows of entities and mentions, in the transaction that stores the analysis."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from domains.entity import Finder, Mention, Proposal
from domains.errors import NotFound
from services.mention import MentionRow
from services.schema import Post

# One array a column: a statement that is compiled once, however many rows.
_ENTITIES: Final = text("""
    INSERT INTO entity (tenant_id, key, kind, name, first_at, last_at)
    SELECT :tenant, * FROM unnest(CAST(:keys AS text[]), CAST(:kinds AS text[]), CAST(:names AS text[]),
                                  CAST(:firsts AS timestamptz[]), CAST(:lasts AS timestamptz[]))
    ON CONFLICT (tenant_id, key) DO UPDATE SET
        first_at = least(entity.first_at, excluded.first_at),
        last_at = greatest(entity.last_at, excluded.last_at),
        kind = CASE WHEN entity.kind = 'name' THEN excluded.kind ELSE entity.kind END
    RETURNING key, id
""")
_MENTIONS: Final = text("""
    INSERT INTO mention (post_id, start, "end", entity_id, at, tenant_id, origin)
    SELECT *, CAST(:tenant AS bigint), CAST(:origin AS text)
    FROM unnest(CAST(:posts AS bigint[]), CAST(:starts AS int[]), CAST(:ends AS int[]),
                CAST(:entities AS bigint[]), CAST(:times AS timestamptz[]))
    ON CONFLICT DO NOTHING
""")


def write(
    session: Session,
    tenant_id: int,
    found: Mapping[int, tuple[datetime, Sequence[Mention]]],
    *,
    origin: str = "rule",
) -> None:
    """Replace what posts (by row, with their time) name by what was found now; what a model added to them goes too."""
    if not found:
        return
    session.execute(delete(MentionRow).where(MentionRow.post_id.in_([*found])))
    _add(session, tenant_id, found, origin)


def add(session: Session, tenant_id: int, post_id: int, finder: Finder, proposals: Iterable[Proposal]) -> int:
    """Add what a model proposes for a post, as far as the post's text says it; return how many mentions that is.

    A span where a mention begins already is left as it is. Raises NotFound when the tenant has no such post.
    """
    row = session.execute(
        select(Post.at, Post.text).where(Post.id == post_id, Post.tenant_id == tenant_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no post {post_id}", remedy="it may have aged out")
    there = session.scalars(select(MentionRow.start).where(MentionRow.post_id == post_id)).all()
    kept = [one for one in finder.accept(row.text, proposals) if one.span[0] not in there]
    _add(session, tenant_id, {post_id: (row.at, kept)}, "model")
    return len(kept)


def _add(
    session: Session,
    tenant_id: int,
    found: Mapping[int, tuple[datetime, Sequence[Mention]]],
    origin: str,
) -> None:
    rows = _entities(session, tenant_id, found.values())
    mentions = [
        (post_id, *one.span, rows[one.key], at) for post_id, (at, names) in found.items() for one in names
    ]
    if mentions:
        names = ("posts", "starts", "ends", "entities", "times")
        columns = dict(zip(names, map(list, zip(*mentions, strict=True)), strict=True))
        session.execute(_MENTIONS, {**columns, "tenant": tenant_id, "origin": origin})


def _entities(
    session: Session, tenant_id: int, found: Iterable[tuple[datetime, Sequence[Mention]]]
) -> dict[str, int]:
    """Insert the entities that are new, let the others' times and kinds grow; return each key's row."""
    values: dict[str, tuple[Mention, datetime, datetime]] = {}
    for at, names in found:
        for one in names:
            best, first, last = values.get(one.key, (one, at, at))
            values[one.key] = (
                replace(best, kind=one.kind) if best.kind == "name" else best,
                min(first, at),
                max(last, at),
            )
    if not values:
        return {}
    # In one order everywhere, so that two writers wait for each other and not in a circle.
    ordered = [values[key] for key in sorted(values)]
    columns = {
        "keys": [one.key for one, _, _ in ordered],
        "kinds": [one.kind for one, _, _ in ordered],
        "names": [one.name for one, _, _ in ordered],
        "firsts": [first for _, first, _ in ordered],
        "lasts": [last for _, _, last in ordered],
    }
    written = session.execute(_ENTITIES, {**columns, "tenant": tenant_id})
    return {row.key: row.id for row in written}
