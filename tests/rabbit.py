"""RabbitMQ from Debian's package, as private processes of a test: a node and its name server, on free ports of 127.0.0.1.

Nothing of the machine's own RabbitMQ is read or touched: ports, cookie, data, logs and plugins are below one folder.
"""

import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from kombu import Connection
from kombu.exceptions import OperationalError

from services import guard, settings
from tests.servers import free_port, wait_until

# /usr/sbin's of that name changes to a user that owns nothing here.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_S = 200.0
CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.relative = 0.4
log.console = true
log.console.level = warning
log.file = false
default_user = svodka
default_pass = {password}
loopback_users.svodka = true
"""


def absent():
    """Return why there can be no RabbitMQ here, or None."""
    if not SERVER.exists():
        return "no RabbitMQ here: install Debian's package rabbitmq-server"
    return None if shutil.which("epmd") else "no epmd here: install Debian's package erlang-base"


class Rabbit:
    """A node with its data in ``directory``; `kill` and `start` again keep port, password and data."""

    def __init__(self, directory):
        self.directory = directory
        self.port, self._epmd_port, self._far_port = free_port(), free_port(), free_port()
        self._password = secrets.token_urlsafe(24)
        self._wards = []
        for name in ("home", "data", "log"):
            (directory / name).mkdir(parents=True)
        cookie = directory / "home" / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20), "utf-8")
        cookie.chmod(0o400)
        configuration = CONFIGURATION.format(port=self.port, password=self._password)
        (directory / "rabbitmq.conf").write_text(configuration, "utf-8")
        (directory / "plugins").write_text("[].\n", "utf-8")

    @property
    def url(self):
        return f"amqp://svodka:{self._password}@127.0.0.1:{self.port}//"

    def start(self):
        """Start the node; return when it takes connections."""
        log = self.directory / "log" / "node.log"
        with log.open("ab") as said:
            env = self._environment()
            self._wards = [
                guard.Ward(guard.Orders(["epmd", "-port", str(self._epmd_port)]), said, env=env),
                guard.Ward(guard.Orders([str(SERVER)], grace_s=20.0), said, env=env),
            ]
        try:
            wait_until(self.answers, timeout_s=START_S, every_s=0.2)
        except AssertionError:
            said = log.read_text("utf-8", errors="replace")[-2000:]
            self.stop()
            raise AssertionError(f"RabbitMQ does not start:\n{said}") from None

    def stop(self):
        """Stop the node as a deploy does, its data kept."""
        for ward in reversed(self._wards):
            ward.stop()
        self._wards = []

    def kill(self):
        """Kill the node with -9, as a machine without power would."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.stop()

    def empty(self):
        """Forget everything; the node is not running."""
        shutil.rmtree(self.directory / "data")
        (self.directory / "data").mkdir()

    def answers(self):
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except (OperationalError, OSError):
            return False
        return True

    def processes(self):
        """Return the node's process and those below it."""
        server = psutil.Process(self._wards[1].pid)
        return server.children(recursive=True)

    def _environment(self):
        kept = {"PATH": settings.environment("PATH"), "LANG": "C.UTF-8"}
        below = {
            "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins",
            "RABBITMQ_MNESIA_BASE": "data",
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_PID_FILE": "pid",
            "RABBITMQ_CONF_ENV_FILE": "none",
            "HOME": "home",
        }
        return {
            **kept,
            **{name: str(self.directory / where) for name, where in below.items()},
            "RABBITMQ_NODENAME": f"svodka{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._far_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


@contextmanager
def node(directory):
    """Yield a running node; nothing of it is left running afterwards."""
    rabbit = Rabbit(directory)
    rabbit.start()
    try:
        yield rabbit
    finally:
        rabbit.stop()
