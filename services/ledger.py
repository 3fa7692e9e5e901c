"""What became of posts: the drop ledger, and what runs did, read back."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domains.errors import NotFound
from domains.persona import Reweighed
from services import post, run
from services.schema import Fate, Run, Source, Subscription
from services.schema import Post as PostRow


def why(session: Session, post_id: int) -> list[dict[str, Any]]:
    """Return what each run did with a post, newest first; ``of`` is named."""
    rows = session.execute(
        select(Fate, Run.window_start, Run.window_end, Subscription.name, PostRow.story_id)
        .join(Run, Run.id == Fate.run_id)
        .join(Subscription, Subscription.id == Run.subscription_id)
        .join(PostRow, PostRow.id == Fate.post_id)
        .where(Fate.post_id == post_id)
        .order_by(Run.window_end.desc())
    )
    return [
        {
            "run": fate.run_id,
            "subscription": name,
            "window": [start.isoformat(), end.isoformat()],
            "reason": fate.reason or "shown",
            "of": _name_of(session, fate),
            "detail": fate.detail,
            "persona": _liked(session, fate.run_id, story_id),
        }
        for fate, start, end, name, story_id in rows
    ]


def _liked(session: Session, run_id: int, story_id: int | None) -> str:
    """Return in words what the reader's persona made of a story, "" when nothing."""
    try:
        taste = run.recorded(session, run_id, "taste", Reweighed)
    except NotFound:
        return ""
    return taste.words(story_id or 0)


def _name_of(session: Session, fate: Fate) -> str | None:
    if fate.of_id is None:
        return None
    if fate.reason == "duplicate":
        found = session.execute(
            select(Source.name, PostRow.external_id)
            .join(Source, Source.id == PostRow.source_id)
            .where(PostRow.id == fate.of_id)
        ).one_or_none()
        return post.name_of(found[0], found[1]) if found else None
    story = post.story_rows(session, [fate.of_id]).get(fate.of_id)
    return f"story {fate.of_id}: {story.title}" if story else f"story {fate.of_id}"


def members(
    session: Session, tenant_id: int, start: datetime, end: datetime
) -> Iterator[tuple[str, int | None]]:
    """Yield the id that its source gave and the story of each post in [start, end), by time."""
    query = (
        select(PostRow.external_id, PostRow.story_id)
        .where(PostRow.tenant_id == tenant_id, PostRow.at >= start, PostRow.at < end)
        .order_by(PostRow.at, PostRow.id)
    )
    yield from ((external_id, story) for external_id, story in session.execute(query))


def fates(session: Session, tenant_id: int) -> Iterator[dict[str, Any]]:
    """Yield what each run of a tenant did with each post, by window; ``of`` is the row that stands for it."""
    query = (
        select(Fate, PostRow.external_id, Run.window_end)
        .join(Run, Run.id == Fate.run_id)
        .join(PostRow, PostRow.id == Fate.post_id)
        .where(Run.tenant_id == tenant_id)
        .order_by(Run.window_end, PostRow.at, PostRow.id)
    )
    for fate, external_id, window_end in session.execute(query):
        yield {
            "post": external_id,
            "run": fate.run_id,
            "window_end": window_end.isoformat(),
            "reason": fate.reason,
            "of": fate.of_id,
            "detail": fate.detail,
        }


def outcomes(session: Session, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return how each of these runs ended, by window, with its counts of posts."""
    shown = func.count().filter(Fate.reason.is_(None), Fate.post_id.is_not(None))
    query = (
        select(Run, shown, func.count(Fate.post_id))
        .join(Fate, Fate.run_id == Run.id, isouter=True)
        .where(Run.id.in_(ids))
        .group_by(Run.id)
        .order_by(Run.window_end)
    )
    return [
        {
            "run": row.id,
            "from": row.window_start.isoformat(),
            "to": row.window_end.isoformat(),
            "state": row.state,
            "why": row.why,
            "posts": posts,
            "shown": cited,
            "score": row.score,
        }
        for row, cited, posts in session.execute(query)
    ]
