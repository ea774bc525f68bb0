"""QEMU's control socket, as far as the tests need it: one command at a time, and waiting for an event."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any


class Qmp:
    """A connection to the control socket of a QEMU that has just been started.

    Raises:
        OSError: There was no socket in time, or it fell silent.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._socket = _connect(path, timeout_s)
        self._lines = self._socket.makefile("r")
        self._events: list[str] = []
        try:
            self._read()
            self.ask("qmp_capabilities")
        except OSError:
            self.close()
            raise

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give a command and return what it returned; RuntimeError tells why QEMU refused it."""
        self._events.clear()
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = self._read()
            if "error" in answer:
                raise RuntimeError(f"QEMU refused {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def wait_for_event(self, name: str) -> None:
        """Return when QEMU has told of an event since the last command."""
        while name not in self._events:
            self._read()

    def close(self) -> None:
        """Let go of the socket."""
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise OSError("QEMU closed its control socket")
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self._events.append(message["event"])
        return message


def _connect(path: Path, timeout_s: float) -> socket.socket:
    end = time.monotonic() + timeout_s
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return connection
