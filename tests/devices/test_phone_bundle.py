"""A phone without any Python is set up by a real bundle, over the real daemon, and answers as this machine does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.base import Device
from edgebench.devices.local import LocalDevice
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.errors import DeviceRefused
from edgebench.setup.steps import Asked, set_up

from .adb_client import lead_to
from .bundles import require_bundle
from .phone import SMALL, Phone

pytestmark = pytest.mark.phone

SAMPLE = Path(__file__).resolve().parents[2] / "models/sample"
#: Everything that a Python has loaded from a file, and what started it.
LOADED = """
import ai_edge_litert.interpreter, numpy, sys, json
paths = {line.split()[-1] for line in open('/proc/self/maps') if ' /' in line}
child = __import__('subprocess').run([sys.executable, '-c', 'import sys; print(sys.prefix)'], capture_output=True)
print(json.dumps({'executable': sys.executable, 'child': child.stdout.decode().strip(), 'paths': sorted(paths)}))
"""


@pytest.fixture
def bare(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteDevice]:
    """A phone on which nothing of ours is, nor any Python; nothing is left there."""
    lead_to(phone.server, monkeypatch)
    device = _device(phone, PHONE_FOLDER)
    yield device
    device.keeper.ask("clean", 600.0)
    device.close()
    assert not phone.path(PHONE_FOLDER).exists()


def _device(phone: Phone, folder: str) -> RemoteDevice:
    settings = RemoteSettings(folder=folder)
    return RemoteDevice("phone", lambda: AdbTransport(AdbAddress(phone.serial)), settings)


def outputs(device: Device, path: Path) -> list[object]:
    """Return what a model answers to seeded inputs on a device."""
    with device.start_worker(device.default_python()) as worker:
        worker.request("hello", 300)
        worker.request("load", 300, model_path=device.place(path), engine="interpreter", delegate="default", threads=1)
        answers = []
        for seed in range(3):
            worker.request("first", 300, seed=seed)
            answers.append(worker.request("outputs", 300)["outputs"])
        return answers


def test_from_a_bare_phone_by_way_of_a_killed_daemon_to_the_same_outputs_as_here(
    phone: Phone, bare: RemoteDevice
) -> None:
    assert phone.run("sh", "-c", "command -v python3 || ls -d /usr/lib/python*").stdout == ""
    asked = Asked(bundle=require_bundle())
    killed: list[int] = []

    def kill(_name: str, sent_bytes: int, _of: int) -> None:
        if sent_bytes > 10_000_000 and not killed:
            killed.append(sent_bytes)
            phone.kill_daemon()
            phone.start_daemon()

    bare._on_sent = kill
    done = set_up(bare, asked)
    assert (done.made, done.trial.package) == (True, "ai-edge-litert")
    assert killed
    assert done.sent_bytes < require_bundle().stat().st_size + 1_000_000  # what had arrived was not sent again
    python = f"{PHONE_FOLDER}/bundle/bin/python3"
    assert bare.default_python() == python
    told = json.loads(phone.run(python, "-c", LOADED).stdout)
    assert (told["executable"], told["child"]) == (python, f"{PHONE_FOLDER}/bundle")
    # Its own loader, C library and C++ library; of the phone's system no code at all.
    code = [path for path in told["paths"] if ".so" in path]
    assert any(path.endswith("/libc.so.6") for path in code)
    assert [path for path in code if not path.startswith(f"{PHONE_FOLDER}/bundle/")] == []
    assert outputs(bare, SAMPLE / "int8.tflite") == outputs(LocalDevice(), SAMPLE / "int8.tflite")
    assert set_up(bare, asked).made is False


def test_a_phone_whose_disk_is_too_small(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_to(phone.server, monkeypatch)
    device = _device(phone, f"{SMALL}/edgebench")
    with pytest.raises(DeviceRefused, match=rf"{SMALL}/edgebench needs \d+ MB and has 2\d MB free; make room there"):
        set_up(device, Asked(bundle=require_bundle()))
    device.close()
    assert phone.run("ls", SMALL).stdout == ""
