import pytest

from tests.chaos.arena import Arena, processes
from tests.servers import wait_until


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    """A running stack for the tests of one module; when it has stopped, no process of it is left."""
    var = tmp_path_factory.mktemp("chaos") / "var"
    arena = Arena(var)
    try:
        yield arena
    finally:
        arena.close()
    # What was killed may be on its way out still.
    wait_until(lambda: not processes(var))


@pytest.fixture(scope="module")
def news(arena):
    """A tenant with two publishers' posts of nine days, analysed by the worker."""
    tenant_id = arena.tenant("news", sources=2)
    arena.wait(lambda: arena.analysed(tenant_id))
    return tenant_id
