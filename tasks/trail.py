"""What a worker's lines in the log and its spans say of where they belong: task, row, run, tenant and trace."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from monitoring import tracing
from services import work
from services.schema import Delivery, Run
from services.wiring import World


@contextmanager
def working(world: World, task: str, lease: work.Lease) -> Iterator[None]:
    """Say of everything that is logged inside the block what it is done for, and trace it."""
    known = {"task": task, "row": lease.id, **_owner(world, lease)}
    trace = tracing.of_run(known["run"]) if "run" in known else secrets.token_hex(16)
    with (
        structlog.contextvars.bound_contextvars(**known, trace=trace),
        tracing.span(task, trace, {f"svodka.{name}": value for name, value in known.items()}),
    ):
        yield


def _owner(world: World, lease: work.Lease) -> dict[str, Any]:
    """Return the run and the tenant where a run is behind the row; no other kind of work is worth a query."""
    if lease.model is Run:
        with world.database.transaction() as session:
            return {"run": lease.id, "tenant": session.get_one(Run, lease.id).tenant_id}
    if lease.model is Delivery:
        with world.database.transaction() as session:
            row = session.get_one(Delivery, lease.id)
            return {"run": row.run_id, "tenant": row.tenant_id}
    return {}
