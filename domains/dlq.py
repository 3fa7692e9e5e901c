"""Dead letters: how a failure is named, when it is tried again, and when it is not.

    failure ─▶ scheduled ──next_at──▶ replaying ─▶ resolved
                  ▲                       │
                  └──── fails again ──────┤ (attempt < 3)
                                          └─▶ permanent ──replay──▶ replaying
    any open letter ─▶ discarded

Delays are 60 s · 2^(n-1) with jitter, at most an hour: 60, 120, and then no more by itself.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from domains import limits
from domains.errors import GateClosed, Refused, Unavailable, UsageError

Kind = Literal["transient", "permanent", "poison", "bug"]
State = Literal["scheduled", "replaying", "resolved", "permanent", "discarded"]
OPEN: Final = ("scheduled", "replaying", "permanent")
JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a letter after its ``attempt``-th failure."""

    state: State
    next_at: datetime | None


def kind_of(error: BaseException) -> Kind:
    """Return the class of an error: only what may heal by itself is transient; what we did not foresee is a bug."""
    if isinstance(error, Unavailable):
        return "transient"
    if isinstance(error, Refused | UsageError | GateClosed):
        return "permanent"
    return "bug"


def backoff_s(attempt: int, *, base_s: float, luck: float) -> float:
    """Return the delay after the ``attempt``-th failure (from 1), for ``luck`` in [0, 1).

    >>> [backoff_s(n, base_s=60, luck=0.5) for n in (1, 2, 3)]
    [60.0, 120.0, 240.0]
    """
    if attempt < 1:
        raise ValueError("attempts count from 1")
    # 2 ** 30 is beyond any cap; more would overflow a float for a hostile count.
    delay_s = base_s * 2.0 ** min(attempt - 1, 30)
    return min(delay_s * (1 + JITTER * (2 * luck - 1)), limits.DLQ_CAP_S)


def judge(
    kind: Kind, attempt: int, now: datetime, *, base_s: float, luck: float, retry_after_s: float | None = None
) -> Verdict:
    """Return what to do after the ``attempt``-th failure of this kind.

    Nobody is asked again before ``retry_after_s`` have passed, if they said so. Poison and refusals are not tried again by themselves; bugs are, since a deploy may heal them.
    """
    if kind in {"permanent", "poison"} or attempt >= limits.DLQ_ATTEMPTS:
        return Verdict("permanent", None)
    wait_s = max(backoff_s(attempt, base_s=base_s, luck=luck), retry_after_s or 0.0)
    return Verdict("scheduled", now + timedelta(seconds=wait_s))


def fingerprint(error_type: str, place: str, message: str) -> str:
    """Return 16 hex digits that equal failures share: type, place and the message without its numbers and names."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|\d+", "#", message)
    return hashlib.sha256(f"{error_type}|{place}|{plain}".encode("utf-8", "replace")).hexdigest()[:16]
