"""A board reached over SSH.

What a person should know of it:

- Keys are offered, never a password; nothing is ever asked. Host keys are always verified, also where the ssh
  configuration says ``StrictHostKeyChecking no`` or ``UserKnownHostsFile none``.
- ``~/.ssh/config`` counts, ``/etc/ssh/ssh_config`` does not. Of its keywords these have a meaning: Host, Include,
  HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent, CertificateFile, ProxyJump, ProxyCommand,
  UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias, HostKeyAlgorithms, ConnectTimeout, AddressFamily, BindAddress,
  Ciphers, MACs, KexAlgorithms, RekeyLimit, SendEnv, SetEnv, TCPKeepAlive, and Match with all, final, host,
  originalhost, user, localuser, tagged or exec. Others are passed over, among them StrictHostKeyChecking,
  ControlMaster, Compression (always off), ForwardAgent (always off), ServerAliveInterval (5 s),
  CanonicalizeHostname, PKCS11Provider and KnownHostsCommand. Another kind of Match, or a value that cannot be read,
  is an error that names the file.
- The board's clock plays no part, unless certificates are used: those are valid for a time, by the other side's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ..errors import DeviceError, DeviceLost, DeviceRefused
from .ssh_command import new_mark, shell_line
from .ssh_loop import LoopStopped, LoopThread
from .transport import Finished, OnOutput, Stream, Transport

if TYPE_CHECKING:
    import asyncssh

    from .ssh_channel import Program
    from .ssh_connect import Login
    from .ssh_settings import SshSettings

_P = ParamSpec("_P")
_T = TypeVar("_T")
#: How long a program may take to begin. A small board's shell needs a second or two.
START_TIMEOUT_S = 60.0
_CLOSE_S = 3.0
_SHOWN_CHARACTERS = 60


class SshTransport(Transport):
    """A connection that is there when this has been made. Its methods block, and any thread may call them.

    ``on_output`` of :meth:`open` is called in the connection's own thread, which must not be kept waiting: it may not
    block, and not call these methods.

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
        with ExitStack() as undone:
            undone.callback(self.close)
            self._connection = self._loop.run(login.connect)
            undone.pop_all()

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        mark = new_mark()
        return self._wait(self._run, mark, shell_line(command, mark), _shown(command), given, timeout_s)

    def open(self, command: Sequence[str], on_output: OnOutput) -> Stream:
        mark = new_mark()
        return self._wait(self._open, mark, shell_line(command, mark), _shown(command), on_output)

    def close(self) -> None:
        self._closed = True
        if not self._loop.is_current:
            with contextlib.suppress(LoopStopped):
                self._loop.run(self._close)
        self._loop.stop(_CLOSE_S)

    def _wait(self, function: Callable[_P, Awaitable[_T]], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return self._loop.run(function, *args, **kwargs)
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
        from .ssh_stream import SshStream

        program = Program(mark, on_output, lambda _data: None)
        try:
            await asyncio.wait_for(self._until_begun(program, line), START_TIMEOUT_S)
        except asyncio.TimeoutError:
            program.kill()
            raise DeviceLost(f"{self.address}: {shown} did not start within {START_TIMEOUT_S:g} s") from None
        if not program.has_begun:
            raise self.lost() if program.status is None else self._no_programs(program)
        return SshStream(self.address, self._loop, program, on_output, self.lost)

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

    def _not_opened(self, error: asyncssh.ChannelOpenError) -> DeviceError:
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
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._login.close(), _CLOSE_S)
        finally:
            self._login.abort()


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
