"""From what a person calls a device to the device: ``local``, a name of ``edgebench.toml``, or an address."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..config import Config
from ..errors import DeviceLost, UsageError
from ..nearest import did_you_mean
from .base import Device
from .local import LocalDevice
from .remote import RemoteDevice, RemoteSettings
from .retry import Retry
from .ssh_settings import RemoteTable, SshSettings, parse_address, read_table

LOCAL = "local"
_SSH = "ssh://"
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def open_device(
    text: str,
    config: Config | None = None,
    *,
    purpose: str = "edgebench",
    locks: bool = True,
    cache_bytes: int | None = None,
    heard: Callable[[DeviceLost, float], None] | None = None,
    on_sent: Callable[[str, int, int], None] | None = None,
) -> Device:
    """Return the device that a text names. It connects when it is first used.

    ``purpose`` is what others read who find it in use; ``locks``: nobody else may measure there meanwhile.
    ``cache_bytes`` bounds the files there; ``heard`` hears of each failure to connect that is followed by another try.

    Raises:
        UsageError: there is no such device, or its settings are wrong.
    """
    if text == LOCAL:
        return LocalDevice()
    name, ssh, table = _found(text, config)
    settings = RemoteSettings(purpose=purpose)
    settings = RemoteSettings(
        folder=table.folder or settings.folder,
        python=table.python,
        cache_bytes=cache_bytes or table.cache_bytes or settings.cache_bytes,
        purpose=purpose,
    )
    from .ssh import SshTransport

    retry = Retry() if heard is None else Retry(heard=heard)
    return RemoteDevice(
        name, lambda: SshTransport.connect(ssh), settings, retry=retry, locks=locks, on_sent=on_sent
    )


def device_name(text: str) -> str:
    """Return the device part of case ids for an address: host and port, with nothing that a path or id cannot have."""
    settings = parse_address(text)
    port = "" if settings.port in (None, 22) else f"-{settings.port}"
    return _NO_NAME.sub("-", f"{settings.host}{port}").strip("-") or "device"


def _found(text: str, config: Config | None) -> tuple[str, SshSettings, RemoteTable]:
    if text.startswith(_SSH):
        return device_name(text), parse_address(text), RemoteTable()
    tables = config.devices if config is not None else {}
    if text in tables:
        ssh, table = read_table(text, tables[text])
        return text, ssh, table
    raise UsageError(_unknown(text, [LOCAL, *tables]))


def _unknown(text: str, known: list[str]) -> str:
    if "@" in text or text.count(".") >= 2:
        return f"--device {text}: no such device; did you mean {_SSH}{text}?"
    return f"--device {text}: no such device; {did_you_mean(text, known)}, or write {_SSH}USER@HOST"
