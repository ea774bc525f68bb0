"""What went wrong on the way to a device, in one line, and whether to try again may help."""

from __future__ import annotations

import asyncio
import socket

import asyncssh
from asyncssh import SSHKey

from ..errors import DeviceError, DeviceLost, DeviceRefused, DeviceUnknown
from .ssh_hop import Hop
from .ssh_keys import Keys
from .ssh_known_hosts import fingerprint

#: What sshd says in place of its version when it wants no more connections at the moment.
BUSY_WORDS = ("MaxStartups", "Not allowed at this time")
_CLOSED = "the connection was closed before the login was over; it may be booting"


def explain(error: BaseException, hop: Hop, keys: Keys, offered: SSHKey | None, greeting: str | None) -> DeviceError:
    """Return the error to a person for what the library raised while it connected.

    ``offered`` is the host key that was not believed, if any; ``greeting`` is what a server that ended the connection
    before it said its SSH version says in its place, as far as could be found out.
    """
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return _host_key(error, hop, offered)
    if isinstance(error, asyncssh.PermissionDenied):
        return DeviceRefused(
            f"{hop.prefix}: user {hop.user} is not let in ({keys.story}); "
            f"put a key there: {hop.ssh('ssh-copy-id')}, or name one with identity"
        )
    if isinstance(error, asyncssh.ChannelOpenError):
        return _beyond_jump(error, hop)
    if isinstance(error, asyncssh.DisconnectError):
        return _disconnected(error, hop, keys, greeting)
    # TimeoutError is an OSError, and in Python 3.10 asyncio has one of its own.
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return DeviceLost(f"{hop.prefix}: no answer within {hop.timeout_s:g} s; is it on, and is this its address?")
    if isinstance(error, socket.gaierror):
        return _no_address(error, hop)
    if isinstance(error, OSError):
        return _no_connection(error, hop)
    return DeviceRefused(f"{hop.prefix}: {error}")


def _host_key(error: asyncssh.HostKeyNotVerifiable, hop: Hop, offered: SSHKey | None) -> DeviceRefused:
    if offered is None:
        return DeviceRefused(f"{hop.prefix}: its host key cannot be trusted: {error.reason}")
    if hop.known.keys:
        return DeviceRefused(
            f"{hop.prefix}: ITS HOST KEY HAS CHANGED: known is {hop.known.fingerprints}, now it shows "
            f"{fingerprint(offered)}; it is another machine, or somebody is in between, unless it was installed anew; "
            f"only if you know that it was: {hop.known.removal} && {hop.ssh()} true"
        )
    return DeviceRefused(
        f"{hop.prefix}: its host key is not known: {fingerprint(offered)}; compare it with the board's own "
        f"(there: ssh-keygen -lf /etc/ssh/ssh_host_{_kind(offered)}_key.pub), and accept it once with: {hop.ssh()} true"
    )


def _kind(key: SSHKey) -> str:
    """Return what key files of this kind are called: ed25519, rsa, ecdsa."""
    return next((kind for kind in ("ed25519", "ecdsa", "rsa") if kind in key.get_algorithm()), "*")


def _beyond_jump(error: asyncssh.ChannelOpenError, hop: Hop) -> DeviceError:
    reason = error.reason.strip() or "no reason given"
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return DeviceRefused(f"{hop.prefix}: the jump host before it forwards nothing to {hop.place}: {reason}")
    if "not known" in reason or "No address" in reason:
        return DeviceUnknown(f"{hop.prefix}: the jump host before it knows no {hop.host}: {reason}")
    return DeviceLost(f"{hop.prefix}: the jump host before it cannot reach {hop.place}: {reason}")


def _disconnected(error: asyncssh.DisconnectError, hop: Hop, keys: Keys, greeting: str | None) -> DeviceError:
    reason = error.reason
    if "too many authentication failures" in reason.lower():
        return DeviceRefused(
            f"{hop.prefix}: too many keys were tried for user {hop.user} ({keys.story}); "
            "name the right one with identity, or IdentityFile and IdentitiesOnly in the ssh configuration"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return DeviceRefused(f"{hop.prefix}: no way to encrypt that both sides know: {reason}")
    if isinstance(error, asyncssh.ProtocolNotSupported):
        return DeviceRefused(f"{hop.prefix}: {hop.place} speaks another version of SSH: {reason}")
    if isinstance(error, asyncssh.ConnectionLost | asyncssh.ProtocolError) and greeting:
        return _greeted(greeting, hop)
    if isinstance(error, asyncssh.ConnectionLost):
        return DeviceLost(f"{hop.prefix}: {_CLOSED}")
    return DeviceLost(f"{hop.prefix}: the server ended the connection: {reason}")


def _greeted(greeting: str, hop: Hop) -> DeviceError:
    if any(words in greeting for words in BUSY_WORDS):
        return DeviceLost(f"{hop.prefix}: the server wants no more connections at the moment: {greeting}")
    return DeviceRefused(f"{hop.prefix}: {hop.place} is no SSH server, it says {greeting!r}; is this the right port?")


def _no_address(error: socket.gaierror, hop: Hop) -> DeviceError:
    if error.errno == socket.EAI_AGAIN:
        return DeviceLost(f"{hop.prefix}: the name {hop.host} cannot be looked up at the moment: {error.strerror}")
    return DeviceUnknown(
        f"{hop.prefix}: there is no machine called {hop.host}: {error.strerror}; is it on, and spelled so?"
    )


def _no_connection(error: OSError, hop: Hop) -> DeviceError:
    reason = error.strerror or str(error)
    if isinstance(error, ConnectionRefusedError):
        return DeviceLost(f"{hop.prefix}: nothing listens at {hop.place} yet, or it has no SSH server")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return DeviceLost(f"{hop.prefix}: {_CLOSED}")
    if isinstance(error, PermissionError):
        return DeviceRefused(f"{hop.prefix}: this machine may not connect to {hop.place}: {reason}")
    return DeviceLost(f"{hop.prefix}: {hop.place} cannot be reached: {reason}")
