"""What earlier digests of a subscription told, with the posts as they read when they were cited."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import UNSET
from sqlalchemy import delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from domains.digest import Citation, Digest, Opening, Precedent, Shipped
from domains.post import Post
from domains.window import Window
from services import lineage, post
from services.lineage import StoryThread
from services.schema import Claim, PostVersion, Run
from services.schema import Post as PostRow

TOLD_WINDOW: Final = timedelta(days=7)
# So many stories, those told last, and so many sentences of each are remembered.
STORIES: Final = 80
SENTENCES: Final = 40
# So many posts of a story say what it is about, by so many characters of each.
OPENINGS: Final = 8
CHARS: Final = 700


def read(session: Session, tenant_id: int, subscription_id: int, window: Window) -> tuple[Precedent, ...]:
    """Return the stories that digests of other windows told within `TOLD_WINDOW` of this one, by their row.

    What later runs told counts too, when this one was overtaken and is replayed.
    """
    rows = session.execute(
        select(Claim, Run.window_end)
        .join(Run, Run.id == Claim.run_id)
        .where(
            Run.subscription_id == subscription_id,
            Run.window_end != window.end,
            Run.window_end > window.start - TOLD_WINDOW,
            Run.state == "done",
        )
        .order_by(Run.window_end.desc(), Claim.id)
    ).all()
    # What was told of a story that proved to be another, or of a post that left with a part, was told of that one.
    homes = lineage.told_of(session, {(claim.story_id, claim.post_id) for claim, _ in rows})
    claims: defaultdict[int, list[tuple[Claim, datetime]]] = defaultdict(list)
    for claim, at in rows:
        story = homes[claim.story_id, claim.post_id]
        if story in claims or len(claims) < STORIES:
            claims[story].append((claim, at))
    cited = sorted({(one.post_id, one.post_version) for held in claims.values() for one, _ in held})
    posts = _as_cited(session, tenant_id, cited)
    begun = post.story_rows(session, list(claims))
    openings = _openings(session, list(claims), {row for row, _ in cited}, window.start)
    threads = _threads(session, {one.run_id for held in claims.values() for one, _ in held})
    return tuple(
        replace(made, thread=tuple(sorted(threads[story])), openings=tuple(openings[story]))
        for story, held in sorted(claims.items())
        if story in begun and (made := _precedent(story, begun[story].first_at, held, posts)) is not None
    )


def write(session: Session, tenant_id: int, run_id: int, digest: Digest) -> None:
    """Remember which told stories those of a run's digest continue."""
    session.execute(delete(StoryThread).where(StoryThread.run_id == run_id))
    rows = [
        {"tenant_id": tenant_id, "run_id": run_id, "story_id": story.story, "of_id": other}
        for story in digest.stories
        if story.thread is not UNSET
        for other in story.thread
        if other != story.story
    ]
    if rows:
        session.execute(insert(StoryThread), rows)


def _openings(
    session: Session, stories: Sequence[int], cited: set[int], until: datetime
) -> defaultdict[int, list[Opening]]:
    """Return how the first posts of told stories that were not cited began."""
    place = func.row_number().over(partition_by=PostRow.story_id, order_by=(PostRow.at, PostRow.id))
    first = (
        select(PostRow.id, PostRow.story_id, PostRow.at, func.left(PostRow.text, CHARS), place.label("place"))
        .where(
            PostRow.story_id.in_(stories),
            PostRow.at < until,
            PostRow.duplicate_of.is_(None),
            PostRow.boilerplate.is_(None),
        )
        .subquery()
    )
    openings: defaultdict[int, list[Opening]] = defaultdict(list)
    for row, story, at, text, _ in session.execute(
        select(first).where(first.c.place <= OPENINGS).order_by(first.c.story_id, first.c.place)
    ):
        if row not in cited:
            openings[story].append(Opening(at, text))
    return openings


def _threads(session: Session, runs: set[int]) -> defaultdict[int, set[int]]:
    query = select(StoryThread.story_id, StoryThread.of_id).where(StoryThread.run_id.in_(runs))
    rows = [(story, other) for story, other in session.execute(query)]
    homes = lineage.home(session, {one for row in rows for one in row})
    threads: defaultdict[int, set[int]] = defaultdict(set)
    for story, other in rows:
        threads[homes[story]].add(homes[other])
    return threads


def _precedent(
    story: int,
    first_at: datetime,
    claims: Sequence[tuple[Claim, datetime]],
    posts: dict[tuple[int, int], Post],
) -> Precedent | None:
    """Return what was told of a story; None when none of its posts is left."""
    places: dict[tuple[int, str], Shipped] = {}
    read: dict[int, Post] = {}
    for claim, at in claims:
        found = posts.get((claim.post_id, claim.post_version))
        if found is None:
            continue
        read.setdefault(found.id, found)
        span = claim.start, claim.end
        before = places.get((claim.run_id, claim.place), Shipped(at, claim.sentence, ()))
        quoted = Citation(found.id, span, found.quote(span))
        places[claim.run_id, claim.place] = replace(before, citations=(*before.citations, quoted))
    if not places:
        return None
    return Precedent(
        story, first_at, tuple(places.values())[:SENTENCES], tuple(read[row] for row in sorted(read))
    )


def _as_cited(
    session: Session, tenant_id: int, cited: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Post]:
    """Return posts by row and version, with the text of that version; one whose text is lost is left out."""
    now = post.read(session, tenant_id, sorted({row for row, _ in cited}))
    old = [(row, version) for row, version in cited if row in now and now[row].version != version]
    texts: dict[tuple[int, int], Any] = {}
    if old:
        query = select(PostVersion).where(tuple_(PostVersion.post_id, PostVersion.version).in_(old))
        texts = {(one.post_id, one.version): one for one in session.scalars(query)}
    found: dict[tuple[int, int], Post] = {}
    for row, version in cited:
        if row in now and now[row].version == version:
            found[row, version] = now[row]
        elif (row, version) in texts:
            one = texts[row, version]
            found[row, version] = replace(
                now[row], text=one.text, sha256=one.sha256, version=version, sentences=()
            )
    return found
