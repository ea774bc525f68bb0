"""From what a person calls a device to the device.

That is ``local``, a name of ``edgebench.toml``, a host of ``~/.ssh/config``, or an address.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from ..config import Config
from ..errors import UsageError
from ..nearest import did_you_mean
from ..spec import parse_size
from .base import Device
from .local import LocalDevice
from .remote import DEFAULT_CACHE_BYTES, DEFAULT_FOLDER, RemoteDevice, RemoteSettings
from .retry import Patience, Waiting, connect
from .ssh_hosts import configured_hosts
from .ssh_settings import RemoteTable, SshSettings

LOCAL = "local"
_SSH = "ssh://"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def open_device(
    text: str,
    config: Config | None = None,
    *,
    purpose: str = "edgebench",
    locks: bool = True,
    cache_bytes: int | None = None,
    patience: Patience | None = None,
    on_wait: Callable[[Waiting], None] | None = None,
    on_sent: Callable[[str, int, int], None] | None = None,
) -> Device:
    """Return the device that a text names. It connects when it is first used.

    ``purpose`` is what others read who find it in use; ``locks``: nobody else may measure there meanwhile.
    ``cache_bytes`` bounds the files there; ``on_wait`` hears of each failure to connect that is followed by another
    try, of which there are as many as usual unless ``patience`` says it.

    Raises:
        UsageError: there is no such device, or its settings are wrong.
    """
    if text == LOCAL:
        return LocalDevice()
    name, table = find_device(text, config)
    settings = RemoteSettings(
        folder=table.folder or DEFAULT_FOLDER,
        python=table.python,
        cache_bytes=_cache_bytes(name, table, config) if cache_bytes is None else cache_bytes,
        purpose=purpose,
    )
    from .ssh import SshTransport

    reach = functools.partial(connect, patience=patience or Patience(), on_wait=on_wait)
    return RemoteDevice(name, lambda: SshTransport(table.ssh), settings, reach=reach, locks=locks, on_sent=on_sent)


def find_device(text: str, config: Config | None) -> tuple[str, RemoteTable]:
    """Return the device part of case ids, and how to reach a device that is not this machine.

    Raises:
        UsageError: there is no such device, or its settings are wrong.
    """
    if text.startswith(_SSH):
        ssh = SshSettings.from_address(text)
        return device_name(ssh), RemoteTable(ssh)
    tables = config.devices if config is not None else {}
    if config is not None and text in tables:
        return text, RemoteTable.from_table(text, tables[text], config.path)
    hosts = configured_hosts()
    if text in hosts:
        return text, RemoteTable(SshSettings.from_address(text))
    raise UsageError(_unknown(text, [LOCAL, *tables, *hosts]))


def name_of_device(text: str, config: Config | None) -> str:
    """Return the device part of case ids of the device that a text names.

    Raises:
        UsageError: there is no such device, or its settings are wrong.
    """
    return LOCAL if text == LOCAL else find_device(text, config)[0]


def _cache_bytes(name: str, table: RemoteTable, config: Config | None) -> int:
    file = f"{config.path}: " if config is not None and config.path is not None else ""
    return parse_size(table.cache, f"{file}[devices.{name}] cache") if table.cache else DEFAULT_CACHE_BYTES


def device_name(ssh: SshSettings) -> str:
    """Return host and port with nothing in them that an id cannot have."""
    port = "" if ssh.port in (None, 22) else f"-{ssh.port}"
    return _NOT_IN_NAMES.sub("-", f"{ssh.host}{port}").strip("-") or "device"


def _unknown(text: str, known: list[str]) -> str:
    if "@" in text or text.count(".") >= 2:
        return f"--device {text}: no such device; did you mean {_SSH}{text}?"
    return f"--device {text}: no such device; {did_you_mean(text, known)}, or write {_SSH}USER@HOST"
