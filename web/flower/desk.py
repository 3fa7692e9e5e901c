"""The operator's desk: what the pages and the answers ask of the product. Blocking; called on a thread."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domains import dlq
from services import deadletter
from services.schema import DeadLetter
from services.wiring import World
from tasks import job

Nudge = Callable[[Iterable[tuple[str, int]]], int]
OPEN: Final = ("scheduled", "permanent")
FILTERS: Final = ("task", "class", "state", "text", "fingerprint")
CHOICES: Final = (
    ("task", "Task", tuple(kind.name for kind in job.KINDS)),
    ("class", "Class", ("transient", "permanent", "poison", "bug")),
    ("state", "State", ("scheduled", "replaying", "resolved", "permanent", "discarded")),
)


@dataclass(frozen=True, slots=True)
class Board:
    """What the list shows: failures by fingerprint, and the letters."""

    groups: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    letters: int


class Desk:
    """Reads and acts on dead letters in the name of a user."""

    def __init__(self, world: World, nudge: Nudge) -> None:
        self._world = world
        self._nudge = nudge

    def board(self, asked: Mapping[str, str]) -> Board:
        """Return the letters that a filter finds, newest first."""
        states = (asked["state"],) if "state" in asked else dlq.OPEN
        with self._world.database.transaction() as session:
            rows = [_row(letter) for letter in deadletter.letters(session, states=states)]
        rows = [row for row in rows if all(_fits(row, name, value) for name, value in asked.items())]
        counts = Counter(row["fingerprint"] for row in rows)
        first = {row["fingerprint"]: row for row in reversed(rows)}
        groups = [
            first[key] | {"count": count, "last_at": first[key]["updated_at"]}
            for key, count in counts.items()
        ]
        return Board(groups, rows, len(rows))

    def letter(self, number: int) -> dict[str, Any]:
        """Return one letter with all that is known of it."""
        with self._world.database.transaction() as session:
            letter = deadletter.get(session, number)
            return _row(letter) | {
                "traceback": letter.traceback,
                "history": [
                    {"at": datetime.fromisoformat(event["at"]), "who": "", "what": event["what"]}
                    for event in letter.history
                ],
                "payload": {"task": letter.task, "row": letter.row_id},
                "schema": None, "step": None, "editable": False,
                "replayable": letter.state in OPEN, "discardable": letter.state in OPEN,
            }  # fmt: skip

    def replay(self, number: int, user: str) -> bool:
        """Make the letter's work due and say so to a worker; return False when somebody else just did."""
        errand = job.replay(self._world, number, by=user)
        self._nudge([errand] if errand else [])
        return errand is not None

    def discard(self, number: int, user: str) -> None:
        """Close the letter without another try."""
        job.discard(self._world, number, by=user)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: times as ISO 8601."""
    return json.loads(json.dumps(value, default=lambda at: at.isoformat()))


def pretty(value: Any) -> str:
    """Return a value as JSON that people read and edit."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _row(letter: DeadLetter) -> dict[str, Any]:
    names = (
        "id", "task", "row_id", "kind", "state", "attempt", "error", "message", "fingerprint", "next_at", "created_at",
        "updated_at",
    )  # fmt: skip
    return {name: getattr(letter, name) for name in names} | {"tenant": letter.tenant_id}


def _fits(row: Mapping[str, Any], name: str, value: str) -> bool:
    if name == "text":
        return value.lower() in str(row["message"]).lower()
    return str(row["kind" if name == "class" else name]) == value
