"""The operator's desk: what the pages and the answers ask of the product. Blocking; called on a thread."""

from collections.abc import Callable, Iterable
from typing import Any

from services import deadletter
from services.schema import DeadLetter
from services.wiring import World
from tasks import job

Nudge = Callable[[Iterable[tuple[str, int]]], int]


class Desk:
    """Reads and acts on dead letters in the name of a user."""

    def __init__(self, world: World, nudge: Nudge) -> None:
        self._world = world
        self._nudge = nudge

    def listing(self) -> list[dict[str, Any]]:
        """Return the open letters, newest first."""
        with self._world.database.transaction() as session:
            return [_row(letter) for letter in deadletter.letters(session)]

    def replay(self, number: int, user: str) -> bool:
        """Make the letter's work due and say so to a worker; return False when somebody else just did."""
        errand = job.replay(self._world, number, by=user)
        self._nudge([errand] if errand else [])
        return errand is not None

    def discard(self, number: int, user: str) -> None:
        """Close the letter without another try."""
        job.discard(self._world, number, by=user)


def _row(letter: DeadLetter) -> dict[str, Any]:
    names = ("id", "task", "row_id", "kind", "state", "attempt", "error", "message", "fingerprint", "next_at")
    return {name: getattr(letter, name) for name in names} | {"created_at": letter.created_at}
