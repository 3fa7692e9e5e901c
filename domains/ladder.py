"""Decisions of the model ladder: how time is shared, how long to wait, and when to leave a provider alone. Pure."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

RETRIES: Final = 3
BACKOFF_BASE_S: Final = 0.5
BACKOFF_CAP_S: Final = 8.0
# A rung that is not the last may use this much of what is left, so that the next one still has time to answer.
SHARE: Final = 0.65
TRIP_FAILURES: Final = 5
COOL_S: Final = 30.0
COOL_CAP_S: Final = 600.0
LONGEST_WAIT_S: Final = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known of a provider: closed (asked), open until ``open_until`` (not asked), then probed by one.

    Times are seconds of a monotonic clock. ``trips`` counts openings since the last success: each doubles the rest.
    """

    failures: int = 0
    trips: int = 0
    open_until: float | None = None
    probing_until: float | None = None


def admit(circuit: Circuit, now_s: float, attempt_s: float) -> tuple[Circuit, bool]:
    """Return whether a request may go out now, and the circuit after that.

    After the rest one request probes; the others are refused until it ends, or until ``attempt_s`` have passed:
    a probe whose worker died must not close the door for ever.
    """
    if circuit.open_until is None:
        return circuit, True
    if now_s < circuit.open_until or (circuit.probing_until is not None and now_s < circuit.probing_until):
        return circuit, False
    return replace(circuit, probing_until=now_s + attempt_s), True


def succeeded() -> Circuit:
    """Return the circuit after a success: closed, everything forgiven."""
    return Circuit()


def failed(circuit: Circuit, now_s: float, retry_after_s: float | None = None) -> Circuit:
    """Return the circuit after a failure that counts.

    It opens after `TRIP_FAILURES` in a row, or at once when a probe fails; it rests COOL_S · 2^trips, at most
    COOL_CAP_S, or as long as the provider asked if that is longer (and at most COOL_CAP_S, so that a Retry-After of
    days is looked at again).
    """
    failures = circuit.failures + 1
    if circuit.open_until is None and failures < TRIP_FAILURES:
        return replace(circuit, failures=failures)
    # The exponent is bounded so that a provider that is down for weeks does not overflow a float.
    rest_s = max(COOL_S * 2.0 ** min(circuit.trips, 10), retry_after_s or 0.0)
    return Circuit(failures, circuit.trips + 1, now_s + min(rest_s, COOL_CAP_S), None)


def unfinished(circuit: Circuit) -> Circuit:
    """Return the circuit after an attempt that says nothing about the provider: the probe is free again."""
    return replace(circuit, probing_until=None)


def share_s(left_s: float, rungs_left: int) -> float:
    """Return the seconds a rung may use of ``left_s`` when ``rungs_left`` models, itself included, may be asked."""
    return left_s if rungs_left <= 1 else left_s * SHARE


def backoff_s(attempt: int, retry_after_s: float | None, luck: float) -> float:
    """Return the seconds to wait after failed ``attempt`` (1, 2, ...).

    The provider's wish, or BASE · 2^(attempt-1) up to the cap if that is longer, times a factor in [0.5, 1] drawn by
    ``luck`` in [0, 1): 0.5, 1, 2, 4, 8, 8, ... at most. A Retry-After is never shortened.
    """
    own_s = min(BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 10), BACKOFF_CAP_S) * (0.5 + luck / 2)
    return max(own_s, retry_after_s or 0.0)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header (RFC 9110, 10.2.3) asks for; None if absent or senseless.

    A date that has passed is 0; anything beyond a year is a year.
    """
    if value is None:
        return None
    text = value.strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max((at - now).total_seconds(), 0.0), LONGEST_WAIT_S)
