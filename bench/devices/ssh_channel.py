"""A program that runs on the other side, as the event loop's thread sees it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator

import asyncssh
from asyncssh import SSHClientChannel, SSHClientConnection

from .ssh_command import AfterMark

#: What is handed to the library at once: enough to keep the line busy, little enough to notice a full one.
PIECE_BYTES = 1 << 18
_HIGH_WATER_BYTES = 1 << 20
#: What may come before it has been taken. Boards answer in short lines; files go the other way.
_WINDOW_BYTES = 1 << 21
#: Status of a program that ended by a signal which has no number here.
_UNKNOWN_SIGNAL = 0


class Program(asyncssh.SSHClientSession[bytes]):
    """One program. Its outputs go to ``on_stdout`` and ``on_stderr`` without what its shell wrote before it began."""

    def __init__(self, mark: str, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]) -> None:
        self._marks = {None: AfterMark(mark), asyncssh.EXTENDED_DATA_STDERR: AfterMark(mark)}
        self._outputs = {None: on_stdout, asyncssh.EXTENDED_DATA_STDERR: on_stderr}
        self._writable = asyncio.Event()
        self._writable.set()
        self.begun = asyncio.Event()
        self.output_ended = asyncio.Event()
        self.closed = asyncio.Event()
        self.status: int | None = None
        self._channel: SSHClientChannel[bytes] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the shell got so far as to start it."""
        return self._marks[None].found

    @property
    def noise(self) -> str:
        """The last line of what the shell wrote, on either output, where it did not get so far."""
        for mark in (self._marks[asyncssh.EXTENDED_DATA_STDERR], self._marks[None]):
            lines = [] if mark.found else mark.noise.decode("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1].strip()[:200]
        return ""

    def connection_made(self, chan: SSHClientChannel[bytes]) -> None:
        self._channel = chan
        chan.set_write_buffer_limits(_HIGH_WATER_BYTES)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.closed.is_set():
            return
        mark = self._marks[datatype]
        after = mark.feed(data)
        if datatype is None and mark.found:
            self.begun.set()
        if after:
            self._outputs[datatype](after)

    def eof_received(self) -> bool:
        self.output_ended.set()
        return True  # its input stays open

    def exit_status_received(self, status: int) -> None:
        self.status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: ARG002
        self.status = 128 + _signal_number(signal)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the connection's own end tells more
        for event in (self.closed, self.begun, self.output_ended, self._writable):
            event.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def write(self, data: bytes) -> bool:
        """Send to its input, as fast as the way there takes it. Return False if it was closed before all was sent."""
        for piece in _pieces(data):
            await self._writable.wait()
            if self._channel is None or self.closed.is_set() or self._channel.is_closing():
                return False
            try:
                self._channel.write(piece)
            except OSError:
                return False
        await self._writable.wait()
        return not self.closed.is_set()

    def end_input(self) -> None:
        """Close its input when all that was written has gone."""
        if self._channel is not None and not self.closed.is_set():
            self._channel.write_eof()

    def kill(self) -> None:
        """Ask for its end and forget it. What is not sent yet is dropped, and nothing of it arrives any more."""
        if self._channel is not None and not self.closed.is_set():
            self._channel.kill()
            self._channel.abort()
            # The server says that it is over when the program has ended, which may be never.
            self.connection_lost(None)


async def start(connection: SSHClientConnection, line: str, program: Program) -> None:
    """Have a line run by the login shell, without a terminal."""
    await connection.create_session(
        lambda: program, line, encoding=None, request_pty=False, window=_WINDOW_BYTES, x11_forwarding=False
    )


def _pieces(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for begin in range(0, len(view), PIECE_BYTES):
        yield bytes(view[begin : begin + PIECE_BYTES])


def _signal_number(name: str) -> int:
    try:
        return signal.Signals[f"SIG{name}"].value
    except KeyError:
        return _UNKNOWN_SIGNAL
