"""Removes what edgebench has put on a device: by its helper program, or by its shell where there is no Python."""

from __future__ import annotations

from dataclasses import dataclass

from ..devices.remote import RemoteDevice
from ..devices.remote_start import has_python
from ..devices.shell import ShellDevice
from ..devices.shell_folder import Removed, remove_all, remove_files, remove_tool

_CLEAN_S = 600.0


@dataclass(frozen=True)
class Cleaned:
    """What was removed from the folder ``root`` of a device.

    ``left`` are the names of others' files there, ``files_only`` whether models and images alone were to go.
    """

    device: str
    root: str
    files_only: bool
    removed_bytes: int
    left: tuple[str, ...]


def clean_device(device: RemoteDevice, *, files_only: bool = False) -> Cleaned:
    """Remove everything of ours from a device, or models and images alone.

    Raises:
        DeviceRefused: a run uses it, the folder is not ours, or something cannot be removed.
        DeviceLost: the connection went.
    """
    settings = device.settings
    if has_python(device.transport, settings.python, settings.folder):
        removed = _by_keeper(device, files_only)
    else:
        removed = _by_shell(device, files_only)
    return Cleaned(device.name, removed.root, files_only, removed.removed_bytes, removed.left)


def _by_keeper(device: RemoteDevice, files_only: bool) -> Removed:
    root, tool_bytes = device.root, 0
    if not files_only:  # the tool is none of the helper program's
        tool_bytes = remove_tool(device.transport, device.settings.folder).removed_bytes
    answer = device.keeper.ask("clean", _CLEAN_S, files_only=files_only)
    return Removed(root, tool_bytes + int(answer["removed_bytes"]), tuple(answer["left"]))


def _by_shell(device: RemoteDevice, files_only: bool) -> Removed:
    there = ShellDevice(device)
    transport = there.shell()  # nobody else may use it meanwhile
    try:
        return (remove_files if files_only else remove_all)(transport, device.settings.folder)
    finally:
        there.release()
