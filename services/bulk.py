"""Many letters replayed at a rate: told first, then carried out by the sweep, whoever closes his terminal.

    filter ─▶ letters in order of their lanes ─▶ plan (what would run, what it would cost) ─▶ next_at = now + n / rate

Each letter waits in the state ``scheduled`` for its own time. When nobody swept for a while the rest moves on as a
whole, so that the rate is kept then too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from domains import dlq, limits
from domains.dlq import Filter
from domains.errors import UsageError
from domains.ports import Channel
from services import audit, estimate, replay
from services.audit import Audit
from services.deadletter import HISTORY, Job
from services.schema import DeadLetter

RATE_S: Final = (0.001, 1_000.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a bulk replay does, or would do: ``number`` is its row in the audit once it is under way.

    The first letter goes at ``begins_at``, the last at ``ends_at``, ``rate_s`` a second.
    """

    letters: int
    by_task: dict[str, int]
    by_class: dict[str, int]
    cost: estimate.Cost
    rate_s: float
    begins_at: datetime
    ends_at: datetime
    number: int | None = None


def matching(filter_: Filter) -> list[ColumnElement[bool]]:
    """Return the conditions that a letter has to meet."""
    conditions: list[ColumnElement[bool]] = []
    if filter_.states:
        conditions.append(_states(filter_.states))
    if filter_.tenant_id is not None:
        conditions.append(DeadLetter.tenant_id == filter_.tenant_id)
    if filter_.kinds:
        conditions.append(DeadLetter.kind.in_(filter_.kinds))
    if filter_.tasks:
        conditions.append(DeadLetter.task.in_(filter_.tasks))
    if filter_.fingerprint is not None:
        conditions.append(DeadLetter.fingerprint == filter_.fingerprint)
    if filter_.since is not None:
        conditions.append(DeadLetter.failed_at >= filter_.since)
    if filter_.until is not None:
        conditions.append(DeadLetter.failed_at < filter_.until)
    if filter_.text is not None:
        conditions.append(
            (DeadLetter.error + ": " + DeadLetter.message).icontains(filter_.text, autoescape=True)
        )
    return conditions


def bulk(
    session: Session,
    filter_: Filter,
    jobs: Sequence[Job],
    *,
    rate_s: float,
    dry_run: bool,
    now: datetime,
    by: str,
    edit: Mapping[str, Any] | None = None,
    channels: Mapping[str, Channel] | None = None,
) -> Plan:
    """Give each letter that the filter finds its time, ``rate_s`` a second, and return what that does.

    ``dry_run`` only tells it. Letters that are being replayed, or wait in another bulk replay, stay out; so two operators
    who ask for the same run it once. ``edit`` is made to each letter first; they must be of one task then. Raises
    UsageError for a rate out of bounds, or an edit that a letter's schema refuses: then nothing is done.
    """
    low, high = RATE_S
    if not low <= rate_s <= high:
        raise UsageError(f"a rate of {rate_s:g} a second", remedy=f"from {low:g} to {high:g} a second")
    letters = _pick(session, filter_, lock=not dry_run)
    if edit and len({letter.task for letter in letters}) > 1:
        raise UsageError("an edit is for letters of one task", remedy="name the task in the filter")
    plan = _plan(session, letters, rate_s, now)
    if dry_run or not letters:
        return plan
    begun = audit.note(
        session, "bulk", tenant_id=filter_.tenant_id, by=by, at=now,
        after={"filter": _told(filter_), "rate_s": rate_s, "letters": len(letters), "edit": sorted(edit or {})},
    )  # fmt: skip
    session.flush()
    number = begun.id
    if edit:
        _edit(session, letters, jobs, edit, channels or {}, now, by)
    _schedule(session, [letter.id for letter in letters], number, rate_s, now, by)
    return Plan(**{**{name: getattr(plan, name) for name in Plan.__dataclass_fields__}, "number": number})


def keep_pace(session: Session, *, now: datetime, grace_s: float) -> int:
    """Move bulk replays on that nobody has swept for more than ``grace_s``, so that they keep their rate; return how many."""
    late = (
        select(DeadLetter.bulk_id, func.min(DeadLetter.next_at).label("first"))
        .where(DeadLetter.bulk_id.is_not(None), DeadLetter.state == "scheduled")
        .group_by(DeadLetter.bulk_id)
        .having(func.min(DeadLetter.next_at) < now - timedelta(seconds=grace_s))
    )
    moved = 0
    for number, _ in session.execute(late).all():
        held = session.scalar(select(Audit.id).where(Audit.id == number).with_for_update(skip_locked=True))
        # Somebody else may have moved it on between the look and the lock.
        first = session.scalar(
            select(func.min(DeadLetter.next_at)).where(
                DeadLetter.bulk_id == number, DeadLetter.state == "scheduled"
            )
        )
        if held is None or first is None or first >= now - timedelta(seconds=grace_s):
            continue
        session.execute(
            update(DeadLetter)
            .where(DeadLetter.bulk_id == number, DeadLetter.state == "scheduled")
            .values(next_at=DeadLetter.next_at + (now - first))
            .execution_options(synchronize_session=False)
        )
        moved += 1
    return moved


