"""Personas in Postgres: what subscribers did (signals, append-only) and the personas computed from it.

signal ─▶ (nightly or at once) refresh: read ─▶ domains.signal.learn ─▶ write ─▶ load, per request, by key
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import insert, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from domains import limits
from domains import signal as domain
from domains.digest import Digest, DigestStory
from domains.errors import NotFound, UsageError
from domains.persona import Persona, TargetKind
from domains.ports import Clock, Language
from domains.signal import OPEN_WEIGHT, Background, SignalKind, is_wishable
from domains.terms import Lexicon
from services import archive
from services.database import Database
from services.diary import PersonaRow, Signal
from services.purge import BATCH, SPELL, Purged, in_batches, oldest
from services.schema import Run, Source, Story, Subscriber, Subscription, Tenant

# A nightly task may come some hours early.
STALE: Final = timedelta(hours=20)
LIMIT: Final = 1_000
TARGET_CHARS: Final = 100
TEXT_CHARS: Final = 1_000
# Newest headlines of a tenant from which it is learned how common words are.
HEADLINES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How many personas were computed, how many of them changed, and whether none that is stale is left."""

    computed: int
    changed: int
    finished: bool


def subscriber(session: Session, tenant_id: int, name: str) -> int:
    """Return a subscriber's row. Raises NotFound."""
    row = session.scalar(
        select(Subscriber.id).where(Subscriber.tenant_id == tenant_id, Subscriber.name == name)
    )
    if row is None:
        raise NotFound(f"no subscriber {name!r}", remedy="`svodka subscribe --subscriber NAME` makes one")
    return row


def target_kind(session: Session, tenant_id: int, target: str) -> TargetKind:
    """Return whether ``target`` names a source of the tenant or is a word. Raises UsageError when it says nothing."""
    found = session.scalar(
        select(Source.id).where(Source.tenant_id == tenant_id, Source.name == target).limit(1)
    )
    if found is not None:
        return "source"
    if not is_wishable(target) or len(target) > TARGET_CHARS:
        raise UsageError(
            f"{target[:TARGET_CHARS]!r} is neither a source nor a word that tells stories apart",
            remedy="name a source of `svodka source list`, or one to four words such as budget",
        )
    return "word"


def wish(
    session: Session,
    subscriber_id: int,
    kind: SignalKind,
    target_kind: TargetKind,
    target: str,
    *,
    at: datetime,
    undo: bool = False,
) -> int:
    """Note that a subscriber follows or mutes something, or (``undo``) no longer does; return the signal's row."""
    values = {
        "subscriber_id": subscriber_id,
        "kind": kind,
        "target_kind": target_kind,
        "target": target,
        "weight": 0.0 if undo else 1.0,
        "at": at,
    }
    return session.execute(insert(Signal).values(values).returning(Signal.id)).scalar_one()


def rate(session: Session, run_id: int, place: int, weight: float, *, at: datetime) -> int:
    """Note what the reader of a run's digest thinks of its story number ``place``, counted from 1 at the top.

    ``weight`` is 1 (more of it), -1 (less) or 0 (takes the rating back). Returns the subscriber's row. Raises NotFound.
    """
    return _judge(session, run_id, place, "rate", weight, at)


def opened(session: Session, run_id: int, place: int, *, at: datetime) -> int:
    """Note that the reader of a run's digest followed a link of its story number ``place``. As `rate` otherwise."""
    return _judge(session, run_id, place, "open", OPEN_WEIGHT, at)


def _judge(session: Session, run_id: int, place: int, kind: SignalKind, weight: float, at: datetime) -> int:
    row = session.get(Run, run_id)
    if row is None:
        raise NotFound(f"no run {run_id}", remedy="see `svodka digest list`")
    if row.digest_sha256 is None:
        raise NotFound(f"run {run_id} has no digest", remedy="see `svodka digest list`")
    digest = msgspec.json.decode(archive.get(session, row.digest_sha256), type=Digest)
    if not 1 <= place <= len(digest.stories):
        raise NotFound(
            f"run {run_id} has no story {place}: it tells {len(digest.stories)}",
            remedy="count the stories from the top, beginning with 1",
        )
    subscriber_id = session.execute(
        select(Subscription.subscriber_id).where(Subscription.id == row.subscription_id)
    ).scalar_one()
    values = {
        "subscriber_id": subscriber_id,
        "kind": kind,
        "target_kind": "story",
        "weight": weight,
        "at": at,
        "run_id": run_id,
        **_told(digest, digest.stories[place - 1]),
    }
    session.execute(insert(Signal).values(values))
    return subscriber_id


def _told(digest: Digest, story: DigestStory) -> dict[str, Any]:
    lines = (story.headline, *story.sentences)
    cited = {one.post for line in lines for one in line.citations}
    posts = [post for post in digest.posts if post.id in cited]
    first = next((post for post in posts if post.id == story.headline.citations[0].post), None)
    return {
        "target": str(story.story),
        "text": "\n".join(line.text for line in lines)[:TEXT_CHARS],
        "lang": first.lang if first else "und",
        "sources": sorted({post.source for post in posts}),
        "sentences": len(story.sentences),
    }


