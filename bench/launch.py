"""Starting a case's worker and loading its model there."""

from __future__ import annotations

from pathlib import Path

from .devices.base import Device
from .errors import UsageError
from .plan import Case
from .records import Delegate, DelegateKind, Engine
from .session import Loaded, LoadRequest, Session
from .stopping import Stop


class Launcher:
    """Opens sessions on one device; a worker that holds more than ``memory_limit_bytes`` is killed.

    ``stop`` can end requests from another thread.
    """

    def __init__(
        self, device: Device, timeout_s: float, memory_limit_bytes: int | None = None, stop: Stop | None = None
    ) -> None:
        self._device = device
        self._timeout_s = timeout_s
        self._memory_limit_bytes = memory_limit_bytes
        self._stop = stop

    def open(self, case: Case, at_most_bytes: int | None = None) -> Session:
        """Start a fresh worker under the case's Python. The caller closes the session.

        ``at_most_bytes`` bounds this worker's memory further, where the device can do that.

        Raises:
            WorkerError: the process could not be started.
            UsageError: a memory limit was asked for, and the device cannot hold workers to one.
        """
        link = self._device.start_worker(case.python.path)
        if self._stop is not None:
            link = self._stop.watched(link)
        wanted = self._memory_limit_bytes
        limits = [limit for limit in (wanted, at_most_bytes) if limit is not None]
        if limits:
            try:
                link.limit_memory(min(limits))
            except UsageError:
                if wanted is not None:
                    link.close()
                    raise
        return Session(link, self._timeout_s, case.cpus)

    def load(
        self,
        case: Case,
        session: Session,
        *,
        exclusive: bool = False,
        batch: int | None = None,
        weight_cache: str | None = None,
    ) -> Loaded:
        """Load the case's model; see :meth:`request`."""
        return session.load(self.request(case, exclusive=exclusive, batch=batch, weight_cache=weight_cache))

    def request(
        self, case: Case, *, exclusive: bool = False, batch: int | None = None, weight_cache: str | None = None
    ) -> LoadRequest:
        """Return what to load for a case.

        ``exclusive`` keeps default delegates out, ``batch`` is the items a run, ``weight_cache`` a file on the device
        for XNNPACK's packed weights.
        """
        return LoadRequest(
            model_path=self._device.place(Path(case.variant.file.path)),
            engine=case.engine,
            delegate=case.delegate,
            threads=case.threads,
            signature=case.signature,
            exclusive=exclusive,
            batch=batch,
            weight_cache=weight_cache,
        )

    def load_reference(self, case: Case, session: Session) -> Loaded:
        """Load the case's model on the CPU with the runtime's defaults, in the engine's form that moves all dtypes."""
        return session.load(
            LoadRequest(
                model_path=self._device.place(Path(case.variant.file.path)),
                engine=Engine.COMPILED,
                delegate=Delegate(DelegateKind.DEFAULT),
                threads=case.threads,
                signature=case.signature,
                native=True,
            )
        )

    def clock_ns(self) -> int:
        """Return the device's monotonic clock."""
        return self._device.clock_ns()
