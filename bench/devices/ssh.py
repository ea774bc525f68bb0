"""A board reached over SSH.

What a person should know of it:

- Keys are offered, never a password; nothing is ever asked. Host keys are always verified, also where the ssh
  configuration says ``StrictHostKeyChecking no`` or ``UserKnownHostsFile none``.
- ``~/.ssh/config`` counts (not ``/etc/ssh/ssh_config``): HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent,
  CertificateFile, ProxyJump, ProxyCommand, UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias, HostKeyAlgorithms,
  ConnectTimeout, AddressFamily, BindAddress, Ciphers, MACs, KexAlgorithms, SendEnv, SetEnv, Include, Host, and Match with
  all, host, originalhost, user, localuser, exec, tagged, localnetwork or final. Others are ignored, among them
  ControlMaster, Compression (off), ForwardAgent (off), CanonicalizeHostname, PKCS11Provider, KnownHostsCommand,
  StrictHostKeyChecking and ServerAliveInterval (5 s). Another kind of Match, or an algorithm that the library does not
  know, is an error that names the file.
- The board's clock plays no part, unless certificates are used: those are valid for a time, by the other side's clock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DeviceError, DeviceLost, DeviceRefused
from .ssh_command import new_mark, shell_line
from .ssh_loop import LoopStopped, LoopThread
from .transport import Finished, OnOutput, Stream, Transport

if TYPE_CHECKING:
    from .ssh_channel import Program
    from .ssh_connect import Login
    from .ssh_settings import SshSettings

#: How long a program may take to begin. A small board's shell needs a second or two.
START_TIMEOUT_S = 60.0
_CLOSE_S = 3.0
_SHOWN_CHARACTERS = 60


class SshTransport(Transport):
    """A connection that is there when this has been made. Its methods block, and any thread may call them.

    ``on_output`` of :meth:`open` is called in the connection's own thread, which must not be kept waiting: neither may it
    block, nor call these methods.

    Raises:
        DeviceRefused: unknown or changed host key, wrong key, no such name, no SSH server; asyncssh is not installed.
        DeviceLost: nothing answers at the moment.
    """

    def __init__(self, settings: SshSettings) -> None:
        login = _login(settings)
        self.address = login.hop.label
        self._login = login
        self._settings = settings
        self._closed = False
        self._loop = LoopThread(f"ssh {self.address}")
        try:
            self._connection = self._loop.run(login.connect)
        except BaseException:
            self.close()
            raise

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        mark = new_mark()
        return self._wait(self._run, mark, shell_line(command, mark), _shown(command), given, timeout_s)

    def open(self, command: Sequence[str], on_output: OnOutput) -> Stream:
        mark = new_mark()
        return self._wait(self._open, mark, shell_line(command, mark), _shown(command), on_output)

    def close(self) -> None:
        self._closed = True
        if not self._loop.is_current:
            try:
                self._loop.run(self._close)
            except LoopStopped:
                pass
        self._loop.stop(_CLOSE_S)

    def _wait(self, function: Any, *args: Any) -> Any:
        try:
            return self._loop.run(function, *args)
        except LoopStopped:
            raise self.lost() from None

    def lost(self) -> DeviceLost:
        """Return the error that says how the connection ended."""
        cause = self._login.lost_by
        if self._closed:
            return DeviceLost(f"{self.address}: the connection was closed")
        if cause is not None and "keepalive" in str(cause):
            silence_s = self._settings.keepalive_s * (self._settings.keepalive_count + 1)
            return DeviceLost(f"{self.address}: the connection was lost: no sign of life for {silence_s:g} s")
        reason = getattr(cause, "strerror", None) or str(cause or "")
        told = f": {reason}" if reason not in ("", "Connection lost") else ""
        return DeviceLost(f"{self.address}: the connection was lost{told}")

    async def _run(self, mark: str, line: str, shown: str, given: bytes, timeout_s: float) -> Finished:
        from .ssh_channel import Program

        stdout, stderr = bytearray(), bytearray()
        program = Program(mark, stdout.extend, stderr.extend)
        try:
            await asyncio.wait_for(self._to_its_end(program, line, given), timeout_s)
        except asyncio.TimeoutError:
            raise DeviceLost(f"{self.address}: no answer to {shown} within {timeout_s:g} s") from None
        finally:
            program.kill()
        if program.status is None:
            raise self.lost()
        if not program.has_begun:
            raise self._no_programs(program)
        return Finished(program.status, bytes(stdout), bytes(stderr))

    async def _to_its_end(self, program: Program, line: str, given: bytes) -> None:
        await self._start(program, line)
        # A program that ends before it has read all it is given is no error.
        if await program.write(given):
            program.end_input()
        await program.closed.wait()

    async def _open(self, mark: str, line: str, shown: str, on_output: OnOutput) -> Stream:
        from .ssh_channel import Program

        program = Program(mark, on_output, lambda _data: None)
        try:
            await asyncio.wait_for(self._until_begun(program, line), START_TIMEOUT_S)
        except asyncio.TimeoutError:
            program.kill()
            raise DeviceLost(f"{self.address}: {shown} did not start within {START_TIMEOUT_S:g} s") from None
        if not program.has_begun:
            raise self.lost() if program.status is None else self._no_programs(program)
        ending = asyncio.ensure_future(_tell_end(program, on_output))
        return _SshStream(self, self._loop, program, ending)

    async def _until_begun(self, program: Program, line: str) -> None:
        await self._start(program, line)
        await program.begun.wait()

    async def _start(self, program: Program, line: str) -> None:
        import asyncssh

        from .ssh_channel import start

        try:
            await start(self._connection, line, program)
        except asyncssh.ChannelOpenError as error:
            raise self._not_opened(error) from error
        except (asyncssh.Error, OSError) as error:
            raise self.lost() from error

    def _not_opened(self, error: Any) -> DeviceError:
        import asyncssh

        if self._connection.is_closed() or error.code == asyncssh.OPEN_CONNECT_FAILED:
            return self.lost()
        if error.code == asyncssh.OPEN_RESOURCE_SHORTAGE:
            return DeviceLost(f"{self.address}: the server has no room for one more program: {error.reason}")
        return DeviceRefused(f"{self.address}: the server runs no programs for this user: {error.reason}")

    def _no_programs(self, program: Program) -> DeviceRefused:
        said = f", it says: {program.noise}" if program.noise else f", it ends with status {program.status}"
        return DeviceRefused(f"{self.address}: the login shell runs no programs{said}")

    async def _close(self) -> None:
        try:
            await asyncio.wait_for(self._login.close(), _CLOSE_S)
        except asyncio.TimeoutError:
            pass
        finally:
            self._login.abort()


class _SshStream(Stream):
    """The streams of a program that has begun."""

    def __init__(
        self, transport: SshTransport, loop: LoopThread, program: Program, ending: asyncio.Future[None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._program = program
        self._ending = ending  # the loop itself holds tasks only weakly
        self._forgotten = False
        # Two threads' bytes must not be mixed.
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            try:
                sent = self._loop.run(self._program.write, data)
            except LoopStopped:
                sent = False
        if not sent:
            raise self._why()

    def close(self) -> None:
        if self._forgotten:
            return
        self._forgotten = True
        if self._loop.is_current:
            self._program.end_input()
            return
        try:
            self._loop.run(self._end)
        except LoopStopped:
            pass

    async def _end(self) -> None:
        """Let it end by itself, as programs do whose input ends; not for long."""
        self._program.end_input()
        try:
            await asyncio.wait_for(self._program.closed.wait(), _CLOSE_S)
        except asyncio.TimeoutError:
            self._program.kill()

    def _why(self) -> DeviceLost:
        if self._program.status is not None:
            return DeviceLost(
                f"{self._transport.address}: the program there has ended with status {self._program.status}"
            )
        return self._transport.lost()


async def _tell_end(program: Program, on_output: OnOutput) -> None:
    await program.output_ended.wait()
    on_output(None)


def _login(settings: SshSettings) -> Login:
    try:
        from .ssh_connect import Login
    except ModuleNotFoundError as error:
        if error.name != "asyncssh":
            raise
        raise DeviceRefused("devices over SSH need asyncssh: pip install 'edgebench[ssh]'") from None
    return Login(settings)


def _shown(command: Sequence[str]) -> str:
    """Return the beginning of a command for a person."""
    text = " ".join(command)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...")
