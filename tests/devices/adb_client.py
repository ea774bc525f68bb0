"""A client's side for tests over adb: what leads it to a server of the tests, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.adb_bridge import Bridge, find_bridge
from edgebench.devices.adb_client import ClientBridge
from edgebench.devices.adb_line import Way

from .adb_server import AdbServer
from .phone import Phone

Connect = Callable[..., AdbTransport]
_VARIABLES = ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_HOST", "ANDROID_SERIAL")


def lead_to(server: AdbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead clients of this process to a server."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def bridge_for(way: Way) -> Bridge:
    """Return what runs programs in that way."""
    if way is not Way.CLIENT:
        pytest.importorskip("adbutils", reason="has no wheel for every processor")
        return find_bridge()
    program = shutil.which("adb")
    assert program is not None
    return ClientBridge(program)


@pytest.fixture
def connect_adb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Connect to a phone in some way; connections end with the test."""
    made: list[AdbTransport] = []

    def make(phone: Phone, way: Way = Way.FRAMED) -> AdbTransport:
        lead_to(phone.server, monkeypatch)
        # The phone knows all of them; one of Android 6 would not be asked for frames.
        made.append(AdbTransport(AdbAddress(phone.serial), bridge_for(way), way))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
