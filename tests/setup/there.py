"""A board that is this machine with a home of its own, and devices that are reached by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devices.local_transport import LocalTransport, at_once
from edgebench.devices.remote import RemoteDevice, RemoteSettings

OpenThere = Callable[..., RemoteDevice]


@pytest.fixture
def open_there(tmp_path: Path) -> Iterator[OpenThere]:
    """Open a device whose home is ``tmp_path``/home; it is closed with the test."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    opened: list[RemoteDevice] = []

    def make(settings: RemoteSettings | None = None, *, locks: bool = True) -> RemoteDevice:
        def connect() -> LocalTransport:
            return LocalTransport(home, {"TMPDIR": str(temporary)})

        opened.append(RemoteDevice("there", connect, settings, reach=at_once, locks=locks))
        return opened[-1]

    yield make
    for device in opened:
        device.close()
