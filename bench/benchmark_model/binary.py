"""The tool's binary: a file of this machine that is sent, or one that lies on the device already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..devices.remote import file_digest
from ..devices.remote_start import MARK, after_mark
from ..devices.shell import ShellDevice
from ..errors import UsageError
from ..images.files import user_path
from ..records import RuntimeInfo

#: Below the device's folder, where ``device setup`` and people put it.
THERE = "benchmark_model"
_FIND = rf"""
echo; echo {MARK}
[ -f "$1" ] || exit 0
if command -v sha256sum >/dev/null 2>&1; then sha256sum < "$1" | cut -c1-64; else echo unknown; fi
"""
_HASH_SHOWN = 12
#: ELF's e_machine of the processors that boards and phones have, by what ``uname -m`` calls those that run it.
_PROCESSORS = {
    0xB7: ("aarch64", ("aarch64", "arm64")),
    0x28: ("32-bit ARM", ("aarch64", "arm64", "armv7l", "armv8l", "armv6l")),
    0x3E: ("x86-64", ("x86_64", "amd64")),
    0x03: ("x86", ("x86_64", "amd64", "i686", "i386")),
    0xF3: ("RISC-V", ("riscv64",)),
}
_STEP_S = 60.0


@dataclass(frozen=True)
class Binary:
    """Where the tool lies on a device, and which it is: releases have no number, so by the begin of its SHA-256."""

    path: str
    version: str

    def runtime(self, machine: str) -> RuntimeInfo:
        """Return it as a record has runtimes; ``machine`` is the device's processor."""
        return RuntimeInfo("tflite", THERE, self.version, "none", "none", machine)


def local_version(path: Path) -> str:
    """Return which binary a file of this machine is."""
    return _version(file_digest(path))


def _version(sha256: str) -> str:
    return f"sha256:{sha256[:_HASH_SHOWN]}"


def local_binary(text: str) -> Path:
    """Return the binary that a person named.

    Raises:
        UsageError: there is no such file, or it is no program.
    """
    path = user_path(text)
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UsageError(f"--benchmark-model {text}: {error.strerror or error}") from error
    if not head.startswith((b"\x7fELF", b"#!")):
        raise UsageError(f"--benchmark-model {text}: is no program for Linux or Android")
    return path


def check_fits(path: Path, machine: str) -> None:
    """Raise UsageError where a binary is for another processor than a device's, as ``uname -m`` has it."""
    with path.open("rb") as file:
        head = file.read(20)
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    name, machines = _PROCESSORS.get(number, (f"processor {number}", ()))
    if machine not in machines:
        raise UsageError(f"--benchmark-model {path}: is built for {name}, and the device is {machine}")


def binary_place(device: ShellDevice, binary: Path | None) -> Binary:
    """Return where the tool lies on a device; ``binary`` is sent unless it is there.

    Raises:
        UsageError: none was named, and the device has none.
        DeviceError: the device cannot be reached, or nothing can be written there.
    """
    if binary is not None:
        path = device.place_program(binary)
        return Binary(path, local_version(binary))
    path = f"{device.files.root}/{THERE}"
    done = device.shell().run(["sh", "-c", _FIND, "sh", path], timeout_s=_STEP_S)
    said = after_mark(done.stdout)
    if not said:
        raise UsageError(
            f"{device.name} has no benchmark_model; name the binary for its system and processor with "
            f"--benchmark-model FILE, or put one there: edgebench device setup {device.name} --benchmark-model official"
        )
    return Binary(path, _version(said[-1]) if said[-1] != "unknown" else said[-1])
