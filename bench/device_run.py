"""One device's share of a run: its plan, what came of it so far, and connections that are lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .device_entries import DeviceEntries
from .devices.base import Device
from .entries import JournalObserver, PlannedDevice, Restored, done_entry, lost_entry, restore
from .errors import DeviceError, DeviceLost
from .evaluation import Evaluator
from .journal import Entry
from .observer import Observers
from .outcome import Outcome
from .plan import Plan
from .readings import Reading
from .records import DeviceRecord, Environment, Failure, RuntimeInfo
from .runner import Runner
from .stopping import Stop
from .unfinished import planned_cases
from .watching import Watch

#: A device whose connection is lost so often while nothing comes to an end there is given up.
MAX_LOSSES = 3


@dataclass(frozen=True)
class DevicePlan:
    """What is to be measured on a device, by ``runtimes`` (of its Pythons, by path).

    ``environment`` and ``refusal``: what it is, or else why it could not be reached; then the plan is a guess.
    """

    device: Device
    watch: Watch
    plan: Plan
    environment: Environment | None
    runtimes: Mapping[str, RuntimeInfo]
    refusal: DeviceError | None = None

    def planned(self) -> PlannedDevice:
        """Return what a journal says of it."""
        cases = planned_cases(self.plan)
        return PlannedDevice(self.device.name, self.environment, cases, self.runtimes, self.watch.before)


class DeviceRun:
    """Measures on one device. ``dropped`` is why it took no further part, None while it does.

    ``away`` is True while nothing but the connection is waited for.
    """

    def __init__(
        self,
        planned: DevicePlan,
        runner: Runner,
        evaluator: Evaluator | None,
        stop: Stop | None = None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """``stop`` ends :meth:`measure` from another thread; ``begin`` is called first in the one that measures."""
        self.planned = planned
        self.device = planned.device
        self.watch = planned.watch
        self.runner = runner
        self.stop = stop or Stop()
        self.entries = DeviceEntries(planned.device.name)
        self.restored = Restored()
        self.dropped: DeviceError | None = None
        self.away = False
        self._waits = False  # from when what was not finished was forgotten until it is measured anew
        self._evaluator = evaluator
        self._begin = begin

    @property
    def name(self) -> str:
        """The device part of case ids."""
        return self.device.name

    @property
    def outcomes(self) -> list[Outcome]:
        """What was learnt about each case so far."""
        return self.runner.outcomes

    @property
    def blocks(self) -> int:
        """The number of blocks that anything was timed in."""
        return 1 + max((burst.block for outcome in self.outcomes for burst in outcome.log.bursts), default=-1)

    def take_up(self, entries: tuple[Entry, ...]) -> None:
        """Go on from what the entries of a run say.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: an entry is not as it was written.
            UsageError, DataError: the images cannot be had again.
        """
        self.entries.take(entries)
        self._go_back()

    def look(self, before: Reading | None = None) -> None:
        """Read the device's state before measuring; ``before`` is what it was when the run was begun, if not now.

        One that is away, or on which nothing is left to measure, is asked nothing.
        """
        earlier = [*([before] if before is not None else []), *self.restored.readings]
        if self.planned.refusal is not None or self.restored.done:
            self.watch.rest(earlier)
        else:
            self.watch.begin(self.outcomes, earlier)

    def record(self) -> DeviceRecord | None:
        """Return the device's record, None where nobody has reached it."""
        environment = self.planned.environment
        return None if environment is None else self.watch.record(self.outcomes, environment)

    def measure(self) -> None:
        """Measure what is left; after a lost connection, what was finished before is kept and the rest done anew.

        A device that drops out is no error: its cases say so. A Ctrl-C is, as with :meth:`Runner.run`.
        """
        self._begin()
        losses, steps = 0, self.entries.steps
        while self.dropped is None:
            try:
                journal = JournalObserver(self.entries, self.outcomes)
                self.runner.run(Observers(journal, self.watch), self.restored.timed)
                return
            except DeviceError as error:
                if self.stop.asked or _came_of_stopping(error):
                    self.runner.interrupted()
                    raise KeyboardInterrupt from error
                losses, steps = 1 + (losses if self.entries.steps == steps else 0), self.entries.steps
                self._go_on_after(error, may_retry=losses < MAX_LOSSES)

    def finish(self) -> None:
        """Write down that nothing is left to measure, unless that stands there already."""
        if self.dropped is None and not self.restored.done:
            self.entries.append(done_entry())

    def drop(self, error: DeviceError) -> None:
        """Leave the device out from now on; what was finished there becomes results."""
        self.dropped = error
        self.watch.rest()
        self._give_up(Failure(error.code, str(error)))

    def stopped(self) -> None:
        """Make the most of what was measured where it was stopped while the connection was away."""
        if self._waits:
            self.watch.rest()
            self._give_up(Failure("interrupted", f"stopped by hand while {self.runner.phase}"))

    def _go_on_after(self, error: DeviceError, *, may_retry: bool) -> None:
        """Connect again, or drop the device. Either way what was not finished is forgotten."""
        begin_ns = self.device.clock_ns()
        self._go_back()
        if not may_retry or not isinstance(error, DeviceLost):
            self.drop(error)
            return
        self._waits = self.away = True
        try:
            self.device.reconnect()
        except DeviceError as last:
            if self.stop.asked:
                raise KeyboardInterrupt from last
            self._waits = False
            self.drop(last)
            return
        finally:
            self.away = False
        self.stop.check()
        self._waits = False
        self._keep_loss(error, begin_ns)

    def _keep_loss(self, error: DeviceLost, begin_ns: int) -> None:
        phase = self.runner.phase
        where = f"at block {self.restored.timed.blocks}" if phase == "timing" else f"while {phase}"
        after_s = (self.device.clock_ns() - begin_ns) / 1e9
        line = f"{self.name}: the connection was lost {where} ({_first(error)}); measured again after {after_s:.0f} s"
        self.restored.losses.append(line)
        self.entries.append(lost_entry(line))

    def _go_back(self) -> None:
        for outcome in self.outcomes:
            outcome.forget()
        self.restored = restore(self.entries, self.outcomes, self._evaluator)

    def _give_up(self, failure: Failure) -> None:
        cores = self.planned.environment.cpus_allowed if self.planned.environment else None
        self.runner.gave_up(failure, cores, timed=self.restored.finished)


def _came_of_stopping(error: BaseException) -> bool:
    """Return True where it came of cleaning up after a Ctrl-C."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, KeyboardInterrupt):
        found = found.__context__
    return found is not None


def _first(error: BaseException) -> BaseException:
    """Return the error that came before those of cleaning up after it."""
    while isinstance(error.__context__, DeviceLost):
        error = error.__context__
    return error
