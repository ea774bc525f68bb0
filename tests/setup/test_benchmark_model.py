"""Putting the official tool onto a device: from a file, from a real server, for the right system and processor."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devices.local_transport import LocalTransport
from edgebench.devices import shell_files
from edgebench.devices.remote import RemoteDevice, file_digest
from edgebench.errors import DeviceLost, DeviceRefused, InputError, UsageError
from edgebench.setup import benchmark_model
from edgebench.setup.benchmark_model import (
    Installed,
    Target,
    installed_origin,
    look_at_target,
    published_address,
    set_up_tool,
)
from edgebench.setup.cleaning import Cleaned, clean_device
from edgebench.setup.listener import Listener

from .http_server import Server, serving
from .test_steps import Heard
from .there import OpenThere

Put = Callable[..., Installed]
#: A program of this machine that says nothing and ends: what a device makes of the tool without a model.
PROGRAM = Path("/bin/true")
#: The first bytes of a program for 32-bit ARM, and for 64-bit.
ARM, AARCH64 = (
    b"\x7fELF" + bytes([kind, 1, 1]) + bytes(11) + bytes([number, 0]) for kind, number in ((1, 40), (2, 183))
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(PROGRAM.read_bytes()) as started:
        yield started


@pytest.fixture
def put(open_there: OpenThere, tmp_path: Path) -> Put:
    """Put the tool onto the device and leave that, as a command does."""

    def done(what: str | Path, listener: Listener | None = None) -> Installed:
        device = open_there()
        try:
            return set_up_tool(device, str(what), listener, cache=tmp_path / "cache")
        finally:
            device.close()

    return done


def cleaned(device: RemoteDevice, **options: bool) -> Cleaned:
    found = clean_device(device, **options)
    device.close()
    return found


def device_of(tmp_path: Path, **programs: str) -> LocalTransport:
    """Return the shell of a device whose programs of these names print these texts."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"getconf": "", **programs}.items():
        (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (folder / name).chmod(0o755)
    return LocalTransport(tmp_path, {"PATH": f"{folder}:/usr/bin:/bin"})


def test_from_a_server_onto_a_device_and_what_is_known_of_it_there(
    put: Put, open_there: OpenThere, server: Server, tmp_path: Path
) -> None:
    heard = Heard()
    done = put(server.address("tool"), heard)
    root = tmp_path / "home" / ".cache" / "edgebench"
    there, sha256, size = root / "benchmark_model", file_digest(PROGRAM), PROGRAM.stat().st_size
    assert (done.path, done.sent_bytes) == (str(there), size)
    assert there.read_bytes() == PROGRAM.read_bytes()
    assert there.stat().st_mode & 0o777 == 0o700
    assert heard.lines == [
        f"benchmark_model: {server.address('tool')}, {size / 1e6:.1f} MB, sha256 {sha256}",
        f"sent: {size / 1e6:.1f} MB, to {there}",
    ]
    assert f"fetching {server.address('tool')}" in heard.begun
    told = json.loads((root / "benchmark_model.json").read_text())
    assert (told["sha256"], told["size_bytes"], told["source"]) == (sha256, size, server.address("tool"))
    device = open_there()
    assert installed_origin(device.transport, device.settings.folder) == done.origin
    again = put(server.address("tool"), heard)
    assert again.sent_bytes == 0
    assert heard.lines[-1] == f"there already: {there}"
    assert not list((root / "parts").iterdir())


def test_a_file_of_this_machine(open_there: OpenThere, tmp_path: Path) -> None:
    device = open_there()
    done = set_up_tool(device, str(PROGRAM))
    assert done.origin.source == str(PROGRAM)
    assert installed_origin(device.transport, "elsewhere") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/bin/sh\n", "script: is no program for Linux or Android"),
        (b"PK\x03\x04", "script: is no program for Linux or Android"),
        (ARM if platform.machine() == "x86_64" else b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00", "is built for"),
    ],
)
def test_a_file_that_cannot_run_there(open_there: OpenThere, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "script"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        set_up_tool(open_there(), str(path))
    with pytest.raises(UsageError, match=r"--benchmark-model nothing: No such file"):
        set_up_tool(open_there(), "nothing")
    assert not (tmp_path / "home" / ".cache").exists()


def test_a_program_that_does_not_start_there_leaves_the_one_before(put: Put, tmp_path: Path) -> None:
    put(PROGRAM)
    broken = tmp_path / "broken"
    broken.write_bytes(PROGRAM.read_bytes()[:200])
    with pytest.raises(DeviceRefused, match=r"benchmark_model\.new cannot be started there: .*[Ee]xec"):
        put(broken)
    root = tmp_path / "home" / ".cache" / "edgebench"
    assert (root / "benchmark_model").read_bytes() == PROGRAM.read_bytes()
    assert json.loads((root / "benchmark_model.json").read_text())["sha256"] == file_digest(PROGRAM)
    assert not (root / "benchmark_model.new").exists()


def test_a_cut_leaves_the_tool_that_was_there_and_is_gone_on_with(
    put: Put, open_there: OpenThere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.which("false") or "/bin/false")
    put(PROGRAM)
    there = tmp_path / "home" / ".cache" / "edgebench" / "benchmark_model"
    monkeypatch.setattr(shell_files, "_PIECE_BYTES", 10_000)
    device = open_there()

    def cut(_name: str, done: int, _of: int) -> None:
        transport = device.transport
        assert isinstance(transport, LocalTransport)
        transport.lost = done >= 20_000

    device._on_sent = cut
    with pytest.raises(DeviceLost):
        set_up_tool(device, str(other))
    device.close()
    assert there.read_bytes() == PROGRAM.read_bytes()
    again = put(other)
    assert again.sent_bytes == other.stat().st_size - 20_000
    assert there.read_bytes() == other.read_bytes()


def test_the_published_builds(
    server: Server, open_there: OpenThere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = published_address("official", Target("android", "aarch64", "aarch64"))
    assert phone.startswith("https://storage.googleapis.com/tensorflow-nightly-public/")
    assert phone.endswith("/nightly/latest/android_aarch64_benchmark_model")
    assert published_address("official", Target("linux", "aarch64", "armv7l")).endswith("/linux_arm_benchmark_model")
    assert published_address("litert", Target("linux", "x86_64", "x86_64")).endswith("/linux_x86_64/benchmark_model")
    with pytest.raises(UsageError) as refused:
        published_address("litert", Target("linux", "armv7l", "armv7l"))
    assert str(refused.value) == (
        "--benchmark-model litert: none is published for linux armv7l, only for android aarch64, linux aarch64, "
        "linux x86_64; build it, and name the file"
    )
    here = look_at_target(open_there().transport)
    monkeypatch.setitem(
        benchmark_model._PUBLISHED, "official", {("linux", here.architecture): server.address("nowhere")}
    )
    with pytest.raises(InputError, match="the server has no such file"):
        set_up_tool(open_there(), "official", cache=tmp_path / "cache")
    assert server.asked == ["/nowhere"]


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({"uname": "aarch64", "getprop": "arm64-v8a"}, Target("android", "aarch64", "aarch64")),
        ({"uname": "aarch64", "getprop": "armeabi-v7a"}, Target("android", "aarch64", "armv7l")),
        ({"uname": "x86_64", "getprop": "x86"}, Target("android", "x86_64", "i686")),
        ({"uname": "x86_64", "getprop": "x86_64"}, Target("android", "x86_64", "x86_64")),
        ({"uname": "armv7l", "getprop": "armeabi-v7a"}, Target("android", "armv7l", "armv7l")),
        ({"uname": "aarch64", "getconf": "64"}, Target("linux", "aarch64", "aarch64")),
        ({"uname": "aarch64", "getconf": "32"}, Target("linux", "aarch64", "armv7l")),
        ({"uname": "x86_64", "getconf": ""}, Target("linux", "x86_64", "x86_64")),
    ],
)
def test_what_a_device_runs_programs_of(tmp_path: Path, programs: dict[str, str], expected: Target) -> None:
    assert look_at_target(device_of(tmp_path, **programs)) == expected


def test_a_64_bit_build_for_a_32_bit_system(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(AARCH64)
    device = RemoteDevice("pi", lambda: device_of(tmp_path, uname="aarch64", getconf="32"))
    with pytest.raises(UsageError, match="tool: is built for aarch64, and the programs of the device are armv7l"):
        set_up_tool(device, str(path))
    device.close()


def test_not_while_another_has_the_device(open_there: OpenThere) -> None:
    open_there().connect()
    with pytest.raises(DeviceRefused, match="it is in use by"):
        set_up_tool(open_there(), str(PROGRAM))


def test_clean_takes_the_tool_that_was_put_there_and_leaves_one_s_own(
    put: Put, open_there: OpenThere, tmp_path: Path
) -> None:
    put(PROGRAM)
    root = tmp_path / "home" / ".cache" / "edgebench"
    assert cleaned(open_there(), files_only=True).removed_bytes == 0
    assert (root / "benchmark_model.json").exists()
    found = cleaned(open_there())
    assert (found.root, found.left) == (str(root), ())
    assert found.removed_bytes > PROGRAM.stat().st_size
    assert not root.exists()
    root.mkdir()
    (root / "benchmark_model").write_bytes(b"mine")
    assert cleaned(open_there()).left == ("benchmark_model",)
