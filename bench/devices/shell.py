"""A device that is measured by a program of its own, so that it needs no Python: a phone as it comes, or a board."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import __version__
from ..device_record import MACHINE_FACTS, STATE_FACTS
from ..errors import DeviceRefused, WorkerDied
from ..records import Environment, GovernorChange
from .base import Device, Transfers, WorkerLink
from .remote import RemoteDevice, file_digest, holder
from .remote_start import MARK, after_mark, has_python
from .shell_files import ShellFiles
from .shell_lock import ShellLock
from .transport import Transport

_STEP_S = 60.0
_TELL = rf"""
echo; echo {MARK}
echo "hostname=$(uname -n)"
echo "kernel=$(uname -r)"
echo "machine=$(uname -m)"
if command -v getprop >/dev/null 2>&1; then
  echo "system=Android $(getprop ro.build.version.release)"
  echo "model=$(getprop ro.product.manufacturer) $(getprop ro.product.model)"
elif [ -r /etc/os-release ]; then
  echo "system=$(. /etc/os-release; echo "$PRETTY_NAME")"
else
  echo "system=$(uname -s)"
fi
sed -n 's/^model name[[:space:]]*: /cpu_model=/p; s/^Hardware[[:space:]]*: /cpu_model=/p' /proc/cpuinfo 2>/dev/null
echo "cpus_logical=$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)"
sed -n 's/^Cpus_allowed_list:[[:space:]]*/allowed=/p' /proc/self/status 2>/dev/null
sed -n 's/^MemTotal:[[:space:]]*\([0-9]*\) kB/memory_kib=\1/p' /proc/meminfo 2>/dev/null
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  for file in cpu_capacity cpufreq/cpuinfo_max_freq; do
    [ -r "$cpu/$file" ] && echo "able=${{cpu##*/cpu}} $file $(cat "$cpu/$file")"
  done
