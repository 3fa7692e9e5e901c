"""The operator's buttons on one letter: replay, change and replay, discard. Each is audited, and done once.

letter ─lock─▶ may it be done again? ─▶ apply the edit ─▶ clear what the failure poisoned ─▶ row due ─▶ pending
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, defer

from domains import dlq
from domains.errors import Busy, NotFound, UsageError
from domains.ports import Channel
from services import audit, payload, source, work
from services.deadletter import UNDER_WAY, Job, add_note, behind, close, get, of_row, ready
from services.schema import DeadLetter, Delivery, Run, RunStep, Source, Subscription
from services.subscription import check_channels, read_settings

BATCH: Final = 100


def replay(
    session: Session,
    letter_id: int,
    jobs: Sequence[Job],
    *,
    now: datetime,
    by: str,
    tenant_id: int | None = None,
) -> tuple[str, int] | None:
    """Make the letter's row due again and return (task, row) to nudge.

    None when it is being replayed already, by whomever, or has to wait for an earlier letter of its lane; then the sweep
    replays it. What is recorded of the work stays done: a digest that was made is not made anew, a part that was sent is
    not sent again. Raises NotFound, and UsageError when the work cannot be done again.
    """
    return _replay(session, letter_id, jobs, {}, {}, now=now, by=by, tenant_id=tenant_id)


def edit_and_replay(
    session: Session,
    letter_id: int,
    jobs: Sequence[Job],
    edit: Mapping[str, Any],
    channels: Mapping[str, Channel],
    *,
    now: datetime,
    by: str,
    tenant_id: int | None = None,
) -> tuple[str, int] | None:
    """Change what the letter's work is given, as ``edit`` says by its schema, and replay it.

    Raises UsageError that names the JSON path of what may not be; nothing is changed then.
    """
    return _replay(session, letter_id, jobs, edit, channels, now=now, by=by, tenant_id=tenant_id)


def discard(
    session: Session,
    letter_id: int,
    jobs: Sequence[Job],
    *,
    now: datetime,
    by: str,
    tenant_id: int | None = None,
) -> None:
    """Close the letter without trying again; its row stays dead. Raises NotFound, UsageError, and Busy while it is tried."""
    letter = _lock(session, letter_id, jobs, tenant_id)
    if letter.state == "leased":
        raise Busy(f"a worker is at dead letter {letter_id}", remedy="see what comes of it, then discard it")
    if letter.state not in dlq.OPEN:
        raise UsageError(f"dead letter {letter_id} is {letter.state} already")
    before = _brief(letter)
    if letter.state == "pending":
        _bury(session, _job(letter, jobs).model, letter.row_id)
    close(letter, "discarded", now, f"discarded by {audit.name(by)}")
    _audit(session, "discard", letter, before, now, by)


def _replay(
    session: Session, letter_id: int, jobs: Sequence[Job], edit: Mapping[str, Any], channels: Mapping[str, Channel],
    *, now: datetime, by: str, tenant_id: int | None,
) -> tuple[str, int] | None:  # fmt: skip
    letter = _lock(session, letter_id, jobs, tenant_id)
    if letter.state in {"pending", "leased"}:
        return None
    if by == audit.SWEEP and (letter.state != "scheduled" or letter.next_at is None or letter.next_at > now):
        return None
    job = _job(letter, jobs)
    _check(session, letter, job)
    before = _brief(letter) | _given(session, letter, job, edit)
    changed = apply(session, letter, job, edit, channels)
    if by != audit.SWEEP:
        letter.attempt = 0  # an operator's replay starts the count of attempts afresh
    if _has_to_wait(session, letter):
        letter.state, letter.next_at, letter.bulk_id = "scheduled", now, None
        add_note(letter, now, f"to be replayed for {audit.name(by)} after an earlier one of its subscription")
    else:
        _go(session, letter, job, now, by, anew=bool(changed))
    _audit(session, "edit" if changed else "replay", letter, before, now, by)
    return (letter.task, letter.row_id) if letter.state == "pending" else None


def sweep(
    session: Session, jobs: Sequence[Job], *, now: datetime, limit: int = BATCH
) -> tuple[list[tuple[str, int]], int]:
    """Replay up to ``limit`` letters whose time has come; return (task, row) of each to nudge, and how many were found.

    Nobody is waited for: what another sweep, an operator or a worker holds is left to him, or to the next sweep.
    """
    letters = session.scalars(
        select(DeadLetter)
        .where(*ready(now))
        .order_by(DeadLetter.next_at, DeadLetter.id)
        .limit(limit)
        .with_for_update(of=DeadLetter, skip_locked=True)
        .options(defer(DeadLetter.traceback), defer(DeadLetter.payload))
    ).all()
    ours = _hold_rows(session, letters, jobs)
    with session.no_autoflush:
        released = [_release(session, letter, jobs, now, ours) for letter in letters]
    return [errand for errand in released if errand is not None], len(letters)


def _hold_rows(
    session: Session, letters: Sequence[DeadLetter], jobs: Sequence[Job]
) -> dict[tuple[str, int], Any]:
    """Return the letters' rows that nobody else holds, locked; one query a task."""
    ours: dict[tuple[str, int], Any] = {}
    for job in jobs:
        ids = [letter.row_id for letter in letters if letter.task == job.name]
        if ids:
            query = select(job.model).where(job.model.id.in_(ids)).with_for_update(skip_locked=True)
            found: Sequence[Any] = session.scalars(query.execution_options(populate_existing=True)).all()
            ours |= {(job.name, row.id): row for row in found}
    return ours


