"""Dead letters in Postgres: recorded, taken, resolved. The decisions are in `domains.dlq`, the buttons in `services.replay`.

record ─▶ scheduled | permanent      take: pending ─▶ leased      put_back: leased ─▶ pending      resolve ─▶ resolved
"""

import random
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from domains import dlq, limits
from domains.errors import GateClosed, NotFound
from services import log, payload
from services.schema import DeadLetter, Delivery, Run
from services.work import Lease, Model, PoisonError, settle

HISTORY: Final = 50
UNDER_WAY: Final = ("pending", "leased")


@dataclass(frozen=True, slots=True)
class Job:
    """A task's name, the table of its rows, and how often a row is tried before its letter is permanent."""

    name: str
    model: Model
    attempts: int = limits.DLQ_ATTEMPTS


def record(
    session: Session,
    job: Job,
    lease: Lease,
    error: BaseException,
    *,
    now: datetime,
    base_s: float,
    rng: random.Random,
) -> DeadLetter:
    """Write the failure down, set its row aside as dead, and say when it is tried again.

    Raises LeaseLostError when the row has been taken over meanwhile: then the failure is the new owner's.
    """
    tenant_id = session.scalar(select(_tenant_column(job.model)).where(job.model.id == lease.id))
    if isinstance(error, GateClosed) and job.model is Run:
        settle(session, lease, "held", decision="hold", why=str(error))
    else:
        settle(session, lease, "dead")
    kind = "poison" if isinstance(error, PoisonError) else dlq.kind_of(error)
    given = payload.kept(payload.of(session, job.model, lease.id))
    letter = session.scalar(_open(job.name, lease.id).with_for_update())
    attempt = letter.attempt + 1 if letter else 1
    verdict = dlq.judge(
        kind, attempt, now, base_s=base_s, luck=rng.random(), attempts=job.attempts,
        retry_after_s=getattr(error, "retry_after_s", None),
    )  # fmt: skip
    if letter is None:
        lane, turn = lane_of(session, job, lease.id)
        letter = DeadLetter(
            tenant_id=tenant_id, task=job.name, row_id=lease.id, created_at=now, history=[], lane=lane, turn=turn
        )  # fmt: skip
        session.add(letter)
    _describe(letter, job, error)
    letter.kind, letter.payload = kind, given
    letter.attempt, letter.state, letter.next_at = attempt, verdict.state, verdict.next_at
    letter.failed_at, letter.bulk_id = now, None
    add_note(letter, now, f"failed: {letter.error}")
    return letter


def take(session: Session, task: str, row_id: int, *, now: datetime) -> None:
    """Note that a worker is at the row's work again, if that is a letter's replay."""
    session.execute(
        update(DeadLetter)
        .where(DeadLetter.task == task, DeadLetter.row_id == row_id, DeadLetter.state == "pending")
        .values(state="leased", updated_at=now)
        .execution_options(synchronize_session=False)
    )


def put_back(session: Session, task: str, row_id: int, *, now: datetime) -> None:
    """Note that a worker could not work on the row yet: its letter waits as its row does."""
    session.execute(
        update(DeadLetter)
        .where(DeadLetter.task == task, DeadLetter.row_id == row_id, DeadLetter.state == "leased")
        .values(state="pending", updated_at=now)
        .execution_options(synchronize_session=False)
    )


def resolve(session: Session, task: str, row_id: int, *, now: datetime) -> None:
    """Close the row's open letter, if there is one, because its work is done."""
    letter = session.scalar(_open(task, row_id).with_for_update())
    if letter is not None:
        close(letter, "resolved", now, "resolved")


def due(session: Session, *, now: datetime, limit: int = 200) -> list[int]:
    """Return the letters whose time has come, oldest first; one whose lane has an earlier one alive is left to wait."""
    query = select(DeadLetter.id).where(*ready(now)).order_by(DeadLetter.next_at, DeadLetter.id).limit(limit)
    return list(session.scalars(query))


