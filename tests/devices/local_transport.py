"""A transport to this machine without any network: the same shell commands, under a home folder of the test's own."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from edgebench.devices.transport import Finished, OnOutput, Stream, Transport
from edgebench.errors import DeviceError, DeviceLost

_T = TypeVar("_T")


def at_once(attempt: Callable[[], _T], *, also: tuple[type[DeviceError], ...] = ()) -> _T:
    """Try once: a test's device is there, or is not."""
    return attempt()


class LocalTransport(Transport):
    """Runs commands through ``sh`` with HOME set to ``home`` and a folder beside it for what is temporary.

    ``lost`` makes everything fail as a cut link does. ``login`` is what the shell runs before any
    command, as a profile that prints something does.
    """

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None, login: str = "true") -> None:
        self.address = f"test@{home.name}"
        self.lost = False
        self.opened: list[_LocalStream] = []
        temporary = home.with_name(f"{home.name}.tmp")  # a lock lies there
        if not (environment and "TMPDIR" in environment):
            temporary.mkdir(exist_ok=True)
        own = {"HOME": str(home), "TMPDIR": str(temporary), "LC_ALL": "C.UTF-8"}
        self._environment = {**os.environ, **own, **(environment or {})}
        self._environment.pop("XDG_CACHE_HOME", None)
        self._login = login

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        self._check()
        try:
            done = subprocess.run(
                ["sh", "-c", f"{self._login}; {shlex.join(command)}"],
                input=given,
                capture_output=True,
                timeout=timeout_s,
                env=self._environment,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceLost(f"{self.address}: no answer within {timeout_s:g} s") from error
        return Finished(done.returncode, done.stdout, done.stderr)

    def open(self, command: Sequence[str], on_output: OnOutput) -> Stream:
        self._check()
        words = ["sh", "-c", f"{self._login}; exec {shlex.join(command)}"]
        stream = _LocalStream(words, self._environment, on_output, self.address)
        self.opened.append(stream)
        return stream

    def cut(self) -> None:
        """Lose the connection: programs there get the end of their input, and nothing they say arrives."""
        self.lost = True
        for stream in self.opened:
            stream.cut()

    def close(self) -> None:
        for stream in self.opened:
            stream.close()

    def _check(self) -> None:
        if self.lost:
            raise DeviceLost(f"{self.address}: the connection was lost")


class _LocalStream(Stream):
    def __init__(self, command: Sequence[str], environment: Mapping[str, str], on_output: OnOutput, name: str) -> None:
        self._name = name
        self._on_output = on_output
        self._lost = False
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=dict(environment),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def write(self, data: bytes) -> None:
        stdin = self.process.stdin
        try:
            if self._lost or stdin is None:
                raise BrokenPipeError
            view = memoryview(data)
            while view:
                view = view[stdin.write(view) or 0 :]
        except (BrokenPipeError, ValueError) as error:
            raise DeviceLost(f"{self._name}: the connection was lost") from error

    def cut(self) -> None:
        self._lost = True
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._on_output(None)

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        if self.process.stdout is None:
            return
        while True:
            try:
                data = os.read(self.process.stdout.fileno(), 1 << 16)
            except (OSError, ValueError):
                data = b""
            if self._lost:
                return
            self._on_output(data or None)
            if not data:
                return
