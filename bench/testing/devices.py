"""The devices that a session's tests measure on: each is connected to once, and left at the session's end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices.base import Device
from ..errors import DeviceLost, EdgebenchError
from ..open_devices import OpenDevice, device_opener

if TYPE_CHECKING:
    import pytest


def session_device(config: pytest.Config) -> str | None:
    """Return what names the device that the session's options name, None where they name none."""
    return config.getoption("--edgebench-device") or config.getini("edgebench_device") or None


def session_config(config: pytest.Config) -> Path | None:
    """Return the ``edgebench.toml`` that holds for the current folder, else the one for pytest's rootdir, if any."""
    from ..config import find_config

    return find_config() or find_config(start=config.rootpath)


def session_devices(config: pytest.Config) -> SessionDevices:
    """Return the session's devices. When one cannot be reached and is tried again, pytest shows a line."""

    def tell(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"edgebench: {line}")

    return SessionDevices(device_opener("pytest", session_config(config), tell))


class SessionDevices:
    """Devices by what names them. One that could not be had once is not tried again for each test."""

    def __init__(self, open_device: OpenDevice) -> None:
        self._open = open_device
        self._known: dict[str, Device | EdgebenchError] = {}

    def connect(self, texts: Iterable[str]) -> None:
        """Connect to each of these now.

        Raises:
            UsageError: there is no such device.
            DeviceError: it cannot be reached, or says no.
        """
        for text in texts:
            self.get(text)

    def get(self, text: str) -> Device:
        """Return a device that answers, after connecting again where its connection was lost since.

        Raises:
            UsageError: there is no such device.
            DeviceError: it cannot be reached, or says no.
        """
        if text not in self._known:
            self._known[text] = self._first(text)
        found = self._known[text]
        if isinstance(found, Device):
            found = self._known[text] = _answering(found)
        if isinstance(found, EdgebenchError):
            raise found
        return found

    def close(self) -> None:
        """End all connections. May be called twice."""
        for found in self._known.values():
            if isinstance(found, Device):
                found.close()

    def _first(self, text: str) -> Device | EdgebenchError:
        try:
            device = self._open(text)
        except EdgebenchError as error:
            return error
        try:
            device.environment()
        except EdgebenchError as error:
            device.close()
            return error
        return device


def _answering(device: Device) -> Device | EdgebenchError:
    """Return the device after connecting again where its connection was lost, or why that failed."""
    try:
        device.state()
    except DeviceLost:
        try:
            device.reconnect()
        except EdgebenchError as error:
            device.close()
            return error
    return device
