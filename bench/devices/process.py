"""A worker as a child process with JSON lines over its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

from ..errors import ProtocolError, RuntimeRefused, WorkerDied, WorkerTimeout
from .base import WorkerLink

_STDERR_TAIL_BYTES = 4000
_MAX_LINE_BYTES = 256 * 1024 * 1024


class ProcessLink(WorkerLink):
    """Owns one child. The child gets its own process group, so that a Ctrl-C in the terminal reaches only us."""

    def __init__(self, command: Sequence[str], *, close_wait_s: float = 2.0) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._buffer = bytearray()
        self._close_wait_s = close_wait_s
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                start_new_session=True,
                cwd=tempfile.gettempdir(),
            )
        except OSError as error:
            self._stderr.close()
            raise WorkerDied(f"cannot start {command[0]}: {error.strerror or error}") from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        line = json.dumps({"cmd": command, **fields}).encode() + b"\n"
        try:
            _open_pipe(self._process.stdin).write(line)
        except BrokenPipeError:
            pass  # it has ended, but may have said why before: that is still in the other pipe
        except ValueError:
            raise self._death(command) from None
        answer = self._parse(self._read_line(command, timeout_s))
        if not answer.get("ok"):
            raise RuntimeRefused(str(answer.get("message", "no reason given")), str(answer.get("code", "refused")))
        return answer

    def close(self) -> None:
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(self._close_wait_s)
        except subprocess.TimeoutExpired:
            self._kill()
        self._kill_helpers()
        self._stderr.close()

    def _read_line(self, command: str, timeout_s: float) -> bytes:
        stdout = _open_pipe(self._process.stdout)
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                end = self._buffer.find(b"\n")
                if end >= 0:
                    line = bytes(self._buffer[:end])
                    del self._buffer[: end + 1]
                    return line
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._kill()
                    raise WorkerTimeout(f"no answer to '{command}' within {timeout_s:g} s: the worker was killed")
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._death(command)
                self._buffer += chunk
                if len(self._buffer) > _MAX_LINE_BYTES:
                    self._kill()
                    raise ProtocolError("the worker's answer has no end: it was killed")

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self._kill()
            raise ProtocolError(f"the worker wrote garbage instead of an answer: {line[:80]!r}")
        return answer

    def _death(self, command: str) -> WorkerDied:
        """Return the error for a child that ended while it owed an answer, with its last words."""
        try:
            status: int | None = self._process.wait(self._close_wait_s)
        except subprocess.TimeoutExpired:
            self._kill()
            status = None
        words = self._last_words()
        tail = f": {words}" if words else ""
        return WorkerDied(f"the worker {_how_it_ended(status)} during '{command}'{tail}")

    def _last_words(self) -> str:
        if self._stderr.closed:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_TAIL_BYTES))
        text = self._stderr.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith(("INFO:", "VERBOSE:", "WARNING:"))]
        return telling[-1][:200] if telling else ""

    def _kill(self) -> None:
        self._kill_helpers()
        self._process.wait()

    def _kill_helpers(self) -> None:
        """Kill whatever is left of the child's process group: a delegate may have started programs of its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _open_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return the pipe; Popen gives None only where none was asked for, and this class asks for both."""
    if pipe is None:
        raise ValueError("the process was started without pipes")
    return pipe


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "closed its output and was killed"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
