"""The process of `services.arcade`: python -m services.arcadeserver DIRECTORY BOLT_PORT HTTP_PORT DATABASE.

Until SIGTERM it serves Bolt on 127.0.0.1; the password of its user root is in DIRECTORY/password.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HEAP: Final = "512m"


def serve(engine: Any, directory: Path, bolt_port: int, http_port: int, database: str) -> None:
    """Serve until a signal ends it; the data is saved by then."""
    server = engine.ArcadeDBServer(
        str(directory),
        root_password=(directory / "password").read_text(encoding="utf-8"),
        config={
            "mode": "production",
            "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
            "bolt_port": bolt_port,
            "http_port": http_port,
        },
        jvm_kwargs={"heap_size": HEAP},
    )
    server.start()
    # Java has put its own handlers in the way by now, and any of its threads may get the signal.
    ended, ending = os.pipe()
    os.set_blocking(ending, False)
    signal.set_wakeup_fd(ending)
    for number in ENDINGS:
        signal.signal(number, lambda *_: None)
    if not (directory / "databases" / database).exists():
        server.create_database(database)
    os.read(ended, 1)
    server.stop()


if __name__ == "__main__":
    serve(
        import_module("arcadedb_embedded"), Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    )
    # Java's threads would keep the process.
    os._exit(0)
