"""Setting up an emulated board whose disk is too small, or becomes full meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench.config import Config
from edgebench.devices.opening import open_device
from edgebench.devices.remote import RemoteDevice
from edgebench.errors import DeviceRefused
from edgebench.setup.board import look_at
from edgebench.setup.steps import set_up
from edgebench.setup.wheel_file import read_wheel
from setup.made_wheels import make_wheel, pip_of

from .board import Board

pytestmark = pytest.mark.board


@pytest.fixture
def small(board: Board) -> Iterator[RemoteDevice]:
    """The board, with everything of ours on its file system of 24 MB; nothing is left there."""
    table = {
        "ssh": board.address,
        "identity": str(board.key),
        "known_hosts": str(board.known_hosts),
        "folder": "/small/ours",
    }
    device = open_device("board", Config(Path("edgebench.toml"), devices={"board": table}))
    assert isinstance(device, RemoteDevice)
    yield device
    device.keeper.ask("clean")
    device.close()
    assert board.run("ls -A /small").stdout == ""


def test_a_disk_that_is_too_small_or_becomes_full(small: RemoteDevice, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    large = make_wheel(wheels, "ai-edge-litert", "2.3.0", {"large": bytes(40_000_000)})
    make_wheel(wheels, "numpy", "2.4.6")
    with pytest.raises(DeviceRefused, match=r"/small/ours needs 42 MB and has 2\d MB free; make room there, or name a"):
        set_up(small, cache=tmp_path / "cache", pip=pip_of(wheels))
    python = look_at(small.transport, small.settings.folder).pythons[0]
    asked = {
        "python": python.path,
        "version": list(python.version),
        "own_packages": False,
        "wheels": [{"path": small.push(large, read_wheel(large).sha256), "unpacked_bytes": 0}],
        "manifest": {"format": 1},
    }
    free_bytes = small.keeper.ask("read_environment")["free_bytes"]
    with pytest.raises(DeviceRefused, match="its disk became full while the environment was made in /small/ours; make"):
        small.keeper.ask("make_environment", 120.0, **asked)
    left = small.keeper.ask("read_environment")
    assert (left["manifest"], left["free_bytes"]) == (None, free_bytes)