def _states(states: Sequence[str]) -> ColumnElement[bool]:
    # Word for word as the partial index has it: Postgres does not prove that one list holds another.
    if set(states) == set(dlq.OPEN):
        return sql("dead_letter.state IN ('pending', 'leased', 'scheduled', 'permanent')")  # type: ignore[return-value]
    return DeadLetter.state.in_(states)


def _pick(session: Session, filter_: Filter, *, lock: bool) -> list[Any]:
    """Return the letters to be replayed in the order they go: by their turn, so that no lane is out of order."""
    newer = aliased(DeadLetter)
    last = ~(
        select(newer.id)
        .where(newer.task == DeadLetter.task, newer.row_id == DeadLetter.row_id, newer.id > DeadLetter.id)
        .exists()
    )
    free = or_(
        DeadLetter.state == "permanent",
        and_(DeadLetter.state == "scheduled", DeadLetter.bulk_id.is_(None)),
        and_(DeadLetter.state.in_(("resolved", "discarded")), last),
    )
    query = (
        select(DeadLetter.id, DeadLetter.tenant_id, DeadLetter.task, DeadLetter.row_id, DeadLetter.kind)
        .where(*matching(filter_), free)
        .order_by(func.coalesce(DeadLetter.turn, DeadLetter.created_at), DeadLetter.id)
        .limit(limits.DLQ_BULK)
    )
    return list(session.execute(query.with_for_update(skip_locked=True) if lock else query).all())


def _plan(session: Session, letters: Sequence[Any], rate_s: float, now: datetime) -> Plan:
    return Plan(
        letters=len(letters),
        by_task=dict(sorted(Counter(letter.task for letter in letters).items())),
        by_class=dict(sorted(Counter(letter.kind for letter in letters).items())),
        cost=estimate.of(session, letters, now=now),
        rate_s=rate_s,
        begins_at=now,
        ends_at=dlq.turn_at(max(len(letters) - 1, 0), now, rate_s=rate_s),
    )


def _edit(
    session: Session, letters: Sequence[Any], jobs: Sequence[Job], edit: Mapping[str, Any],
    channels: Mapping[str, Channel], now: datetime, by: str,
) -> None:  # fmt: skip
    for found in letters:
        letter = session.get_one(DeadLetter, found.id)
        replay.edit(session, letter, jobs, edit, channels, now=now, by=by)
    session.flush()


def _schedule(session: Session, ids: list[int], number: int, rate_s: float, now: datetime, by: str) -> None:
    """Give the letters their times in the order of ``ids``, and write one row of the audit for each."""
    who = audit.name(by)
    values = {
        "ids": ids, "number": number, "now": now, "who": who, "step_s": 1 / rate_s, "kept": HISTORY - 1,
        "at": now.isoformat(), "what": f"bulk replay {number} by {who}",
    }  # fmt: skip
    session.execute(_AUDIT, values)
    session.execute(_TURNS, values)


def _told(filter_: Filter) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        for name, value in asdict(filter_).items()
        if value not in (None, ())
    }  # fmt: skip


_AUDIT: Final = sql(
    """
    INSERT INTO audit (tenant_id, at, who, what, letter_id, task, row_id, before, after)
    SELECT tenant_id, :now, :who, 'bulk', id, task, row_id,
           jsonb_build_object('state', state, 'attempt', attempt),
           jsonb_build_object('state', 'scheduled', 'attempt', 0, 'bulk', CAST(:number AS bigint))
    FROM dead_letter WHERE id = ANY(:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
_TURNS: Final = sql(
    """
    UPDATE dead_letter SET
        state = 'scheduled', attempt = 0, bulk_id = :number, updated_at = :now,
        next_at = :now + make_interval(secs => (turns.place - 1) * CAST(:step_s AS double precision)),
        history = (
            CASE WHEN jsonb_array_length(history) > CAST(:kept AS integer) THEN history - 0 ELSE history END
        ) || jsonb_build_array(jsonb_build_object('at', CAST(:at AS text), 'what', CAST(:what AS text), 'attempt', 0))
    FROM unnest(:ids) WITH ORDINALITY AS turns (id, place)
    WHERE dead_letter.id = turns.id
    """
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