def refresh(database: Database, clock: Clock, language: Language, limit: int = LIMIT) -> Refreshed:
    """Compute the personas that are older than `STALE`, those never computed first; at most ``limit``.

    Each is written as soon as it is computed, so a call that is killed is resumed by the next. Personas of backtests
    are left alone.
    """
    now = clock.now()
    with database.transaction() as session:
        stale = session.execute(
            select(Subscriber.id, Subscriber.tenant_id)
            .join(Tenant, Tenant.id == Subscriber.tenant_id)
            .join(PersonaRow, PersonaRow.subscriber_id == Subscriber.id, isouter=True)
            .where(Tenant.live, or_(PersonaRow.computed_at.is_(None), PersonaRow.computed_at <= now - STALE))
            .order_by(PersonaRow.computed_at.nulls_first(), Subscriber.id)
            .limit(limit + 1)
        ).all()
    changed = 0
    backgrounds: dict[int, Background] = {}
    for row in stale[:limit]:
        if row.tenant_id not in backgrounds:
            backgrounds[row.tenant_id] = background(database, row.tenant_id, language)
        changed += _compute(database, row.id, now, language, backgrounds[row.tenant_id])
    return Refreshed(min(len(stale), limit), changed, finished=len(stale) <= limit)


def compute(database: Database, clock: Clock, language: Language, subscriber_id: int) -> Persona:
    """Compute one persona now, since its subscriber has just said something, and return it."""
    with database.transaction() as session:
        tenant_id = session.get_one(Subscriber, subscriber_id).tenant_id
    common = background(database, tenant_id, language)
    _compute(database, subscriber_id, clock.now(), language, common)
    with database.transaction() as session:
        return _read(session, session.get_one(PersonaRow, subscriber_id))


def background(database: Database, tenant_id: int, language: Language) -> Background:
    """Return how common words are in a tenant's newest headlines."""
    with database.transaction() as session:
        titles = session.scalars(
            select(Story.title)
            .where(Story.tenant_id == tenant_id)
            .order_by(Story.last_at.desc())
            .limit(HEADLINES)
        ).all()
    lexicon = Lexicon(language)
    return Background.of(lexicon.gist(title, language.detect(title)) for title in titles)


def _compute(
    database: Database, subscriber_id: int, now: datetime, language: Language, common: Background
) -> bool:
    """Compute and keep one persona; return whether it changed. No transaction is open while it is computed."""
    with database.transaction() as session:
        row = session.get(PersonaRow, subscriber_id)
        old = _read(session, row) if row else None
        name = session.get_one(Subscriber, subscriber_id).name
        signals = _signals(session, subscriber_id, now)
        named = session.scalars(
            select(Subscription.sources).where(Subscription.subscriber_id == subscriber_id)
        ).all()
    subscribed = sorted({source for sources in named for source in sources})
    new = domain.learn(name, signals, now, Lexicon(language).terms, common, subscribed)
    version = old.version if old else 0
    same = old is not None and replace(new, version=version) == old
    if not same:
        version += 1
    with database.transaction() as session:
        _write(session, subscriber_id, replace(new, version=version), signals, now)
    return not same


def _signals(session: Session, subscriber_id: int, now: datetime) -> list[domain.Signal]:
    """Return what counts: the last wish on each target, and the newest ratings and openings within the horizon."""
    own = (Signal.subscriber_id == subscriber_id, Signal.at <= now)
    wishes = (
        select(Signal)
        .where(*own, Signal.kind.in_(("follow", "mute")))
        .ext(distinct_on(Signal.target_kind, Signal.target))
        .order_by(Signal.target_kind.desc(), Signal.target.desc(), Signal.at.desc(), Signal.id.desc())
    )
    judged = (
        select(Signal)
        .where(*own, Signal.kind.in_(("open", "rate")), Signal.at > now - limits.PERSONA_HORIZON)
        .order_by(Signal.at.desc(), Signal.id.desc())
        .limit(limits.PERSONA_SIGNALS)
    )
    return [_signal(row) for query in (wishes, judged) for row in session.scalars(query)]


def _signal(row: Signal) -> domain.Signal:
    values = {name: getattr(row, name) for name in domain.Signal.__dataclass_fields__}
    return msgspec.convert(values, domain.Signal)


def _write(
    session: Session, subscriber_id: int, persona: Persona, signals: Sequence[domain.Signal], now: datetime
) -> None:
    whole = msgspec.to_builtins(persona)
    columns = {name: whole.pop(name) for name in ("version", "summary", "evidence", "languages", "sentences")}
    del whole["subscriber"]
    values = {
        **columns,
        "vector": whole,
        "last_signal_id": max((one.id for one in signals), default=0),
        "computed_at": now,
    }
    write = upsert(PersonaRow).values(subscriber_id=subscriber_id, **values)
    # Of two that compute at once, the one who looked later is right.
    session.execute(
        write.on_conflict_do_update(
            index_elements=[PersonaRow.subscriber_id],
            set_=values,
            where=PersonaRow.computed_at <= write.excluded.computed_at,
        )
    )


def load(session: Session, subscriber_id: int) -> Persona | None:
    """Return a subscriber's persona as last computed, None for one of whom nothing was computed yet."""
    row = session.get(PersonaRow, subscriber_id)
    return None if row is None else _read(session, row)


def of_subscription(session: Session, subscription_id: int) -> Persona | None:
    """Return the persona of whoever a subscription is for."""
    found = session.execute(
        select(Subscription.subscriber_id).where(Subscription.id == subscription_id)
    ).scalar_one()
    return load(session, found)


def _read(session: Session, row: PersonaRow) -> Persona:
    name = session.get_one(Subscriber, row.subscriber_id).name
    columns = {
        field: getattr(row, field) for field in ("version", "summary", "evidence", "languages", "sentences")
    }
    return msgspec.convert({**row.vector, **columns, "subscriber": name}, Persona)


def purge(database: Database, clock: Clock, *, batch: int = BATCH, spell: timedelta = SPELL) -> Purged:
    """Delete ratings and openings that no longer count, in batches. Wishes stay."""
    before = clock.now() - limits.PERSONA_HORIZON

    def some(session: Session, most: int) -> int:
        return oldest(session, Signal, before, most, "kind IN ('open', 'rate')")

    return in_batches(database, clock, some, batch=batch, spell=spell)
