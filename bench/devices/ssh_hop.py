"""One server on the way to a device, with all that the ssh configuration says about it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from ..errors import DeviceRefused, UsageError
from .ssh_address import SshAddress, parse_jumps, written
from .ssh_keys import KeySources, sources
from .ssh_known_hosts import SYSTEM_FILES, USER_FILES, KnownHost, find_known_host
from .ssh_settings import SshSettings

CONNECT_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Hop:
    """A server. ``label`` is what a person calls it, ``host`` and ``port`` are where it is.

    ``device`` is the label of the device itself: the same for the last hop, another for a jump host.
    """

    name: str
    host: str
    user: str
    port: int
    device: str
    known: KnownHost
    keys: KeySources
    timeout_s: float
    settings: SshSettings
    jumps: tuple[SshAddress, ...] = ()
    proxy_command: str | None = None
    configs: tuple[str, ...] = ()
    host_key_algorithms: str | None = None

    @property
    def label(self) -> str:
        """The server as a person calls it."""
        return written(self.name, self.user, self.port)

    @property
    def place(self) -> str:
        """Where it is: host and port, as the ssh configuration has them."""
        return written(self.host, None, self.port)

    @property
    def prefix(self) -> str:
        """What a line about this server begins with."""
        return self.label if self.label == self.device else f"{self.device}: jump host {self.label}"

    def ssh(self, program: str = "ssh") -> str:
        """Return a command that does by hand what is done here: log in, or with ssh-copy-id put a key there."""
        words = [program]
        if self.settings.config_file is not None:
            words += ["-F", str(self.settings.config_file)]
        if self.settings.jump and self.label == self.device:
            words += ["-J", ",".join(str(jump) for jump in self.settings.jump)]
        if self.settings.identity is not None:
            words += ["-i", str(self.settings.identity)]
        if self.settings.known_hosts is not None:
            words += ["-o", f"UserKnownHostsFile={self.settings.known_hosts}"]
        return shlex.join([*words, "-p", str(self.port), f"{self.user}@{self.name}"])


def resolve(address: SshAddress, settings: SshSettings, device: str | None) -> Hop:
    """Return the server that an address means. ``device`` is the label of the device behind it, None: it is the device.

    Raises:
        DeviceRefused: the ssh configuration says something that cannot be used.
    """
    configs = _configs(settings.config_file)
    try:
        options = asyncssh.SSHClientConnectionOptions(
            config=list(configs),
            host=address.host,
            **_given(address),
            client_keys=None,
            known_hosts=None,
            gss_host=None,
        )
        jumps = settings.jump if device is None and settings.jump else _jumps(options.tunnel)
        proxy_command = None if device is None and settings.jump else _text(options.config.get("ProxyCommand"))
    except (ValueError, OSError, UsageError, asyncssh.Error) as error:
        where = ", ".join(configs) or "the ssh configuration"
        raise DeviceRefused(f"{address}: {where} cannot be used: {_told(error)}") from None
    label = written(address.host, options.username, options.port)
    return Hop(
        name=address.host,
        host=options.host,
        user=options.username,
        port=options.port,
        device=device or label,
        known=find_known_host(
            options.host, options.port, options.host_key_alias, _known_files(settings, options.config)
        ),
        keys=sources(
            settings.identity,
            _texts(options.config.get("IdentityFile")),
            bool(options.config.get("IdentitiesOnly")),
            _agent(options.config),
            is_jump=device is not None,
        ),
        timeout_s=settings.connect_timeout_s or options.connect_timeout or CONNECT_TIMEOUT_S,
        settings=settings,
        jumps=jumps,
        proxy_command=proxy_command,
        configs=configs,
        host_key_algorithms=_text(options.config.get("HostKeyAlgorithms")),
    )


def _given(address: SshAddress) -> dict[str, Any]:
    """Return what the address says; the library takes the rest from the configuration."""
    given: dict[str, Any] = {}
    if address.user is not None:
        given["username"] = address.user
    if address.port is not None:
        given["port"] = address.port
    return given


def _configs(named: Path | None) -> tuple[str, ...]:
    if named is not None:
        return (str(named),)
    own = Path("~/.ssh/config").expanduser()
    return (str(own),) if own.is_file() else ()


def _jumps(tunnel: object) -> tuple[SshAddress, ...]:
    text = _text(tunnel)
    return () if text is None else parse_jumps(text)


def _known_files(settings: SshSettings, config: Any) -> Sequence[str]:
    """Return the known_hosts files. ``UserKnownHostsFile none`` means that there is none, and so nothing is known."""
    if settings.known_hosts is not None:
        return [str(settings.known_hosts)]
    user, system = config.get("UserKnownHostsFile"), config.get("GlobalKnownHostsFile")
    return [*(USER_FILES if user is None else _texts(user)), *(SYSTEM_FILES if system is None else _texts(system))]


def _agent(config: Any) -> str | None:
    """Return ``IdentityAgent``, of which the library has made None where it says ``none``."""
    found = config.get("IdentityAgent", "")
    return "none" if found is None else str(found) or None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _told(error: Exception) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
