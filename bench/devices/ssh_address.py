"""Addresses of SSH servers as people write them: ``ssh://[user@]host[:port]``, with or without the ``ssh://``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote

from ..errors import UsageError

SCHEME = "ssh://"

_HOST = re.compile(r"[\w.%][\w.%-]*")
_IN_BRACKETS = re.compile(r"\[(?P<host>[^\[\]]*)\](?::(?P<port>.*))?", re.DOTALL)
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class SshAddress:
    """Where a server is. ``host`` may be a name of the ssh configuration; what is None is found out there."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        return written(self.host, self.user, self.port)


def written(host: str, user: str | None, port: int | None) -> str:
    """Return ``user@host:port`` of what is known, with an IPv6 address in brackets."""
    shown = f"[{host}]" if ":" in host else host
    return f"{f'{user}@' if user else ''}{shown}{f':{port}' if port else ''}"


def parse_address(text: str) -> SshAddress:
    """Return the address that ``[ssh://][user@]host[:port]`` means. An IPv6 address stands in brackets.

    Raises:
        UsageError: it is no such address.
    """
    is_url = text.startswith(SCHEME)
    user, at, place = text.removeprefix(SCHEME).rpartition("@")
    if is_url:
        place = place.removesuffix("/")
    host, port = _host_and_port(place, text)
    return SshAddress(host, _user(unquote(user) if is_url else user, text) if at else None, port)


def parse_jumps(text: str) -> tuple[SshAddress, ...]:
    """Return the servers that a connection goes through, first to last, from ``[user@]host[:port],...``.

    Raises:
        UsageError: one of them is no address.
    """
    return tuple(parse_address(hop.strip()) for hop in text.split(","))


def _host_and_port(place: str, text: str) -> tuple[str, int | None]:
    bracketed = _IN_BRACKETS.fullmatch(place)
    if bracketed:
        return _ipv6(bracketed["host"], text), _port(bracketed["port"], text)
    if place.count(":") > 1:
        raise UsageError(f"{text!r}: write an IPv6 address in brackets, as in ssh://pi@[fe80::1]:22")
    host, colon, port = place.partition(":")
    if not _HOST.fullmatch(host):
        raise UsageError(f"{text!r} is no address of a device; write ssh://[user@]host[:port]")
    return host, _port(port if colon else None, text)


def _ipv6(host: str, text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise UsageError(f"{text!r}: {host!r} is no IPv6 address") from None


def _port(port: str | None, text: str) -> int | None:
    if port is None:
        return None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _HIGHEST_PORT):
        raise UsageError(f"{text!r}: {port!r} is no port; it is a number from 1 to {_HIGHEST_PORT}")
    return int(port)


def _user(user: str, text: str) -> str:
    if ":" in user:
        shown = text.replace(user.partition(":")[2], "...")
        raise UsageError(f"{shown!r}: leave the password out; keys are used, never passwords")
    if not user or user.startswith("-") or not user.isprintable() or any(c.isspace() for c in user):
        raise UsageError(f"{text!r}: {user!r} is no user's name")
    return user
