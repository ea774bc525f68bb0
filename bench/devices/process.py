"""A worker as a child process with JSON lines over its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import MemoryExceeded, ProtocolError, RuntimeRefused, UsageError, WorkerDied, WorkerTimeout
from .base import WorkerLink

_STDERR_TAIL_BYTES = 4000
_MAX_LINE_BYTES = 256 * 1024 * 1024
#: Requests during which memory is watched. Others may be timing: their memory is looked at when they have answered.
WATCHED = frozenset({"load", "first", "check_batch", "open_images", "predict"})
_WATCH_S = 0.015


class ProcessLink(WorkerLink):
    """Owns one child. The child gets its own process group, so that a Ctrl-C in the terminal reaches only us."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, close_wait_s: float = 2.0
    ) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._buffer = bytearray()
        self._close_wait_s = close_wait_s
        self._memory_limit_bytes: int | None = None
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                start_new_session=True,
                cwd=tempfile.gettempdir(),
                env=None if environment is None else dict(environment),
            )
        except OSError as error:
            self._stderr.close()
            raise WorkerDied(f"cannot start {command[0]}: {error.strerror or error}") from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        self.send(command, **fields)
        return self.receive(command, timeout_s)

    def send(self, command: str, **fields: Any) -> None:
        line = json.dumps({"cmd": command, **fields}).encode() + b"\n"
        try:
            _open_pipe(self._process.stdin).write(line)
        except BrokenPipeError:
            pass  # it has ended, but may have said why before: that is still in the other pipe
        except ValueError:
            raise self._death(command) from None

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:
        answer = self._parse(self._read_line(command, timeout_s))
        self._check_memory(command)
        if not answer.get("ok"):
            raise RuntimeRefused(str(answer.get("message", "no reason given")), str(answer.get("code", "refused")))
        return answer

    def answer_pipe(self) -> int | None:
        return _open_pipe(self._process.stdout).fileno()

    def watch_memory(self, command: str) -> float | None:
        self._check_memory(command)
        return None if self._memory_limit_bytes is None or command not in WATCHED else _WATCH_S

    def limit_memory(self, limit_bytes: int) -> None:
        if _peak_rss_bytes("self") is None:
            raise UsageError("--memory-limit: this system does not tell how much memory a process holds (no /proc)")
        self._memory_limit_bytes = limit_bytes

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

    def abort(self) -> None:
        if self._process.returncode is None:
            self._kill_helpers()

    def _read_line(self, command: str, timeout_s: float) -> bytes:
        stdout = _open_pipe(self._process.stdout)
        deadline = time.monotonic() + timeout_s
        watched = self._memory_limit_bytes is not None and command in WATCHED
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                end = self._buffer.find(b"\n")
                if end >= 0:
                    line = bytes(self._buffer[:end])
                    del self._buffer[: end + 1]
                    return line
                left_s = max(0.0, deadline - time.monotonic())
                if not selector.select(min(_WATCH_S, left_s) if watched else left_s):
                    self._check_memory(command)
                    if time.monotonic() < deadline:
                        continue
                    self._kill()
                    raise WorkerTimeout(f"no answer to '{command}' within {timeout_s:g} s: the worker was killed")
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._death(command)
                self._buffer += chunk
                if len(self._buffer) > _MAX_LINE_BYTES:
                    self._kill()
                    raise ProtocolError("the worker's answer has no end: it was killed")

    def _check_memory(self, command: str) -> None:
        """End a worker that holds, or at any moment since its start held, more than it may."""
        if self._memory_limit_bytes is None:
            return
        used = _peak_rss_bytes(str(self._process.pid))
        if used is not None and used > self._memory_limit_bytes:
            self._kill()
            raise MemoryExceeded(used, self._memory_limit_bytes, command)

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
        return WorkerDied(f"the worker {how_it_ended(status)} during '{command}'{tail}")

    def _last_words(self) -> str:
        if self._stderr.closed:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_TAIL_BYTES))
        return telling_line(self._stderr.read().decode("utf-8", "replace"))

    def _kill(self) -> None:
        self._kill_helpers()
        self._process.wait()

    def _kill_helpers(self) -> None:
        """Kill whatever is left of the child's process group: a delegate may have started programs of its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _peak_rss_bytes(pid: str) -> int | None:
    """Return a process's high-water mark of resident memory (VmHWM, proc(5)), None where it cannot be read."""
    try:
        text = Path("/proc", pid, "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB$", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def _open_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return the pipe; Popen gives None only where none was asked for, and this class asks for both."""
    if pipe is None:
        raise ValueError("the process was started without pipes")
    return pipe


def telling_line(text: str) -> str:
    """Return the last line that a worker wrote on its standard error which is no mere information."""
    lines = ["".join(letter for letter in line if letter.isprintable()).strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("INFO:", "VERBOSE:", "WARNING:"))]
    return telling[-1][:200] if telling else ""


def how_it_ended(status: int | None) -> str:
    """Return how a process ended, for people; ``status`` is as of ``Popen``, None where it was killed."""
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
