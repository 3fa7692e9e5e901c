"""A process that outlives its RabbitMQ goes on nudging when the broker is back."""

from contextlib import contextmanager

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from tests import rabbit
from tests.servers import wait_until
from tests.tasks.test_celeryconfig import load

pytestmark = pytest.mark.skipif(bool(rabbit.absent()), reason=str(rabbit.absent()))


@contextmanager
def publisher(node, monkeypatch):
    """Yield what sends a nudge through the product's settings and returns whether the broker took it."""
    app = Celery("publisher")
    configuration = load(monkeypatch, broker_url=node.url)
    app.conf.update(
        {name: value for name, value in configuration.items() if name.startswith(("broker", "task"))}
    )

    def sent():
        try:
            app.send_task("digest.make", args=[1])
        except (OperationalError, OSError):
            return False
        return True

    yield sent
    app.close()


def test_a_publisher_outlives_a_broker_that_comes_back_empty(tmp_path, monkeypatch):
    with rabbit.node(tmp_path / "rabbit") as node, publisher(node, monkeypatch) as sent:
        assert sent()
        node.kill()
        node.empty()
        assert not sent()
        node.start()
        # A quorum queue elects its leader first, so that a publisher may be refused for a while.
        wait_until(sent, timeout_s=60)
        assert sent()


def test_a_publisher_outlives_a_broker_that_comes_back_with_its_queues(tmp_path, monkeypatch):
    with rabbit.node(tmp_path / "rabbit") as node, publisher(node, monkeypatch) as sent:
        assert sent()
        # RabbitMQ 3.10 does not recover a quorum queue that it was killed over before its first restart.
        node.stop()
        node.start()
        wait_until(sent, timeout_s=60)
        node.kill()
        assert not sent()
        node.start()
        wait_until(sent, timeout_s=60)
        assert sent()
