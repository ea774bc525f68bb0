"""A ProxyCommand of the ssh configuration: a program whose input and output are the way to the server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile


class Proxy:
    """The running program and the socket that leads to it.

    The library could start it as well, but it takes what the program says on its standard error for the server's words,
    and it knows no shell. As with ssh, a shell reads the command.

    Raises:
        OSError: it could not be started.
    """

    def __init__(self, command: str) -> None:
        self.socket, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError:
            self.socket.close()
            self._stderr.close()
            raise
        finally:
            theirs.close()

    @property
    def last_words(self) -> str:
        """What it said last on its standard error."""
        with contextlib.suppress(OSError, ValueError):
            self._stderr.seek(0)
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
            return lines[-1].strip()[:200] if lines else ""
        return ""

    def close(self) -> None:
        """End it. May be called twice."""
        self.socket.close()
        self._process.kill()
        self._process.wait()
        self._stderr.close()
