"""Sustained load: each case alone, back to back, for as long as asked, with the device's temperature and clock beside.

Phones and boards without a fan are fast for a minute and slower afterwards, and not every variant by as much. Case
after case runs in one fresh worker; what it does is kept window by window, and the machine's state is read between two
windows, never while one runs. Before each case the device comes back to the warmth that the first one began with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .analysis.latency import MIN_SAMPLES
from .analysis.load_state import held_down, hottest_celsius, load_findings, why_untold, working_clock_hz
from .analysis.sustained import trend
from .devices.base import Device
from .errors import WorkerError
from .estimate import rough
from .findings import Finding, worst_first
from .firmware import Firmware, joined, tells_of_phone
from .launch import Launcher
from .outcome import Outcome
from .progress import Progress
from .records import Settings
from .rounds import SampleLog, warm_up
from .session import Samples, Session
from .sustained_records import HeatStart, Sustained, Windows

#: As many windows as a person can see in a figure; none is shorter than this, or than one inference.
WINDOWS = 120
MIN_WINDOW_NS = 1_000_000_000
#: No request is longer, so that a hang is noticed, and none has more runs, so that answers stay small.
_CHUNK_NS = 5_000_000_000
_CHUNK_RUNS = 200_000
#: As warm as before: sensors of boards tell whole degrees or two, and jump by one.
NEAR_CELSIUS = 2.0
#: A rest is no longer than this, or than the load itself.
LONGEST_REST_NS = 300_000_000_000
_LOOK_S = 2.0

Snapshot = Mapping[str, Any]


def longest_rest_ns(wanted_ns: int) -> int:
    """Return how long the device rests before a case, at most."""
    return min(wanted_ns, LONGEST_REST_NS)


@dataclass
class _Load:
    """What one case has done under load so far: a row a window, and the machine's states before, between and after."""

    snapshots: list[Snapshot] = field(default_factory=list)
    rows: list[tuple[int, int, float, float | None]] = field(default_factory=list)
    begun_ns: int = 0
    end_ns: int = 0
    busy_ns: int = 0
    start: HeatStart = field(default_factory=HeatStart)
    firmware: tuple[Finding, ...] = ()
    cut_short: str | None = None

    def add(self, parts: Sequence[Samples]) -> None:
        """Keep a window that was measured in one request or several."""
        latency_ns = np.concatenate([part.latency_ns for part in parts])
        start_ns = int(parts[0].start_ns[0])
        p90_ns = float(np.quantile(latency_ns, 0.9)) if latency_ns.size >= MIN_SAMPLES["p90_ns"] else None
        self.begun_ns = self.begun_ns if self.rows else start_ns
        self.rows.append((start_ns, int(latency_ns.size), float(np.median(latency_ns)), p90_ns))
        self.end_ns = _end_ns(parts[-1])
        self.busy_ns += int(latency_ns.sum())

    def windows(self) -> Windows:
        """Return the windows as they are recorded."""
        pairs = list(zip(self.snapshots, self.snapshots[1:], strict=False))[: len(self.rows)]
        # A stop by hand can come between a window and the look at the machine after it.
        states = [(hottest_celsius(new), working_clock_hz(old, new), held_down(old, new)) for old, new in pairs]
        states += [(None, None, None)] * (len(self.rows) - len(states))
        start_ns, count, p50_ns, p90_ns = zip(*self.rows, strict=True)
        celsius, clock_hz, throttled = zip(*states, strict=True)
        return Windows(start_ns, count, p50_ns, p90_ns, celsius, clock_hz, throttled)

    def unavailable(self) -> dict[str, str]:
        """Return why there is no temperature, clock or throttling at all."""
        last = self.snapshots[-1] if self.snapshots else {}
        names = {"celsius": "temperatures", "clock_hz": "cpu_clocks", "throttled": "cooling"}
        windows = self.windows()
        return {
            column: why_untold(last, name)
            for column, name in names.items()
            if all(value is None for value in getattr(windows, column))
        }


