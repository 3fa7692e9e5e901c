"""Sends a delivery's parts, so that each is taken once, or somebody is told that nobody knows.

    claim ─▶ errand ─▶ render ─▶ for each part: pace ─▶ begin (commit) ─▶ channel ─▶ confirm (commit) ─▶ done
                                        │ too fast, or nobody there          ├─ not taken: a letter; its retry goes on
                                        └─▶ put back for later               └─ no answer: unknown, or again (policy)

A worker that dies between begin and confirm leaves its part on its way; whoever comes next finds it so.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from domains.delivery import Doubt, Progress
from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from domains.ports import Channel, Clock, Lane, Paced, Parcel, Parted, Receipt
from services import delivery, pace, work
from services.database import Database
from services.render import Renderer

logger = logging.getLogger("svodka.courier")
NEVER: Final[Doubt] = "never_twice"


class _Later(Exception):
    """The channel's pace asks to come back after so many seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


@dataclass(slots=True)
class _Trip:
    """One claimed delivery on its way: what never changes, and its progress, which does."""

    lease: work.Lease
    errand: delivery.Errand
    channel: Channel
    parcel: Parcel
    parts: tuple[str, ...]
    twice: bool
    progress: Progress
    probing: bool
    failures: list[Unavailable | Refused] = field(default_factory=list)

    @property
    def transient(self) -> list[Unavailable]:
        """The failures that another try may heal."""
        return [one for one in self.failures if isinstance(one, Unavailable)]

    @property
    def stopped(self) -> bool:
        """Whether no other part is tried after one that was not taken."""
        return self.ordered or any(isinstance(one, Unreachable) for one in self.failures)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The limits it falls under."""
        return self.channel.lanes(self.errand.target) if isinstance(self.channel, Paced) else ()

    @property
    def ordered(self) -> bool:
        """Whether a part that fails stops those after it."""
        return self.channel.ordered if isinstance(self.channel, Parted) else True

    def hand_over(self, part: int) -> Receipt:
        """Give one part to the channel."""
        if isinstance(self.channel, Parted):
            return self.channel.send_part(self.parcel, self.errand.target, self.parts[part])
        return self.channel.send(self.parcel, self.errand.target)


@dataclass(frozen=True, slots=True)
class Courier:
    """Sends deliveries. ``channel`` finds one by its name; ``rather_twice`` names those that may send twice by default.

    ``sleep`` waits for a slot that is less than a second away.
    """

    database: Database
    clock: Clock
    renderer: Renderer
    channel: Callable[[str], Channel]
    lease_s: float
    rather_twice: frozenset[str] = frozenset()
    sleep: Callable[[float], None] = time.sleep

    def send(self, lease: work.Lease) -> bool:
        """Send what the lease is for and settle it; return False when it was put back for later.

        Raises what the channel raised when something certainly was not taken.
        """
        trip = self._prepare(lease)
        try:
            for part in trip.progress.todo(ordered=trip.ordered):
                if not self._send_part(trip, part) and trip.stopped:
                    break
        except _Later as later:
            # Its letter, if it is to have one, brings it back: that counts how often it was tried.
            if not trip.transient:
                with self.database.transaction() as session:
                    at = self.clock.now() + timedelta(seconds=later.wait_s)
                    delivery.put_back(session, lease, next_at=at)
                return False
        self._settle(trip)
        return True

    def _prepare(self, lease: work.Lease) -> _Trip:
        with self.database.transaction() as session:
            errand = delivery.errand(session, lease)
        channel = self.channel(errand.channel)
        parcel = self.renderer.parcel(errand.digest, key=errand.key, run=errand.run)
        parcel = replace(parcel, series=errand.series)
        if errand.parts is not None:
            parts = errand.parts
        elif isinstance(channel, Parted):
            parts = channel.parts(parcel, errand.target)
        else:
            parts = ("",)
        wish = errand.in_doubt or ("rather_twice" if errand.channel in self.rather_twice else NEVER)
        twice = channel.idempotent or wish == "rather_twice"
        progress = errand.progress.release() if twice else errand.progress.doubt()
        progress = replace(progress, of=len(parts))
        return _Trip(lease, errand, channel, parcel, parts, twice, progress, errand.probing)

    def _send_part(self, trip: _Trip, part: int) -> bool:
        """Send one part and return whether it was taken. Raises `_Later` when it has to wait, and what is no answer."""
        self._await_slot(trip)
        with self.database.transaction() as session:
            now = self.clock.now()
            work.extend(session, trip.lease, now=now, lease_s=self.lease_s)
            trip.progress = delivery.begin(
                session, trip.lease, trip.progress.begin(part), trip.parts, now=now
            )
        try:
            receipt = trip.hand_over(part)
        except delivery.NOT_TAKEN as error:
            self._not_taken(trip, error)
            return False
        except InDoubt as error:
            self._in_doubt(trip, error)
            return False
        trip.progress = trip.progress.confirm(part, receipt, self.clock.now())
        if not trip.progress.complete:
            self._note(trip)
        return True

    def _await_slot(self, trip: _Trip) -> None:
        with self.database.transaction() as session:
            wait_s = pace.take(session, trip.lanes, now=self.clock.now(), probing=trip.probing)
        if wait_s > pace.PATIENCE_S:
            raise _Later(wait_s)
        if wait_s > 0:
            self.sleep(wait_s)

    def _not_taken(self, trip: _Trip, error: Unavailable | Refused) -> None:
        trip.progress = trip.progress.release()
        trip.failures.append(error)
        self._note(trip)
        if isinstance(error, Unreachable):
            self._close(trip.lanes[:1])
        elif isinstance(error, Unavailable) and error.retry_after_s is not None:
            self._close(trip.lanes[-1:], error.retry_after_s)

    def _in_doubt(self, trip: _Trip, error: InDoubt) -> None:
        # What else there is waits, so that one server that hangs does not leave everything in doubt.
        trip.probing = False
        if trip.twice:
            again = Unavailable(str(error), remedy=error.remedy)
            again.__cause__ = error
            trip.progress = trip.progress.release()
            trip.failures.append(again)
        else:
            logger.warning("delivery %s is in doubt: %s", trip.errand.id, error)
            trip.progress = trip.progress.doubt()
        self._note(trip)
        self._close(trip.lanes[:1])

    def _settle(self, trip: _Trip) -> None:
        """Settle the row by what became of its parts: all taken, one that will be tried again, in doubt, or refused."""
        if trip.transient:
            raise trip.transient[0]
        if trip.progress.complete:
            with self.database.transaction() as session:
                delivery.note(session, trip.lease, trip.progress)
                delivery.delivered(session, trip.lease, trip.progress.receipt(), now=self.clock.now())
                pace.reopen(session, trip.lanes)
        elif trip.progress.doubtful:
            with self.database.transaction() as session:
                delivery.note(session, trip.lease, trip.progress)
                delivery.unknown(session, trip.lease)
        else:
            raise trip.failures[0]

    def _note(self, trip: _Trip) -> None:
        with self.database.transaction() as session:
            delivery.note(session, trip.lease, trip.progress)

    def _close(self, lanes: tuple[Lane, ...], for_s: float | None = None) -> None:
        with self.database.transaction() as session:
            for lane in lanes:
                pace.close(session, lane, now=self.clock.now(), for_s=for_s)
