"""A phone reached over adb, Android's debug bridge: by USB, or over the air once it is paired.

What a person should know of it:

- The server is the one that ``adb devices`` talks to; where none runs, it is started, and stays as it would for adb.
- A phone is named by its serial as ``adb devices`` shows it; ``ANDROID_SERIAL`` counts where none is named. To a host
  and port the server is told to connect.
- Programs run as the user ``shell``, in ``/``, without a terminal. Nothing is installed, and no root is needed.
- Exit codes are real. Android 7 and newer send them; older ones have their shell write them, the errors of a program
  arrive after its output, and that goes to a terminal in raw mode.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from ..errors import DeviceError, DeviceLost, DeviceRefused, DeviceUnknown
from .adb_address import SCHEME, AdbAddress
from .adb_bridge import Attached, Bridge, find_bridge
from .adb_errors import READY, explain, explain_connecting, one_line
from .adb_line import Way, finished, open_line, run_line
from .adb_program import OnData, Program
from .ssh_command import AfterMark, new_mark
from .transport import Finished, OnOutput, Stream, Transport

#: How long a program may go on after the end of its input before it is left alone.
END_S = 3.0
#: How long a shell there may take to begin a program.
_BEGIN_S = 60.0
_SHOWN_CHARACTERS = 60


class AdbTransport(Transport):
    """A connection that is there when this has been made. Its methods block, and any thread may call them.

    ``on_output`` of :meth:`open` is called in a thread of that program's own; while it does not return, the program
    there cannot write. ``serial`` is which device it is.

    Raises:
        DeviceRefused: no adb; several phones and none named; not authorised.
        DeviceUnknown: there are phones, and none of that name.
        DeviceLost: it is not attached, or does not answer.
    """

    def __init__(self, address: AdbAddress, bridge: Bridge | None = None, way: Way | None = None) -> None:
        self._bridge = bridge or find_bridge()
        self.serial = _reached(self._bridge, address)
        self.address = self.serial
        self._way = way or self._bridge.way(self.serial)
        self._closed = False
        self._programs: set[Program] = set()
        self._lock = threading.Lock()

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        mark = new_mark()
        stdout, stderr = bytearray(), bytearray()
        line = run_line(self._way, command, mark, len(given))
        program = self._start(line, stdout.extend, stderr.extend, lambda: None)
        try:
            threading.Thread(target=_give, args=(program, given), daemon=True).start()
            if not program.ended.wait(timeout_s):
                raise DeviceLost(f"{self.address}: no answer to {_shown(command)} within {timeout_s:g} s")
        finally:
            self.forget(program)
        done = finished(self._way, mark, program.status, bytes(stdout), bytes(stderr))
        if done is None:
            raise self._no_end(mark.encode() in stdout, bytes(stderr))
        return done

    def open(self, command: Sequence[str], on_output: OnOutput) -> Stream:
        mark = new_mark()
        begun = threading.Event()
        after = AfterMark(mark)
        words = bytearray()

        def hear(data: bytes) -> None:
            rest = data if self._way is Way.FRAMED else after.feed(data)
            if after.found:
                begun.set()
            if rest:
                on_output(rest)

        def end() -> None:
            begun.set()
            on_output(None)

        program = self._start(open_line(self._way, command, mark), hear, words.extend, end)
        if self._way is not Way.FRAMED:
            if not begun.wait(_BEGIN_S):
                self.forget(program)
                raise DeviceLost(f"{self.address}: {_shown(command)} did not start within {_BEGIN_S:g} s")
            if not after.found:
                self.forget(program)
                raise self._no_end(False, bytes(words))
        return AdbStream(self, program)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            programs, self._programs = self._programs, set()
        for program in programs:
            program.kill()

    def lost(self) -> DeviceLost:
        """Return the error that says how the connection ended."""
        how = "closed" if self._closed else "lost"
        return DeviceLost(f"{self.address}: the connection was {how}")

    def forget(self, program: Program) -> None:
        """End a program's connection, and let go of it."""
        with self._lock:
            self._programs.discard(program)
        program.kill()

    def _start(self, line: str, on_stdout: OnData, on_stderr: OnData, on_end: Callable[[], None]) -> Program:
        if self._closed:
            raise self.lost()
        program = self._bridge.start(self.serial, self._way, line, on_stdout, on_stderr, on_end)
        if self._keeps(program):
            return program
        program.kill()
        raise self.lost()

    def _keeps(self, program: Program) -> bool:
        """Take a program in, unless the connection was closed meanwhile."""
        with self._lock:
            if not self._closed:
                self._programs.add(program)
            return not self._closed

    def _no_end(self, begun: bool, stderr: bytes) -> DeviceError:
        """Return the error for a program whose end did not arrive: where it never began, adb's client has said why."""
        if begun or self._closed or not stderr.strip():
            return self.lost()
        return explain(self.serial, one_line(stderr.decode("utf-8", "replace")))


