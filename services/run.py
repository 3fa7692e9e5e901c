"""Runs: what a run is made from, its checkpoints, its end, and its manifest.

claim ─▶ brief (a frozen window) ─▶ journal: one artifact a step ─▶ finish: claims, fates, deliveries, one commit
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import UNSET
from sqlalchemy import Table, and_, delete, exists, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from domains import dlq
from domains.digest import Briefing, Change, Citation, Digest, Precedent, StoryFacts
from domains.errors import NotFound
from domains.memory import adjusted, distrusted
from domains.ports import Clock
from domains.post import Post
from domains.window import Window
from services import archive, kinship, memory, persona, post, precedent, work
from services.checkpoint import Checkpoints
from services.database import Database
from services.schema import Claim, DeadLetter, Delivery, Fate, Run, RunStep, Subscription
from services.subscription import awake_at, read_settings

T = TypeVar("T")
SKIP: Final = "skip"


class RunJournal(Checkpoints):
    """A run's checkpoints."""

    def __init__(self, database: Database, clock: Clock, lease: work.Lease, lease_s: float) -> None:
        steps = cast("Table", RunStep.__table__)
        super().__init__(database, clock, lease, lease_s, steps, {"run_id": lease.id})


class MemoryJournal:
    """Checkpoints that are computed afresh and kept in memory; replays run on it."""

    def __init__(self, steps: Mapping[str, bytes] | None = None) -> None:
        self.steps = dict(steps or {})

    def step(self, name: str, kind: type[T], compute: Callable[[], T]) -> T:
        """Return the step's result as it would be read back from an artifact."""
        if name not in self.steps:
            self.steps[name] = msgspec.json.encode(compute())
        return msgspec.json.decode(self.steps[name], type=kind)


def window_of(session: Session, run_id: int) -> tuple[Window, int]:
    """Return a run's window and its tenant. Raises NotFound."""
    run = get(session, run_id)
    return Window(run.window_start, run.window_end), run.tenant_id


def get(session: Session, run_id: int) -> Run:
    """Return the run's row. Raises NotFound."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"no run {run_id}", remedy="see `svodka digest list`")
    return run


def brief(session: Session, run_id: int, *, now: datetime) -> Briefing:
    """Return all that a run is made from: the closed window's posts and stories, frozen as they are now."""
    run = get(session, run_id)
    row = session.get_one(Subscription, run.subscription_id)
    window = Window(run.window_start, run.window_end)
    posts = post.window_posts(
        session, run.tenant_id, row.id, window, row.starts_at, _wish(run, row, "sources")
    )
    # Who copies others all the time is no voice of its own.
    known = kinship.learned(session, run.tenant_id, window.end)
    posts = [replace(one, family=known.get(one.family, one.family)) for one in posts]
    learned = memory.lessons(session, run_id, now=now)
    precedents = precedent.read(session, run.tenant_id, row.id, window)
    return Briefing(
        window=window,
        zone=row.zone,
        subscription=row.name,
        posts=tuple(posts),
        stories=_stories(session, posts, precedents),
        settings=adjusted(read_settings(_wish(run, row, "settings")), learned),
        repeats=post.repeats(session, posts, window.end),
        persona=persona.load(session, row.subscriber_id),
        lessons=tuple(one.words for one in learned),
        quoted=distrusted(learned),
        precedents=precedents,
    )


def is_extractive(session: Session, run_id: int) -> bool:
    """Return whether an operator wants the run made without a model."""
    return get(session, run_id).changed.get("rung") == "extractive"


def finish(
    session: Session, lease: work.Lease, digest: Digest, decision: str, why: str, *, now: datetime
) -> None:
    """End the run with its digest: claims, fates and deliveries with the run's state, all or nothing.

    A digest that is sent to nobody, because nothing happened or somebody wanted it so, has the decision `SKIP`.
    Raises LeaseLostError when another worker has taken the run over; then nothing is written.
    """
    run = get(session, lease.id)
    # Shared with other runs, and locked before the run as `services.change` does: who removes it waits for this end.
    row = session.get_one(Subscription, run.subscription_id, with_for_update={"read": True})
    unsent = _unsent(run, row, digest)
    work.settle(
        session,
        lease,
        "done",
        ended_at=now,
        decision=SKIP if unsent else decision,
        why=unsent or why,
        rung=digest.rung,
        score=digest.score,
        digest_sha256=archive.put(session, msgspec.json.encode(digest)),
    )
    # A run that is made again after a replay writes its ledger anew.
    session.execute(delete(Claim).where(Claim.run_id == run.id))
    session.execute(delete(Fate).where(Fate.run_id == run.id))
    fates = [
        {"run_id": run.id, "post_id": shown, "reason": None, "of_id": None, "detail": ""}
        for shown in digest.shown
    ]
    fates += [
        {
            "run_id": run.id,
            "post_id": drop.post,
            "reason": drop.reason,
            "of_id": drop.of,
            "detail": drop.detail,
        }
        for drop in digest.drops
    ]
    if fates:
        session.execute(insert(Fate), fates)
    claims = _claims(run.id, digest)
    if claims:
        session.execute(insert(Claim), claims)
    precedent.write(session, run.tenant_id, run.id, digest)
    if not unsent:
        post_deliveries(session, run, row, awake_at(row, now))


def recorded(session: Session, run_id: int, name: str, kind: type[T]) -> T:
    """Return a run's recorded step. Raises NotFound when the run has not got that far."""
    sha256 = session.scalar(select(RunStep.sha256).where(RunStep.run_id == run_id, RunStep.name == name))
    if sha256 is None:
        get(session, run_id)
        raise NotFound(f"run {run_id} has no step {name!r} yet")
    return msgspec.json.decode(archive.get(session, sha256), type=kind)