def _release(
    session: Session, letter: DeadLetter, jobs: Sequence[Job], now: datetime, ours: Mapping[tuple[str, int], Any]
) -> tuple[str, int] | None:  # fmt: skip
    before = _brief(letter)
    try:
        job = _job(letter, jobs)
        if (letter.task, letter.row_id) not in ours and session.get(job.model, letter.row_id) is not None:
            return None
        _check(session, letter, job)
    except (UsageError, NotFound) as error:
        # One letter that cannot be replayed must not stop the sweep of the others: it waits for a person.
        close(letter, "permanent", now, f"not replayed: {error}")
        _audit(session, "replay", letter, before, now, audit.SWEEP)
        return None
    _go(session, letter, job, now, audit.SWEEP, anew=False)
    _audit(session, "replay", letter, before, now, audit.SWEEP)
    return letter.task, letter.row_id


def edit(
    session: Session,
    letter: DeadLetter,
    jobs: Sequence[Job],
    wanted: Mapping[str, Any],
    channels: Mapping[str, Channel],
    *,
    now: datetime,
    by: str,
) -> None:
    """Change what a locked letter's work is given, without replaying it yet. Raises as `edit_and_replay` does."""
    job = _job(letter, jobs)
    _check(session, letter, job)
    free = select(job.model.id).where(job.model.id == letter.row_id).with_for_update(skip_locked=True)
    if session.scalar(free) is None:
        # Waiting for it here, with the letter locked, could be waiting for one who waits for the letter.
        raise Busy(f"somebody is at {letter.task} {letter.row_id}", remedy="try again in a moment")
    before = _brief(letter) | _given(session, letter, job, wanted)
    if apply(session, letter, job, wanted, channels):
        add_note(letter, now, f"changed by {audit.name(by)}")
        _audit(session, "edit", letter, before, now, by)


def _lock(session: Session, letter_id: int, jobs: Sequence[Job], tenant_id: int | None) -> DeadLetter:
    """Return the letter, locked after its row: workers take their locks in this order too. Raises NotFound."""
    letter = get(session, letter_id, tenant_id=tenant_id)
    for job in jobs:
        if job.name == letter.task:
            row = select(job.model).where(job.model.id == letter.row_id).with_for_update()
            session.execute(row.execution_options(populate_existing=True))
    session.refresh(letter, with_for_update=True)
    return letter


