"""A TCP proxy in front of a server, which can swallow every packet (nobody hears of it) or refuse all connections."""

import socket
import threading
from contextlib import suppress


class Tunnel:
    """Carries bytes between its own port of 127.0.0.1 and ``port``; ``with`` opens and closes it."""

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._closed = False
        self._sockets = set()
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._closed = True
        self._open.set()
        self._listener.close()
        self.cut()

    def swallow(self):
        """Let nothing through: what is written vanishes for as long as it lasts."""
        self._open.clear()

    def pass_on(self):
        """Let everything through again; connections that were silent meanwhile are cut, as routers do."""
        self.cut()
        self._open.set()

    def cut(self):
        """End every connection."""
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near):
        self._open.wait()
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        self._sockets |= {near, far}
        back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
        back.start()
        self._carry(near, far)
        back.join()
        self._sockets -= {near, far}
        near.close()
        far.close()

    def _carry(self, source, sink):
        with suppress(OSError):
            while data := source.recv(65_536):
                self._open.wait()
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
