"""Every line of a worker says what it belongs to, in JSON too, and no secret with it."""

import io
import json
import logging

import pytest
import structlog

from monitoring import tracing
from services import log, work
from services.schema import Run, Source
from tasks import trail
from tests import rows, worlds


@pytest.fixture
def said():
    """What is logged as JSON: a function that returns the lines."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    log.configure("info", json=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lease(model, row_id):
    return work.Lease(model, row_id, "me", rows.DAY, 0)


def test_a_runs_lines_name_run_tenant_and_trace(database, tmp_path, said):
    world = worlds.build(database, tmp_path)
    tenant_id = rows.tenant(database)
    run_id = rows.run(database, tenant_id)
    with trail.working(world, "digest.make", lease(Run, run_id)):
        logging.getLogger("svodka.x").warning("asked with Bearer %s", "abcdefgh12345678")
    logging.getLogger("svodka.x").warning("after")
    first, second = said()
    assert {key: first[key] for key in ("task", "row", "run", "tenant", "trace")} == {
        "task": "digest.make", "row": run_id, "run": run_id, "tenant": tenant_id, "trace": tracing.of_run(run_id),
    }  # fmt: skip
    assert "abcdefgh" not in first["event"]
    assert "trace" not in second
    world.close()


def test_other_work_has_a_trace_of_its_own(database, tmp_path, said):
    world = worlds.build(database, tmp_path)
    for _ in range(2):
        with trail.working(world, "source.fetch", lease(Source, 3)):
            logging.getLogger("svodka.x").warning("fetched")
    first, second = said()
    assert first["row"] == 3
    assert "run" not in first
    assert first["trace"] != second["trace"]
    world.close()