class AdbStream(Stream):
    """The streams of a program that has been started."""

    def __init__(self, transport: AdbTransport, program: Program) -> None:
        self._transport = transport
        self._program = program
        self._forgotten = False

    def write(self, data: bytes) -> None:
        if self._program.write(data):
            return
        if self._program.status is not None:
            raise DeviceLost(
                f"{self._transport.address}: the program there has ended with status {self._program.status}"
            )
        raise self._transport.lost()

    def close(self) -> None:
        if self._forgotten:
            return
        self._forgotten = True
        self._program.end_input()
        self._program.ended.wait(END_S if self._program.has_end_of_input else 0.0)
        self._transport.forget(self._program)


class AdbConnector:
    """Connects to the same phone each time, also where the address leaves open which."""

    def __init__(self, address: AdbAddress) -> None:
        self._address = address
        self._was_there = False

    def __call__(self) -> AdbTransport:
        """Return a connection.

        Raises:
            DeviceRefused, DeviceLost: see :class:`AdbTransport`. One that was there before is lost, not unknown.
        """
        try:
            transport = AdbTransport(self._address)
        except DeviceUnknown as error:
            if self._was_there:  # it starts anew, or its cable is loose
                raise DeviceLost(str(error)) from error
            raise
        self._address, self._was_there = AdbAddress(transport.serial), True
        return transport


def _reached(bridge: Bridge, address: AdbAddress) -> str:
    """Return the serial of the device that an address means, which can be used."""
    attached = bridge.attached()
    serial = address.serial or os.environ.get("ANDROID_SERIAL") or _only(attached)
    known = {device.serial: device for device in attached}.get(serial)
    if known is not None and known.state == READY:
        return serial
    if not address.is_place:
        raise explain(serial, known.state) if known is not None else _absent(serial, attached)
    if known is not None and known.state == "offline":
        bridge.disconnect(serial)  # else the server goes on trying by itself, every ten seconds
    error = explain_connecting(serial, bridge.connect(serial))
    if error is not None:
        raise error
    return serial


def _only(attached: Sequence[Attached]) -> str:
    if not attached:
        raise DeviceLost(
            "no phone is attached: plug one in and switch USB debugging on, in its developer options; over the air: "
            f"{SCHEME}HOST:PORT"
        )
    if len(attached) > 1:
        listed = ", ".join(str(device) for device in attached)
        raise DeviceRefused(
            f"{len(attached)} phones are attached, say which: {listed}; for instance {SCHEME}{attached[0].serial}"
        )
    return attached[0].serial


def _absent(serial: str, attached: Sequence[Attached]) -> DeviceError:
    if not attached:
        return DeviceLost(f"{serial}: no phone is attached; is it plugged in, with USB debugging on?")
    return DeviceUnknown(f"{serial}: no such phone is attached; there is {', '.join(map(str, attached))}")


def _give(program: Program, given: bytes) -> None:
    # A program that ends before it has read all it is given is no error.
    if program.write(given):
        program.end_input()


def _shown(command: Sequence[str]) -> str:
    """Return the beginning of a command for a person."""
    text = " ".join(command)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...")
