"""The one wrapper of all work, and the kinds of work there are.

    claim a row ─▶ work(world, lease) settles it ─▶ resolve its letter ─▶ what to nudge next
                        └─ any failure ─▶ dead letter (the only broad except of the product)

A kind's ``work`` settles its own row, in the transaction that keeps its result, so that there is no moment at which
the result is there and the row still due.
"""

import logging
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import UNSET
from sqlalchemy.orm import Session

from agents import loop
from domains import limits
from domains.digest import Briefing, Verdict
from domains.domain import DIGEST as DIGEST_DOMAIN
from domains.llm import Payer
from domains.memory import WITHHELD
from domains.ports import Deps, Journal, Standing
from services import (
    backlog,
    bulletin,
    change,
    deadletter,
    delivery,
    intake,
    log,
    manifest,
    memory,
    post,
    run,
    trend,
    work,
)
from services import card as cards
from services import letter as letters
from services.almanac import TrendCard, Watch
from services.courier import Courier
from services.schema import Delivery, Run, Source, Tenant
from services.watch import BEHIND, EVERY
from services.wiring import World
from tasks import card, count, trail

logger = logging.getLogger("svodka.job")
Errands = Sequence[tuple[str, int]]
# Batches of vectors between two looks at what waits for a digest.
DRAINED: Final = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work: its task's name, the table of its rows, and what is done to one.

    ``work`` returns what to nudge next, or None when the row could not be worked on yet and was put back. A row that has
    failed ``attempts`` times waits for an operator.
    """

    name: str
    model: work.Model
    work: Callable[[World, work.Lease], Errands | None]
    attempts: int = limits.DLQ_ATTEMPTS


def perform(world: World, kind: Kind, row_id: int) -> Errands:
    """Do one row's work if it is there to be done, and return the rows that should be looked at next."""
    owner = uuid.uuid4().hex
    with world.database.at_once() as session:
        lease = work.claim(
            session,
            kind.model,
            row_id,
            owner=owner,
            now=world.clock.now(),
            lease_s=world.settings.lease_s,
            task=kind.name,
        )
    # Most rows have no letter: they are spared two transactions.
    if lease is not None and lease.lettered:
        with world.database.transaction() as session:
            deadletter.take(session, kind.name, row_id, now=world.clock.now())
    if lease is None:
        return ()
    watch = count.begun(world.meter, kind.name, lease)
    if work.is_poison(lease):
        watch.ended("poison")
        _bury(
            world,
            kind,
            lease,
            work.PoisonError(f"{kind.name} {row_id}: {lease.expiries} workers died over it"),
        )
        return ()
    with trail.working(world, kind.name, lease):
        return _perform(world, kind, lease, watch)


def _perform(world: World, kind: Kind, lease: work.Lease, watch: count.Watch) -> Errands:
    try:
        errands = kind.work(world, lease)
    except work.LeaseLostError as error:
        watch.ended("lost")
        logger.warning("%s", error)
        return ()
    except Exception as error:  # noqa: BLE001  the one broad except: every failure becomes a dead letter
        watch.ended("failed")
        _bury(world, kind, lease, error)
        return ()
    watch.ended("put_back" if errands is None else "done")
    if errands is None:
        if lease.lettered:
            with world.database.transaction() as session:
                deadletter.put_back(session, kind.name, lease.id, now=world.clock.now())
        return ()
    if lease.lettered:
        with world.database.transaction() as session:
            deadletter.resolve(session, kind.name, lease.id, now=world.clock.now())
    return errands


def _bury(world: World, kind: Kind, lease: work.Lease, error: Exception) -> None:
    try:
        with world.database.transaction() as session:
            letter = deadletter.record(
                session,
                deadletter.Job(kind.name, kind.model, kind.attempts),
                lease,
                error,
                now=world.clock.now(),
                base_s=world.settings.retry_base_s,
                rng=world.rng,
            )
            state = letter.state
            memory.note_failure(session, kind.name, lease, letter, at=world.clock.now())
    except work.LeaseLostError as lost:
        logger.warning("%s; its failure is the new owner's: %s", lost, type(error).__name__)
        return
    logger.error(
        "%s %s failed and is %s: %s: %s",
        kind.name,
        lease.id,
        state,
        type(error).__name__,
        log.mask(str(error)),
    )


def fetch(world: World, lease: work.Lease) -> Errands:
    """Fetch or scan a source and store what is new; its health is settled with it."""
    return [(INDEX.name, tenant_id) for tenant_id in intake.fetch(world.intake, lease)]


