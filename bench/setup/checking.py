"""What stands between a device and a measurement: whether it answers, its environment, and what disturbs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..config import Config
from ..devices.adb_address import SCHEME as ADB
from ..devices.base import Device
from ..devices.remote import RemoteDevice
from ..devices.shell_truth import ShellTruth
from ..doctor import Advice, Facts, Readers, look, readers_of
from ..errors import DeviceError, NoPython, UsageError
from ..records import Environment
from .benchmark_model import Origin, installed_origin
from .bundle_push import look as look_through_shell

_SCHEMA_VERSION = 1
_AT_ONCE = 16


@dataclass(frozen=True)
class Check:
    """What was found. ``manifest`` is what its environment was made with, None where there is none.

    ``problem`` is why that cannot be used, ``holder`` who has the device now, ``clock_s`` how far its clock is ahead of
    this machine's, ``tool`` where the official tool there is from. ``bare`` is why nothing of ours can run there, None
    where it can: then nobody knows what our files take, nor who has the device. The readings are those of
    :class:`edgebench.doctor.Examination`.
    """

    schema_version: int
    device: str
    address: str
    system: Environment
    root: str
    used_bytes: int | None
    free_bytes: int | None
    env_bytes: int
    manifest: Mapping[str, Any] | None
    problem: str | None
    holder: Mapping[str, Any] | None
    clock_s: float
    advice: tuple[Advice, ...]
    unchecked: Mapping[str, str]
    machine: Facts
    snapshot: Facts
    firmware: Facts
    noise: Facts
    tool: Origin | None = None
    bare: str | None = None


def check(device: RemoteDevice) -> Check:
    """Look at a device for some seconds. Changes nothing there but that the worker's program is sent.

    Raises:
        DeviceRefused, DeviceLost: it does not answer, or says no.
    """
    try:
        device.connect()
    except NoPython as reason:
        return _through_shell(device, str(reason).removeprefix(f"{device.transport.address}: "))
    hello = device.keeper.ask("hello")
    clock_s = float(hello["utc"]) - time.time()
    found = device.keeper.ask("read_environment", 120.0)
    usage = device.keeper.ask("usage", 120.0)
    advice, found_facts = look(readers_of(device))
    facts: dict[str, Any] = dict(found_facts)
    return Check(
        schema_version=_SCHEMA_VERSION,
        device=device.name,
        address=device.address() or device.name,
        system=device.environment(),
        root=str(hello["root"]),
        used_bytes=int(usage["total_bytes"]),
        free_bytes=int(found["free_bytes"]),
        env_bytes=int(found["env_bytes"]),
        manifest=found["manifest"],
        problem=found["problem"],
        holder=device.keeper.ask("holder")["holder"],
        clock_s=round(clock_s, 3),
        tool=installed_origin(device.transport, device.settings.folder),
        advice=advice,
        **facts,
    )


def _through_shell(device: RemoteDevice, bare: str) -> Check:
    """Look at a device that cannot run anything of ours."""
    transport = device.transport
    told, place = ShellTruth(transport), look_through_shell(transport, device.settings.folder)
    system = told.environment()
    clock = transport.run(["date", "+%s"]).stdout.split()
    clock_s = float(clock[0]) - time.time() if clock and clock[0].isdigit() else 0.0
    advice, found_facts = look(Readers(told.state, told.machine, told.firmware, lambda _duration_ns: {}))
    facts: dict[str, Any] = dict(found_facts)
    found = Check(
        schema_version=_SCHEMA_VERSION,
        device=device.name,
        address=transport.address,
        system=system,
        root=place.root,
        used_bytes=None,
        free_bytes=place.free_bytes,
        env_bytes=0,
        manifest=None,
        problem=None,
        holder=None,
        clock_s=round(clock_s, 3),
        advice=advice,
        **facts,
    )
    tool = installed_origin(transport, device.settings.folder)
    return dataclasses.replace(found, bare=bare, tool=tool)


@dataclass(frozen=True)
class Listed:
    """A device of edgebench.toml. ``answer`` is what it says when it is asked, ``problem`` why it does not answer."""

    name: str
    address: str
    answer: str | None = None
    problem: str | None = None


def list_devices(config: Config, opened: Callable[[str], Device] | None = None) -> list[Listed]:
    """Return the devices of edgebench.toml; with ``opened``, which opens one by name, all are asked, at once."""
    listed = [Listed(name, _written_address(table)) for name, table in config.devices.items()]
    if opened is None or not listed:
        return listed
    with ThreadPoolExecutor(min(_AT_ONCE, len(listed))) as pool:
        return list(pool.map(lambda one: _asked(one, opened), listed))


def _written_address(table: Mapping[str, object]) -> str:
    if "adb" in table:
        return f"{ADB}{str(table['adb']).removeprefix(ADB)}"
    return str(table.get("ssh", "no address"))


def _asked(listed: Listed, opened: Callable[[str], Device]) -> Listed:
    began = time.monotonic()
    try:
        device = opened(listed.name)
        try:
            told, more = _told(device)
        finally:
            device.close()
    except (DeviceError, UsageError) as error:
        return Listed(listed.name, listed.address, problem=str(error))
    answer = f"{told.system}, {told.machine}, in {time.monotonic() - began:.1f} s{more}"
    return Listed(listed.name, listed.address, answer=answer)


def _told(device: Device) -> tuple[Environment, str]:
    """Return what a device is, and what is to be said beside."""
    try:
        return device.environment(), ""
    except NoPython:
        if not isinstance(device, RemoteDevice):
            raise
        return ShellTruth(device.transport).environment(), "; it has no Python yet"
