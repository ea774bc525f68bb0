"""From what a person calls a device to the device.

That is ``local``, a name of ``edgebench.toml``, a host of ``~/.ssh/config``, or an address: ``ssh://USER@HOST``,
``adb://SERIAL``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from ..config import Config
from ..errors import UsageError
from ..nearest import did_you_mean
from ..spec import parse_size
from .adb_address import SCHEME as _ADB
from .adb_address import AdbAddress, AdbTable
from .adb_address import parse_address as parse_adb_address
from .base import Device
from .local import LocalDevice
from .remote import DEFAULT_CACHE_BYTES, DEFAULT_FOLDER, RemoteDevice, RemoteSettings
from .retry import Patience, Waiting, connect
from .ssh_hosts import configured_hosts
from .ssh_settings import RemoteTable, SshSettings
from .transport import Transport

LOCAL = "local"
#: The one place on a phone where programs of a shell's user can be put and run.
PHONE_FOLDER = "/data/local/tmp/edgebench"
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
        folder=table.folder or (DEFAULT_FOLDER if isinstance(table, RemoteTable) else PHONE_FOLDER),
        python=table.python,
        cache_bytes=_cache_bytes(name, table, config) if cache_bytes is None else cache_bytes,
        purpose=purpose,
    )
    reach = functools.partial(connect, patience=patience or Patience(), on_wait=on_wait)
    return RemoteDevice(name, _connector(table), settings, reach=reach, locks=locks, on_sent=on_sent)


def _connector(table: RemoteTable | AdbTable) -> Callable[[], Transport]:
    if isinstance(table, AdbTable):
        from .adb import AdbConnector

        return AdbConnector(table.address)
    from .ssh import SshTransport

    return lambda: SshTransport(table.ssh)


def find_device(text: str, config: Config | None) -> tuple[str, RemoteTable | AdbTable]:
    """Return the device part of case ids, and how to reach a device that is not this machine.

    Raises:
        UsageError: there is no such device, or its settings are wrong.
    """
    if text.startswith(_SSH):
        ssh = SshSettings.from_address(text)
        return device_name(ssh), RemoteTable(ssh)
    if text.startswith(_ADB):
        address = parse_adb_address(text)
        return phone_name(address), AdbTable(address)
    tables = config.devices if config is not None else {}
    if config is not None and text in tables:
        kind = AdbTable if "adb" in tables[text] else RemoteTable
        return text, kind.from_table(text, tables[text], config.path)
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


def named_phone(text: str, config: Config | None) -> str | None:
    """Return the serial of the phone that a text names, None where it names none, or leaves open which."""
    named = config.devices.get(text, {}).get("adb") if config is not None else None
    written = text if text.startswith(_ADB) else named
    try:
        return parse_adb_address(str(written)).serial if written else None
    except UsageError:  # whoever opens it is told
        return None


def _cache_bytes(name: str, table: RemoteTable | AdbTable, config: Config | None) -> int:
    file = f"{config.path}: " if config is not None and config.path is not None else ""
    return parse_size(table.cache, f"{file}[devices.{name}] cache") if table.cache else DEFAULT_CACHE_BYTES


def device_name(ssh: SshSettings) -> str:
    """Return host and port with nothing in them that an id cannot have."""
    port = "" if ssh.port in (None, 22) else f"-{ssh.port}"
    return _NOT_IN_NAMES.sub("-", f"{ssh.host}{port}").strip("-") or "device"


def phone_name(address: AdbAddress) -> str:
    """Return the serial with nothing in it that an id cannot have; ``phone`` for the only one that is attached."""
    return _NOT_IN_NAMES.sub("-", address.serial or "").strip("-") or "phone"


def _unknown(text: str, known: list[str]) -> str:
    if "@" in text or text.count(".") >= 2:
        return f"--device {text}: no such device; did you mean {_SSH}{text}?"
    return f"--device {text}: no such device; {did_you_mean(text, known)}, or write {_SSH}USER@HOST or {_ADB}SERIAL"
