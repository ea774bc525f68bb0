"""A program on a phone, as the threads see it that pass on what it writes."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import IO

#: What is handed on at once: enough to keep the line busy, little enough to notice a full one.
PIECE_BYTES = 1 << 16
#: How long somebody who takes what a killed program wrote is waited for.
_JOIN_S = 3.0
_END_INPUT_S = 1.0
_HEAD = struct.Struct("<BI")
_STDIN, _STDOUT, _STDERR, _EXIT, _END_INPUT = range(5)

OnData = Callable[[bytes], None]


class Program(ABC):
    """One program. ``ended`` is set when all that it wrote has come, or nothing more can.

    ``status`` is the exit code, None where the way there tells none; ``on_end`` is called once.
    """

    def __init__(self, on_stdout: OnData, on_stderr: OnData, on_end: Callable[[], None]) -> None:
        self.ended = threading.Event()
        self.status: int | None = None
        self._on_stdout = on_stdout
        self._on_stderr = on_stderr
        self._on_end = on_end
        # Two threads' bytes must not be mixed.
        self._writing = threading.Lock()

    @abstractmethod
    def write(self, data: bytes) -> bool:
        """Send to its input, as fast as the way there takes it. Return False if it was closed before all was sent."""

    #: Whether its input can end before it does.
    has_end_of_input = True

    def end_input(self) -> None:
        """Close its input, unless somebody writes to it, which may last for ever."""
        if self._writing.acquire(timeout=_END_INPUT_S):
            try:
                with contextlib.suppress(OSError):
                    self._end_input()
            finally:
                self._writing.release()

    @abstractmethod
    def _end_input(self) -> None:
        """Close its input. The caller has the lock, and takes an OSError as the end that it was about to be."""

    @abstractmethod
    def kill(self) -> None:
        """Forget it: what waits to be sent is dropped, and nothing of it arrives any more. May be called twice."""

    def _join(self) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        def pass_on() -> None:
            try:
                with contextlib.suppress(OSError, ValueError):  # it was closed meanwhile
                    work()
            finally:
                self.ended.set()
                self._on_end()

        self._thread = threading.Thread(target=pass_on, name=name, daemon=True)
        self._thread.start()


class SocketProgram(Program):
    """A program over a connection to the adb server: both outputs in one, and its input does not end before it does.

    ``connection`` is kept, whose socket it is.
    """

    has_end_of_input = False

    def __init__(
        self,
        name: str,
        connection: object,
        link: socket.socket,
        on_stdout: OnData,
        on_stderr: OnData,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(on_stdout, on_stderr, on_end)
        self._connection = connection
        self._link = link
        self._begin(name, self._read)

    def write(self, data: bytes) -> bool:
        view = memoryview(data)
        with self._writing:
            if self.ended.is_set():
                return False
            try:
                for begin in range(0, len(view), PIECE_BYTES):
                    self._send(view[begin : begin + PIECE_BYTES])
            except OSError:
                return False
        return True

    def _end_input(self) -> None:
        """Do nothing: an end of the input would be the connection's."""

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)  # wakes whoever reads or writes
        self._join()
        self._link.close()

    def _send(self, piece: memoryview) -> None:
        self._link.sendall(piece)

    def _read(self) -> None:
        while data := self._link.recv(PIECE_BYTES):
            self._on_stdout(data)


class FramedProgram(SocketProgram):
    """The same with adb's shell protocol 2: outputs apart, an exit code, and an input that can end."""

    has_end_of_input = True

    def _end_input(self) -> None:
        self._link.sendall(_HEAD.pack(_END_INPUT, 0))

    def _send(self, piece: memoryview) -> None:
        self._link.sendall(_HEAD.pack(_STDIN, len(piece)))
        self._link.sendall(piece)

    def _read(self) -> None:
        while head := self._exactly(_HEAD.size):
            kind, size = _HEAD.unpack(head)
            data = self._exactly(size)
            if kind == _STDOUT and data:
                self._on_stdout(data)
            elif kind == _STDERR and data:
                self._on_stderr(data)
            elif kind == _EXIT and data:
                self.status = data[0]
                return

    def _exactly(self, size: int) -> bytes:
        """Return so many bytes, none where the connection ends before they are there."""
        data = bytearray()
        while len(data) < size:
            more = self._link.recv(min(PIECE_BYTES, size - len(data)))
            if not more:
                return b""
            data += more
        return bytes(data)


class ClientProgram(Program):
    """A program over a child process, adb's own client."""

    def __init__(
        self, name: str, command: Sequence[str], on_stdout: OnData, on_stderr: OnData, on_end: Callable[[], None]
    ) -> None:
        super().__init__(on_stdout, on_stderr, on_end)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._errors = threading.Thread(target=self._copy, args=(self._process.stderr, on_stderr), daemon=True)
        self._errors.start()
        self._begin(name, self._read)

    def write(self, data: bytes) -> bool:
        view = memoryview(data)
        stdin = self._process.stdin
        with self._writing:
            try:
                while view and stdin is not None:
                    view = view[stdin.write(view[:PIECE_BYTES]) or 0 :]
            except (OSError, ValueError):
                return False
        return True

    def _end_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()
        self._join()
        self.end_input()

    def _read(self) -> None:
        self._copy(self._process.stdout, self._on_stdout)
        self._errors.join()
        self._process.wait()  # its exit code is 0 too where it lost the connection

    def _copy(self, pipe: IO[bytes] | None, on_data: OnData) -> None:
        if pipe is None:
            return
        with pipe:
            while data := os.read(pipe.fileno(), PIECE_BYTES):
                on_data(data)
