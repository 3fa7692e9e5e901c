"""The default vector store: postings in Postgres, searched in memory that all processes of a machine share.

    put ─▶ a segment (one row) ─▶ neighbours of about one size are merged
    search ─▶ which segments are there (one query) ─▶ files mapped from ``folder``, written when first needed ─▶ numpy

A shard is one tenant's segments of one shelf: a search reads nobody else's. The files are named by their content, may
be deleted at any time, and cost each machine one read.
"""

import hashlib
import mmap
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, select, text
from sqlalchemy.orm import Session

from domains.errors import Unavailable
from domains.point import Dense, Point, Scope, Shelf
from domains.posting import SEGMENT_POINTS, Segment, Shard, merged
from domains.vector import Vector
from services import disk
from services.database import Database
from services.shelving import VectorSegment

# So many neighbours of one size class are merged into one; a point is rewritten once a class.
FAN: Final = 8
SMALLEST: Final = 512
# Shards that a process keeps ready; what they map is shared and can be dropped by the system.
SHARDS: Final = 64
ATTEMPTS: Final = 3

_Seal = tuple[str, ...]
_Stored = Row[int, int, int, str]


@dataclass(frozen=True, slots=True)
class _Ready:
    seal: _Seal
    shard: Shard


class Postings:
    """`domains.point.Store` on Postgres; safe for threads, one per process."""

    name = "postgres"

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._ready: OrderedDict[tuple[Shelf, int], _Ready] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, shelf: Shelf) -> None:
        """Nothing has to be made."""

    def put(self, shelf: Shelf, points: Sequence[Point]) -> None:
        """Store points as one segment for each tenant, then merge where it is time."""
        by_tenant: dict[int, list[Point]] = {}
        for point in points:
            by_tenant.setdefault(point.tenant_id, []).append(point)
        for tenant_id, own in sorted(by_tenant.items()):
            for at in range(0, len(own), SEGMENT_POINTS):
                self._append(shelf, tenant_id, Segment.of(own[at : at + SEGMENT_POINTS]))
            self._tidy(shelf, tenant_id)

    def remove(self, shelf: Shelf, tenant_id: int, ids: Sequence[int]) -> None:
        """Delete a tenant's points."""
        if ids:
            self._append(shelf, tenant_id, Segment.of((), ids))
            self._tidy(shelf, tenant_id)

    def search(self, shelf: Shelf, question: Vector, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, BM25), best first."""
        return self._shard(shelf, scope.tenant_id).search(question, scope, limit)

    def nearest(self, shelf: Shelf, direction: Dense, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, cosine), best first."""
        return self._shard(shelf, scope.tenant_id).nearest(direction, scope, limit)

    def count(self, shelf: Shelf, tenant_id: int) -> int:
        """Return how many points a tenant has."""
        return self._shard(shelf, tenant_id).points

    def drop(self, shelf: Shelf) -> None:
        """Delete every tenant's segments of the shelf, and this machine's files of them."""
        with self._database.transaction() as session:
            gone = session.scalars(
                delete(VectorSegment)
                .where(
                    VectorSegment.collection == shelf.collection, VectorSegment.generation == shelf.generation
                )
                .returning(VectorSegment.sha256)
            ).all()
        with self._lock:
            for known in [one for one in self._ready if one[0] == shelf]:
                del self._ready[known]
        self._forget(gone)

    def close(self) -> None:
        """Let go of the mapped files."""
        with self._lock:
            self._ready.clear()

    def _shard(self, shelf: Shelf, tenant_id: int) -> Shard:
        for _ in range(ATTEMPTS):
            with self._database.transaction() as session:
                rows = session.execute(_segments(shelf, tenant_id)).all()
            shard = self._kept(shelf, tenant_id, rows) or self._open(shelf, tenant_id, rows)
            if shard is not None:
                return shard
        raise Unavailable("postings are merged faster than they can be read", remedy="ask again")

    def _kept(self, shelf: Shelf, tenant_id: int, rows: Sequence[_Stored]) -> Shard | None:
        seal = tuple(row.sha256 for row in rows)
        with self._lock:
            ready = self._ready.get((shelf, tenant_id))
            if ready is None or ready.seal != seal:
                return None
            self._ready.move_to_end((shelf, tenant_id))
            return ready.shard

    def _open(self, shelf: Shelf, tenant_id: int, rows: Sequence[_Stored]) -> Shard | None:
        """Return the shard, or None when its segments have been merged away meanwhile."""
        segments = [segment for row in rows if (segment := self._segment(row)) is not None]
        if len(segments) < len(rows):
            return None
        shard, seal = Shard(segments), tuple(row.sha256 for row in rows)
        with self._lock:
            before = self._ready.get((shelf, tenant_id))
            self._ready[shelf, tenant_id] = _Ready(seal, shard)
            while len(self._ready) > SHARDS:
                self._ready.popitem(last=False)
        # Another machine's process merged them: nobody else takes their files away here.
        self._forget(sorted(set(before.seal) - set(seal)) if before else ())
        return shard

    def _append(self, shelf: Shelf, tenant_id: int, segment: Segment) -> None:
        body = segment.to_bytes()
        with self._database.transaction() as session:
            _serialise(session, shelf, tenant_id)
            last = session.scalar(select(func.max(VectorSegment.place)).where(*_of(shelf, tenant_id)))
            session.add(_row(shelf, tenant_id, (last or 0) + 1, segment, body))

    def _tidy(self, shelf: Shelf, tenant_id: int) -> None:
        """Merge the newest run of neighbours of one size class, as long as there is one that is long enough."""
        while True:
            with self._database.transaction() as session:
                rows = session.execute(_segments(shelf, tenant_id)).all()
            run = _run(rows)
            if not run:
                return
            parts = [segment for row in run if (segment := self._segment(row)) is not None]
            if len(parts) < len(run):
                return
            whole = merged(parts, first=run[0].id == rows[0].id)
            if not self._replace(shelf, tenant_id, run, whole):
                return
            self._forget([row.sha256 for row in run])

    def _replace(self, shelf: Shelf, tenant_id: int, run: Sequence[_Stored], whole: Segment) -> bool:
        """Put one segment in the place of several, unless somebody else has done so; return whether it was done."""
        body = whole.to_bytes()
        ids = [row.id for row in run]
        with self._database.transaction() as session:
            _serialise(session, shelf, tenant_id)
            there = select(func.count()).where(VectorSegment.id.in_(ids))
            if session.scalar(there) != len(ids):
                return False
            session.execute(delete(VectorSegment).where(VectorSegment.id.in_(ids)))
            session.add(_row(shelf, tenant_id, run[-1].place, whole, body))
            return True

    def _segment(self, row: _Stored) -> Segment | None:
        """Return a segment by way of its file, or None when its row is gone."""
        path = self._path(row)
        with disk.named(path):
            if not path.exists() and not self._fetch(row, path):
                return None
            try:
                with path.open("rb") as file:
                    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except FileNotFoundError:
                # Merged away between the look and the opening.
                return None
        try:
            return Segment.from_buffer(data)
        except ValueError as error:
            path.unlink(missing_ok=True)
            raise Unavailable(
                f"{path} is damaged: {error}", remedy="ask again: it is fetched anew"
            ) from error

    def _fetch(self, row: _Stored, path: Path) -> bool:
        with self._database.transaction() as session:
            body = session.scalar(select(VectorSegment.body).where(VectorSegment.id == row.id))
        if body is None:
            return False
        disk.make(path.parent)
        draft = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
        try:
            draft.write_bytes(body)
            draft.replace(path)
        finally:
            # A full disk is not filled further with halves.
            draft.unlink(missing_ok=True)
        return True

    def _forget(self, hashes: Sequence[str]) -> None:
        """Delete files; who has mapped one keeps it, who still needs one fetches it again."""
        for sha256 in hashes:
            # What cannot be deleted costs room, and no search.
            with suppress(OSError):
                self._file(sha256).unlink(missing_ok=True)

    def _path(self, row: _Stored) -> Path:
        return self._file(row.sha256)

    def _file(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.postings"


def _of(shelf: Shelf, tenant_id: int) -> tuple[Any, ...]:
    return (
        VectorSegment.tenant_id == tenant_id,
        VectorSegment.collection == shelf.collection,
        VectorSegment.generation == shelf.generation,
    )


def _segments(shelf: Shelf, tenant_id: int) -> Select[int, int, int, str]:
    return (
        select(VectorSegment.id, VectorSegment.place, VectorSegment.points, VectorSegment.sha256)
        .where(*_of(shelf, tenant_id))
        .order_by(VectorSegment.place)
    )


def _row(shelf: Shelf, tenant_id: int, place: int, segment: Segment, body: bytes) -> VectorSegment:
    return VectorSegment(
        collection=shelf.collection,
        generation=shelf.generation,
        tenant_id=tenant_id,
        place=place,
        points=len(segment),
        sha256=hashlib.sha256(body).hexdigest(),
        body=body,
    )


def _serialise(session: Session, shelf: Shelf, tenant_id: int) -> None:
    """Let one transaction at a time change a shard, until it ends."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{shelf.name}/{tenant_id}"}
    )


def _size_class(points: int) -> int:
    level, most = 0, SMALLEST
    while points > most:
        level, most = level + 1, most * FAN
    return level


def _run(rows: Sequence[_Stored]) -> Sequence[_Stored]:
    """Return the newest neighbours that should become one: `FAN` of a class or below, if they fit into one segment."""
    for end in range(len(rows), 0, -1):
        level = _size_class(rows[end - 1].points)
        start = end
        while start > 0 and _size_class(rows[start - 1].points) <= level:
            start -= 1
        run = rows[start:end]
        while run and sum(row.points for row in run) > SEGMENT_POINTS:
            run = run[1:]
        if len(run) >= FAN:
            return run
    return ()
