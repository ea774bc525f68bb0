"""The workers of a keeper: its children, whose lines it passes on and whose end it tells."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from typing import IO, Any, Callable, Dict, List, Optional

from .keeper_wire import Message, write_all
from .refusal import Refusal

#: Called with a message for the controller and its payload.
Send = Callable[[Message, bytes], None]

_STDERR_TAIL_BYTES = 4000
_READ_BYTES = 1 << 16
#: How often the memory of a worker is looked at while it may grow.
WATCH_S = 0.015
_CLOSE_WAIT_S = 2.0


class Child:
    """One worker process in a group of its own."""

    def __init__(self, command: List[str], environment: Dict[str, str], folder: str) -> None:
        self._stderr: Optional[IO[bytes]] = _stderr_file(folder)
        self.limit_bytes: Optional[int] = None
        self.watched = False
        self.used_bytes: Optional[int] = None
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr if self._stderr is not None else subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
                cwd=folder,
                env=environment,
            )
        except OSError as error:
            raise Refusal("no-python", "cannot start %s: %s" % (command[0], error.strerror or error)) from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def output(self) -> int:
        """The descriptor that its answers are read from."""
        if self._process.stdout is None:
            raise Refusal("worker", "a worker without pipes")
        return self._process.stdout.fileno()

    def write(self, data: bytes) -> None:
        """Give it a request; one that has ended is told by its output."""
        if self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ValueError):
            write_all(self._process.stdin.fileno(), data)

    def look_at_memory(self) -> None:
        """Kill it where it holds, or at any moment held, more than it may."""
        used = _peak_rss_bytes(self.pid)
        if self.limit_bytes is not None and used is not None and used > self.limit_bytes:
            self.used_bytes = used
            self.kill()

    def close(self) -> Optional[int]:
        """Close its input and wait a little for its end, then kill it. Return how it ended, None where it was killed.

        Like :class:`subprocess.Popen`: an exit code, or a signal's number less than 0.
        """
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        status: Optional[int] = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(_CLOSE_WAIT_S)
        self.kill()
        self._process.wait()
        return status

    def kill(self) -> None:
        """Kill its group: a delegate may have started programs of its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """Return the end of what it wrote on its standard error."""
        if self._stderr is None:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_TAIL_BYTES))
        return self._stderr.read().decode("utf-8", "replace")


class Children:
    """All workers by number."""

    def __init__(self, archive: str, folder: str, send: Send) -> None:
        """``archive`` is the program that they run, ``folder`` where they and what they put aside live."""
        self._archive = archive
        self._folder = folder
        self._send = send
        self._children: Dict[int, Child] = {}
        self._started = 0

    def start(self, python: str, environment: Dict[str, str]) -> Dict[str, Any]:
        """Start a worker under that Python and return its number and process id."""
        child = Child([python, "-u", self._archive], environment, self._folder)
        self._started += 1
        self._children[self._started] = child
        return {"worker": self._started, "pid": child.pid}

    def outputs(self) -> Dict[int, int]:
        """Return the numbers of the workers by the descriptors of their outputs."""
        return {child.output: number for number, child in self._children.items()}

    def write(self, number: int, data: bytes, watched: bool) -> None:
        """Pass a request on. ``watched``: its memory is looked at until it answers."""
        child = self._children.get(number)
        if child is not None:
            child.watched = watched and child.limit_bytes is not None
            child.write(data)

    def limit(self, number: int, limit_bytes: int) -> None:
        """From now on end a worker that holds more."""
        child = self._children.get(number)
        if child is not None:
            child.limit_bytes = limit_bytes

    def passed_on(self, number: int) -> None:
        """Pass on what a worker has written, or tell that it has ended."""
        child = self._children[number]
        data = os.read(child.output, _READ_BYTES)
        if data:
            if b"\n" in data:
                child.watched = False
                child.look_at_memory()
            self._send({"worker": number}, data)
            return
        del self._children[number]
        status = child.close()
        ended: Message = {"worker": number, "ended": True, "status": status, "words": child.last_words()}
        if child.used_bytes is not None:
            ended["used_bytes"] = child.used_bytes
        self._send(ended, b"")

    def watch(self) -> Optional[float]:
        """Look at the memory of those that may grow. Return in how many seconds to look again, None for never."""
        watched = [child for child in self._children.values() if child.watched]
        for child in watched:
            child.look_at_memory()
        return WATCH_S if watched else None

    def close(self, number: int) -> None:
        """End one worker; one that has ended is fine."""
        child = self._children.pop(number, None)
        if child is not None:
            child.close()

    def kill(self, number: int) -> None:
        """Kill one worker at once; that it has ended is then told as always."""
        child = self._children.get(number)
        if child is not None:
            child.kill()

    def kill_all(self) -> None:
        """Kill every worker."""
        for child in self._children.values():
            child.kill()
        deadline = time.monotonic() + _CLOSE_WAIT_S
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child._process.wait(max(0.0, deadline - time.monotonic()))
        self._children.clear()


def worker_environment(folder: str) -> Dict[str, str]:
    """Return the environment of workers: no packages of elsewhere, and whatever is put aside goes below ``folder``."""
    dropped = ("PYTHONPATH", "PYTHONHOME")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return dict(kept, TMPDIR=folder, XDG_CACHE_HOME=folder)


def own_archive() -> str:
    """Return the path of the zipapp that this process runs from."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _stderr_file(folder: str) -> Optional[IO[bytes]]:
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        return None  # a full disk: it can run without last words


def _peak_rss_bytes(pid: int) -> Optional[int]:
    try:
        with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as file:
            found = re.search(r"^VmHWM:\s*(\d+) kB$", file.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None
