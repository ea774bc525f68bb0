"""Puts the official benchmark_model onto a device: a file of this machine, one from an address, or a published one.

The publishers tell no checksums. So the SHA-256 of what arrived is recorded, here and beside the binary there, and each
run records which binary it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..benchmark_model.binary import check_fits, local_binary
from ..devices.remote import RemoteDevice, file_digest
from ..devices.remote_start import MARK, ROOT_OF, after_mark
from ..devices.shell import ShellDevice
from ..devices.shell_folder import NEW_TOOL, TOOL, TOOL_ORIGIN
from ..devices.transport import Transport
from ..errors import DeviceRefused, UsageError
from ..images.pixel_store import default_cache_dir
from .board import architecture_of
from .download import SCHEMES, fetch_program
from .listener import Listener

OFFICIAL, LITERT = "official", "litert"
_NIGHTLY = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
_BINARIES = "https://storage.googleapis.com/litert/binaries/latest"
#: What each publisher calls the builds, by system and processor.
_PUBLISHED: Mapping[str, Mapping[tuple[str, str], str]] = {
    OFFICIAL: {
        ("android", "aarch64"): f"{_NIGHTLY}/android_aarch64_benchmark_model",
        ("android", "armv7l"): f"{_NIGHTLY}/android_arm_benchmark_model",
        ("linux", "aarch64"): f"{_NIGHTLY}/linux_aarch64_benchmark_model",
        ("linux", "armv7l"): f"{_NIGHTLY}/linux_arm_benchmark_model",
        ("linux", "x86_64"): f"{_NIGHTLY}/linux_x86-64_benchmark_model",
    },
    LITERT: {
        ("android", "aarch64"): f"{_BINARIES}/android_arm64/benchmark_model",
        ("linux", "aarch64"): f"{_BINARIES}/linux_arm64/benchmark_model",
        ("linux", "x86_64"): f"{_BINARIES}/linux_x86_64/benchmark_model",
    },
}
_LOOK = rf"""
echo; echo {MARK}
echo "machine=$(uname -m 2>/dev/null)"
if command -v getprop >/dev/null 2>&1; then
  echo "system=android"
  echo "abi=$(getprop ro.product.cpu.abi)"
else
  echo "system=linux"
  echo "bits=$(getconf LONG_BIT 2>/dev/null)"
fi
"""
_BEFORE = rf"""
echo; echo {MARK}
{ROOT_OF}
[ -f "$root/{TOOL_ORIGIN}" ] && cat "$root/{TOOL_ORIGIN}"
exit 0
"""
#: Without a model the tool says at once that it wants one; what cannot be started there says that instead.
_TRY = 'cd "${1%/*}" && exec "$1" 2>&1'
_CANNOT_START = (126, 127)
_STEP_S = 60.0


@dataclass(frozen=True)
class Target:
    """What a device runs programs of: its ``system``, android or linux, and its processor.

    ``machine`` is the kernel's name for that, ``architecture`` the programs': a 64-bit kernel may run 32-bit ones.
    """

    system: str
    machine: str
    architecture: str


@dataclass(frozen=True)
class Origin:
    """Which binary lies on a device, and where it is from: an address, or a file's path on the machine that sent it."""

    sha256: str
    size_bytes: int
    source: str
    fetched_utc: str
    edgebench: str = __version__


@dataclass(frozen=True)
class Installed:
    """The tool as it lies at ``path`` on a device now. ``sent_bytes`` went there, 0 where it was there already."""

    device: str
    address: str
    path: str
    sent_bytes: int
    origin: Origin


def set_up_tool(
    device: RemoteDevice, what: str, said: Listener | None = None, *, cache: Path | None = None
) -> Installed:
    """Put the tool onto a device, where engine benchmark_model finds it without being told.

    ``what`` is a file of this machine, an http or https address, ``official`` (TensorFlow's nightly build) or
    ``litert`` (LiteRT's own tool); ``cache`` is where a fetched one is kept, None for the user's cache folder.

    Raises:
        UsageError: there is no such file, it is no program for that device, or none is published for it.
        InputError: it cannot be fetched; the line says what to do.
        DeviceRefused: it cannot be written or started there, or a run uses the device.
        DeviceLost: the connection went; what arrived stays, and the next time goes on with it.
    """
    listener = said or Listener()
    listener.begins("looking at the device")
    target = look_at_target(device.transport)
    source, path = _file_of(device, what, target, listener, cache or default_cache_dir() / "benchmark_model")
    _check(path, what, target)
    origin = _origin(path, source)
    listener.said(f"{TOOL}: {source}, {origin.size_bytes / 1e6:.1f} MB, sha256 {origin.sha256}")
    installed = _install(device, path, origin, listener)
    listener.said(_sent_line(installed))
    return installed