def ready(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a letter's time has come, and its turn in its lane."""
    return (DeadLetter.state == "scheduled", DeadLetter.next_at <= now, ~behind(dlq.ALIVE))


def behind(states: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that an earlier letter of the letter's lane is in one of ``states``."""
    earlier = aliased(DeadLetter)
    return exists().where(
        earlier.lane.is_not(None),
        earlier.lane == DeadLetter.lane,
        earlier.turn < DeadLetter.turn,
        earlier.state.in_(states),
    )


def settle_finished(session: Session, jobs: Sequence[Job], *, now: datetime) -> int:
    """Close letters whose work has ended without them, by a worker's death or a removal; return how many.

    What is done, or unknown and so somebody else's list, is resolved; what was called off or deleted is discarded. A
    letter that is leased while its row waits is pending.
    """
    return sum(_settle_finished(session, job, now) for job in jobs)


def _settle_finished(session: Session, job: Job, now: datetime) -> int:
    rows = session.execute(
        select(DeadLetter, job.model.state)
        .outerjoin(job.model, job.model.id == DeadLetter.row_id)
        .where(
            DeadLetter.task == job.name,
            DeadLetter.state.in_(UNDER_WAY),
            or_(
                job.model.id.is_(None),
                job.model.state.in_(("done", "unknown", "held")),
                and_(job.model.state == "due", DeadLetter.state == "leased"),
            ),
        )
        .with_for_update(of=DeadLetter, skip_locked=True)
    ).all()
    ended = 0
    for letter, state in rows:
        if state == "due":
            letter.state = "pending"
            continue
        ended += 1
        if state in {"done", "unknown"}:
            close(letter, "resolved", now, "resolved: its work is done")
        else:
            close(letter, "discarded", now, "discarded: its work was called off")
    return ended


def get(session: Session, letter_id: int, *, tenant_id: int | None = None) -> DeadLetter:
    """Return a letter. Raises NotFound, also for one that is not the tenant's."""
    letter = session.get(DeadLetter, letter_id)
    if letter is None or tenant_id not in {None, letter.tenant_id}:
        raise missing(letter_id)
    return letter


def missing(letter_id: int) -> NotFound:
    """Return the error that says there is no such letter."""
    return NotFound(f"no dead letter {letter_id}", remedy="see `svodka dlq list`")


def of_row(session: Session, task: str, row_id: int) -> DeadLetter | None:
    """Return the row's open letter, if there is one."""
    return session.scalar(_open(task, row_id))


def is_permanent(session: Session, task: str, row_id: int) -> bool:
    """Return whether the row's work has failed and is not tried again by itself."""
    letter = of_row(session, task, row_id)
    return letter is not None and letter.state == "permanent"


def letters(
    session: Session, *, tenant_id: int | None = None, states: Sequence[str] = dlq.OPEN
) -> list[DeadLetter]:
    """Return the letters in these states, newest first."""
    query = select(DeadLetter).where(DeadLetter.state.in_(states)).order_by(DeadLetter.id.desc()).limit(1000)
    if tenant_id is not None:
        query = query.where(DeadLetter.tenant_id == tenant_id)
    return list(session.scalars(query))


def count(session: Session) -> dict[str, int]:
    """Return how many letters there are by state."""
    rows = session.execute(select(DeadLetter.state, func.count()).group_by(DeadLetter.state))
    return {state: number for state, number in rows}  # noqa: C416  dict() of Rows is not typed


def close(letter: DeadLetter, state: dlq.State, now: datetime, what: str) -> None:
    """End a letter."""
    letter.state, letter.next_at, letter.bulk_id = state, None, None
    add_note(letter, now, what)


def add_note(letter: DeadLetter, now: datetime, what: str) -> None:
    """Add to a letter's history, which keeps its newest events."""
    letter.updated_at = now
    event = {"at": now.isoformat(), "what": what, "attempt": letter.attempt}
    letter.history = [*letter.history, event][-HISTORY:]


def lane_of(session: Session, job: Job, row_id: int) -> tuple[str | None, datetime | None]:
    """Return the lane whose order the row's letters keep, and the row's turn in it; (None, None) for the others."""
    if job.model is Run:
        run = session.get_one(Run, row_id)
        return f"{job.name}:{run.subscription_id}", run.window_end
    if job.model is Delivery:
        row = session.get_one(Delivery, row_id)
        run = session.get_one(Run, row.run_id)
        return f"{job.name}:{run.subscription_id}:{row.channel}", run.window_end
    return None, None


def _describe(letter: DeadLetter, job: Job, error: BaseException) -> None:
    """Say what went wrong and where, without secrets and no longer than is useful."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].line}" if frames else job.name
    letter.error, letter.place = type(error).__name__, log.storable(place)[:200]
    letter.message = log.storable(str(error))[: limits.DLQ_MESSAGE_CHARS]
    trace = log.storable("".join(traceback.format_exception(error)))
    letter.traceback = trace[-limits.DLQ_TRACEBACK_CHARS :]
    letter.fingerprint = dlq.fingerprint(letter.error, place, letter.message)


def _open(task: str, row_id: int) -> Select[DeadLetter]:
    return select(DeadLetter).where(
        DeadLetter.task == task, DeadLetter.row_id == row_id, DeadLetter.state.in_(dlq.OPEN)
    )


def _tenant_column(model: Model) -> Any:
    return model.id if model.__tablename__ == "tenant" else model.tenant_id  # type: ignore[union-attr]  # all but Tenant have it
