"""A device without Python that is set up by a bundle, whose Python is this machine's: keeper and workers run in it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from devices.local_transport import LocalTransport, at_once
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.transport import Finished
from edgebench.errors import DeviceLost, DeviceRefused
from edgebench.setup import board, bundle_push, bundle_steps
from edgebench.setup.bundle_file import Bundle
from edgebench.setup.checking import check
from edgebench.setup.steps import Asked, set_up

from .made_packages import runnable_bundle
from .made_wheels import BASE_PYTHON, pip_of, runtime_wheels
from .test_bundle_push import PROGRAMS, Phone

HERE = platform.machine()


class Cut(LocalTransport):
    """A way there that is cut at the third piece of a bundle, once in all."""

    pieces = 0

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        if "cat >> " in command[2]:
            Cut.pieces += 1
            if Cut.pieces == 3:
                raise DeviceLost("the connection was lost")
        return super().run(command, given=given, timeout_s=timeout_s)


class Place:
    """A folder of bundles and a device of a home."""

    def __init__(self, folder: Path) -> None:
        self.bundles = folder / "bundles"
        self.bundles.mkdir()
        self.temporary = folder / "temporary"  # its lock lies there
        self.temporary.mkdir()
        self.phone = Phone(folder, PROGRAMS)
        self.kind: type[LocalTransport] = LocalTransport
        self.opened: list[RemoteDevice] = []

    def build(self, version: str = "3.11.2", architecture: str = HERE) -> Bundle:
        return runnable_bundle(self.bundles, architecture, version=version, python=sys.executable)

    def open(self) -> RemoteDevice:
        def connect() -> LocalTransport:
            return self.kind(self.phone.home, {"PATH": str(self.phone.path), "TMPDIR": str(self.temporary)})

        settings = RemoteSettings(folder="ours", purpose="edgebench run sample")
        self.opened.append(RemoteDevice("phone", connect, settings, reach=at_once))
        return self.opened[-1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    # Those of this machine that are not on the device's PATH.
    monkeypatch.setattr(board, "_SEARCH", board._SEARCH.replace("/usr/local/bin /usr/bin /bin /opt/*/bin", ""))
    place = Place(tmp_path)
    yield place
    for device in place.opened:
        device.close()


def test_from_nothing_to_a_first_inference_and_nothing_is_left(place: Place) -> None:
    bundle, device = place.build(), place.open()
    done = set_up(device, bundles=place.bundles)
    assert (done.made, done.manifest["bundle"], done.trial.package) == (True, bundle.sha256, "ai-edge-litert")
    assert done.sent_bytes > bundle.size_bytes
    assert done.env_bytes >= bundle.unpacked_bytes
    python = str(place.phone.root / "bundle/bin/python3")
    assert device.default_python() == python
    checked = check(device)
    assert (checked.manifest, checked.problem) == (done.manifest, None)
    device.close()

    again = place.open()
    second = set_up(again, bundles=place.bundles)
    assert (second.made, second.sent_bytes, second.manifest) == (False, 0, done.manifest)
    assert set_up(again, Asked(force=True), bundles=place.bundles).made
    assert again.default_python() == python
    again.keeper.ask("clean")
    again.close()
    assert not place.phone.root.exists()


def test_a_link_that_is_cut_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_push, "_PIECE_BYTES", 1000)
    bundle = place.build()
    place.kind = Cut
    monkeypatch.setattr(Cut, "pieces", 0)
    assert set_up(place.open(), bundles=place.bundles).made
    assert Cut.pieces == -(-bundle.size_bytes // 1000) + 1


def test_a_newer_bundle_and_one_that_is_named(place: Place) -> None:
    first = place.build()
    device = place.open()
    set_up(device, bundles=place.bundles)
    second = place.build("3.12.1")
    assert set_up(device, bundles=place.bundles).manifest["bundle"] == second.sha256
    assert set_up(device, Asked(bundle=first.path), bundles=place.bundles).manifest["bundle"] == first.sha256
    device.close()


def test_a_bundle_whose_file_is_not_on_this_machine_stays(place: Place, tmp_path: Path) -> None:
    first, nothing = place.open(), tmp_path / "nothing"
    made = set_up(first, Asked(bundle=place.build().path), bundles=nothing)
    first.close()
    device = place.open()
    kept = set_up(device, bundles=nothing)
    assert (kept.made, kept.sent_bytes, kept.manifest) == (False, 0, made.manifest)
    assert kept.trial.package == "ai-edge-litert"
    with pytest.raises(DeviceRefused, match=r": no bundle for it was built here; name its file with --bundle, or"):
        set_up(device, Asked(force=True), bundles=nothing)
    device.keeper.ask("clean")
    device.close()


def test_it_is_not_replaced_while_a_run_uses_it(place: Place) -> None:
    place.build()
    first = place.open()
    set_up(first, bundles=place.bundles)
    place.build("3.12.1")
    second = place.open()
    with pytest.raises(DeviceRefused, match=r"it is in use by .* .edgebench run sample, process"):
        set_up(second, bundles=place.bundles)
    assert first.keeper.ask("hello")["root"] == str(place.phone.root)
    first.close()
    assert set_up(second, bundles=place.bundles).made
    second.close()


def test_an_environment_of_the_devices_own_python_replaces_it(place: Place, tmp_path: Path) -> None:
    place.build()
    device = place.open()
    set_up(device, bundles=place.bundles)
    wheels = runtime_wheels(tmp_path / "wheels")
    done = set_up(device, Asked(wheels, BASE_PYTHON), cache=tmp_path / "cache", pip=pip_of(wheels))
    assert done.manifest["python"]["path"] == BASE_PYTHON
    assert not (place.phone.root / "bundle").exists()
    device.reconnect()
    assert device.default_python() == str(place.phone.root / "env/bin/python3")
    device.close()


@pytest.mark.parametrize(
    ("machine", "line"),
    [
        (
            "armv7l",
            "runs programs for armv7l, and bundles are made for aarch64 and x86_64 only: with another processor",
        ),
        ("armv8l", "runs programs for armv8l"),
        (
            "aarch64",
            "has no Python, and no bundle for it was built here; name its .* build one: edgebench device bundle build$",
        ),
        (
            "x86_64",
            "has no Python, and no bundle .* here; .* build one: edgebench device bundle build --arch x86_64$",
        ),
    ],
)
def test_a_device_that_no_bundle_fits(place: Place, machine: str, line: str) -> None:
    place.phone.replace("uname", f"echo {machine}")
    with pytest.raises(DeviceRefused, match=f"test@home: {line}"):
        set_up(place.open(), bundles=place.bundles)
    assert not place.phone.root.exists()


def test_a_bundle_for_another_processor(place: Place) -> None:
    other = place.build(architecture="aarch64" if HERE == "x86_64" else "x86_64")
    with pytest.raises(DeviceRefused, match=f"test@home: is {HERE}, and .* is a bundle for {other.architecture}"):
        set_up(place.open(), Asked(bundle=other.path), bundles=place.bundles)


def test_a_board_with_a_python_gets_one_only_if_it_is_asked_for(place: Place) -> None:
    (place.phone.path / "python3").symlink_to(BASE_PYTHON)
    device = place.open()
    assert not bundle_steps.has_bundle(device)
    bundle = place.build()
    assert set_up(device, Asked(bundle=bundle.path)).made
    assert device.default_python() == str(place.phone.root / "bundle/bin/python3")
    assert not set_up(device, bundles=place.bundles).made  # it stays with it
    device.close()
