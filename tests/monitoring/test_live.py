"""The whole watch on a real run: every line of `make monitoring` is a test."""

import pytest

from tests.monitoring.live import CHECKS
from tests.monitoring.stage import MISSING, Stage

pytestmark = [
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"not installed: {', '.join(MISSING)} (Debian: prometheus, prometheus-alertmanager)",
    ),
    pytest.mark.drill,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A stage that has been played."""
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        stage.play()
        yield stage


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_watch_sees(stage, check):
    line = check(stage)
    assert line.ok, line.found
