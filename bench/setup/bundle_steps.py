"""Sets a device up with a bundle: for one that has no Python, as a phone, and for one whose own shall not be used."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..devices.keeper import Refused
from ..devices.remote import RemoteDevice
from ..devices.remote_start import BUNDLE
from ..errors import DeviceLost, DeviceRefused
from .board import architecture_of
from .bundle_file import FORMAT, Bundle, newest_bundle, read_bundle
from .bundle_layout import ARCHITECTURES
from .bundle_push import Place, Pushed, look, push, remove
from .listener import Listener
from .trial import Trial, try_out

_BUILD = "edgebench device bundle build"


def has_bundle(device: RemoteDevice) -> bool:
    """Return whether a device has a bundle that can be started.

    Raises:
        DeviceRefused, DeviceLost: see :func:`.bundle_push.look`.
    """
    return look(device.transport, device.settings.folder).runs


def remove_bundle(device: RemoteDevice) -> None:
    """Remove a device's bundle, where it has one: it has another environment now.

    Raises:
        DeviceRefused, DeviceLost: see :func:`.bundle_push.remove`.
    """
    place = look(device.transport, device.settings.folder)
    if place.installed is not None or place.runs:
        remove(device.transport, place.root)
        device.close()  # its keeper may run under the bundle


def set_up_with_bundle(
    device: RemoteDevice, given: Path | None, listener: Listener, *, force: bool = False, folder: Path | None = None
) -> tuple[Mapping[str, Any], bool, Pushed, int, Trial]:
    """Make a device ready by a bundle: ``given``, or the one for its processor that was built last in ``folder``.

    Returns:
        What it was made with; whether it was made now; what was sent; what it takes on the disk, in bytes; what ran.

    Raises:
        DeviceRefused: no bundle fits, no room, in use ...; the line says what to do.
        DeviceLost: the connection went.
        InputError: the file is no bundle.
    """
    place = look(device.transport, device.settings.folder)
    bundle = _fitting(device.transport.address, place, given, folder)
    if bundle is None and place.runs and not force:
        return _kept(device, listener)
    if bundle is None:
        raise DeviceRefused(_none_here(device.transport.address, place))
    manifest = _made_with(bundle)
    listener.said(_bundle_line(bundle))
    pushed, made = Pushed(0, 0), force or not place.runs or place.installed != bundle.sha256
    if made:
        _take(device)
        listener.begins(f"sending {bundle.size_bytes / 1e6:.1f} MB")
        began = time.monotonic()
        pushed = _push(device, place, bundle, manifest)
        listener.said(_pushed_line(pushed, time.monotonic() - began))
        device.close()  # a keeper that runs under what was there before
    listener.begins("trying it out")
    found = device.keeper.ask("read_environment", 120.0)
    trial = try_out(device, str(bundle.manifest["runtime"]["package"]))
    return found["manifest"] or manifest, made, pushed, int(found["env_bytes"]), trial


def _kept(device: RemoteDevice, listener: Listener) -> tuple[Mapping[str, Any], bool, Pushed, int, Trial]:
    """Try the bundle that a device has, whose file is not on this machine."""
    listener.begins("trying it out")
    found = device.keeper.ask("read_environment", 120.0)
    manifest = found["manifest"]
    if manifest is None or found["problem"] is not None:
        raise DeviceRefused(
            f"{device.transport.address}: its bundle cannot be used: {found['problem'] or 'nothing tells what it is'}; "
            f"send one anew: edgebench device setup {device.name} --bundle FILE"
        )
    trial = try_out(device, str(manifest["runtime"]["package"]))
    return manifest, False, Pushed(0, 0), int(found["env_bytes"]), trial


def _fitting(address: str, place: Place, given: Path | None, folder: Path | None) -> Bundle | None:
    """Return the bundle for a device, None where none was built here."""
    machine = place.machine
    architecture = architecture_of(machine, 64)
    if architecture not in ARCHITECTURES:
        raise DeviceRefused(
            f"{address}: runs programs for {machine}, and bundles are made for {' and '.join(ARCHITECTURES)} only: "
            "with another processor, or a 32-bit system, it needs a Python of its own"
        )
    bundle = read_bundle(given) if given is not None else newest_bundle(architecture, folder)
    if bundle is not None and bundle.architecture != architecture:
        raise DeviceRefused(f"{address}: is {architecture}, and {bundle.path} is a bundle for {bundle.architecture}")
    return bundle


def _none_here(address: str, place: Place) -> str:
    architecture = architecture_of(place.machine, 64)
    arch = "" if architecture == "aarch64" else f" --arch {architecture}"
    lacks = "" if place.runs else "has no Python, and "
    return (
        f"{address}: {lacks}no bundle for it was built here; name its file with --bundle, or build one: {_BUILD}{arch}"
    )


def _take(device: RemoteDevice) -> None:
    """Have the device's lock, where it has a Python by which anybody could measure on it meanwhile."""
    try:
        device.connect()
    except Refused:
        raise
    except DeviceRefused:
        return  # no Python, or one that does not run: nobody can


def _push(device: RemoteDevice, place: Place, bundle: Bundle, manifest: Mapping[str, Any]) -> Pushed:
    """Send it; after a cut it goes on over a new connection, for as often as that brings something."""
    arrived: list[int] = []

    def hear(done: int, total: int) -> None:
        arrived.append(done)
        device.hear(done, total)

    while True:
        before = arrived[-1] if arrived else 0
        try:
            return push(device.transport, place, bundle, manifest, hear)
        except DeviceLost:
            if not arrived or arrived[-1] <= before:
                raise
            device.close()


def _made_with(bundle: Bundle) -> dict[str, Any]:
    told = bundle.manifest
    return {
        "format": FORMAT,
        "bundle": bundle.sha256,
        "python": {"path": f"{BUNDLE}/bin/python3", "version": told["python"], "architecture": told["architecture"]},
        "glibc": told["glibc"],
        "runtime": told["runtime"],
        "own_numpy": None,
        "why": "a portable Python with its own C library",
        "wheels": told["wheels"],
        "left_out": told["left_out"],
        "made_utc": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "edgebench": __version__,
    }


def _bundle_line(bundle: Bundle) -> str:
    told = bundle.manifest
    runtime = f"{told['runtime']['package']} {told['runtime']['version']}"
    return (
        f"bundle: Python {told['python']} with glibc {told['glibc']} and {runtime}, {bundle.size_bytes / 1e6:.1f} MB, "
        f"{bundle.unpacked_bytes / 1e6:.1f} MB unpacked"
    )


def _pushed_line(pushed: Pushed, seconds: float) -> str:
    there = f", {pushed.reused_bytes / 1e6:.1f} MB were there already" if pushed.reused_bytes else ""
    return f"sent, unpacked and checked: {pushed.sent_bytes / 1e6:.1f} MB in {seconds:.1f} s{there}"
