"""The audit: who did what to which failure or delivery, when, and what it was before and after. Append-only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import log
from services.schema import Base

Act = Literal["replay", "edit", "discard", "bulk", "export", "retain", "settle"]
SWEEP: Final = "sweep"
WHO_CHARS: Final = 200


class Audit(Base):
    """An action. ``who`` is the system's user, Flower's, or the sweep; ``letter_id`` outlives the letter it names.

    A bulk replay has one row of its own, whose ``after`` holds its filter and rate, and one for each of its letters. What
    concerns every tenant has no ``tenant_id``.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_tenant_id_id", "tenant_id", "id"),
        Index("ix_audit_letter_id", "letter_id", "id", postgresql_where=sql("letter_id IS NOT NULL")),
        Index("ix_audit_at", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    who: Mapped[str]
    what: Mapped[str]
    letter_id: Mapped[int | None]
    task: Mapped[str | None]
    row_id: Mapped[int | None]
    before: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    after: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))


def note(
    session: Session,
    what: Act,
    *,
    tenant_id: int | None,
    by: str,
    at: datetime,
    letter_id: int | None = None,
    task: str | None = None,
    row_id: int | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Audit:
    """Write an action down, in the transaction that does it, and return its row, numbered by the next flush.

    Values must hold no secret.
    """
    row = Audit(
        tenant_id=tenant_id, at=at, who=name(by), what=what, letter_id=letter_id, task=task, row_id=row_id,
        before=dict(before or {}), after=dict(after or {}),
    )  # fmt: skip
    session.add(row)
    return row


def name(by: str) -> str:
    """Return who did it, as it is kept."""
    return log.storable(by)[:WHO_CHARS]


def listing(
    session: Session, *, tenant_id: int | None = None, letter_id: int | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Return the newest actions first: of a tenant, of a letter, or all."""
    query = select(Audit).order_by(Audit.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Audit.tenant_id == tenant_id)
    if letter_id is not None:
        query = query.where(Audit.letter_id == letter_id)
    return [told(row) for row in session.scalars(query)]


def told(row: Audit) -> dict[str, Any]:
    """Return an action as lists show it; times in ISO 8601."""
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "who": row.who,
        "what": row.what,
        "letter": row.letter_id,
        "task": row.task,
        "row": row.row_id,
        "before": row.before,
        "after": row.after,
    }
