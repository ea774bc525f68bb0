"""An emulated board that is set up by a bundle over SSH: a Python of its own is not needed, nor used."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.local import LocalDevice
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.ssh import SshTransport
from edgebench.setup.steps import Asked, set_up

from .board import Board
from .bundles import require_bundle
from .ssh_client import settings
from .test_phone_bundle import SAMPLE, outputs

pytestmark = pytest.mark.board


def test_a_board_with_a_bundle_answers_as_this_machine(board: Board, ssh_home: Path) -> None:
    bundle = require_bundle()
    found = settings(board)
    device = RemoteDevice("board", lambda: SshTransport(found), RemoteSettings(folder="bundled"))
    try:
        done = set_up(device, Asked(bundle=bundle))
        python = "/home/pi/bundled/bundle/bin/python3"
        assert (done.made, device.default_python()) == (True, python)
        assert device.keeper.ask("hello")["executable"] == python
        assert outputs(device, SAMPLE / "int8.tflite") == outputs(LocalDevice(), SAMPLE / "int8.tflite")
        assert device.keeper.ask("clean", 600.0)["left"] == []
    finally:
        device.close()
    assert board.run("ls /home/pi/bundled").returncode != 0
