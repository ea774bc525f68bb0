"""What the runner needs from a device: a name, an environment, and worker processes to talk to."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ..errors import DeviceRefused, UsageError, WaitUnavailable
from ..records import Environment, GovernorChange
from ..worker.noise import probe

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

    def abort(self) -> None:  # noqa: B027 - for those that can
        """Kill the process, from another thread than the one that waits for its answer, which then gets an error."""

    def __enter__(self: Link) -> Link:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Transfers:
    """What a run needed on a device: the bytes that went there, and those that were there already."""

    bytes_sent: int
    bytes_reused: int


class Device(ABC):
    """A place that can run workers. ``name`` is the device part of case ids.

    ``elsewhere``: it is not this machine, so what it computes is compared with what this machine computes.
    """

    name: str
    elsewhere: bool = False

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

    def resolve_python(self, text: str) -> str:
        """Return the path there of an interpreter that a person named.

        Raises:
            UsageError: there is no such program; devices that cannot tell leave that to its use.
        """
        return text

    def machine(self) -> Mapping[str, Any]:
        """Return the fields of :func:`edgebench.worker.truth.machine`; nothing where only workers can tell them."""
        return {"unavailable": {}}

    def state(self) -> Mapping[str, Any]:
        """Return the fields of :func:`edgebench.worker.truth.snapshot` that are about the whole device, now."""
        return {"unavailable": {}}

    def firmware(self) -> Mapping[str, Any]:
        """Return the fields of :func:`edgebench.worker.truth.firmware`. May take seconds."""
        return {"unavailable": {}}

    def noise(self, duration_ns: int) -> Mapping[str, Any]:
        """Return how evenly it runs the same work for so long, see :func:`edgebench.worker.noise.probe`."""
        return probe(duration_ns)

    def set_governor(self, name: str) -> AbstractContextManager[GovernorChange]:
        """Set the governor of all CPUs until the context ends, however it ends, also with this process.

        Raises:
            DeviceRefused: there is no such governor, or it may not be set; the line says what to do.
        """
        raise DeviceRefused(f"{self.name} has no governor that could be set; leave {name} out")

    def recover(self) -> tuple[str, ...]:
        """Put back what a run that was killed has left changed there; return a line for each such thing."""
        return ()

    def available_bytes(self) -> int | None:
        """Return the memory that new workers can take now, None where that is unknown."""
        import psutil

        return int(psutil.virtual_memory().available)

    def address(self) -> str | None:
        """Return where it is reached, ``user@host:port`` or a serial, None for this machine."""
        return None

    def hear_sent(self, hear: Callable[[int, int], None]) -> None:  # noqa: B027 - nothing goes to this machine
        """From now on call ``hear(bytes, of)`` while a file is sent there: how far it is, and its size."""

    def transfers(self) -> Transfers | None:
        """Return what went there so far, None where nothing has to."""
        return None

    def reconnect(self) -> None:  # noqa: B027 - nothing to do where there is no connection
        """Connect again after the connection was lost.

        Raises:
            DeviceLost: it cannot be reached, for as long as was tried.
            DeviceRefused: it says no.
        """

    def tidy(self) -> None:  # noqa: B027 - likewise
        """Remove what a run need not leave there. Called at its end, before :meth:`close`."""

    def close(self) -> None:  # noqa: B027 - likewise
        """End the connection, where there is one. May be called twice."""