def index(world: World, lease: work.Lease) -> Errands:
    """Analyse a tenant's new posts, then wake the runs that waited for it; what is left waits for the next turn."""
    finished = world.indexer.catch_up(lease)
    drained = world.vectors.drain(lease.id, turns=DRAINED)
    drawn = world.graph.drain(lease.id, turns=DRAINED)
    if not finished:
        return [(INDEX.name, lease.id)]
    with world.database.transaction() as session:
        if drained.left or drawn.left:
            backlog.wake(session, world.clock.now())
        return [(DIGEST.name, run_id) for run_id in run.due_of(session, lease.id, now=world.clock.now())]


def make(world: World, lease: work.Lease) -> Errands | None:
    """Make a digest: freeze the window, walk the loop's steps from the last checkpoint, finish.

    A run waits for the subscription's earlier ones, since what they told is not told again, and for the window's posts
    to be analysed; waiting is being due: whoever finishes what it waits for nudges it.
    """
    with world.database.transaction() as session:
        if run.is_behind(session, lease.id):
            work.settle(session, lease, "due", next_at=world.clock.now())
            return None
    if not _indexed(world, lease):
        with world.database.transaction() as session:
            work.settle(session, lease, "due", next_at=world.clock.now())
        return None
    with world.database.transaction() as session:
        if run.get(session, lease.id).domain == bulletin.DIGEST:
            return _tell_trends(session, world, lease)
    began_s = time.monotonic()
    kept = run.RunJournal(world.database, world.clock, lease, world.settings.lease_s)
    journal = count.TimedJournal(kept, world.meter)
    journal.step(manifest.BEGIN, dict[str, str], manifest.versions)
    briefing = journal.step("brief", Briefing, lambda: _brief(world, lease.id))
    outcome = loop.run(DIGEST_DOMAIN, briefing, _deps(world, lease, journal, briefing))
    count.digest(world.meter, outcome, time.monotonic() - began_s)
    if not outcome.delivered:
        with world.database.transaction() as session:
            _remember(session, lease.id, outcome, world.clock.now())
    digest = outcome.shipped()
    with world.database.transaction() as session:
        run.finish(session, lease, digest, outcome.decision, outcome.why, now=world.clock.now())
        _remember(session, lease.id, outcome, world.clock.now())
        deliveries = [(DELIVERY.name, row) for row in delivery.waiting(session, lease.id)]
        return [*deliveries, *((DIGEST.name, row) for row in run.following(session, lease.id))]


def _tell_trends(session: Session, world: World, lease: work.Lease) -> Errands:
    """End a run of a subscription to trends with the cards of its window."""
    now = world.clock.now()
    made = bulletin.digest(session, lease.id, now=now)
    run.finish(session, lease, made, "ship", f"{len(made.stories)} trends", now=now)
    return [
        *((DELIVERY.name, row) for row in delivery.waiting(session, lease.id)),
        *((DIGEST.name, row) for row in run.following(session, lease.id)),
    ]


def _indexed(world: World, lease: work.Lease) -> bool:
    """Analyse the posts of the run's window that wait for it, unless another worker is at it; return whether all are.

    Where analysis has failed for good (its letter is permanent), the digest is made from what is analysed; the rest
    comes late.
    """
    before: int | None = None
    while True:
        with world.database.transaction() as session:
            window, tenant_id = run.window_of(session, lease.id)
            waiting = post.pending(session, tenant_id, window.end)
            if not waiting or deadletter.is_permanent(session, INDEX.name, tenant_id):
                return True
            if before is not None and waiting >= before:
                return False
            work.wake_indexing(session, now=world.clock.now(), tenant_id=tenant_id)
            work.extend(session, lease, now=world.clock.now(), lease_s=world.settings.lease_s)
        before = waiting
        perform(world, INDEX, tenant_id)


def _remember(session: Session, run_id: int, outcome: loop.Outcome, at: datetime) -> None:
    """Remember how a run went, in the transaction that ends it."""
    verdicts = run.recorded(session, run_id, "verify", tuple[Verdict, ...])
    memory.note_digest(
        session, run_id, outcome.plan, verdicts, at=at, held="" if outcome.delivered else outcome.why
    )
    if outcome.prose is UNSET:
        return
    tenant_id = run.get(session, run_id).tenant_id
    note = partial(memory.note, session, tenant_id=tenant_id, run_id=run_id, at=at)
    if outcome.prose.over_budget:
        note(
            "budget_exceeded", cause="tokens", payload={"path": outcome.prose.path, "why": outcome.prose.why}
        )
    if outcome.prose.withheld:
        note("injection_suspected", cause=WITHHELD, payload={"posts": sorted(outcome.prose.withheld)})