done
"""
_UNTOLD = "the device does not tell"
_NO_KEEPER = "nothing there can be asked: without a Python of its own the device runs no helper program"


class ShellDevice(Device):
    """Another way to use a device that is reached through a transport. Where it has a Python, its helper is asked."""

    elsewhere = True

    def __init__(self, device: RemoteDevice) -> None:
        self.name = device.name
        self._device = device
        self._files: ShellFiles | None = None
        self._before = Transfers(0, 0)
        self._lock = ShellLock()
        self._token = uuid.uuid4().hex
        self._helped: bool | None = None
        self._told: dict[str, list[str]] | None = None
        self._placed: dict[tuple[str, int, int], str] = {}

    def shell(self) -> Transport:
        """Return the connection, once nobody else may measure there. Raises DeviceLost, DeviceRefused."""
        self._ready()
        return self._device.transport

    @property
    def files(self) -> ShellFiles:
        """What sends files there. Raises DeviceLost, DeviceRefused."""
        transport = self.shell()
        if self._files is None or self._files.transport is not transport:  # connected again since
            self._before = self._counted()
            self._placed.clear()
            self._files = ShellFiles(transport, self._device.settings.folder)
        return self._files

    def place(self, path: Path) -> str:
        """Send a file unless it is there, through the helper program where there is one."""
        if self._has_helper():
            return self._device.place(path)
        files, told = self.files, path.stat()
        key = (str(path), told.st_mtime_ns, told.st_size)
        if key not in self._placed:
            self._placed[key] = files.push(path, file_digest(path))
        return self._placed[key]

    def place_program(self, path: Path) -> str:
        """Send a file that is to be run there. Raises DeviceLost, DeviceRefused, OSError."""
        place = self.place(path)
        self.files.allow_running(place)
        return place

    def is_ours(self) -> bool:
        """Return whether nobody else can measure there now. Raises DeviceLost, DeviceRefused."""
        self._ready()
        return self._has_helper() or self._lock.held

    def start_worker(self, python: str) -> WorkerLink:  # noqa: ARG002
        raise WorkerDied(f"{self.name} is used without Python here, so it runs no workers")

    def clock_ns(self) -> int:
        return time.monotonic_ns()

    def default_python(self) -> str:
        return ""

    def environment(self) -> Environment:
        if self._has_helper():
            return self._device.environment()
        told = self._facts()
        values: dict[str, Any] = {
            "cpu_model": _first(told, "cpu_model") or _first(told, "model"),
            "cpus_logical": _whole(_first(told, "cpus_logical")) or None,
            "cpus_allowed": len(self.allowed_cpus()) or None,
            "memory_total_bytes": 1024 * _whole(_first(told, "memory_kib")) or None,
        }
        unavailable = {name: _UNTOLD for name, value in values.items() if value is None}
        return Environment(
            hostname=_first(told, "hostname") or self.name,
            system=_first(told, "system") or "unknown",
            kernel=_first(told, "kernel") or "unknown",
            machine=_first(told, "machine") or "unknown",
            python="none",
            edgebench=__version__,
            unavailable=unavailable,
            **values,
        )

    def allowed_cpus(self) -> list[int]:
        """Return the numbers of the CPUs that programs there may use, none where it does not tell."""
        from ..worker.affinity import cpu_numbers

        try:
            return list(cpu_numbers(_first(self._facts(), "allowed") or ""))
        except ValueError:
            return []

    def able_cpus(self) -> dict[int, int]:
        """Return what each CPU there can do, as :func:`edgebench.worker.affinity.capacities` has it."""
        alike: dict[int, int] = {}
        for wanted in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
            found = {}
            for line in self._facts().get("able", ()):
                number, file, value = [*line.split(), "", "", ""][:3]
                if file == wanted and _whole(value):
                    found[_whole(number)] = _whole(value)
            if len(set(found.values())) > 1:
                return found
            alike = alike or found
        return alike

    def machine(self) -> Mapping[str, Any]:
        if self._has_helper():
            return self._device.machine()
        told = _nothing(MACHINE_FACTS)
        model = _first(self._facts(), "model")
        return told if model is None else {**told, "board_model": model}

    def state(self) -> Mapping[str, Any]:
        return self._device.state() if self._has_helper() else _nothing(STATE_FACTS)

    def firmware(self) -> Mapping[str, Any]:
        return self._device.firmware() if self._has_helper() else {"unavailable": {}}

    def set_governor(self, name: str) -> AbstractContextManager[GovernorChange]:
        if not self._has_helper():
            raise DeviceRefused(f"{self.name}: --set-governor {name}: {_NO_KEEPER}; leave it out")
        return self._device.set_governor(name)

    def recover(self) -> tuple[str, ...]:
        return self._device.recover() if self._has_helper() else ()

    def available_bytes(self) -> int | None:
        return self._device.available_bytes() if self._has_helper() else None

    def address(self) -> str | None:
        return self._device.address()

    def transfers(self) -> Transfers:
        """Return the bytes so far, over all connections."""
        helper = self._device.transfers()
        own = self._counted()
        return Transfers(helper.bytes_sent + own.bytes_sent, helper.bytes_reused + own.bytes_reused)

    def reconnect(self) -> None:
        self._forget()
        if self._helped:
            self._device.reconnect()
        else:
            self._device.close()
            self._ready()

    def release(self) -> None:
        """Let others measure there; the connection stays. May be called twice."""
        self._lock.release()

    def close(self) -> None:
        self._forget()
        self._device.close()

    def _forget(self) -> None:
        """Forget what belongs to a connection."""
        self._before = self._counted()
        self._files = None
        self._placed.clear()
        self._lock.release()

    def _counted(self) -> Transfers:
        if self._files is None:
            return self._before
        sent, reused = self._files.sent_bytes, self._files.reused_bytes
        return Transfers(self._before.bytes_sent + sent, self._before.bytes_reused + reused)

    def _ready(self) -> None:
        """Connect, and see that nobody else measures there."""
        if self._has_helper():
            self._device.connect()  # its helper has the lock
        else:
            self._lock.take(self._device.transport, holder(self._device.settings.purpose, self._token))

    def _has_helper(self) -> bool:
        """Return whether the device has a Python that runs the helper program."""
        if self._helped is None:
            settings = self._device.settings
            self._helped = has_python(self._device.transport, settings.python, settings.folder)
        return self._helped

    def _facts(self) -> dict[str, list[str]]:
        """Return what a shell there tells: names to the values told of them."""
        if self._told is None:
            done = self.shell().run(["sh", "-c", _TELL], timeout_s=_STEP_S)
            told: dict[str, list[str]] = {}
            for line in after_mark(done.stdout):
                name, _, value = line.partition("=")
                told.setdefault(name, []).append(value.strip())
            self._told = told
        return self._told


def _first(told: Mapping[str, list[str]], name: str) -> str | None:
    return next((value for value in told.get(name, ()) if value), None)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _nothing(names: Sequence[str]) -> dict[str, Any]:
    return {"unavailable": dict.fromkeys(names, _NO_KEEPER)}
