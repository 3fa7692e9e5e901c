"""Deliveries: what is to be sent, what was, and what nobody can know."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domains.digest import Digest
from domains.errors import Refused, Unavailable
from domains.ports import Receipt
from services import archive, run, work
from services.schema import Delivery

# What a channel raises when it certainly did not take the parcel, so that another try cannot double it.
NOT_TAKEN: Final = (Unavailable, Refused)


@dataclass(frozen=True, slots=True)
class Errand:
    """A claimed delivery: what to send, where, and whether an earlier try may have sent it already."""

    id: int
    run: int
    channel: str
    target: str
    key: str
    digest: Digest
    tried_at: datetime | None


def errand(session: Session, lease: work.Lease, *, now: datetime) -> Errand:
    """Return what the lease is for, and note that sending begins."""
    row = session.get_one(Delivery, lease.id)
    of = run.get(session, row.run_id)
    tried_at = row.sending_at
    work.note(session, lease, sending_at=now)
    return Errand(
        id=row.id,
        run=row.run_id,
        channel=row.channel,
        target=row.target,
        key=f"run-{row.run_id}-{row.channel}",
        digest=msgspec.json.decode(archive.get(session, of.digest_sha256 or ""), type=Digest),
        tried_at=tried_at,
    )


def delivered(session: Session, lease: work.Lease, receipt: Receipt, *, now: datetime) -> None:
    """Settle a delivery as done."""
    work.settle(session, lease, "done", delivered_at=now, receipt=asdict(receipt))


def unknown(session: Session, lease: work.Lease) -> None:
    """Settle a delivery that may or may not have been sent: shown to the operator, never guessed."""
    work.settle(session, lease, "unknown")


def not_sent(session: Session, lease: work.Lease) -> None:
    """Note that the channel certainly did not take it, so that a retry is safe."""
    work.note(session, lease, sending_at=None)


def waiting(session: Session, run_id: int) -> list[int]:
    """Return the rows of a run's deliveries that are to be sent."""
    return list(
        session.scalars(select(Delivery.id).where(Delivery.run_id == run_id, Delivery.state == "due"))
    )


def settled(session: Session, tenant_id: int) -> int:
    """Return how many of a tenant's deliveries are done or unknown."""
    query = select(func.count()).where(
        Delivery.tenant_id == tenant_id, Delivery.state.in_(("done", "unknown"))
    )
    return session.scalar(query) or 0


def of_run(session: Session, run_id: int) -> list[dict[str, Any]]:
    """Return a run's deliveries with where they went."""
    rows = session.scalars(select(Delivery).where(Delivery.run_id == run_id).order_by(Delivery.id))
    return [
        {
            "delivery": row.id,
            "channel": row.channel,
            "target": row.target,
            "state": row.state,
            "delivered_at": row.delivered_at.isoformat() if row.delivered_at else None,
            "where": list((row.receipt or {}).get("where", [])),
        }
        for row in rows
    ]