def _job(letter: DeadLetter, jobs: Sequence[Job]) -> Job:
    for job in jobs:
        if job.name == letter.task:
            return job
    raise UsageError(
        f"dead letter {letter.id} is of {letter.task}, which this version does not know",
        remedy="upgrade the program, or discard the letter",
    )


def _go(session: Session, letter: DeadLetter, job: Job, now: datetime, by: str, *, anew: bool) -> None:
    _clear(session, letter, job)
    _revive(session, job, letter.row_id, now, anew=anew)
    letter.state, letter.next_at, letter.bulk_id = "pending", None, None
    add_note(letter, now, f"{'changed and ' if anew else ''}replayed by {audit.name(by)}")


def _has_to_wait(session: Session, letter: DeadLetter) -> bool:
    """Return whether an earlier letter of its lane is on its way already."""
    session.flush()
    return bool(session.scalar(select(behind(UNDER_WAY)).where(DeadLetter.id == letter.id)))


def _check(session: Session, letter: DeadLetter, job: Job) -> None:
    """Raise NotFound or UsageError when the letter's work is not to be done again, with what to do instead."""
    newer = None if letter.state in dlq.OPEN else of_row(session, letter.task, letter.row_id)
    if newer is not None:
        raise UsageError(
            f"dead letter {letter.id} is {letter.state}; its work has failed again since",
            remedy=f"replay dead letter {newer.id} instead",
        )
    row: Any = session.get(job.model, letter.row_id)
    if row is None:
        raise NotFound(
            f"dead letter {letter.id}: {letter.task} {letter.row_id} was deleted",
            remedy=f"discard it with `svodka dlq discard {letter.id}`",
        )
    if isinstance(row, Delivery) and row.state == "unknown":
        raise UsageError(
            f"nobody knows whether delivery {row.id} arrived",
            remedy=f"say so with `svodka delivery settle {row.id} --as delivered|again`",
        )
    if isinstance(row, Source) and (row.paused or row.removed_at is not None):
        what = "removed" if row.removed_at is not None else "paused"
        raise UsageError(
            f"source {row.name!r} is {what}", remedy="resume or add it first, or discard the letter"
        )
    if isinstance(row, Run) and session.get_one(Subscription, row.subscription_id).removed_at is not None:
        raise UsageError(
            f"the subscription of run {row.id} was removed",
            remedy=f"discard the letter with `svodka dlq discard {letter.id}`",
        )


def apply(
    session: Session, letter: DeadLetter, job: Job, edit: Mapping[str, Any], channels: Mapping[str, Channel]
) -> dict[str, Any]:
    """Change the letter's row as the edit says, forget what was made of the old values, and return what is different."""
    if not edit:
        return {}
    changed = payload.change(session, job.model, letter.row_id, edit)
    row: Any = session.get_one(job.model, letter.row_id)
    if changed and row.state == "leased":
        raise Busy(f"a worker is at {letter.task} {letter.row_id}", remedy="try again in a minute")
    if isinstance(row, Source):
        _apply_to_source(row, changed)
    elif isinstance(row, Run):
        _apply_to_run(session, row, changed, channels)
    elif isinstance(row, Delivery):
        _apply_to_delivery(session, row, changed, channels)
    if changed:
        letter.payload = payload.kept(payload.of(session, job.model, letter.row_id))
    return changed


def _apply_to_source(row: Source, changed: Mapping[str, Any]) -> None:
    if "url" in changed:
        # What the server said of another address is no answer of this one.
        row.etag, row.last_modified = None, None
    for name, value in changed.items():
        setattr(row, name, value)


