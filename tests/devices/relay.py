"""A port of the loopback address that leads to a socket in the file system."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

from .ssh_host import free_port


class Relay:
    """Passes on every connection to ``port``, both ways, from ``listen`` until it is closed."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = free_port()

    def listen(self) -> None:
        """Take connections, again after ``close`` at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """End it and its connections."""
        for one in (*([self._listener] if self._listener else []), *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self._target))
            except OSError:  # what it leads to is gone: so is who came
                near.close()
                far.close()
                continue
            self._open |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        # One way may end while the other goes on.
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
