"""Sets a bare device up: looks, chooses a runtime, fetches and sends its wheels, makes an environment, tries it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..devices.remote import RemoteDevice
from ..errors import DeviceRefused
from .board import Board, look_at
from .choice import LITERT, Choice, choose
from .listener import Listener
from .trial import Trial, try_out
from .wheels import Pip, WheelSet, fetch, run_pip

_FORMAT = 1
_MARGIN = 1.05


@dataclass(frozen=True)
class Asked:
    """What the user asks for: wheels from a folder only, a certain Python there, an environment made anew."""

    wheels: Path | None = None
    python: str | None = None
    force: bool = False


@dataclass(frozen=True)
class SetUp:
    """What a device is set up with.

    ``manifest`` is what its environment keeps of it, ``made`` whether it was made now, ``trial`` what ran in it.
    """

    device: str
    address: str
    root: str
    made: bool
    sent_bytes: int
    env_bytes: int
    seconds: float
    manifest: Mapping[str, Any]
    trial: Trial


def set_up(
    device: RemoteDevice,
    asked: Asked | None = None,
    listener: Listener | None = None,
    *,
    cache: Path | None = None,
    pip: Pip = run_pip,
) -> SetUp:
    """Make a device ready to measure on; one that is ready already is only tried.

    ``cache`` and ``pip`` are :func:`.wheels.fetch`'s.

    Raises:
        DeviceRefused: it cannot be set up: no Python that fits, no wheels, no room ...; the line says what to do.
        DeviceLost: the connection went.
        UsageError: this machine has no pip, or the folder of wheels is none.
        OSError: this machine's cache cannot be written to.
    """
    asked, said, began = asked or Asked(), listener or Listener(), time.monotonic()
    said.begins("looking at the device")
    board = look_at(device.transport, device.settings.folder, asked.python)
    here = litert_here()
    choice = choose(board, here)
    said.said(_board_line(board))
    said.begins("fetching wheels")
    fetching = time.monotonic()
    wheels = fetch(choice, asked.wheels, cache=cache, pip=pip)
    took_s, why = time.monotonic() - fetching, choice.sentence(wheels.runtime.version, here)
    said.said(why)
    said.said(_wheels_line(wheels, took_s))
    for name, reason in wheels.left_out.items():
        said.said(f"without {name}: {reason}")
    if device.settings.python is None:  # one that is not on its PATH will do
        device.settings = dataclasses.replace(device.settings, python=choice.python.path)
    said.begins("looking for an environment")
    found = device.keeper.ask("read_environment", 120.0)
    manifest = _manifest(choice, wheels, why)
    made = asked.force or found["problem"] is not None or not _is_same(found["manifest"], manifest)
    sent_bytes, env_bytes = device.transfers().bytes_sent, int(found["env_bytes"])
    if made:
        env_bytes = _make(device, board, choice, wheels, manifest, said)
    else:
        manifest = dict(found["manifest"])
        said.said(f"already set up on {manifest['made_utc']}, nothing to send")
    said.begins("trying it out")
    trial = try_out(device, choice.package)
    said.said(_trial_line(trial))
    return SetUp(
        device=device.name,
        address=board.address,
        root=device.root,
        made=made,
        sent_bytes=device.transfers().bytes_sent - sent_bytes,
        env_bytes=env_bytes,
        seconds=round(time.monotonic() - began, 3),
        manifest=manifest,
        trial=trial,
    )


def litert_here() -> str | None:
    """Return the version of ai-edge-litert on this machine, None where it has none."""
    try:
        return metadata.version(LITERT)
    except metadata.PackageNotFoundError:
        return None


def _make(
    device: RemoteDevice, board: Board, choice: Choice, wheels: WheelSet, manifest: Mapping[str, Any], said: Listener
) -> int:
    """Send the wheels and make the environment; return its size in bytes."""
    needed, free = (wheels.size_bytes + wheels.unpacked_bytes) * _MARGIN, board.free_bytes
    if free is not None and needed > free:
        raise DeviceRefused(
            f"{board.address}: {board.root} needs {needed / 1e6:.0f} MB and has {free / 1e6:.0f} MB free; make room "
            'there, or name a folder on another disk as folder = "..." in [devices.NAME] of edgebench.toml'
        )
    said.begins(f"sending {wheels.size_bytes / 1e6:.1f} MB")
    began, before = time.monotonic(), device.transfers()
    files = [
        {"path": device.push(wheel.path, wheel.sha256), "unpacked_bytes": wheel.unpacked_bytes}
        for wheel in wheels.wheels
    ]
    now, took_s = device.transfers(), time.monotonic() - began
    said.said(_sent_line(now.bytes_sent - before.bytes_sent, now.bytes_reused - before.bytes_reused, took_s))
    said.begins("making the environment")
    began = time.monotonic()
    answer = device.keeper.ask(
        "make_environment",
        120.0 + wheels.unpacked_bytes / 5e5,
        python=choice.python.path,
        version=list(choice.python.version),
        own_packages=choice.numpy is None,
        wheels=files,
        manifest=dict(manifest),
    )
    for wheel in wheels.wheels:  # it removes what it has unpacked
        device.forget(wheel.path)
    env_bytes = int(answer["env_bytes"])
    said.said(f"environment: {env_bytes / 1e6:.1f} MB in {device.root}/env, {time.monotonic() - began:.1f} s")
    return env_bytes


def _manifest(choice: Choice, wheels: WheelSet, why: str) -> dict[str, Any]:
    python = choice.python
    return {
        "format": _FORMAT,
        "python": {"path": python.path, "version": python.version_text, "architecture": python.architecture},
        "glibc": python.glibc_text,
        "runtime": {"package": choice.package, "version": wheels.runtime.version},
        "own_numpy": python.numpy if choice.numpy is None else None,
        "why": why,
        "wheels": [
            {"name": wheel.name, "version": wheel.version, "sha256": wheel.sha256, "size_bytes": wheel.size_bytes}
            for wheel in wheels.wheels
        ],
        "left_out": dict(wheels.left_out),
        "made_utc": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "edgebench": __version__,
    }


def _is_same(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Return whether an environment is the one that would be made now."""
    telling = ("format", "python", "runtime", "own_numpy", "wheels")
    return found is not None and all(found.get(key) == wanted[key] for key in telling)


def _board_line(board: Board) -> str:
    free_bytes = board.free_bytes
    room = (
        ""
        if free_bytes is None
        else f"{free_bytes / 1e9:.1f} GB"
        if free_bytes >= 1e9
        else f"{free_bytes / 1e6:.0f} MB"
    )
    free = f", {room} free" if room else ""
    return f"{board.address}: {board.name or board.system}, {board.machine}{free}"


def _wheels_line(wheels: WheelSet, seconds: float) -> str:
    where = "kept from before" if wheels.kept else f"fetched in {seconds:.1f} s"
    return f"wheels: {len(wheels.wheels)}, {wheels.size_bytes / 1e6:.1f} MB, {where}"


def _sent_line(sent_bytes: int, reused_bytes: int, seconds: float) -> str:
    there = f", {reused_bytes / 1e6:.1f} MB were there already" if reused_bytes else ""
    return f"sent: {sent_bytes / 1e6:.1f} MB in {seconds:.1f} s{there}"


def _trial_line(trial: Trial) -> str:
    return (
        f"works: Python {trial.python}, {trial.package} {trial.version}, numpy {trial.numpy}; a worker answers after "
        f"{trial.start_s:.1f} s, and the smallest model ran in {trial.inference_ns / 1e6:.3g} ms"
    )
