"""Making a trend's card: the one loop, on the posts of one trend.

claim ─▶ search (graph depth 3) ─▶ brief ─▶ facts ─▶ agents.loop ─▶ keep the card, post its alerts: one commit
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from agents import loop
from domains.card import Facts
from domains.digest import Briefing
from domains.domain import TREND
from domains.llm import Payer
from domains.ports import Deps, Journal, Standing
from domains.retrieval import Filters, Query
from services import bulletin, card, delivery, manifest, work
from services.card import CardJournal, Subject
from services.wiring import World

# What was posted just before a trend began may belong to it.
EARLIER: Final = timedelta(hours=6)


def make(world: World, lease: work.Lease) -> Sequence[tuple[str, int]]:
    """Write a trend's card from the last checkpoint on, keep it, and tell whoever is to be told of the trend."""
    with world.database.transaction() as session:
        of = card.subject(session, lease.id)
        if of is None:
            why = "the trend was taken back before its card was written"
            card.finish(session, lease, None, None, "hold", why, now=world.clock.now())
            return ()
    journal = CardJournal(world.database, world.clock, lease, world.settings.lease_s, of.edition)
    journal.step(manifest.BEGIN, dict[str, str], manifest.versions)
    found = journal.step("search", tuple[int, ...], lambda: _search(world, of))
    briefing = journal.step("brief", Briefing, lambda: _brief(world, of, found))
    facts = journal.step("facts", Facts, lambda: _facts(world, of, briefing, found))
    outcome = loop.run(TREND, briefing, _deps(world, of, journal))
    now = world.clock.now()
    with world.database.transaction() as session:
        made = outcome.digest if outcome.delivered else None
        why = outcome.why if outcome.digest.stories else f"nothing was told: {outcome.why}"
        kept = card.finish(session, lease, made, facts, outcome.decision, why, now=now)
        wave = (facts.unit, facts.wave)
        posted = bulletin.alert(session, of.tenant_id, now=now, only=wave) if kept else []
        return [(delivery.TASK, row) for row in posted]


def _search(world: World, of: Subject) -> tuple[int, ...]:
    """Return the rows of the posts that may tell more of a trend."""
    since = of.known.trend.since - EARLIER
    filters = Filters(since=since, until=world.clock.now())
    found = world.retriever.search(Query(of.tenant_id, card.question(of), filters, domain=TREND.name))
    return tuple(hit.post_id for hit in found.hits)


def _brief(world: World, of: Subject, found: Sequence[int]) -> Briefing:
    with world.database.transaction() as session:
        return card.brief(session, of, found, now=world.clock.now())


def _facts(world: World, of: Subject, briefing: Briefing, found: Sequence[int]) -> Facts:
    with world.database.transaction() as session:
        return card.facts(session, of, briefing, found, now=world.clock.now())


def _deps(world: World, of: Subject, journal: Journal) -> Deps:
    payer = Payer(of.tenant_id, request=f"card-{of.card}-{of.edition}")
    gateway = world.gateways.open(payer)
    if gateway is None:
        return Deps(world.language, journal)
    standing = Standing(world.gateways.budget.tokens_left(payer))
    return Deps(
        world.language,
        journal,
        gateway=gateway,
        randomness=partial(secrets.token_bytes, 16),
        standing=standing,
    )
