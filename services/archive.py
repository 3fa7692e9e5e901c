"""Artifacts: bodies by the SHA-256 of their bytes, compressed, in Postgres."""

import hashlib
import zlib

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains.errors import NotFound, Refused
from services.schema import Artifact


def put(session: Session, body: bytes) -> str:
    """Keep ``body`` and return its SHA-256 in hex; keeping it again changes nothing."""
    sha256 = hashlib.sha256(body).hexdigest()
    session.execute(
        insert(Artifact)
        .values(sha256=sha256, body=zlib.compress(body, 6), bytes=len(body))
        .on_conflict_do_nothing()
    )
    return sha256


def get(session: Session, sha256: str) -> bytes:
    """Return the body. Raises NotFound, and Refused when it does not have its hash."""
    packed = session.scalar(select(Artifact.body).where(Artifact.sha256 == sha256))
    if packed is None:
        raise NotFound(f"no artifact {sha256}", remedy="it may have been removed by retention")
    try:
        body = zlib.decompress(packed)
    except zlib.error as error:
        raise Refused(f"artifact {sha256} is damaged: {error}") from error
    if hashlib.sha256(body).hexdigest() != sha256:
        raise Refused(f"artifact {sha256} is damaged: its bytes do not have its hash")
    return body
