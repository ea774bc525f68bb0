"""Where two builds take turns: on the devices that the stored run was measured on, unless others are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .config import Config
from .devices.opening import name_of_device
from .devices.ssh_hosts import configured_hosts
from .errors import UsageError
from .interleave import Side
from .spec import LOCAL

_FILE = "edgebench.toml"


@dataclass(frozen=True)
class Places:
    """The devices to measure on: ``texts`` as ``--device`` has them, ``names`` as case ids have them."""

    texts: tuple[str, ...] = (LOCAL,)
    names: tuple[str, ...] = (LOCAL,)


def choose_places(base: Side, new: Side, asked: Sequence[str], config: Config, *, cross_device: bool = False) -> Places:
    """Return where to measure: on the devices that ``asked`` names, else on all of the stored run.

    The stored run is the base, else the new side. Where neither is one, nothing else is meant than this machine.

    Raises:
        UsageError: a device of the stored run is not known here, or another one is asked for without ``cross_device``.
    """
    stored = base if base.cases else new
    then = tuple(dict.fromkeys(case.device for case in stored.cases))
    if not asked:
        return Places(tuple(_text(name, stored, config) for name in then), then) if then else Places()
    names = tuple(name_of_device(text, config) for text in asked)
    for text, name in zip(asked, names, strict=True):
        if then and name not in then and not cross_device:
            raise UsageError(
                f"--device {text}: {stored.name} was measured on {_listed(then)}; its old times say nothing about "
                f"another device; --cross-device takes turns on {text} all the same"
            )
    return Places(tuple(asked), names)


def _text(name: str, stored: Side, config: Config) -> str:
    """Return what names a device of the stored run here."""
    if name == LOCAL or name in config.devices or name in configured_hosts():
        return name
    raise UsageError(f"{stored.name} was measured on {name}, which is not known here; {_remedy(name, stored, config)}")


def _remedy(name: str, stored: Side, config: Config) -> str:
    """Return what makes it known. The address that a run tells is shown, and not connected to unasked."""
    address = _address(name, stored)
    if address is None:
        return f"add [devices.{name}] to {_FILE}"
    written = f'add [devices.{name}] with ssh = "{address}" to {_FILE}'
    try:
        alike = name_of_device(f"ssh://{address}", config) == name
    except UsageError:  # it was no address of ours
        alike = False
    return f"name it with --device ssh://{address}, or {written}" if alike else written


def _address(name: str, stored: Side) -> str | None:
    devices = stored.run.record.devices if stored.run is not None else ()
    return next((device.address for device in devices if device.name == name), None)


def _listed(names: Sequence[str]) -> str:
    return " and ".join("this machine (local)" if name == LOCAL else name for name in names)