def look_at_target(transport: Transport) -> Target:
    """Return what a device runs programs of.

    Raises:
        DeviceRefused: commands cannot be run there.
        DeviceLost: the connection went.
    """
    done = transport.run(["sh", "-c", _LOOK], timeout_s=_STEP_S)
    told = dict(line.split("=", 1) for line in after_mark(done.stdout) if "=" in line)
    if done.status != 0 or not told.get("machine"):
        raise DeviceRefused(
            f"{transport.address}: commands cannot be run there: {done.last_words or 'it said nothing'}"
        )
    machine, system = told["machine"], told.get("system", "linux")
    short = told.get("bits") == "32" or told.get("abi", "").startswith("armeabi") or told.get("abi") == "x86"
    bits = 32 if short or not machine.endswith("64") else 64
    return Target(system, machine, architecture_of(machine, bits))


def published_address(what: str, target: Target) -> str:
    """Return where the tool is published for a device.

    Raises:
        UsageError: it is not published for it.
    """
    known = _PUBLISHED[what]
    address = known.get((target.system, target.architecture))
    if address is None:
        listed = ", ".join(" ".join(key) for key in known)
        raise UsageError(
            f"--benchmark-model {what}: none is published for {target.system} {target.architecture}, only for "
            f"{listed}; build it, and name the file"
        )
    return address


def installed_origin(transport: Transport, folder: str) -> Origin | None:
    """Return where the tool on a device came from, None where we have put none there.

    Raises:
        DeviceRefused, DeviceLost: the device does not answer.
    """
    done = transport.run(["sh", "-c", _BEFORE, "sh", folder], timeout_s=_STEP_S)
    try:
        told: Any = json.loads("\n".join(after_mark(done.stdout)))
        return Origin(
            str(told["sha256"]), int(told["size_bytes"]), str(told["source"]), str(told["fetched_utc"]),
            str(told["edgebench"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        return None


def _file_of(device: RemoteDevice, what: str, target: Target, listener: Listener, cache: Path) -> tuple[str, Path]:
    """Return where the binary is from, and a file of this machine with it."""
    address = published_address(what, target) if what in _PUBLISHED else what
    if not address.startswith(SCHEMES):
        path = local_binary(what)
        return str(path.absolute()), path
    listener.begins(f"fetching {address}")
    return address, fetch_program(address, cache, device.hear)


def _check(path: Path, what: str, target: Target) -> None:
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            raise UsageError(f"--benchmark-model {what}: is no program for Linux or Android")
    try:
        check_fits(path, target.architecture)
    except UsageError:
        check_fits(path, target.machine)
        raise UsageError(
            f"--benchmark-model {what}: is built for {target.machine}, and the programs of the device are "
            f"{target.architecture}"
        ) from None


def _origin(path: Path, source: str) -> Origin:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return Origin(file_digest(path), path.stat().st_size, source, now)


def _install(device: RemoteDevice, path: Path, origin: Origin, listener: Listener) -> Installed:
    there = ShellDevice(device)
    try:
        files = there.files
        files.on_sent = device.hear
        listener.begins(f"sending {origin.size_bytes / 1e6:.1f} MB")
        place, told = f"{files.root}/{TOOL}", f"{files.root}/{TOOL_ORIGIN}"
        if files.has(path, origin.sha256, TOOL):
            _try_out(there, place)
        else:
            _try_out(there, files.install(path, origin.sha256, NEW_TOOL))
            files.remove(told)  # a cut between the two must not leave the one with the other's
            files.move(NEW_TOOL, TOOL)
        files.write(told, json.dumps(asdict(origin), indent=1).encode() + b"\n")
        return Installed(device.name, there.address() or device.name, place, files.sent_bytes, origin)
    finally:
        there.release()


def _try_out(there: ShellDevice, place: str) -> None:
    done = there.shell().run(["sh", "-c", _TRY, "sh", place], timeout_s=_STEP_S)
    if done.status in _CANNOT_START:
        if place.endswith(NEW_TOOL):
            there.files.remove(place)
        raise DeviceRefused(
            f"{there.address()}: {place} cannot be started there: {done.last_words or 'no reason given'}"
        )


def _sent_line(installed: Installed) -> str:
    if not installed.sent_bytes:
        return f"there already: {installed.path}"
    return f"sent: {installed.sent_bytes / 1e6:.1f} MB, to {installed.path}"