def _apply_to_run(
    session: Session, row: Run, changed: Mapping[str, Any], channels: Mapping[str, Channel]
) -> None:
    if "channels" in changed:
        check_channels([(name, target) for name, target in changed["channels"]], channels)
    if "sources" in changed:
        source.check_names(session, row.tenant_id, changed["sources"])
    if "settings" in changed:
        read_settings(changed["settings"])
    if changed and row.state == "done":
        raise UsageError(
            f"run {row.id} is made; it is not made differently now",
            remedy=f"see what it would be with `svodka digest replay {row.id} --set …`",
        )
    row.changed = {**row.changed, **changed}
    if {"sources", "settings"} & set(changed):
        _keep_steps(session, row, "begin")
    elif "rung" in changed:
        _keep_steps(session, row, "begin", "brief")


def _apply_to_delivery(
    session: Session, row: Delivery, changed: Mapping[str, Any], channels: Mapping[str, Channel]
) -> None:
    if not changed:
        return
    channel, target = changed.get("channel", row.channel), changed.get("target", row.target)
    check_channels([(channel, target)], channels)
    taken = select(Delivery.id).where(
        Delivery.run_id == row.run_id, Delivery.channel == channel, Delivery.id != row.id
    )
    if session.scalar(taken) is not None:
        raise UsageError(
            f"$.channel: run {row.run_id} has a delivery to {channel} already",
            remedy="choose another channel",
        )
    # What was sent, or begun, went to another place: here nothing has been sent yet.
    row.channel, row.target, row.progress, row.sending_at = channel, target, {}, None


def _clear(session: Session, letter: DeadLetter, job: Job) -> None:
    """Forget what would fail again: of a run that a gate held, or whose followers told its posts, the steps after that.

    Nothing else is poisoned by a failure. A delivery's mark of a part on its way stays: what becomes of a doubt is the
    courier's policy, or an operator's word.
    """
    if job.model is not Run:
        return
    run = session.get_one(Run, letter.row_id)
    if run.state == "done":
        return
    later = select(Run.id).where(
        Run.subscription_id == run.subscription_id, Run.window_end > run.window_end, Run.state == "done"
    )
    if session.scalar(select(later.exists())):
        _keep_steps(session, run, "begin")
    elif run.decision == "hold":
        _keep_steps(session, run, "begin", "brief")


def _keep_steps(session: Session, run: Run, *names: str) -> None:
    session.execute(delete(RunStep).where(RunStep.run_id == run.id, RunStep.name.not_in(names)))


def _revive(session: Session, job: Job, row_id: int, now: datetime, *, anew: bool) -> None:
    """Make a locked row due at once, whatever it rests in; one that a worker holds stays his.

    A digest that is made and a delivery that arrived stay as they are, unless what they are given is new: what is done
    once is not done twice.
    """
    row: Any = session.get_one(job.model, row_id)
    if row.state == "leased" or (row.state == "done" and job.model in (Run, Delivery) and not anew):
        return
    row.state, row.next_at, row.expiries, row.lease_until, row.lease_owner = "due", now, 0, None, None


def _bury(session: Session, model: work.Model, row_id: int) -> None:
    """Set a row that nobody has begun to work on aside again."""
    session.execute(
        update(model)
        .where(model.id == row_id, model.state == "due")
        .values(state="dead")
        .execution_options(synchronize_session=False)
    )


def _brief(letter: DeadLetter) -> dict[str, Any]:
    return {"state": letter.state, "attempt": letter.attempt}


def _given(session: Session, letter: DeadLetter, job: Job, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the work is given before it is changed, for the audit."""
    return {"payload": payload.kept(payload.of(session, job.model, letter.row_id))} if wanted else {}


def _audit(
    session: Session, what: audit.Act, letter: DeadLetter, before: Mapping[str, Any], now: datetime, by: str
) -> None:
    after = _brief(letter) | ({"payload": letter.payload} if what == "edit" else {})
    audit.note(
        session, what, tenant_id=letter.tenant_id, by=by, at=now, letter_id=letter.id, task=letter.task,
        row_id=letter.row_id, before=before, after=after,
    )  # fmt: skip
