"""Logging in: through the jump hosts to the device, host keys verified, no question ever asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import asyncssh
from asyncssh import SSHClientConnection, SSHKey

from ..errors import DeviceError, DeviceRefused
from .ssh_address import SshAddress
from .ssh_errors import explain
from .ssh_hop import Hop, resolve
from .ssh_keys import Keys, find_keys
from .ssh_proxy import Proxy
from .ssh_settings import SshSettings

_MOST_HOPS = 8
_GREETING_S = 3.0
#: Come after the kinds of the known keys, so that a key of another kind is seen and told, and not just not agreed on.
_HOST_KEY_KINDS = "+ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256"


class Login:
    """A connection to a device, and everything that it goes through."""

    def __init__(self, settings: SshSettings) -> None:
        """Find out what the settings mean.

        Raises:
            DeviceRefused: the ssh configuration says something that cannot be used.
        """
        self._settings = settings
        self.hop = resolve(settings.address, settings, None)
        self.lost_by: Exception | None = None
        self._connections: list[SSHClientConnection] = []
        self._proxies: list[Proxy] = []
        self._on_the_way: list[str] = []

    async def connect(self) -> SSHClientConnection:
        """Return the connection to the device. Whatever happens, :meth:`close` must be called afterwards.

        Raises:
            DeviceRefused: it says no and will again.
            DeviceLost: it cannot be reached at the moment.
        """
        return await self._reach(self.hop, None)

    async def close(self) -> None:
        """End the connections, the device's first."""
        for connection in reversed(self._connections):
            connection.close()
        for connection in reversed(self._connections):
            with contextlib.suppress(OSError, asyncssh.Error):
                await connection.wait_closed()

    def abort(self) -> None:
        """End at once what :meth:`close` could not. In the loop's thread."""
        for connection in reversed(self._connections):
            connection.abort()
        for proxy in self._proxies:
            proxy.close()

    async def _reach(self, hop: Hop, via: SSHClientConnection | None) -> SSHClientConnection:
        """Connect to a server through ``via``, or where that is None through the jump hosts that it has itself."""
        if via is None:
            self._on_the_way.append(hop.label)
            if len(self._on_the_way) > _MOST_HOPS:
                raise DeviceRefused(f"{hop.prefix}: its ProxyJump leads on and on; look at {', '.join(hop.configs)}")
            for jump in hop.jumps:
                server = self._resolve_jump(jump)
                # "Host *" with a ProxyJump is about the jump host as well; ssh does not send it through itself either.
                if server.label not in self._on_the_way:
                    via = await self._reach(server, via)
        connection = await self._log_in(hop, via)
        self._connections.append(connection)
        return connection

    def _resolve_jump(self, address: SshAddress) -> Hop:
        return resolve(address, self._settings, self.hop.label)

    async def _log_in(self, hop: Hop, via: SSHClientConnection | None) -> SSHClientConnection:
        keys = Keys()
        client = _Client(self._note_loss if hop is self.hop else _ignore)
        proxy = None
        try:
            keys = await find_keys(hop.keys)
            if via is None and hop.proxy_command is not None:
                proxy = Proxy(hop.proxy_command)
                self._proxies.append(proxy)
            options = _options(hop, self._settings, keys, client)
            way = {"tunnel": via} if proxy is None else {"sock": proxy.socket, "tunnel": None}
            return await asyncio.wait_for(asyncssh.connect(**options, **way), hop.timeout_s)
        except (asyncssh.Error, OSError, ValueError, asyncio.TimeoutError, DeviceError) as error:
            greeting = None
            if via is None and proxy is None and not client.heard and isinstance(error, asyncssh.DisconnectError):
                greeting = await _greeting(hop)
            raise _with_words(explain(error, hop, keys, client.offered, greeting), proxy) from error
        finally:
            await keys.close()

    def _note_loss(self, error: Exception | None) -> None:
        self.lost_by = error


class _Client(asyncssh.SSHClient):
    """Looks on at a login."""

    def __init__(self, on_loss: Callable[[Exception | None], None]) -> None:
        self.offered: SSHKey | None = None
        self._on_loss = on_loss
        self._connection: SSHClientConnection | None = None

    @property
    def heard(self) -> bool:
        """Whether the server said its version of SSH."""
        return self._connection is not None and self._connection.get_extra_info("server_version") is not None

    def connection_made(self, conn: SSHClientConnection) -> None:
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:  # noqa: ARG002
        self.offered = key
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_loss(exc)


def _options(hop: Hop, settings: SshSettings, keys: Keys, client: _Client) -> dict[str, Any]:
    """Return what the library is told. What is not said here it takes from the ssh configuration."""
    options: dict[str, Any] = {
        "host": hop.name,
        "port": hop.port,
        "username": hop.user,
        "config": list(hop.configs),
        "proxy_command": None,
        "client_factory": lambda: client,
        "known_hosts": (list(hop.known.keys), list(hop.known.authorities), list(hop.known.revoked)),
        "x509_trusted_certs": None,
        "client_keys": keys.pairs or None,
        "agent_path": None,
        "agent_identities": None,
        "pkcs11_provider": None,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "password_auth": False,
        "kbdint_auth": False,
        "host_based_auth": False,
        "preferred_auth": ["publickey"],
        "gss_host": None,
        "canonicalize_hostname": False,
        "connect_timeout": None,
        "keepalive_interval": settings.keepalive_s,
        "keepalive_count_max": settings.keepalive_count,
        # A board would pay for it with its processor, and pictures and models hardly get smaller.
        "compression_algs": ["none"],
    }
    if hop.known.keys and hop.host_key_algorithms is None:
        options["server_host_key_algs"] = _HOST_KEY_KINDS
    return options


async def _greeting(hop: Hop) -> str | None:
    """Return the first line that a server says to a client of SSH, None where it says nothing or is gone.

    The library does not tell what it heard in place of a version, so it is asked for once more.
    """
    try:
        return await asyncio.wait_for(_first_line(hop.host, hop.port), _GREETING_S)
    except (OSError, asyncio.TimeoutError, ValueError):
        return None


async def _first_line(host: str, port: int) -> str | None:
    reader, writer = await asyncio.open_connection(host, port, family=socket.AF_UNSPEC)
    try:
        writer.write(b"SSH-2.0-edgebench\r\n")
        line = (await reader.read(200)).split(b"\n")[0].decode("utf-8", "replace").strip()
        return None if not line or line.startswith("SSH-") else line[:80]
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _with_words(error: DeviceError, proxy: Proxy | None) -> DeviceError:
    """Return the error with what the ProxyCommand said, if there is one."""
    words = proxy.last_words if proxy is not None else ""
    return type(error)(f"{error}; its ProxyCommand says: {words}") if words else error


def _ignore(_error: Exception | None) -> None:
    """Of a jump host: its end is the end of what goes through it."""
