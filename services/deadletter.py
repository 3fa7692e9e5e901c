"""Dead letters in Postgres: recorded, scheduled, replayed, discarded. The decisions are in `domains.dlq`."""

import random
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from domains import dlq
from domains.errors import GateClosed, NotFound, UsageError
from services import log
from services.schema import DeadLetter, Run, RunStep
from services.work import Lease, Model, PoisonError, revive, settle

MESSAGE_CHARS: Final = 2_000
TRACEBACK_CHARS: Final = 8_000
HISTORY: Final = 50


@dataclass(frozen=True, slots=True)
class Job:
    """A task's name and the table of its rows, as far as letters must know them."""

    name: str
    model: Model


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
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].line}" if frames else job.name
    message = log.storable(str(error))[:MESSAGE_CHARS]
    letter = session.scalar(_open(job.name, lease.id).with_for_update())
    attempt = letter.attempt + 1 if letter else 1
    asked_s: float | None = getattr(error, "retry_after_s", None)
    verdict = dlq.judge(kind, attempt, now, base_s=base_s, luck=rng.random(), retry_after_s=asked_s)
    if letter is None:
        letter = DeadLetter(tenant_id=tenant_id, task=job.name, row_id=lease.id, created_at=now, history=[])
        session.add(letter)
    letter.kind, letter.error, letter.message = kind, type(error).__name__, message
    letter.traceback = log.storable("".join(traceback.format_exception(error)))[-TRACEBACK_CHARS:]
    letter.fingerprint = dlq.fingerprint(type(error).__name__, place, message)
    letter.attempt, letter.state, letter.next_at = attempt, verdict.state, verdict.next_at
    _note(letter, now, f"failed: {type(error).__name__}")
    return letter


def resolve(session: Session, task: str, row_id: int, *, now: datetime) -> None:
    """Close the row's open letter, if there is one, because its work is done."""
    letter = session.scalar(_open(task, row_id).with_for_update())
    if letter is not None:
        letter.state, letter.next_at = "resolved", None
        _note(letter, now, "resolved")


def due(session: Session, *, now: datetime, limit: int = 200) -> list[int]:
    """Return the letters whose time has come, oldest first."""
    query = (
        select(DeadLetter.id)
        .where(DeadLetter.state == "scheduled", DeadLetter.next_at <= now)
        .order_by(DeadLetter.next_at)
        .limit(limit)
    )
    return list(session.scalars(query))


def replay(
    session: Session, letter_id: int, jobs: Sequence[Job], *, now: datetime, by: str
) -> tuple[str, int] | None:
    """Make the letter's row due again and return (task, row) to nudge; None when somebody else just did.

    Clears what the failure poisoned: the steps of a run that a gate held, so that they are computed again.
    Raises NotFound, and UsageError for a letter that is no longer open.
    """
    letter = session.scalar(
        select(DeadLetter).where(DeadLetter.id == letter_id).with_for_update(skip_locked=True)
    )
    if letter is None:
        if session.get(DeadLetter, letter_id) is None:
            raise NotFound(f"no dead letter {letter_id}", remedy="see `svodka dlq list`")
        return None
    if letter.state == "replaying":
        return None
    if letter.state not in dlq.OPEN:
        raise UsageError(f"dead letter {letter_id} is {letter.state}; there is nothing to replay")
    model = next(job.model for job in jobs if job.name == letter.task)
    if model is Run:
        _clear_poisoned_steps(session, letter.row_id)
    revive(session, model, letter.row_id, now=now)
    letter.state, letter.next_at = "replaying", None
    if letter.attempt >= 1 and by != "sweep":
        letter.attempt = 0  # an operator's replay starts the count of attempts afresh
    _note(letter, now, f"replayed by {by}")
    return letter.task, letter.row_id


def discard(session: Session, letter_id: int, *, now: datetime, by: str) -> None:
    """Close the letter without trying again; its row stays dead. Raises NotFound or UsageError."""
    letter = get(session, letter_id)
    session.refresh(letter, with_for_update=True)
    if letter.state not in dlq.OPEN:
        raise UsageError(f"dead letter {letter_id} is {letter.state} already")
    letter.state, letter.next_at = "discarded", None
    _note(letter, now, f"discarded by {by}")


def settle_finished(session: Session, jobs: Sequence[Job], *, now: datetime) -> int:
    """Resolve letters left replaying by a worker that died just after its work was done; return how many."""
    finished = 0
    for job in jobs:
        rows = select(job.model.id).where(job.model.state == "done")
        ids = session.scalars(
            update(DeadLetter)
            .where(DeadLetter.task == job.name, DeadLetter.state == "replaying", DeadLetter.row_id.in_(rows))
            .values(state="resolved", updated_at=now)
            .returning(DeadLetter.id)
        ).all()
        finished += len(ids)
    return finished


def get(session: Session, letter_id: int) -> DeadLetter:
    """Return a letter. Raises NotFound."""
    letter = session.get(DeadLetter, letter_id)
    if letter is None:
        raise NotFound(f"no dead letter {letter_id}", remedy="see `svodka dlq list`")
    return letter


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


def _open(task: str, row_id: int) -> Select[DeadLetter]:
    return select(DeadLetter).where(
        DeadLetter.task == task, DeadLetter.row_id == row_id, DeadLetter.state.in_(dlq.OPEN)
    )


def _note(letter: DeadLetter, now: datetime, what: str) -> None:
    letter.updated_at = now
    letter.history = [*letter.history, {"at": now.isoformat(), "what": what, "attempt": letter.attempt}][
        -HISTORY:
    ]


def _tenant_column(model: Model) -> Any:
    return model.id if model.__tablename__ == "tenant" else model.tenant_id  # type: ignore[union-attr]  # all but Tenant have it


def _clear_poisoned_steps(session: Session, run_id: int) -> None:
    """Forget the steps that would fail again: those of a held run, and all of one whose followers told its posts."""
    run = session.get_one(Run, run_id)
    later = select(Run.id).where(
        Run.subscription_id == run.subscription_id, Run.window_end > run.window_end, Run.state == "done"
    )
    overtaken = session.scalar(select(later.exists()))
    if overtaken or run.decision == "hold":
        kept = ("begin",) if overtaken else ("begin", "brief")
        session.execute(delete(RunStep).where(RunStep.run_id == run_id, RunStep.name.not_in(kept)))
