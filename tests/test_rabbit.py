"""The RabbitMQ that other tests stand on does what they need of it."""

from contextlib import suppress

import psutil
import pytest
from kombu import Connection, Queue

from tests import rabbit
from tests.servers import wait_until

pytestmark = pytest.mark.skipif(bool(rabbit.absent()), reason=str(rabbit.absent()))
QUEUE = Queue("kept", queue_arguments={"x-queue-type": "quorum"})


def lives(process):
    # Where nobody reaps orphans they stay as zombies.
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_quorum_queue_outlives_a_killed_node_and_not_an_emptied_one(tmp_path):
    with rabbit.node(tmp_path / "rabbit") as node:
        with Connection(node.url) as connection:
            QUEUE(connection).declare()
        # RabbitMQ 3.10 forgets how to start a quorum queue that is killed in the seconds after it was declared.
        node.stop()
        node.start()
        with Connection(node.url, transport_options={"confirm_publish": True}) as connection:
            connection.Producer().publish("nudge", routing_key="kept", delivery_mode=2)
        node.kill()
        assert not node.answers()
        node.start()
        with Connection(node.url) as connection, connection.SimpleQueue(QUEUE) as queue:
            assert queue.get(timeout=60).payload == "nudge"
        node.stop()
        node.empty()
        node.start()
        with Connection(node.url) as connection:
            assert QUEUE(connection).queue_declare().message_count == 0
        processes = node.processes()
        assert processes
    wait_until(lambda: not any(lives(process) for process in processes))
