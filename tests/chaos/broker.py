"""The brokers of a storm, each behind a tunnel: killed, started again, emptied, or cut off without a word."""

import shutil
from contextlib import contextmanager

import psutil
from kombu import Connection, Queue

from celeryconfig import QUEUES
from services.valkey import Valkey
from tests import rabbit
from tests.chaos.tunnel import Tunnel

QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 5}
BROKERS = ("valkey", "rabbitmq")


def absent(name):
    """Return why there is no such broker here, or None."""
    return rabbit.absent() if name == "rabbitmq" else None


@contextmanager
def opened(name, directory):
    """Yield the broker of that name, running, with its data in ``directory``."""
    broker = _Rabbit(directory) if name == "rabbitmq" else _Valkey(directory)
    broker.start()
    try:
        with Tunnel(broker.port) as tunnel:
            broker.tunnel = tunnel
            yield broker
    finally:
        broker.stop()


class _Valkey:
    def __init__(self, directory):
        self._server = Valkey(directory, log=directory.with_suffix(".log"))

    def start(self):
        self._server.start()

    def stop(self):
        self._server.stop()

    @property
    def port(self):
        return self._server.port

    @property
    def url(self):
        return self._server.url().replace(f":{self.port}/", f":{self.tunnel.port}/")

    def kill(self, *, empty):
        """Kill the server with -9 and start it again, with what it had written down or with nothing."""
        above = psutil.Process(self._server.pid())
        for process in above.children(recursive=True):
            process.kill()
        self._server.stop()
        if empty:
            for path in self._server.directory.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._server.start()


class _Rabbit:
    def __init__(self, directory):
        self._node = rabbit.Rabbit(directory)

    def start(self):
        """Start the node with queues that have been through one restart.

        RabbitMQ 3.10 never elects a leader again for a quorum queue that is killed between its declaration and the
        node's next orderly restart; what a storm is after is the product, so each node gets that restart.
        """
        self._node.start()
        with Connection(self._node.url) as connection:
            for name in QUEUES:
                Queue(name, queue_arguments=QUORUM).bind(connection.default_channel).declare()
        self._node.stop()
        self._node.start()

    def stop(self):
        self._node.stop()

    @property
    def port(self):
        return self._node.port

    @property
    def url(self):
        return self._node.url.replace(f":{self.port}/", f":{self.tunnel.port}/")

    def kill(self, *, empty):
        """Kill the node with -9 and start it again, with its quorum queues or with nothing."""
        self._node.kill()
        if empty:
            self._node.empty()
            self.start()
        else:
            self._node.start()
