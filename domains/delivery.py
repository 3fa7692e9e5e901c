"""What became of each part of a delivery, as a value: a digest may take several messages, or several readers.

todo ──begin──▶ on its way ──confirm──▶ sent
  ▲                 │ crash, or no answer
  ├── certainly not taken, or sending twice does no harm
  └──again── doubtful ──delivered──▶ sent        (an operator, or the subscription's policy, decides)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from domains.ports import Receipt

Doubt = Literal["never_twice", "rather_twice"]
Ruling = Literal["delivered", "again"]
RULINGS: Final[tuple[Ruling, ...]] = ("delivered", "again")
HISTORY: Final = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """A part that was taken: when, where it went, and the channel's own id for it."""

    part: int
    at: datetime
    where: tuple[str, ...]
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What an operator decided, or what was decided by policy."""

    at: datetime
    by: str
    what: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A delivery's parts, numbered from 0. ``parts`` is the SHA-256 of the artifact that holds them, once one was begun.

    ``sending`` is on its way; what is neither sent, doubtful nor on its way is still to be sent.
    """

    of: int = 1
    parts: str | None = None
    sent: tuple[Sent, ...] = ()
    doubtful: tuple[int, ...] = ()
    sending: int | None = None
    history: tuple[Note, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every part was taken."""
        return {one.part for one in self.sent} >= set(range(self.of))

    def todo(self, *, ordered: bool) -> list[int]:
        """Return the parts still to be sent, in order; behind a doubtful one there are none when they are ordered."""
        done = {one.part for one in self.sent}
        end = min(self.doubtful, default=self.of) if ordered else self.of
        return [part for part in range(end) if part not in done and part not in self.doubtful]

    def begin(self, part: int) -> "Progress":
        """Return it with ``part`` on its way."""
        return replace(self, sending=part)

    def confirm(self, part: int, receipt: Receipt, at: datetime) -> "Progress":
        """Return it with ``part`` sent."""
        sent = Sent(part, at, receipt.where, receipt.external_id)
        return replace(self, sent=(*self.sent, sent), sending=None)

    def release(self) -> "Progress":
        """Return it with what was on its way to be sent again: it certainly was not taken, or twice does no harm."""
        return replace(self, sending=None)

    def doubt(self) -> "Progress":
        """Return it with what was on its way in doubt."""
        if self.sending is None:
            return self
        return replace(self, doubtful=(*self.doubtful, self.sending), sending=None)

    def rule(self, ruling: Ruling, *, by: str, at: datetime) -> "Progress":
        """Return it with its doubtful parts taken for sent, or to be sent again; who said so is kept."""
        said = tuple(Sent(part, at, (f"taken, says {by}",)) for part in self.doubtful)
        what = f"{ruling}: part {', '.join(str(part + 1) for part in self.doubtful) or '-'} of {self.of}"
        return replace(
            self,
            sent=(*self.sent, *said) if ruling == "delivered" else self.sent,
            doubtful=(),
            history=(*self.history, Note(at, by, what))[-HISTORY:],
        )

    def receipt(self) -> Receipt:
        """Return the parts' receipts as one, in the order of the parts."""
        parts: Sequence[Sent] = sorted(self.sent, key=lambda one: one.part)
        ids = [one.external_id for one in parts if one.external_id]
        where = tuple(place for one in parts for place in one.where)
        return Receipt(tuple(dict.fromkeys(where)), ",".join(ids) or None)
