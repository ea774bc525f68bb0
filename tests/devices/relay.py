"""A port of the loopback address that leads to a socket in the file system."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Relay:
    """Passes on every connection to ``port``, both ways, until it is closed."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port of the loopback address."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """End it and its connections."""
        self._closed = True
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
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
