"""What the runner needs from a device: a name, an environment, and worker processes to talk to."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ..errors import UsageError, WaitUnavailable
from ..records import Environment

Link = TypeVar("Link", bound="WorkerLink")


class WorkerLink(ABC):
    """A running worker process and the two pipes to it."""

    @abstractmethod
    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """Send one request and block until its answer.

        Returns:
            The answer's fields.

        Raises:
            RuntimeRefused: the worker answered no, with its code and line.
            WorkerDied, WorkerTimeout, MemoryExceeded, ProtocolError: there was no usable answer, or it came with too
                much memory; the process is gone afterwards.
        """

    def send(self, command: str, **fields: Any) -> None:  # noqa: ARG002 - for those that can
        """Send one request and do not wait: the same link's :meth:`receive` is next.

        Raises:
            WaitUnavailable: this kind of worker answers one at a time only.
        """
        raise WaitUnavailable("this device's workers cannot run at the same time")

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:  # noqa: ARG002 - for those that can
        """Block until the answer to what was sent, as :meth:`request` does."""
        raise WaitUnavailable("this device's workers cannot run at the same time")

    def answer_pipe(self) -> int | None:
        """Return the file descriptor that can be read once an answer comes, None where there is none to look at."""
        return None

    def watch_memory(self, command: str) -> float | None:  # noqa: ARG002 - for those that can
        """Look whether a process that owes an answer holds more than it may.

        Returns:
            The seconds after which to look again, None where there is no limit.

        Raises:
            MemoryExceeded: it did; the process is gone.
        """
        return None

    def limit_memory(self, limit_bytes: int) -> None:  # noqa: ARG002 - for those that can
        """From now on, end the process when its resident memory exceeds the limit.

        Raises:
            UsageError: this kind of worker cannot be held to a limit.
        """
        raise UsageError("--memory-limit: this device does not tell how much memory its workers hold")

    @abstractmethod
    def close(self) -> None:
        """End the process, whatever state it is in. May be called twice."""

    def __enter__(self: Link) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Device(ABC):
    """A place that can run workers. ``name`` is the device part of case ids."""

    name: str

    @abstractmethod
    def start_worker(self, python: str) -> WorkerLink:
        """Start a fresh worker process under that Python.

        Raises:
            WorkerError: the process could not be started.
        """

    @abstractmethod
    def place(self, path: Path) -> str:
        """Make a file of this machine readable there and return its path there."""

    @abstractmethod
    def clock_ns(self) -> int:
        """Return a monotonic clock in ns, by which budgets are kept."""

    def sleep(self, seconds: float) -> None:
        """Return when so much time has passed by the clock of :meth:`clock_ns`."""
        time.sleep(seconds)

    @abstractmethod
    def environment(self) -> Environment:
        """Describe the device. What cannot be read is None, with the reason."""

    @abstractmethod
    def default_python(self) -> str:
        """Return the Python that workers run under when the user names none."""

    @property
    def elsewhere(self) -> bool:
        """Whether it is another machine than this one."""
        return False

    def machine(self) -> Mapping[str, Any]:
        """Return what lasts about it, in the fields of :func:`edgebench.worker.truth.machine`."""
        return {"unavailable": {}}

    def state(self) -> Mapping[str, Any]:
        """Return what changes about it, in the fields of :func:`edgebench.worker.truth.snapshot`, now."""
        return {"unavailable": {}}

    def firmware(self) -> Mapping[str, Any]:
        """Return what its firmware tells, in the fields of :func:`edgebench.worker.truth.firmware`, now."""
        return {"unavailable": {}}

    def available_bytes(self) -> int | None:
        """Return the memory that new workers can take now, None where that is unknown."""
        import psutil

        return int(psutil.virtual_memory().available)

    def reconnect(self) -> None:
        """Connect again after the connection was lost.

        Raises:
            DeviceLost: it cannot be reached, for as long as was tried.
            DeviceRefused: it says no.
        """

    def close(self) -> None:
        """End the connection, where there is one. May be called twice."""
