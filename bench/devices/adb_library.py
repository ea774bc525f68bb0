"""adb's server through the library adbutils: connections of our own to it, and no process for each program."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import adbutils
from adbutils import AdbError

from ..errors import DeviceLost, DeviceRefused
from .adb_bridge import Attached, Bridge, parse_devices
from .adb_errors import explain, one_line
from .adb_line import Way
from .adb_program import FramedProgram, OnData, Program, SocketProgram

if TYPE_CHECKING:
    from adbutils import AdbConnection

#: How long the server may take for an answer; to connect to a phone over the air it tries for ten seconds.
_ANSWER_S = 30.0
_KNOCK_S = 3.0
_START_S = 30.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class LibraryBridge(Bridge):
    """A server at a host and port; where it is this machine's own and does not run, it is started."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._client = adbutils.AdbClient(host, port)

    def attached(self) -> list[Attached]:
        try:
            return parse_devices(self._asked("host:devices-l"))
        except AdbError as error:
            raise DeviceRefused(f"{self._place}: no adb server answers there: {error}") from error

    def connect(self, place: str) -> str:
        try:
            return self._asked(f"host:connect:{place}")
        except AdbError as error:  # older servers say so of what newer ones answer
            return str(error)

    def disconnect(self, place: str) -> None:
        with contextlib.suppress(AdbError):
            self._asked(f"host:disconnect:{place}")

    def way(self, serial: str) -> Way:
        try:
            features = self._asked(f"host-serial:{serial}:features")
        except AdbError as error:
            raise explain(serial, str(error)) from error
        return Way.FRAMED if "shell_v2" in features.split(",") else Way.MERGED

    def start(
        self, serial: str, way: Way, line: str, on_stdout: OnData, on_stderr: OnData, on_end: Callable[[], None]
    ) -> Program:
        service = "shell,v2,raw:" if way is Way.FRAMED else "exec:"
        connection = self._connection()
        try:
            for words in (f"host:transport:{serial}", service + line):
                _send(connection, words)
            connection.conn.settimeout(None)
        except (AdbError, OSError) as error:
            connection.close()
            raise explain(serial, str(error)) from error
        kind = FramedProgram if way is Way.FRAMED else SocketProgram
        return kind(f"adb {serial}", connection, connection.conn, on_stdout, on_stderr, on_end)

    def _asked(self, words: str) -> str:
        """Return the server's answer.

        Raises:
            AdbError: it says no.
            DeviceLost: it does not answer.
        """
        connection = self._connection()
        try:
            _send(connection, words)
            return str(connection.read_string_block())
        except OSError as error:
            raise DeviceLost(f"{self._place}: the adb server does not answer: {error}") from error
        finally:
            connection.close()

    @property
    def _place(self) -> str:
        return f"{self._host}:{self._port}"

    def _connection(self) -> AdbConnection:
        # The library would start a server itself, and let it write where reports go.
        if not self._runs():
            self._start_server()
        try:
            return self._client.make_connection(timeout=_ANSWER_S)
        except (AdbError, OSError) as error:
            raise DeviceLost(f"{self._place}: the adb server does not answer: {error}") from error

    def _runs(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._host, self._port), _KNOCK_S):
            return True
        return False

    def _start_server(self) -> None:
        if self._host not in _LOOPBACK:
            raise DeviceLost(
                f"{self._place}: no adb server answers there; start one: adb -a -P {self._port} start-server"
            )
        with _no_adb():
            program = adbutils.adb_path()
        try:
            done = subprocess.run(
                [program, "-P", str(self._port), "start-server"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_START_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeviceRefused(f"{program}: the adb server does not start: {error}") from error
        if not self._runs():
            raise DeviceRefused(f"{program}: the adb server does not start: {one_line(done.stderr or done.stdout)}")


def _send(connection: AdbConnection, words: str) -> None:
    data = os.fsencode(words)
    connection.conn.sendall(b"%04x" % len(data) + data)
    connection.check_okay()


@contextmanager
def _no_adb() -> Iterator[None]:
    try:
        yield
    except AdbError as error:
        raise DeviceRefused(
            "no adb server runs, and there is no adb to start one; install it (Debian: apt install adb; others: the "
            "platform-tools of Android's SDK)"
        ) from error
