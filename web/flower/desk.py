"""The operator's desk: what the pages and the answers ask of the product. Blocking; called on a thread."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from domains.errors import Busy, UsageError
from services import deadletter, payload, work
from services.schema import DeadLetter, Delivery, RunStep
from services.wiring import World
from tasks import job
from web.flower import query

Nudge = Callable[[Iterable[tuple[str, int]]], int]
RATE: Final = 60.0
MOST: Final = 6_000.0
FILTERS: Final = query.NAMES
CHOICES: Final = (
    ("task", "Task", tuple(kind.name for kind in job.KINDS)),
    ("class", "Class", ("transient", "permanent", "poison", "bug")),
    ("state", "State", ("scheduled", "replaying", "resolved", "permanent", "discarded")),
)


@dataclass(frozen=True, slots=True)
class Board:
    """What the list shows: failures by fingerprint, a page of letters, how many there are, where the next begins."""

    groups: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    letters: int
    kinds: int
    next: int | None


class Desk:
    """Reads and acts on dead letters in the name of a user."""

    def __init__(self, world: World, nudge: Nudge) -> None:
        self._world = world
        self._nudge = nudge

    def board(self, asked: Mapping[str, str], before: int | None) -> Board:
        """Return the failures and a page of the letters that a filter finds, newest first."""
        with self._world.database.transaction() as session:
            letters, kinds = query.totals(session, asked)
            groups = [
                _row(one.newest) | {"count": one.count, "last_at": one.last_at}
                for one in query.groups(session, asked)
            ]
            rows = [
                _row(letter) | {"tenant": tenant} for letter, tenant in query.page(session, asked, before)
            ]
        more = rows[-1]["id"] if len(rows) == query.PAGE else None
        return Board(groups, rows, letters, kinds, more)

    def letter(self, number: int) -> dict[str, Any]:
        """Return one letter with all that is known of it."""
        with self._world.database.transaction() as session:
            letter = deadletter.get(session, number)
            return _row(letter) | {
                "traceback": letter.traceback,
                "history": [event | {"at": datetime.fromisoformat(event["at"])} for event in letter.history],
                "payload": payload.read(session, _model(letter.task), letter.row_id),
                "schema": payload.SCHEMAS.get(letter.task),
                "steps": self._steps(session, letter),
                "tenant": letter.tenant_id,
                "replayable": letter.state in query.WAITING,
                "discardable": letter.state in query.WAITING,
            }  # fmt: skip

    def replay(self, number: int, user: str) -> bool:
        """Make the letter's work due and say so to a worker; return False when somebody else just did."""
        errand = job.replay(self._world, number, by=user)
        self._nudge([errand] if errand else [])
        return errand is not None

    def edit(self, number: int, given: Any, user: str) -> None:
        """Write another payload into the letter's row and replay it, both or neither.

        Raises UsageError that names the path of what breaks the schema, Refused for what cannot be edited or sent,
        Busy when somebody else is replaying it.
        """
        with self._world.database.transaction() as session:
            letter = deadletter.get(session, number)
            changed = payload.write(session, letter.task, _model(letter.task), letter.row_id, given)
            if "target" in changed:
                self._world.channel(given["channel"]).check(given["target"])
            by = f"{user} with {json.dumps(changed, ensure_ascii=False)}" if changed else user
            errand = deadletter.replay(session, number, job.LETTERS, now=self._world.clock.now(), by=by)
            if errand is None:
                raise Busy(f"dead letter {number} is being replayed", remedy="look again in a moment")
        self._nudge([errand])

    def discard(self, number: int, user: str) -> None:
        """Close the letter without another try."""
        job.discard(self._world, number, by=user)

    def plan(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Return what a replay of all would run, and the most that it may cost. Nothing is done."""
        with self._world.database.transaction() as session:
            tasks = query.plan(session, asked)
        set_, runs = self._world.settings, tasks.get(job.DIGEST.name, 0)
        most = {
            "model_calls": set_.budget_run_calls, "model_tokens": set_.budget_run_tokens, "money": set_.budget_run_money,
        }  # fmt: skip
        cost = {
            name: float(value * runs)
            for name, value in most.items()
            if value is not None and set_.model_provider
        }
        return {"letters": sum(tasks.values()), "tasks": tasks, "at_most": cost}

    def bulk(self, asked: Mapping[str, str], rate: float, user: str) -> int:
        """Replay all that a filter finds, ``rate`` a minute, oldest first; return how many they are."""
        with self._world.database.transaction() as session:
            return query.replay(session, asked, rate=rate, now=self._world.clock.now(), by=user)

    def _steps(self, session: Session, letter: DeadLetter) -> list[str]:
        """Return the steps that the letter's run had recorded, the last of them being where it stopped."""
        run_id = letter.row_id if letter.task == job.DIGEST.name else None
        if letter.task == job.DELIVERY.name:
            run_id = session.scalar(select(Delivery.run_id).where(Delivery.id == letter.row_id))
        steps = session.scalars(select(RunStep).where(RunStep.run_id == run_id).order_by(RunStep.seq))
        return [
            f"{step.at:%Y-%m-%d %H:%M:%S} {step.name} {step.elapsed_ms} ms {step.sha256[:12]}"
            for step in steps
        ]


def checked(asked: Mapping[Any, Any]) -> dict[str, str]:
    """Return a filter that came as JSON. Raises UsageError for a value that is no text."""
    for name, value in asked.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise UsageError(f"the filter {name!r} is no text: {value!r}", remedy="write it in quotes")
    return dict(asked)


def rate(given: Any) -> float:
    """Return letters a minute. Raises UsageError for what is no rate or beyond what anybody may ask."""
    try:
        found = float(given)
    except (TypeError, ValueError):
        found = 0.0
    if not 0 < found <= MOST:
        raise UsageError(f"no rate {given!r}", remedy=f"letters a minute, above 0 and at most {MOST:g}")
    return found


def number(text: str) -> int | None:
    """Return a letter's number, None for an empty text. Raises UsageError for any other."""
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise UsageError(f"no letter's number {text!r}", remedy="leave it out to begin with the newest")
    return int(text) if text else None


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: times as ISO 8601."""
    return json.loads(json.dumps(value, default=lambda at: at.isoformat()))


def pretty(value: Any) -> str:
    """Return a value as JSON that people read and edit."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _model(task: str) -> work.Model:
    return job.kind_of(task).model


def _row(letter: DeadLetter) -> dict[str, Any]:
    names = (
        "id", "task", "row_id", "kind", "state", "attempt", "error", "message", "fingerprint", "next_at", "created_at",
        "updated_at",
    )  # fmt: skip
    return {name: getattr(letter, name) for name in names}
