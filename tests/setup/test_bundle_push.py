"""Putting a bundle onto a device by a real shell: in pieces, after a cut, damaged, full, without gzip or a Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from devices.local_transport import LocalTransport
from edgebench.devices.transport import Finished
from edgebench.errors import DeviceLost, DeviceRefused
from edgebench.setup import bundle_push
from edgebench.setup.bundle_file import Bundle
from edgebench.setup.bundle_push import look, push, remove
from edgebench.worker.keeper_files import MARKER

from .made_packages import runnable_bundle

#: What a phone has, too.
PROGRAMS = [
    "sh",
    "cat",
    "chmod",
    "df",
    "env",
    "gzip",
    "mkdir",
    "mv",
    "rm",
    "rmdir",
    "sed",
    "sync",
    "tail",
    "tar",
    "touch",
    "uname",
    "wc",
]
MADE = {"format": 1, "bundle": "b" * 64}


class Phone(LocalTransport):
    """A device without a Python on its PATH. ``cut_after`` pieces the link is lost, ``spoil`` damages the next one."""

    def __init__(self, folder: Path, programs: Sequence[str] = PROGRAMS) -> None:
        self.home, self.path = folder / "home", folder / "path"
        for place in (self.home, self.path):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        for name in programs:
            (self.path / name).symlink_to(str(shutil.which(name)))
        super().__init__(self.home, {"PATH": str(self.path)})
        self.cut_after: int | None = None
        self.spoil = False
        self.pieces: list[int] = []

    @property
    def root(self) -> Path:
        return self.home / "ours"

    def run(self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Finished:
        if "cat >> " in command[2]:
            if self.cut_after is not None and len(self.pieces) >= self.cut_after:
                self.cut_after = None
                raise DeviceLost("the connection was lost")
            self.pieces.append(len(given))
            if self.spoil:
                self.spoil = False
                given = b"?" * len(given)
        return super().run(command, given=given, timeout_s=timeout_s)

    def replace(self, name: str, script: str) -> None:
        """Make a program there do something else."""
        (self.path / name).unlink()
        (self.path / name).write_text(f"#!{shutil.which('sh')}\n{script}\n")
        (self.path / name).chmod(0o755)


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    transport = Phone(tmp_path)
    yield transport
    transport.close()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_push, "_PIECE_BYTES", 1000)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    folder = tmp_path / "bundles"
    folder.mkdir()
    return runnable_bundle(folder, "aarch64")


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_from_nothing_to_a_bundle_in_its_place(phone: Phone, bundle: Bundle) -> None:
    place = look(phone, "ours")
    assert (place.root, place.has_tar, place.has_gzip, place.installed, place.runs) == (
        str(phone.root), True, True, None, False,
    )  # fmt: skip
    assert place.machine == os.uname().machine
    assert place.free_bytes is not None
    assert place.free_bytes > 0
    heard: list[tuple[int, int]] = []
    done = push(phone, place, bundle, MADE, lambda sent, of: heard.append((sent, of)))
    assert (done.sent_bytes, done.reused_bytes) == (bundle.size_bytes, 0)
    assert heard[-1] == (bundle.size_bytes, bundle.size_bytes)
    assert len(heard) > 3
    assert names_in(phone.root) == {
        MARKER,
        *(f"bundle/{name}" for name in (*bundle.manifest["files"], "manifest.json", "edgebench.json")),
    }
    assert os.access(place.python, os.X_OK)
    again = look(phone, "ours")
    assert (again.installed, again.runs) == ("b" * 64, True)
    remove(phone, place.root)
    assert names_in(phone.root) == {MARKER}


def test_another_one_replaces_it(phone: Phone, bundle: Bundle, tmp_path: Path) -> None:
    push(phone, look(phone, "ours"), bundle, MADE)
    (phone.root / "bundle/lib/python3.11/__pycache__").mkdir()
    other = runnable_bundle(tmp_path / "bundles", "aarch64", version="3.12.1")
    push(phone, look(phone, "ours"), other, {**MADE, "bundle": "c" * 64})
    assert look(phone, "ours").installed == "c" * 64
    assert not (phone.root / "bundle/lib/python3.11/__pycache__").exists()
    assert {path.name for path in phone.root.iterdir()} == {"bundle", "parts", MARKER}


def test_after_a_cut_it_goes_on_where_it_was(phone: Phone, bundle: Bundle) -> None:
    phone.cut_after = 2
    with pytest.raises(DeviceLost):
        push(phone, look(phone, "ours"), bundle, MADE)
    assert not look(phone, "ours").runs
    done = push(phone, look(phone, "ours"), bundle, MADE)
    assert (done.sent_bytes, done.reused_bytes) == (bundle.size_bytes - 2000, 2000)
    assert look(phone, "ours").runs


def test_a_damaged_one_is_sent_again_once(phone: Phone, bundle: Bundle) -> None:
    phone.spoil = True
    assert push(phone, look(phone, "ours"), bundle, MADE).reused_bytes == 0
    assert sum(phone.pieces) == 2 * bundle.size_bytes
    assert look(phone, "ours").runs


def test_a_file_that_is_not_what_it_was(phone: Phone, bundle: Bundle) -> None:
    """An unpacker that loses a byte: the bundle's own Python finds it."""
    phone.replace("tar", f'{shutil.which("tar")} "$@" && echo x >> bundle.new/lib/large')
    with pytest.raises(DeviceRefused, match="test@home: the bundle arrived damaged twice: damaged: lib/large"):
        push(phone, look(phone, "ours"), bundle, MADE)
    assert names_in(phone.root) == {MARKER}


