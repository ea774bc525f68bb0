"""Watches a device over a run: what it is, and its state before, after each block, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .device_record import MACHINE_FACTS, STATE_FACTS, block_reading, device_record, reading
from .devices.base import Device, Transfers
from .errors import EdgebenchError
from .firmware import Firmware, joined
from .observer import Observer
from .outcome import Outcome
from .readings import Moment, Reading
from .records import DeviceRecord, Environment

Facts = Mapping[str, Any]

_NO_RESULT = "no case came to a result"


class Watch(Observer):
    """Collects readings of one device. Made as soon as the device can be asked.

    The state before and after is the device's own; that of a block is what its workers told right after their bursts,
    so that nothing is asked for while anything is timed. A device that cannot be asked has reasons for everything.
    ``before`` is the state before the run, None before :meth:`begin`.
    """

    before: Reading | None = None

    def __init__(self, device: Device, earlier: Transfers | None = None) -> None:
        """``earlier`` is what went to the device before this run began."""
        self._device = device
        self._earlier = earlier or Transfers(0, 0)
        self._firmware = Firmware(device)
        self._readings: list[Reading] = []
        self._machine: Facts = {}
        self._state: Facts = {}
        self._seen: dict[str, int] = {}
        self._made_ns = device.clock_ns()
        self._first_ns: int | None = None
        self._rests = False

    def begin(self, outcomes: Sequence[Outcome], earlier: Sequence[Reading] = ()) -> None:
        """Read what lasts, and the state before the run.

        ``outcomes`` are as they stand, new or restored; ``earlier`` are readings from before the run was interrupted.
        """
        self._seen = {outcome.case.case_id: len(outcome.states) for outcome in outcomes}
        self._machine = _asked(self._device.machine, MACHINE_FACTS)
        self._state = self._now()
        before = self.before = reading(Moment.BEFORE, self._state)
        self._readings = [*earlier, before]

    def rest(self, earlier: Sequence[Reading] = ()) -> None:
        """Ask the device nothing from now on: it is away, or done. ``earlier`` are readings of former sittings."""
        self._rests = True
        self._readings += earlier

    def case_done(self, phase: str, outcome: Outcome) -> None:  # noqa: ARG002
        if self._first_ns is None:
            self._first_ns = self._device.clock_ns() - self._made_ns

    def block_done(self, block: int, spent_ns: int, members: Sequence[Outcome]) -> None:  # noqa: ARG002
        after = []
        for outcome in members:
            after += [state for _, state in outcome.states[self._seen.get(outcome.case.case_id, 0) :]]
            self._seen[outcome.case.case_id] = len(outcome.states)
        if after:
            self._readings.append(block_reading(block, after))

    def record(self, outcomes: Sequence[Outcome], environment: Environment) -> DeviceRecord:
        """Read the state after the run, and return the device's record; what it does not tell, its workers may have."""
        readings = [*self._readings, *([] if self._rests else [reading(Moment.AFTER, self._now())])]
        machines = [self._machine, *(outcome.machine for outcome in outcomes if outcome.machine)]
        states = [self._state, *(outcome.states[0][0] for outcome in outcomes if outcome.states)]
        transfers = self._device.transfers()
        return device_record(
            self._device.name,
            environment,
            next((told for told in machines if set(told) > {"unavailable"}), self._machine),
            next((told for told in states if "cpu_clocks" in told), self._state),
            readings,
            address=self._device.address(),
            bytes_sent=transfers.bytes_sent - self._earlier.bytes_sent if transfers else None,
            bytes_reused=transfers.bytes_reused - self._earlier.bytes_reused if transfers else None,
            ready_to_first_result_ns=self._first_ns,
            unavailable={"ready_to_first_result_ns": _NO_RESULT} if self._first_ns is None else {},
        )

    def _now(self) -> Facts:
        return joined(_asked(self._device.state, STATE_FACTS), self._firmware.read())


def _asked(ask: Callable[[], Facts], names: Sequence[str]) -> Facts:
    """Return what a device tells, or why it tells nothing: no measurement fails because nobody could watch it."""
    try:
        return ask()
    except EdgebenchError as error:
        return {"unavailable": dict.fromkeys(names, str(error))}
