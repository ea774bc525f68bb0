"""Runs a plan: a clean process per case for memory, then interleaved timing, then accuracy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from .benchmark_model.planning import official_meter
from .blocks import BlockTimer, summarise
from .classify import Classifier
from .conditions import DeviceConditions
from .cooling import Cooler
from .delegate_check import check_delegate
from .device_parity import DeviceParityCheck
from .devices.base import Device
from .devices.local import LocalDevice
from .errors import DataError, RuntimeRefused
from .evaluation import NO_LABELS, Evaluator
from .firmware import Firmware
from .golden_inputs import GoldenInputs
from .gpu_check import check_gpu
from .judging_accuracy import judge_accuracy
from .launch import Launcher
from .observer import Observer, Timed
from .operator_meter import OperatorMeter
from .outcome import Outcome, guarded
from .plan import Case, Plan
from .progress import Progress
from .records import DelegateKind, Delegation, Failure, Memory, MemoryRepeat, RuntimeInfo, Settings, Status
from .session import ImageNeeds, Session
from .spec import PythonTarget, WaitSpec
from .stopping import Stop
from .summaries import is_official
from .sustain import SustainMeter
from .waits.meter import WaitMeter

#: Runs after the first one in the memory process: buffers that only a second run allocates show up.
_MEMORY_RUNS = 5
MEMORY_TIME_NS = 1_000_000_000
#: Clean processes of each side, where memory is compared with an older self's: three give an interval.
_MEMORY_PROCESSES = 3


class Runner:
    """Drives one plan on one device. ``outcomes`` is up to date at any moment, also after an interrupt."""

    def __init__(
        self,
        device: Device,
        plan: Plan,
        settings: Settings,
        evaluator: Evaluator | None = None,
        progress: Progress | None = None,
        available_bytes: Callable[[], int | None] | None = None,
        waits: WaitSpec | None = None,
        *,
        profile: bool = False,
        host: Device | None = None,
        stop: Stop | None = None,
        host_turn: AbstractContextManager[object] | None = None,
        sustain_ns: int | None = None,
        cool_down: Callable[[], None] | None = None,
        benchmark_model: str | None = None,
    ) -> None:
        """``host`` is what a device that is elsewhere must agree with; None: this machine.

        ``stop`` can end :meth:`run` from another thread, as a Ctrl-C does in this one. ``host_turn`` is a lock that is
        held while this machine is timed, or works hard for a device that is elsewhere: it cannot do both.
        """
        self._host_turn = host_turn if host_turn is not None else nullcontext()
        self._own_turn = self._host_turn if isinstance(device, LocalDevice) else nullcontext()
        self._stop = stop
        self._device = device
        self._host = host
        self._launcher = Launcher(device, settings.timeout_s, settings.memory_limit_bytes, stop)
        self._settings = settings
        self.phase = ""
        self.conditions = DeviceConditions(device, settings, progress or Progress())
        self._paired = plan.paired
        self._observer = Observer()
        self._evaluator = evaluator
        self._progress = progress or Progress()
        self._available_bytes = available_bytes or device.available_bytes
        self._waits = (
            WaitMeter(device, self._launcher, settings, waits, evaluator, available_bytes=self._available_bytes)
            if waits
            else None
        )
        self._profile = OperatorMeter(self._launcher, settings.seed) if profile else None
        self.outcomes = [Outcome(case, case.result(Status.INTERRUPTED)) for case in plan.cases]
        cooled = cool_down or _waiting(self.conditions.cooler)
        self._sustain = (
            SustainMeter(device, self._launcher, settings, sustain_ns, self.outcomes, self._progress, cooled)
            if sustain_ns
            else None
        )
        self._official = official_meter(
            device, plan, settings, benchmark_model, profile=profile, stop=stop, cooler=self.conditions.cooler
        )
        by_id = {outcome.case.case_id: outcome for outcome in self.outcomes}
        for case_id, baseline_id in plan.baselines.items():
            by_id[case_id].baseline = by_id[baseline_id]
            by_id[baseline_id].is_baseline = True

    def run(self, observer: Observer | None = None, timed: Timed | None = None) -> None:
        """Measure everything. A failing worker is that case's result; the others go on.

        ``observer`` hears of what has been measured. ``timed`` is what a run that goes on has behind it; its outcomes
        hold that already.

        Raises:
            UsageError, DataError: accuracy was asked for and cannot be measured this way, or no governor can be set;
                nothing was timed yet.
            DeviceError: the device was lost, or says no; what was not finished then is of no use.
        """
        self._observer = observer or Observer()
        with self.conditions.held():
            self._measure(timed or Timed())

    def _measure(self, timed: Timed) -> None:
        try:
            workers = self._by_workers()
            self._each("checking, measuring memory", workers, self._inspect)
            self._repeat_memory()
            self._decode_images()
            self._compare_with_host()
            if workers:
                self._time(timed)
            if self._official is not None:
                cases = [outcome for outcome in self.outcomes if is_official(outcome.case.engine) and outcome.alive]
                self._each("running benchmark_model", cases, self._in_turn(self._official.measure))
            if self._waits is not None:
                self._each("measuring what a user waits for", self._alive(), self._in_turn(self._waits.measure))
            if self._sustain is not None:
                self._each("keeping each case under load", self._alive(), self._in_turn(self._sustain.measure))
            if self._profile is not None:
                self._each("profiling operators", self._alive(), self._in_turn(self._profile.measure))
            if self._evaluator is not None:
                self._classify(self._evaluator)
            for outcome in self._left():
                outcome.update(status=Status.OK)
        except KeyboardInterrupt:
            self.interrupted()
            raise

    def interrupted(self) -> None:
        """Note in the outcomes that were not finished that somebody stopped the run."""
        self._give_up(Failure("interrupted", f"stopped by hand while {self.phase}"))

    def gave_up(self, failure: Failure, usable_cores: int | None, *, timed: bool) -> None:
        """Note in the outcomes that were not finished why not; what was measured becomes results.

        ``timed``: timing was finished, so its results are there.
        """
        if not timed:
            summarise([outcome for outcome in self.outcomes if outcome.log.bursts], self._settings, usable_cores)
        if self._evaluator is not None:
            judge_accuracy(self.outcomes, self._evaluator.operating_points)
        self._give_up(failure)

    def _give_up(self, failure: Failure) -> None:
        for outcome in self._left():
            if outcome.result.status is not Status.OK:
                outcome.update(status=Status.INTERRUPTED, failure=failure)

    def _time(self, timed: Timed) -> None:
        self.phase = "timing"
        if timed.finished:
            return
        cores = self._device.environment().cpus_allowed
        firmware = Firmware(self._device)
        timer = BlockTimer(
            self._launcher,
            self._settings,
            self._progress,
            self._available_bytes,
            cores,
            firmware=firmware,
            cooler=self.conditions.cooler,
            turn=self._own_turn,
        )
        timer.run(self._by_workers(), self._observer, timed)
        self._observer.timing_done(self.outcomes)

    def _in_turn(self, action: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        def act(outcome: Outcome) -> None:
            with self._own_turn:
                action(outcome)

        return act

    def _by_workers(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not is_official(outcome.case.engine)]

    def _alive(self) -> list[Outcome]:
        """Return the cases that are measured by workers and go well."""
        return [outcome for outcome in self._by_workers() if outcome.alive]

    def _left(self) -> list[Outcome]:
        """Return the cases that go well."""
        return [outcome for outcome in self.outcomes if outcome.alive]

    def _each(self, phase: str, outcomes: list[Outcome], action: Callable[[Outcome], None]) -> None:
        self.phase = phase
        left = [outcome for outcome in outcomes if phase not in outcome.done]
        if not left:
            return
        self._progress.phase(phase, len(left))
        for outcome in left:
            self._progress.detail(outcome.case.case_id)
            guarded(outcome, action, outcome)
            outcome.done.add(phase)
            self._observer.case_done(phase, outcome)
            self._progress.advance()

    def _external_alone(self, case: Case) -> Delegation | None:
        """Return what an external delegate takes by itself, or None for others.

        The runtime adds its default delegate for the rest and names neither. A process of its own, ended before the
        next begins: some accelerators open only once.
        """
        if case.delegate.kind is not DelegateKind.EXTERNAL:
            return None
        with self._launcher.open(case) as session:
            session.hello(case.runtime)
            return self._launcher.load(case, session, exclusive=True).delegation

    def _inspect(self, outcome: Outcome) -> None:
        """Load and run the case in a clean process, reading memory at each step; learn which images the model takes."""
        alone = self._external_alone(outcome.case)
        with self._launcher.open(outcome.case) as session:
            hello = session.hello(outcome.case.runtime)
            outcome.update(runtime=hello.runtime, runtime_import_ns=hello.import_ns, cpu_numbers=hello.cpus)
            before = session.memory()
            loaded = self._launcher.load(outcome.case, session)
            after_load = session.memory()
            outcome.update(inputs=loaded.inputs, outputs=loaded.outputs, delegation=alone or loaded.delegation)
            outcome.update(notes=(*loaded.notes, *_default_delegates_part(alone, loaded.delegation)))
            check_delegate(outcome.case.delegate, outcome.result.delegation, require_full=self._settings.require_full)
            session.first(self._settings.seed)
            after_first = session.memory()
            session.burst(1, _MEMORY_RUNS, MEMORY_TIME_NS)
            outcome.update(memory=_memory(before, after_load, after_first, session.memory()))
            check_gpu(outcome, session, self._launcher, self._settings.seed)
            if self._evaluator is not None:
                outcome.reading = reading = self._evaluator.read(outcome.case.variant, _image_needs(outcome, session))
                outcome.update(preprocessing=reading.preprocessing, notes=outcome.result.notes + reading.notes)

    def _repeat_memory(self) -> None:
        """Measure the memory of pairs again: one process a side cannot tell a difference from chance.

        Cases follow their older selves in the plan, so both sides take turns.
        """
        if not self._paired:
            return
        for number in range(2, _MEMORY_PROCESSES + 1):
            pairs = [o for o in self._alive() if o.is_baseline or (o.baseline is not None and o.baseline.alive)]
            self._each(f"measuring memory again, {number} of {_MEMORY_PROCESSES}", pairs, self._measure_memory)

    def _measure_memory(self, outcome: Outcome) -> None:
        first = outcome.result.memory or Memory()
        with self._launcher.open(outcome.case) as session:
            session.hello(outcome.case.runtime)
            before = session.memory()
            self._launcher.load(outcome.case, session)
            session.memory()  # asked as often as in the first process
            session.first(self._settings.seed)
            session.memory()
            session.burst(1, _MEMORY_RUNS, MEMORY_TIME_NS)
            repeat = MemoryRepeat(before.get("rss_bytes"), session.memory().get("peak_rss_bytes"))
        outcome.update(memory=replace(first, repeats=(*first.repeats, repeat)))

    def _decode_images(self) -> None:
        for outcome in self._alive():
            if self._evaluator is not None and outcome.reading is not None:
                self._evaluator.images(outcome.reading.preprocessing)

    def _compare_with_host(self) -> None:
        """See that a device which is not this machine computes what this machine computes, before any time is taken."""
        if not self._device.elsewhere:
            return
        with GoldenInputs(self._settings.seed, self._evaluator) as golden:
            check = DeviceParityCheck(
                self._device, self._host or LocalDevice(), self._settings, golden, self._host_turn, self._stop
            )
            self._each("comparing outputs with the host's", self._alive(), check.check)

    def _classify(self, evaluator: Evaluator) -> None:
        try:
            self._each("classifying images", self._alive(), self._evaluate)
        finally:  # those that were classified before an interrupt can be compared
            judge_accuracy(self.outcomes, evaluator.operating_points)

    def _evaluate(self, outcome: Outcome) -> None:
        if self._evaluator is None or outcome.reading is None:
            return
        classifier = Classifier(self._device, self._launcher, self._progress, self._available_bytes)
        images = self._evaluator.image_count(outcome.reading)
        with classifier.crew(outcome, images, self._evaluator.workers) as crew:
            outcome.scored = self._evaluator.evaluate(outcome.reading, crew.classify)
        if outcome.scored.accuracy is None:
            outcome.lacks("accuracy", NO_LABELS)
        outcome.update(accuracy=outcome.scored.accuracy, status=Status.OK)


def _waiting(cooler: Cooler | None) -> Callable[[], None] | None:
    """Return what waits until the device is cool, None where nobody asked for it."""
    if cooler is None:
        return None

    def wait() -> None:
        cooler.wait()

    return wait


def _image_needs(outcome: Outcome, session: Session) -> ImageNeeds:
    try:
        return session.image_needs()
    except RuntimeRefused as refusal:
        raise DataError(f"{outcome.case.case_id}: {refusal}; leave --data out to measure it without accuracy") from None


def probe_runtime(device: Device, python: PythonTarget, runtime: str | None, timeout_s: float) -> RuntimeInfo:
    """Return the runtime that a Python has. Raises WorkerError where it has none."""
    with Session(device.start_worker(python.path), timeout_s) as session:
        return session.hello(runtime).runtime


def _default_delegates_part(alone: Delegation | None, together: Delegation) -> tuple[str, ...]:
    """Return a note on what the default delegate took beside an external one."""
    if alone is None or alone.delegated_nodes is None or together.delegated_nodes is None:
        return ()
    rest = together.delegated_nodes - alone.delegated_nodes
    return (f"beside the external delegate the runtime's default one took {rest} nodes",) if rest > 0 else ()


def _memory(
    before: dict[str, Any], after_load: dict[str, Any], after_first: dict[str, Any], end: dict[str, Any]
) -> Memory:
    sources = {
        "rss_before_load_bytes": (before, "rss_bytes"),
        "rss_after_load_bytes": (after_load, "rss_bytes"),
        "rss_after_first_bytes": (after_first, "rss_bytes"),
        "peak_rss_bytes": (end, "peak_rss_bytes"),
        "pss_bytes": (end, "pss_bytes"),
        "uss_bytes": (end, "uss_bytes"),
        "anonymous_bytes": (end, "anonymous_bytes"),
    }
    values: dict[str, Any] = {name: snapshot.get(key) for name, (snapshot, key) in sources.items()}
    reasons = {
        name: str(snapshot.get("unavailable", {}).get(key, "the worker did not say"))
        for name, (snapshot, key) in sources.items()
        if values[name] is None
    }
    return Memory(**values, unavailable=reasons)
