"""API keys: who may ask over HTTP, for which tenant, for what, and how often. Only a hash of the secret is kept.

A key reads ``svk_NAME_SECRET``: NAME finds the row, SECRET (256 random bits) is compared with the row's SHA-256 in constant
time. A slow hash would guard nothing here: nobody guesses 256 bits, and each request would pay for it.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import CheckConstraint, Index, Integer, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domains.errors import NotFound, UsageError
from domains.ports import Lane
from services import pace
from services.schema import Base, Tenant, owned

SCOPES: Final = ("ask", "read", "metrics")
_NAME_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_KEY: Final = re.compile(r"svk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY: Final = bytes(32)
_LABEL: Final = re.compile(r"[\w .:@-]{1,64}")
_MINUTE_S: Final = 60.0


class ApiKeyRow(Base):
    """A key. ``name`` is public and finds it, ``sha256`` is of its secret; ``per_minute`` bounds how often it asks."""

    __tablename__ = "api_key"
    __table_args__ = (
        Index("uq_api_key_name", "name", unique=True),
        Index("ix_api_key_tenant_id", "tenant_id"),
        CheckConstraint("octet_length(sha256) = 32", name="hash"),
        CheckConstraint("per_minute >= 1", name="pace"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    name: Mapped[str]
    label: Mapped[str]
    sha256: Mapped[bytes]
    scopes: Mapped[list[Any]]
    per_minute: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the key's row, its tenant, and what it may do."""

    key_id: int
    tenant_id: int
    tenant: str
    scopes: frozenset[str]
    per_minute: int


def issue(
    session: Session,
    tenant_id: int,
    label: str,
    *,
    now: datetime,
    scopes: Sequence[str] = ("ask", "read"),
    per_minute: int = 60,
    expires_at: datetime | None = None,
) -> SecretStr:
    """Make a key and return it; nobody can read it again. Raises UsageError for a scope or label that is none."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise UsageError(
            f"no scope {unknown[0]!r}" if unknown else "a key needs a scope",
            remedy=f"of: {', '.join(SCOPES)}",
        )
    if not _LABEL.fullmatch(label):
        raise UsageError(
            "a key's label is 1 to 64 letters, digits, blanks and .:@-_", remedy="say who will use it"
        )
    if per_minute < 1:
        raise UsageError("a key asks at least once a minute")
    name, secret = secrets.token_hex(_NAME_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    session.add(
        ApiKeyRow(
            tenant_id=tenant_id,
            name=name,
            label=label,
            sha256=_hash(secret),
            scopes=sorted(set(scopes)),
            per_minute=per_minute,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return SecretStr(f"svk_{name}_{secret}")


def authenticate(session: Session, key: str, *, now: datetime) -> Caller | None:
    """Return who presents ``key``, or None: not a key, unknown, wrong, expired and revoked look the same."""
    parts = _KEY.fullmatch(key)
    found = None
    if parts:
        query = select(ApiKeyRow, Tenant.name).join(Tenant, Tenant.id == ApiKeyRow.tenant_id)
        found = session.execute(query.where(ApiKeyRow.name == parts[1])).one_or_none()
    # Compared in any case, so that the time says nothing of whether the name is one.
    same = hmac.compare_digest(found[0].sha256 if found else _NOBODY, _hash(parts[2] if parts else ""))
    if found is None or not same:
        return None
    row: ApiKeyRow = found[0]
    over = row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now)
    return None if over else Caller(row.id, row.tenant_id, found[1], frozenset(row.scopes), row.per_minute)


def admit(session: Session, caller: Caller, *, now: datetime) -> float:
    """Return 0 when the caller may ask now, else the seconds until it may; shared by all processes."""
    lane = Lane(f"api:{caller.key_id}", _MINUTE_S / caller.per_minute, max(1, caller.per_minute // 2))
    wait_s = pace.take(session, [lane], now=now)
    return wait_s if wait_s > pace.PATIENCE_S else 0.0


def listing(session: Session, tenant_id: int) -> list[dict[str, Any]]:
    """Return the tenant's keys, oldest first, without anything that opens a door."""
    rows = session.scalars(select(ApiKeyRow).where(ApiKeyRow.tenant_id == tenant_id).order_by(ApiKeyRow.id))
    return [
        {
            "key": row.name,
            "label": row.label,
            "scopes": row.scopes,
            "per_minute": row.per_minute,
            "created_at": row.created_at.isoformat(),
            "expires_at": row.expires_at.isoformat() if row.expires_at else None,
            "revoked_at": row.revoked_at.isoformat() if row.revoked_at else None,
        }
        for row in rows
    ]


def revoke(session: Session, tenant_id: int, name: str, *, now: datetime) -> None:
    """End a key at once. Raises NotFound."""
    row = session.scalar(
        select(ApiKeyRow).where(ApiKeyRow.tenant_id == tenant_id, ApiKeyRow.name == name).with_for_update()
    )
    if row is None:
        raise NotFound(f"no key {name!r}", remedy="svodka key list")
    row.revoked_at = row.revoked_at or now


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