class SustainMeter:
    """Keeps each case under load for ``wanted_ns``; ``everyone`` are all outcomes of the run.

    ``cool_down`` is called before each case, and cools the device; without it the device rests until it is as warm as
    before the first case.
    """

    def __init__(
        self,
        device: Device,
        launcher: Launcher,
        settings: Settings,
        wanted_ns: int,
        everyone: Sequence[Outcome] = (),
        progress: Progress | None = None,
        cool_down: Callable[[], None] | None = None,
    ) -> None:
        self._device = device
        self._launcher = launcher
        self._settings = settings
        self._wanted_ns = wanted_ns
        self._everyone = everyone
        self._progress = progress or Progress()
        self._cool_down = cool_down
        self._firmware = Firmware(device)
        self._by_android = False

    def measure(self, outcome: Outcome) -> None:
        """Put what the load shows into a case's result. What fails here leaves the case's other figures as they are.

        What was measured before a failure, or before a stop by hand, is kept.
        """
        load = _Load()
        try:
            self._run(outcome, load)
        except WorkerError as error:
            load.cut_short = str(error)
        except KeyboardInterrupt:
            load.cut_short = "stopped by hand"
            raise
        finally:
            self._keep(outcome, load)

    def _run(self, outcome: Outcome, load: _Load) -> None:
        if self._cool_down is not None:
            self._progress.detail(f"{outcome.case.case_id}: cooling down")
            self._cool_down()
        with self._launcher.open(outcome.case) as session:
            session.hello(outcome.case.runtime)
            self._launcher.load(outcome.case, session)
            session.first(self._settings.seed)
            self._by_android = tells_of_phone(self._firmware.read())
            load.start = self._rested(outcome, session)
            before = self._asked()
            warm_up(session, SampleLog(), self._settings, 0)
            load.snapshots.append(self._state(session))
            try:
                self._windows(outcome, session, load)
            finally:
                ends = (joined(load.snapshots[0], before), joined(load.snapshots[-1], self._asked()))
                load.firmware = load_findings(ends)

    def _windows(self, outcome: Outcome, session: Session, load: _Load) -> None:
        """Run until the time is over, window by window. Windows end at even times, so that what is late stays one."""
        count = max(1, round(self._wanted_ns / max(MIN_WINDOW_NS, self._wanted_ns / WINDOWS)))
        done = 0
        while done < count:
            begun_ns = load.begun_ns if load.rows else None
            load.add(self._window(session, begun_ns, load.end_ns, self._wanted_ns * (done + 1) // count))
            load.snapshots.append(self._state(session))
            spent_ns = load.end_ns - load.begun_ns
            # A slow inference can last for several windows; half a one that is left belongs to what was.
            done = max(done + 1, round(spent_ns * count / self._wanted_ns))
            shown = f"{rough(spent_ns / 1e9)} of {rough(self._wanted_ns / 1e9)}"
            self._progress.detail(f"{outcome.case.case_id}: {shown}")

    def _window(self, session: Session, begun_ns: int | None, now_ns: int, stop_ns: int) -> list[Samples]:
        """Run until ``stop_ns`` after the beginning, at least once."""
        chunk_ns = min(_CHUNK_NS, int(self._settings.timeout_s * 1e9 / 2))
        left_ns = stop_ns if begun_ns is None else max(1, begun_ns + stop_ns - now_ns)
        parts: list[Samples] = []
        while left_ns > 0:
            parts.append(session.burst(1, _CHUNK_RUNS, min(left_ns, chunk_ns)))
            if begun_ns is None:
                begun_ns = int(parts[0].start_ns[0])
            left_ns = begun_ns + stop_ns - _end_ns(parts[-1])
        return parts

    def _rested(self, outcome: Outcome, session: Session) -> HeatStart:
        """Let the device come back to the warmth of the first case's beginning, with the loaded worker asleep."""
        snapshot = self._state(session)
        celsius, reference = hottest_celsius(snapshot), self._reference()
        if celsius is None:
            return HeatStart(
                cooled=self._cool_down is not None, unavailable={"celsius": why_untold(snapshot, "temperatures")}
            )
        reference = celsius if reference is None else reference
        if self._cool_down is not None:
            return HeatStart(celsius, reference, cooled=True)
        begun_ns = self._launcher.clock_ns()
        for _ in range(int(longest_rest_ns(self._wanted_ns) / 1e9 / _LOOK_S)):
            if celsius is None or celsius <= reference + NEAR_CELSIUS:
                break
            self._progress.detail(f"{outcome.case.case_id}: resting, {celsius:.0f} °C, {reference:.0f} before")
            self._device.sleep(_LOOK_S)
            celsius = hottest_celsius(self._state(session))
        return HeatStart(celsius, reference, self._launcher.clock_ns() - begun_ns)

    def _reference(self) -> float | None:
        """Return the warmth before the first case, also where that was measured before the run was gone on with."""
        starts = [other.result.sustained.start for other in self._everyone if other.result.sustained]
        return next((start.reference_celsius for start in starts if start.reference_celsius is not None), None)

    def _state(self, session: Session) -> Snapshot:
        """Return the machine's state, of a phone with what only Android tells.

        A Raspberry Pi's firmware is asked before and after the load alone, for that delays it.
        """
        try:
            state = session.state()
        except WorkerError as error:  # the next request tells what became of the worker
            state = {"unavailable": dict.fromkeys(("temperatures", "cpu_clocks", "cooling"), str(error))}
        return joined(state, self._asked()) if self._by_android else state

    def _asked(self) -> Snapshot:
        """Return what the firmware tells, without the reasons of what it does not."""
        return {name: value for name, value in self._firmware.read().items() if name != "unavailable"}

    def _keep(self, outcome: Outcome, load: _Load) -> None:
        if not load.rows:
            outcome.lacks("sustained", load.cut_short or "it ended before the first window")
            return
        windows, lasted_ns = load.windows(), load.end_ns - load.begun_ns
        others = sum(other is not outcome and other.result.sustained is not None for other in self._everyone)
        found = Sustained(
            wanted_ns=self._wanted_ns,
            place=others + 1,
            windows=windows,
            lasted_ns=lasted_ns,
            busy_ns=load.busy_ns,
            start=load.start,
            trend=trend(windows, lasted_ns),
            findings=tuple(worst_first([*load_findings(load.snapshots), *load.firmware])),
            cut_short=load.cut_short,
            unavailable=load.unavailable(),
        )
        outcome.update(sustained=found)


def _end_ns(samples: Samples) -> int:
    return int(samples.start_ns[-1] + samples.latency_ns[-1])