def test_more_than_was_sent_is_there(phone: Phone, bundle: Bundle) -> None:
    (phone.root / "parts").mkdir(parents=True)
    (phone.root / MARKER).touch()
    (phone.root / "parts" / bundle.sha256).write_bytes(bytes(bundle.size_bytes + 1))
    assert push(phone, look(phone, "ours"), bundle, MADE).sent_bytes == bundle.size_bytes


def test_a_device_without_gzip_gets_it_unpacked(tmp_path: Path, bundle: Bundle) -> None:
    phone = Phone(tmp_path, [name for name in PROGRAMS if name != "gzip"])
    place = look(phone, "ours")
    assert not place.has_gzip
    assert push(phone, place, bundle, MADE).sent_bytes > bundle.unpacked_bytes
    assert look(phone, "ours").runs


def test_a_device_without_tar(tmp_path: Path, bundle: Bundle) -> None:
    phone = Phone(tmp_path, [name for name in PROGRAMS if name != "tar"])
    with pytest.raises(DeviceRefused, match="test@home: has no tar to unpack a bundle with"):
        push(phone, look(phone, "ours"), bundle, MADE)


def test_too_little_room_is_told_before_anything_is_sent(phone: Phone, bundle: Bundle) -> None:
    phone.replace("df", "echo 'Filesystem 1K-blocks Used Available Use% Mounted on'; echo '/dev/x 99 95 4 96% /data'")
    with pytest.raises(
        DeviceRefused, match=r"ours needs \d MB and has 0 MB free; make room there, or name a folder on"
    ):
        push(phone, look(phone, "ours"), bundle, MADE)
    assert not phone.root.exists()
    phone.replace("df", "echo 'Filesystem  Size  Used  Free  Blksize'; echo '/data  12.6G  3.1G  9.5G  4096'")
    assert look(phone, "ours").free_bytes is None  # an Android of 2014


def test_a_disk_that_becomes_full(phone: Phone, bundle: Bundle) -> None:
    full = "echo 'write error: No space left on device' >&2; exit 1"
    phone.replace("cat", full)
    place = look(phone, "ours")
    with pytest.raises(
        DeviceRefused, match=r"test@home: its disk became full in .*/ours; make room there, or name a fo"
    ):
        push(phone, place, bundle, MADE)
    (phone.path / "cat").unlink()
    (phone.path / "cat").symlink_to(str(shutil.which("cat")))
    phone.replace("tar", full)
    with pytest.raises(DeviceRefused, match="its disk became full"):
        push(phone, place, bundle, MADE)
    assert names_in(phone.root) == {MARKER, f"parts/{bundle.sha256}"}  # all of it has arrived, and can be gone on with


def test_a_folder_whose_programs_do_not_run(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    broken = runnable_bundle(tmp_path / "broken", "aarch64", python="/nowhere/python3")
    with pytest.raises(
        DeviceRefused, match=r"programs do not run in .*/ours: .*not found; name a folder on another disk"
    ):
        push(phone, look(phone, "ours"), broken, MADE)
    assert not (phone.root / "bundle").exists()


BOXES = [None, *(box for name in ("toybox", "busybox") if (box := shutil.which(name)))]


@pytest.mark.parametrize("box", BOXES, ids=[Path(box or "this machine's").name for box in BOXES])
def test_the_programs_of_phones_and_small_boards(tmp_path: Path, bundle: Bundle, box: str | None) -> None:
    """What one of them has; the shell is mksh where there is one, as on a phone."""
    phone = Phone(tmp_path, PROGRAMS)
    if box is not None:
        listed = subprocess.run([box, *(["--list"] if box.endswith("busybox") else [])], capture_output=True, text=True)
        for name in set(listed.stdout.split()) & set(PROGRAMS) - {"sh"}:
            (phone.path / name).unlink()
            (phone.path / name).symlink_to(box)
    shell = shutil.which("mksh")
    if shell is not None:
        (phone.path / "sh").unlink()
        (phone.path / "sh").symlink_to(shell)
    push(phone, look(phone, "ours"), bundle, MADE)
    phone.spoil = True
    push(phone, look(phone, "ours"), bundle, {**MADE, "bundle": "c" * 64})
    assert look(phone, "ours").installed == "c" * 64


def test_where_there_is_no_bin_sh_the_launcher_names_the_devices_shell(
    phone: Phone, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_push, "_UNPACK", bundle_push._UNPACK.replace("/bin/sh ]", "/nowhere/sh ]"))
    push(phone, look(phone, "ours"), bundle, MADE)
    launcher = (phone.root / "bundle/bin/python3").read_text()
    assert launcher.startswith(f"#!{phone.path / 'sh'}\nexec ")
    assert look(phone, "ours").runs


def test_a_folder_that_is_somebody_elses(phone: Phone, bundle: Bundle) -> None:
    (phone.root / "files").mkdir(parents=True)
    with pytest.raises(
        DeviceRefused, match="ours: cannot be written to: has something of others called files; name anot"
    ):
        push(phone, look(phone, "ours"), bundle, MADE)
    assert [path.name for path in phone.root.iterdir()] == ["files"]