def _deps(world: World, lease: work.Lease, journal: Journal, briefing: Briefing) -> Deps:
    """Return what agents are given: with a model set up, a gateway that this run pays for."""
    with world.database.transaction() as session:
        tenant_id, extractive = run.get(session, lease.id).tenant_id, run.is_extractive(session, lease.id)
    payer = Payer(tenant_id, request=f"run-{lease.id}", run_id=lease.id)
    gateway = None if extractive else world.gateways.open(payer)
    if gateway is None:
        return Deps(world.language, journal)
    standing = Standing(world.gateways.budget.tokens_left(payer), briefing.settings.important)
    randomness = partial(secrets.token_bytes, 16)
    return Deps(world.language, journal, gateway=gateway, randomness=randomness, standing=standing)


def _brief(world: World, run_id: int) -> Briefing:
    with world.database.transaction() as session:
        tenant_id, now = run.get(session, run_id).tenant_id, world.clock.now()
        memory.note(session, "run_started", tenant_id=tenant_id, run_id=run_id, at=now, cause="digest")
        return bulletin.section(session, run_id, run.brief(session, run_id, now=now), now=now)


def send(world: World, lease: work.Lease) -> Errands | None:
    """Hand a digest over, once, or put it back when its channel or the end of quiet hours has to be waited for."""
    with world.database.transaction() as session:
        if change.put_off(session, lease, world.clock.now()):
            return None
    courier = Courier(
        world.database,
        world.clock,
        world.renderer,
        world.channel,
        world.settings.lease_s,
        world.settings.resent,
    )
    with count.delivered(world, lease):
        return () if courier.send(lease) else None


def detect(world: World, lease: work.Lease) -> Errands:
    """Catch a tenant's trends up with its posts, ask for their cards, and note whom to tell of them.

    An alert goes out with its trend's card; where that is there already, at once. While older posts wait for analysis,
    it looks again sooner.
    """
    tenant_id, until = world.watcher.catch_up(lease)
    now = world.clock.now()
    errands: list[tuple[str, int]] = []
    with world.database.transaction() as session:
        if until is not None:
            trend.alert(session, tenant_id, now=now, since=until)
            errands += [(CARD.name, row) for row in cards.ask(session, tenant_id, now=now)]
            errands += [(DELIVERY.name, row) for row in bulletin.alert(session, tenant_id, now=now)]
        waiting = trend.unread_at(session, tenant_id)
        behind = waiting is not None and waiting < now - EVERY
        work.settle(session, lease, "due", next_at=now + (BEHIND if behind else EVERY))
    return errands


def replay(world: World, letter_id: int, *, by: str) -> tuple[str, int] | None:
    """Make a dead letter's row due again; return (task, row) to nudge, None when it is being replayed already."""
    with world.database.transaction() as session:
        return letters.replay(session, letter_id, LETTERS, now=world.clock.now(), by=by)


def discard(world: World, letter_id: int, *, by: str) -> None:
    """Close a dead letter without another try."""
    with world.database.transaction() as session:
        letters.discard(session, letter_id, LETTERS, now=world.clock.now(), by=by)


def settle_finished(session: Session, now: datetime) -> int:
    """Close letters whose work has ended without them, and return how many."""
    return deadletter.settle_finished(session, LETTERS, now=now)


def kind_of(task: str) -> Kind:
    """Return the kind of work that a task's name stands for."""
    return next(kind for kind in KINDS if kind.name == task)


FETCH: Final = Kind("source.fetch", Source, fetch)
INDEX: Final = Kind("index.posts", Tenant, index)
DIGEST: Final = Kind("digest.make", Run, make)
DELIVERY: Final = Kind("delivery.send", Delivery, send)
TREND: Final = Kind("trend.detect", Watch, detect)
CARD: Final = Kind("trend.make", TrendCard, card.make)
KINDS: Final = (FETCH, INDEX, DIGEST, DELIVERY, TREND, CARD)
LETTERS: Final = tuple(deadletter.Job(kind.name, kind.model, kind.attempts) for kind in KINDS)
