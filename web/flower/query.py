"""Which dead letters an operator asks for: a filter, the failures by fingerprint, pages, and replay of all of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.orm import Session

from domains import dlq
from domains.errors import UsageError
from services.schema import DeadLetter, Tenant

NAMES: Final = ("task", "class", "state", "tenant", "since", "until", "text", "fingerprint")
NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
# What waits, for its time or for somebody; what is being replayed is not replayed again.
WAITING: Final = ("scheduled", "permanent")
PAGE: Final = 50
GROUPS: Final = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Equal failures: the newest of them stands for all."""

    newest: DeadLetter
    count: int
    last_at: datetime


def conditions(asked: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """Return what the letters have to be. Raises UsageError for a name, a text or a time that is none."""
    for name, value in asked.items():
        if name not in NAMES:
            raise UsageError(f"no filter {name!r}", remedy=f"one of: {', '.join(NAMES)}")
        if NO_TEXT.search(value):
            raise UsageError(f"the filter {name!r} holds what no text does: {value!r}", remedy="leave it out")
    found = [_condition(name, value) for name, value in asked.items()]
    return found if "state" in asked else [*found, DeadLetter.state.in_(dlq.OPEN)]


def _condition(name: str, value: str) -> ColumnElement[bool]:
    match name:
        case "tenant":
            return DeadLetter.tenant_id.in_(select(Tenant.id).where(Tenant.name == value))
        case "since":
            return DeadLetter.updated_at >= _moment(value)
        case "until":
            return DeadLetter.updated_at < _moment(value)
        case "text":
            return (DeadLetter.error + ": " + DeadLetter.message).icontains(value, autoescape=True)
    columns = {"class": DeadLetter.kind, "task": DeadLetter.task, "state": DeadLetter.state}
    return columns.get(name, DeadLetter.fingerprint) == value


def groups(session: Session, asked: Mapping[str, str]) -> list[Group]:
    """Return the failures by fingerprint, the most frequent first, at most `GROUPS`."""
    counts = (
        select(
            func.max(DeadLetter.id).label("newest"),
            func.count().label("count"),
            func.max(DeadLetter.updated_at).label("last_at"),
        )
        .where(*conditions(asked))
        .group_by(DeadLetter.fingerprint)
        .order_by(func.count().desc(), func.max(DeadLetter.id).desc())
        .limit(GROUPS)
        .subquery()
    )
    query = (
        select(DeadLetter, counts.c.count, counts.c.last_at)
        .join(counts, DeadLetter.id == counts.c.newest)
        .order_by(counts.c.count.desc(), DeadLetter.id.desc())
    )
    return [Group(letter, count, last_at) for letter, count, last_at in session.execute(query)]


def page(session: Session, asked: Mapping[str, str], before: int | None) -> list[tuple[DeadLetter, str]]:
    """Return up to `PAGE` letters, newest first, each with its tenant's name, those older than ``before`` if given."""
    query: Select[DeadLetter, str] = (
        select(DeadLetter, Tenant.name)
        .join(Tenant, Tenant.id == DeadLetter.tenant_id)
        .where(*conditions(asked))
        .order_by(DeadLetter.id.desc())
        .limit(PAGE)
    )
    if before is not None:
        query = query.where(DeadLetter.id < before)
    return [(letter, name) for letter, name in session.execute(query)]


def totals(session: Session, asked: Mapping[str, str]) -> tuple[int, int]:
    """Return how many letters and how many fingerprints there are."""
    kinds = func.count(DeadLetter.fingerprint.distinct())
    row = session.execute(select(func.count(), kinds).where(*conditions(asked))).one()
    return row[0], row[1]


def plan(session: Session, asked: Mapping[str, str]) -> dict[str, int]:
    """Return how many letters would be replayed, by task."""
    query = (
        select(DeadLetter.task, func.count())
        .where(*conditions(asked), DeadLetter.state.in_(WAITING))
        .group_by(DeadLetter.task)
        .order_by(DeadLetter.task)
    )
    return {task: count for task, count in session.execute(query)}  # noqa: C416  dict() of Rows is not typed


def replay(session: Session, asked: Mapping[str, str], *, rate: float, now: datetime, by: str) -> int:
    """Give each of the letters its time, ``rate`` a minute and the oldest first; return how many they are.

    The sweep replays them when their times come, whatever becomes of the one who asked. Letters that somebody else is
    replaying keep out of it, and one that two ask for has the time of the later.
    """
    places = (
        select(DeadLetter.id, func.row_number().over(order_by=DeadLetter.id).label("place"))
        .where(*conditions(asked), DeadLetter.state.in_(WAITING))
        .subquery()
    )
    note = func.jsonb_build_array(
        func.jsonb_build_object(
            "at", literal(now.isoformat()), "what", literal(f"replay of all asked by {by}"), "attempt", 0
        )
    )
    query = (
        update(DeadLetter)
        .where(DeadLetter.id == places.c.id, DeadLetter.state.in_(WAITING))
        .values(
            state="scheduled",
            attempt=0,
            next_at=literal(now) + (places.c.place - 1) * cast(literal(f"{60 / rate} seconds"), INTERVAL),
            history=DeadLetter.history.op("||")(note),
            updated_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    return int(session.execute(query).rowcount)  # type: ignore[attr-defined]  # an update's result has it


def _moment(text: str) -> datetime:
    """Return a time in ISO 8601; one that names no zone is UTC, as the page shows times."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"no time {text!r}", remedy="such as 2026-11-21 08:00, in UTC") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
