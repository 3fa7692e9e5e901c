"""Checkpoints in Postgres: a step that stands there is read, not computed; each one extends the lease."""

import itertools
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from sqlalchemy import Table, insert, select

from domains.ports import Clock
from services import archive, work
from services.database import Database

T = TypeVar("T")


class Checkpoints:
    """A `domains.ports.Journal` of the rows of ``table`` that ``key`` names, written while ``lease`` holds."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lease: work.Lease,
        lease_s: float,
        table: Table,
        key: Mapping[str, int],
    ) -> None:
        self._database, self._clock, self._lease, self._lease_s = database, clock, lease, lease_s
        self._table, self._key = table, key
        column = table.c
        query = select(column.name, column.sha256, column.seq)
        with database.transaction() as session:
            rows = session.execute(query.where(*(column[name] == value for name, value in key.items()))).all()
        self._known = {row.name: row.sha256 for row in rows}
        self._next = itertools.count(1 + max((row.seq for row in rows), default=0))

    def step(self, name: str, kind: type[T], compute: Callable[[], T]) -> T:
        """Return the step's recorded result, or compute it and record it before anything else happens."""
        if name in self._known:
            with self._database.transaction() as session:
                return msgspec.json.decode(archive.get(session, self._known[name]), type=kind)
        began = self._clock.now()
        body = msgspec.json.encode(compute())
        now = self._clock.now()
        with self._database.transaction() as session:
            work.extend(session, self._lease, now=now, lease_s=self._lease_s)
            sha256 = archive.put(session, body)
            values = {
                **self._key, "name": name, "seq": next(self._next), "sha256": sha256, "at": now,
                "elapsed_ms": int((now - began).total_seconds() * 1000),
            }  # fmt: skip
            session.execute(insert(self._table).values(values))
        self._known[name] = sha256
        # What goes on is what was recorded, so that a resumed run and an unbroken one see the same value.
        return msgspec.json.decode(body, type=kind)
