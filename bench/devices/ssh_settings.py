"""How a board is reached over SSH, from an address or from ``[devices.NAME]`` of edgebench.toml::

[devices.pi]
ssh = "pi@raspberrypi.local"        # or a name of ~/.ssh/config, or ssh://pi@10.0.0.7:2222
identity = "~/.ssh/id_pi"           # the only key that is offered; otherwise as ssh does: agent, IdentityFile, ~/.ssh
known_hosts = "known_hosts"         # instead of ~/.ssh/known_hosts
jump = "me@gateway.example.org"     # go through this server, or several: "first,second"
ssh_config = "lab/ssh_config"       # instead of ~/.ssh/config
connect_timeout_s = 20
folder = "/mnt/ssd/edgebench"       # the rest is about what edgebench does there, see RemoteTable
python = "/usr/bin/python3.11"
cache = "2GB"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..nearest import did_you_mean
from .ssh_address import SshAddress, parse_address, parse_jumps

_SSH_KEYS = ("ssh", "identity", "known_hosts", "jump", "ssh_config", "connect_timeout_s")
_REMOTE_KEYS = ("folder", "python", "cache")
TABLE_KEYS = (*_SSH_KEYS, *_REMOTE_KEYS)


@dataclass(frozen=True)
class SshSettings:
    """What a connection needs to know. None: as the ssh configuration says, or ssh's own default.

    ``keepalive_s`` is how long a silent connection is left alone before it is asked for a sign of life; after
    ``keepalive_count`` questions without an answer it is given up, so a dead network is noticed after
    ``keepalive_s * (keepalive_count + 1)`` seconds.
    """

    host: str
    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    jump: tuple[SshAddress, ...] = ()
    config_file: Path | None = None
    connect_timeout_s: float | None = None
    keepalive_s: float = 5.0
    keepalive_count: int = 3

    @classmethod
    def from_address(cls, text: str) -> SshSettings:
        """Return the settings of a bare address such as ``ssh://pi@raspberrypi.local:22``.

        Raises:
            UsageError: it is no address.
        """
        address = parse_address(text)
        return cls(address.host, address.user, address.port)

    @property
    def address(self) -> SshAddress:
        """The server as it was written."""
        return SshAddress(self.host, self.user, self.port)


@dataclass(frozen=True)
class RemoteTable:
    """One ``[devices.NAME]`` with ``ssh``. ``folder``, ``python`` and ``cache`` are as written, None where absent."""

    ssh: SshSettings
    folder: str | None = None
    python: str | None = None
    cache: str | None = None

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], path: Path | None = None) -> RemoteTable:
        """Return what ``[devices.name]`` says. Relative paths to files of this machine begin at the folder of ``path``.

        Raises:
            UsageError: a key or value means nothing, or there is no ``ssh``.
        """
        where = f"{f'{path}: ' if path else ''}[devices.{name}]"
        for key in table:
            if key not in TABLE_KEYS:
                raise UsageError(f"{where}: no key is called {key}; {did_you_mean(key, TABLE_KEYS)}")
        texts = {key: _text(table, key, where) for key in TABLE_KEYS if key != "connect_timeout_s"}
        address = texts["ssh"]
        if address is None:
            raise UsageError(f'{where}: say where it is, for instance ssh = "pi@raspberrypi.local"')
        folder = path.parent if path else Path()
        try:
            bare = SshSettings.from_address(address)
            jump = parse_jumps(texts["jump"]) if texts["jump"] is not None else ()
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
        ssh = SshSettings(
            bare.host,
            bare.user,
            bare.port,
            identity=_placed(texts["identity"], folder),
            known_hosts=_placed(texts["known_hosts"], folder),
            jump=jump,
            config_file=_placed(texts["ssh_config"], folder),
            connect_timeout_s=_seconds(table, "connect_timeout_s", where),
        )
        return cls(ssh, texts["folder"], texts["python"], texts["cache"])


def _text(table: Mapping[str, object], key: str, where: str) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"{where}: {key} must be text, not {value!r}")
    return value


def _seconds(table: Mapping[str, object], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise UsageError(f"{where}: {key} must be a number of seconds above 0, not {value!r}")
    return float(value)


def _placed(text: str | None, folder: Path) -> Path | None:
    """Return the path that is meant: ``~`` is the user's home, and relative paths begin at the file's folder."""
    return None if text is None else folder / Path(text).expanduser()
