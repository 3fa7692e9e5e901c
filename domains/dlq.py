"""Dead letters: how a failure is named, when it is tried again, and when it is not.

                 ┌────────── replayed by an operator, its history kept ◀──────────┐
                 ▼                                                               │
    pending ─claimed─▶ leased ─┬─ done ───────────────────────▶ resolved ─────────┤
       ▲                       ├─ fails, n < 3 ─▶ scheduled(n) ─┐                 │
       └──────── next_at ──────┼────────────────────────────────┘                │
                               ├─ fails, n = 3, or cannot heal ─▶ permanent ──────┤
                               └─ killed its worker three times ─▶ permanent ─────┤
    pending, scheduled, permanent ─▶ discarded ───────────────────────────────────┘

A first failure enters at scheduled(1) or permanent. The wait after the n-th failure is drawn from [0, 60 s · 2^(n-1)),
at most an hour (full jitter: who failed together does not come back together).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from domains import limits
from domains.errors import GateClosed, Refused, Unavailable, UsageError
from domains.fault import ModelError

Kind = Literal["transient", "permanent", "poison", "budget", "bug"]
State = Literal["pending", "leased", "scheduled", "permanent", "resolved", "discarded"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
STATES: Final[tuple[State, ...]] = get_args(State)
# A row of work has at most one letter in these: its failure is not dealt with.
OPEN: Final[tuple[State, ...]] = ("pending", "leased", "scheduled", "permanent")
# Where a letter stays until somebody replays it.
ENDS: Final[tuple[State, ...]] = ("permanent", "resolved", "discarded")
# Under way, or on its way by itself: what comes after it in its lane waits for it.
ALIVE: Final[tuple[State, ...]] = ("pending", "leased", "scheduled")
# Failures of a model's provider that waiting does not mend.
SPENT: Final = frozenset({"budget", "unknown_price", "credit"})
LASTING: Final = frozenset({"auth", "forbidden", "no_model", "bad_request", "too_long", "not_recorded"})
_NAMES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|\d+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a letter after its ``attempt``-th failure."""

    state: State
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant; an empty or None part leaves all in.

    ``since`` (included) and ``until`` (not) bound the time of the last failure; ``text`` is looked for in messages,
    whatever the case. ``tenant_id`` None means every tenant: the operator of the installation asks.
    """

    tenant_id: int | None = None
    states: tuple[State, ...] = OPEN
    kinds: tuple[Kind, ...] = ()
    tasks: tuple[str, ...] = ()
    fingerprint: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


def kind_of(error: BaseException) -> Kind:
    """Return the class of an error: only what may heal by itself is transient; what we did not foresee is a bug."""
    if isinstance(error, ModelError):
        return "budget" if error.kind in SPENT else "permanent" if error.kind in LASTING else "transient"
    if isinstance(error, Unavailable):
        return "transient"
    if isinstance(error, Refused | UsageError | GateClosed):
        return "permanent"
    return "bug"


def backoff_s(attempt: int, *, base_s: float, luck: float) -> float:
    """Return the delay after the ``attempt``-th failure (from 1): the ``luck``-th part, in [0, 1], of its bound.

    >>> [backoff_s(n, base_s=60, luck=1) for n in (1, 2, 3)]
    [60.0, 120.0, 240.0]
    >>> backoff_s(3, base_s=60, luck=0.25)
    60.0
    """
    if attempt < 1:
        raise ValueError("attempts count from 1")
    # 2 ** 30 is beyond any cap; more would overflow a float for a hostile count.
    bound_s = base_s * 2.0 ** min(attempt - 1, 30)
    return min(bound_s, limits.DLQ_CAP_S) * luck


def judge(
    kind: Kind,
    attempt: int,
    now: datetime,
    *,
    base_s: float,
    luck: float,
    retry_after_s: float | None = None,
    attempts: int = limits.DLQ_ATTEMPTS,
) -> Verdict:
    """Return what to do after the ``attempt``-th failure of this kind, of at most ``attempts``.

    Nobody is asked again before ``retry_after_s`` (a day counts at most) have passed, if they said so. Poison and refusals
    are not tried again by themselves; bugs are, since a deploy may heal them; what a budget stopped waits for the next
    day in UTC, when daily budgets begin anew.
    """
    if kind in {"permanent", "poison"} or attempt >= attempts:
        return Verdict("permanent", None)
    asked_s = min(max(retry_after_s or 0.0, 0.0), limits.DLQ_RETRY_AFTER_S)
    at = now + timedelta(seconds=asked_s + backoff_s(attempt, base_s=base_s, luck=luck))
    if kind == "budget":
        at += max(_next_day(now) - now, timedelta(0))
    return Verdict("scheduled", at)


def fingerprint(error_type: str, place: str, message: str) -> str:
    """Return 16 hex digits that equal failures share: type, place and the message without its numbers and names."""
    plain = _NAMES.sub("#", message)
    return hashlib.sha256(f"{error_type}|{place}|{plain}".encode("utf-8", "replace")).hexdigest()[:16]


def turn_at(number: int, start: datetime, *, rate_s: float) -> datetime:
    """Return when the ``number``-th (from 0) of many is to go, ``rate_s`` a second.

    >>> from datetime import datetime
    >>> [turn_at(n, datetime(2026, 11, 21), rate_s=2).microsecond for n in (0, 1)]
    [0, 500000]
    """
    if not rate_s > 0:
        raise ValueError("a rate is above 0")
    return start + timedelta(seconds=number / rate_s)


def _next_day(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