def recorded_steps(session: Session, run_id: int, prefix: str) -> dict[str, bytes]:
    """Return the bodies of a run's recorded steps whose names begin with ``prefix``."""
    rows = session.execute(
        select(RunStep.name, RunStep.sha256).where(
            RunStep.run_id == run_id, RunStep.name.startswith(prefix, autoescape=True)
        )
    )
    return {name: archive.get(session, sha256) for name, sha256 in rows}


def listing(session: Session, tenant_id: int, limit: int = 50) -> list[tuple[Run, str]]:
    """Return the newest runs with their subscription's name."""
    query = (
        select(Run, Subscription.name)
        .join(Subscription, Subscription.id == Run.subscription_id)
        .where(Run.tenant_id == tenant_id)
        .order_by(Run.window_end.desc(), Run.id.desc())
        .limit(limit)
    )
    return [(run, name) for run, name in session.execute(query)]


def is_behind(session: Session, run_id: int) -> bool:
    """Return whether an earlier run of the same subscription is still to be made.

    One that failed and will be tried again counts; one that was held, or is tried no more by itself, does not: its posts
    are carried into this run as late ones.
    """
    run = get(session, run_id)
    retried = exists().where(
        DeadLetter.task == "digest.make",
        DeadLetter.row_id == Run.id,
        DeadLetter.state.in_(dlq.ALIVE),
    )
    earlier = select(Run.id).where(
        Run.subscription_id == run.subscription_id,
        Run.window_end < run.window_end,
        or_(Run.state.in_(("due", "leased")), and_(Run.state == "dead", retried)),
    )
    return session.scalar(select(earlier.exists())) or False


def following(session: Session, run_id: int) -> list[int]:
    """Return the next due run of the same subscription, if there is one."""
    run = get(session, run_id)
    query = (
        select(Run.id)
        .where(
            Run.subscription_id == run.subscription_id,
            Run.window_end > run.window_end,
            Run.state == "due",
        )
        .order_by(Run.window_end)
        .limit(1)
    )
    return list(session.scalars(query))


def due_of(session: Session, tenant_id: int, *, now: datetime) -> list[int]:
    """Return a tenant's runs that are due, by window."""
    query = (
        select(Run.id)
        .where(Run.tenant_id == tenant_id, Run.state == "due", Run.next_at <= now)
        .order_by(Run.window_end, Run.id)
    )
    return list(session.scalars(query))


def _stories(
    session: Session, posts: Sequence[Post], precedents: Sequence[Precedent]
) -> tuple[StoryFacts, ...]:
    members: dict[int, list[int]] = defaultdict(list)
    for one in posts:
        if one.story is not None:
            members[one.story].append(one.id)
    rows = post.story_rows(session, list(members))
    told = {one.story: one.shipped for one in precedents}
    return tuple(
        StoryFacts(
            id=story,
            title=rows[story].title,
            first_at=rows[story].first_at,
            last_at=rows[story].last_at,
            posts=tuple(ids),
            told=tuple(one.text for one in told.get(story, ())),
            last_told_at=told[story][0].at if story in told else None,
            thread=(story,) if story in told else (),
        )
        for story, ids in sorted(members.items())
    )


def _claims(run_id: int, digest: Digest) -> list[dict[str, Any]]:
    versions = {one.id: one.version for one in digest.posts}

    def rows(story: int, place: str, said: str, citations: Sequence[Citation]) -> list[dict[str, Any]]:
        return [
            {
                "run_id": run_id,
                "story_id": story,
                "place": place,
                "sentence": said,
                "post_id": cited.post,
                "post_version": versions.get(cited.post, 1),
                "start": cited.span[0],
                "end": cited.span[1],
            }
            for cited in citations
        ]

    claims: list[dict[str, Any]] = []
    for number, story in enumerate(digest.stories):
        head = story.headline
        claims += rows(story.story, f"stories[{number}].headline", head.text, head.citations)
        for index, sentence in enumerate(story.sentences):
            place = f"stories[{number}].sentences[{index}]"
            claims += rows(story.story, place, sentence.text, sentence.citations)
        for index, change in enumerate(() if story.changes is UNSET else story.changes):
            # A change is told too: what it says is no news in the next digest.
            claims += rows(story.story, f"stories[{number}].changes[{index}]", _said(change), [change.now])
    return claims


def _said(change: Change) -> str:
    return f"{change.what}: {change.old} → {change.new}" if change.kind == "number" else change.new


def _wish(run: Run, row: Subscription, name: str) -> Any:
    """Return what an operator set for this run alone, else what its subscription says."""
    return run.changed.get(name, getattr(row, name))


def _unsent(run: Run, row: Subscription, digest: Digest) -> str:
    """Return why a digest is kept and sent to nobody; "" when it is sent."""
    if row.removed_at is not None:
        return "its subscription was removed while it was made"
    if run.silent:
        return "missed while the subscription was paused, and wanted silent"
    if digest.quiet and read_settings(_wish(run, row, "settings")).quiet == "skip":
        return "nothing happened, and the subscription skips quiet digests"
    return ""


def post_deliveries(session: Session, run: Run, row: Subscription, at: datetime) -> None:
    """Insert a run's deliveries, to be sent from ``at`` on; those that are there are not doubled."""
    for channel, target in _wish(run, row, "channels"):
        session.execute(
            upsert(Delivery)
            .values(tenant_id=run.tenant_id, run_id=run.id, channel=channel, target=target, next_at=at)
            .on_conflict_do_nothing()
        )
