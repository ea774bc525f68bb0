"""adb's server through the adb program, where adbutils is not installed or cannot be: a child process a program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from ..errors import DeviceLost, DeviceRefused
from .adb_bridge import Attached, Bridge, parse_devices
from .adb_errors import explain, one_line
from .adb_line import Way
from .adb_program import ClientProgram, OnData, Program

_ANSWER_S = 30.0


class ClientBridge(Bridge):
    """The server that the program talks to; the program starts it where it does not run."""

    def __init__(self, program: str) -> None:
        self._program = program

    def attached(self) -> list[Attached]:
        done = self._done("devices", "-l")
        if done.returncode != 0:
            raise DeviceRefused(f"{self._program}: the adb server does not start: {one_line(done.stderr)}")
        return parse_devices(done.stdout)

    def connect(self, place: str) -> str:
        done = self._done("connect", place)
        return done.stdout or done.stderr

    def disconnect(self, place: str) -> None:
        self._done("disconnect", place)

    def way(self, serial: str) -> Way:
        done = self._done("-s", serial, "features")
        if done.returncode != 0:
            raise explain(serial, one_line(done.stderr))
        if "shell_v2" not in done.stdout.split():
            raise DeviceRefused(
                f"{serial}: its Android is older than 7, which the adb program cannot do; "
                "install adbutils: pip install 'edgebench[android]'"
            )
        return Way.CLIENT

    def start(
        self,
        serial: str,
        way: Way,  # noqa: ARG002 - there is one
        line: str,
        on_stdout: OnData,
        on_stderr: OnData,
        on_end: Callable[[], None],
    ) -> Program:
        command = [self._program, "-s", serial, "shell", "-T", line]
        try:
            return ClientProgram(f"adb {serial}", command, on_stdout, on_stderr, on_end)
        except OSError as error:
            raise DeviceRefused(f"cannot start {self._program}: {error.strerror or error}") from error

    def _done(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_ANSWER_S,
                check=False,
            )
        except OSError as error:
            raise DeviceRefused(f"cannot start {self._program}: {error.strerror or error}") from error
        except subprocess.TimeoutExpired as error:
            raise DeviceLost(f"the adb server does not answer to '{words[0]}' within {_ANSWER_S:g} s") from error
