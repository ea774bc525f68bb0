"""A device that is measured by a program of its own, so that it needs no Python: a phone as it comes, or a board."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..errors import DeviceRefused, WorkerDied
from ..records import Environment, GovernorChange
from .base import Device, Transfers, WorkerLink
from .remote import RemoteDevice, file_digest, holder
from .remote_start import has_python
from .shell_files import ShellFiles
from .shell_lock import ShellLock
from .shell_truth import ShellTruth, without_process
from .transport import Transport

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
        self._truth: ShellTruth | None = None
        self._placed: dict[tuple[str, int, int], str] = {}

    def shell(self) -> Transport:
        """Return the connection, once nobody else may measure there. Raises DeviceLost, DeviceRefused."""
        self._ready()
        return self._device.transport

    @property
    def truth(self) -> ShellTruth:
        """What asks for its state. Raises DeviceLost, DeviceRefused."""
        transport = self.shell()
        if self._truth is None or self._truth.transport is not transport:
            self._truth = ShellTruth(transport)
        return self._truth

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
        return self._device.environment() if self._has_helper() else self.truth.environment()

    def allowed_cpus(self) -> list[int]:
        """Return the numbers of the CPUs that programs there may use, none where it does not tell."""
        return self.truth.allowed_cpus()

    def able_cpus(self) -> dict[int, int]:
        """Return what each CPU there can do, as :func:`edgebench.worker.affinity.capacities` has it."""
        return self.truth.able_cpus()

    def machine(self) -> Mapping[str, Any]:
        return self._device.machine() if self._has_helper() else self.truth.machine()

    def state(self) -> Mapping[str, Any]:
        return without_process(self._device.state()) if self._has_helper() else self.truth.state()

    def firmware(self) -> Mapping[str, Any]:
        return self._device.firmware() if self._has_helper() else self.truth.firmware()

    def set_governor(self, name: str) -> AbstractContextManager[GovernorChange]:
        if not self._has_helper():
            raise DeviceRefused(f"{self.name}: --set-governor {name}: {_NO_KEEPER}; leave it out")
        return self._device.set_governor(name)

    def recover(self) -> tuple[str, ...]:
        return self._device.recover() if self._has_helper() else ()

    def available_bytes(self) -> int | None:
        if self._has_helper():
            return self._device.available_bytes()
        found = self.state().get("memory_available_bytes")
        return None if found is None else int(found)

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
