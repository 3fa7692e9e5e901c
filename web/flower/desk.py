"""The operator's desk: what the pages and the answers ask of `services.letter`. Blocking; called on a thread."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from domains import dlq
from domains.errors import NotFound, UsageError
from services import letter
from services.schema import Tenant
from services.wiring import World
from tasks import job

Nudge = Callable[[Iterable[tuple[str, int]]], int]
RATE: Final = 60.0
MOST: Final = 60_000.0
PAGE: Final = 50
FILTERS: Final = ("task", "class", "state", "tenant", "since", "until", "text", "fingerprint")
CHOICES: Final = (
    ("task", "Task", tuple(kind.name for kind in job.KINDS)),
    ("class", "Class", dlq.KINDS),
    ("state", "State", dlq.STATES),
)


@dataclass(frozen=True, slots=True)
class Board:
    """What the list shows: failures by fingerprint, a page of letters, how many there are, where the next begins."""

    groups: list[letter.Group]
    rows: list[dict[str, Any]]
    letters: int
    next: int | None


class Desk:
    """Reads and acts on dead letters in the name of a user."""

    def __init__(self, world: World, nudge: Nudge) -> None:
        self._world = world
        self._nudge = nudge

    def board(self, asked: Mapping[str, str], before: int | None) -> Board:
        """Return the failures and a page of the letters that a filter finds, newest first."""
        with self._world.database.transaction() as session:
            filter_ = _filter(session, asked)
            groups, total = letter.groups(session, filter_), letter.total(session, filter_)
            rows = letter.page(session, filter_, before, PAGE)
        return Board(groups, rows, total, rows[-1]["id"] if len(rows) == PAGE else None)

    def letter(self, number: int) -> dict[str, Any]:
        """Return one letter with all that is known of it: payload, schema, steps of its run, history and audit."""
        with self._world.database.transaction() as session:
            return letter.detail(session, number, job.LETTERS)

    def replay(self, number: int, user: str) -> bool:
        """Make the letter's work due and say so to a worker; return False when it is under way or has to wait."""
        with self._world.database.transaction() as session:
            errand = letter.replay(session, number, job.LETTERS, now=self._world.clock.now(), by=user)
        self._nudge([errand] if errand else [])
        return errand is not None

    def edit(self, number: int, given: Any, user: str) -> bool:
        """Change what the letter's work is given and replay it, both or neither; return as `replay` does.

        Raises UsageError that names the path of what breaks the schema.
        """
        world, edit = self._world, _object(given)
        with world.database.transaction() as session:
            errand = letter.edit_and_replay(
                session, number, job.LETTERS, edit, world.channels, now=world.clock.now(), by=user
            )
        self._nudge([errand] if errand else [])
        return errand is not None

    def discard(self, number: int, user: str) -> None:
        """Close the letter without another try."""
        with self._world.database.transaction() as session:
            letter.discard(session, number, job.LETTERS, now=self._world.clock.now(), by=user)

    def bulk(
        self, asked: Mapping[str, str], rate: float, user: str, *, dry_run: bool, edit: Any = None
    ) -> dict[str, Any]:
        """Replay all that a filter finds, ``rate`` a minute; return what that does, or with ``dry_run`` would do."""
        world = self._world
        with world.database.transaction() as session:
            plan = letter.bulk(
                session, _filter(session, asked), job.LETTERS, rate_s=rate / 60, dry_run=dry_run, now=world.clock.now(),
                by=user, edit=None if edit is None else _object(edit), channels=world.channels,
            )  # fmt: skip
        return asdict(plan)


def checked(asked: Mapping[Any, Any]) -> dict[str, str]:
    """Return a filter that came as JSON. Raises UsageError for a name or a value that none has."""
    for name, value in asked.items():
        if name not in FILTERS or not isinstance(value, str):
            raise UsageError(f"no filter {name!r} with {value!r}", remedy=f"texts for: {', '.join(FILTERS)}")
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
    """Return a value as JSON knows it: times as ISO 8601, money as text."""
    return json.loads(json.dumps(value, default=_plain))


def pretty(value: Any) -> str:
    """Return a value as JSON that people read and edit."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return asdict(value)


def _filter(session: Session, asked: Mapping[str, str]) -> dlq.Filter:
    """Return the filter that texts name. Raises UsageError and NotFound for those that name nothing."""
    for name, value in asked.items():
        if "\x00" in value or value != value.encode("utf-8", "replace").decode():
            raise UsageError(f"the filter {name!r} holds what no text does: {value!r}", remedy="leave it out")
    return dlq.Filter(
        tenant_id=_tenant(session, asked["tenant"]) if "tenant" in asked else None,
        states=(cast("dlq.State", _one_of(dlq.STATES, "state", asked["state"])),)
        if "state" in asked
        else dlq.OPEN,
        kinds=(cast("dlq.Kind", _one_of(dlq.KINDS, "class", asked["class"])),) if "class" in asked else (),
        tasks=(asked["task"],) if "task" in asked else (),
        fingerprint=asked.get("fingerprint"),
        since=_moment(asked["since"]) if "since" in asked else None,
        until=_moment(asked["until"]) if "until" in asked else None,
        text=asked.get("text"),
    )


def _tenant(session: Session, name: str) -> int:
    found = session.scalar(select(Tenant.id).where(Tenant.name == name))
    if found is None:
        raise NotFound(f"no tenant {name!r}", remedy="look at the letters' tenants")
    return found


def _one_of(known: tuple[str, ...], what: str, value: str) -> str:
    if value not in known:
        raise UsageError(f"no {what} {value!r}", remedy=f"one of: {', '.join(known)}")
    return value


def _moment(text: str) -> datetime:
    """Return a time in ISO 8601; one that names no zone is UTC, as the page shows times."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"no time {text!r}", remedy="such as 2026-11-21 08:00, in UTC") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _object(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageError("$: a payload is an object", remedy="see what the payload may hold")
    return given
