"""``edgebench selftest``: what this harness costs on this machine, and how small a difference it can see here."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from .analysis.comparison import t_interval
from .api import run_spec
from .devices.base import Device
from .errors import RuntimeRefused, UsageError, WorkerError
from .progress import Progress
from .records import CaseResult, Delegate, DelegateKind, Difference, Engine, RuntimeInfo, Settings, Status
from .session import LoadRequest, Session
from .spec import DEFAULT_SETTINGS, PythonTarget, Spec
from .stack_model import write_stack_model

#: Share of the budget that may pass before the comparisons begin.
_OVERHEAD_SHARE = 1 / 3
_LEAST_PAIRS, _MOST_PAIRS = 3, 20
_LEAST_COMPARISONS, _MOST_COMPARISONS = 1, 50
_MS = 1_000_000
#: Code of the worker's refusal where a runtime has no C API, or one of other layouts.
_NO_C_API = "no-profile"

Found = TypeVar("Found")


@dataclass(frozen=True)
class Effort:
    """How much is measured in one pair of processes, and in one comparison (``settings``)."""

    rounds: int = 20
    burst_ns: int = 20 * _MS
    warmup_ns: int = 100 * _MS
    settings: Settings = field(
        default_factory=lambda: replace(
            DEFAULT_SETTINGS,
            min_time_ns=600 * _MS,
            max_time_ns=1200 * _MS,
            warmup_time_ns=50 * _MS,
            min_blocks=6,
            max_blocks=6,
        )
    )


@dataclass(frozen=True)
class Overhead:
    """The harness's median latency against that of a bare loop over LiteRT's C API on the same model and library.

    ``ratio`` is harness / bare, the mean over ``pairs`` of fresh processes with its 95 % interval.
    """

    pairs: int = 0
    harness_ns: float | None = None
    bare_ns: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Noise:
    """Comparisons of a model with its own copy: how many were called different, and what they could have shown.

    ``ratio_sd`` is the standard deviation of log ratios (0.01 = 1 %), ``half_width`` the median of half the width of
    their 95 % intervals, ``detectable`` the median of the differences that each finds four times in five.
    """

    comparisons: int
    different: int
    half_width: float
    detectable: float
    ratio_sd: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SelfTest:
    """What the self-test found with one runtime, engine interpreter, default delegate and one thread."""

    runtime: RuntimeInfo
    overhead: Overhead
    noise: Noise
    seconds: float


def self_test(
    device: Device,
    *,
    budget_ns: int = 60_000_000_000,
    python: PythonTarget | None = None,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> SelfTest:
    """Measure the built-in model with a bare loop and with its own copy until ``budget_ns`` are spent.

    At least three pairs and one comparison are measured, however small the budget is.

    Raises:
        UsageError: the budget is not above 0.
        WorkerError: the runtime is missing, or cannot run the model.
    """
    if budget_ns <= 0:
        raise UsageError("--budget: must be above 0")
    effort, progress = effort or Effort(), progress or Progress()
    start = device.clock_ns()
    with tempfile.TemporaryDirectory(prefix="edgebench-selftest-") as folder:
        stack = write_stack_model(Path(folder) / "stack.tflite")
        same = Path(shutil.copy(stack, Path(folder) / "copy.tflite"))
        pairs = _Pairs(device, stack, python.path if python else device.default_python(), effort)
        progress.phase("against a bare loop, in pairs of fresh workers", _MOST_PAIRS)
        overhead = _overhead(pairs, _Clock(device, start, int(budget_ns * _OVERHEAD_SHARE)), progress)
        progress.phase("a model against its own copy", _MOST_COMPARISONS)
        spec = Spec(
            models=(f"selftest/stack={stack}", f"selftest/copy={same}"),
            pythons=(python,) if python else (),
            baseline="stack",
            settings=effort.settings,
        )
        found = _repeat(
            lambda: _compare_copy(spec, device),
            _LEAST_COMPARISONS,
            _MOST_COMPARISONS,
            _Clock(device, start, budget_ns),
            progress,
        )
    runtime = found[0][0]
    return SelfTest(
        runtime, overhead, summarise_noise([one for _, one in found]), (device.clock_ns() - start) / 1_000_000_000
    )


class _Clock:
    """Tells whether another turn, were it as slow as the slowest so far, would end within the budget."""

    def __init__(self, device: Device, start_ns: int, budget_ns: int) -> None:
        self._device = device
        self._end_ns = start_ns + budget_ns
        self._last_ns = device.clock_ns()
        self._slowest_ns = 0

    def another(self) -> bool:
        """Count the turn that ended just now, and return whether there is time for another."""
        now = self._device.clock_ns()
        self._slowest_ns = max(self._slowest_ns, now - self._last_ns)
        self._last_ns = now
        return now + self._slowest_ns <= self._end_ns


def _repeat(measure: Callable[[], Found], least: int, most: int, clock: _Clock, progress: Progress) -> list[Found]:
    found: list[Found] = []
    while True:
        found.append(measure())
        progress.advance()
        if not (clock.another() or len(found) < least) or len(found) >= most:
            return found


def _overhead(pairs: _Pairs, clock: _Clock, progress: Progress) -> Overhead:
    try:
        return summarise_overhead(_repeat(pairs.measure, _LEAST_PAIRS, _MOST_PAIRS, clock, progress))
    except RuntimeRefused as error:
        if error.code != _NO_C_API:
            raise
        return Overhead(unavailable={"ratio": str(error)})


class _Pairs:
    """Takes pairs of fresh workers, one with the harness's own engine and one with a bare loop, in turns of bursts."""

    def __init__(self, device: Device, model: Path, python: str, effort: Effort) -> None:
        self._device = device
        self._python = python
        self._effort = effort
        self._request = LoadRequest(
            device.place(model), Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), threads=1, signature=None
        )
        self._count = 0

    def measure(self) -> tuple[float, float]:
        """Return the medians of a fresh pair in ns: (harness, bare loop)."""
        effort = self._effort
        self._count += 1
        with ExitStack() as stack:
            # Which process comes first decides where its memory lies: that must not always be the same one.
            openers = [self._open_harness, self._open_bare]
            for opener in openers if self._count % 2 else reversed(openers):
                opener(stack)
            turns = [self._harness_burst, self._bare_burst]
            for turn in turns:
                turn(effort.warmup_ns)
            medians: dict[Callable[[int], float], list[float]] = {turn: [] for turn in turns}
            for number in range(effort.rounds):
                for turn in turns if number % 2 else turns[::-1]:
                    medians[turn].append(turn(effort.burst_ns))
        harness, bare = (float(np.median(medians[turn])) for turn in turns)
        return harness, bare

    def _start(self, stack: ExitStack) -> Session:
        timeout_s = self._effort.settings.timeout_s
        session = stack.enter_context(Session(self._device.start_worker(self._python), timeout_s))
        session.hello()
        return session

    def _open_harness(self, stack: ExitStack) -> None:
        self._harness = self._start(stack)
        self._harness.load(self._request)
        self._harness.first(self._effort.settings.seed)

    def _open_bare(self, stack: ExitStack) -> None:
        self._bare = self._start(stack)
        self._bare.open_bare(self._request, self._effort.settings.seed)

    def _harness_burst(self, max_ns: int) -> float:
        return float(np.median(self._harness.burst(1, self._effort.settings.max_runs, max_ns).latency_ns))

    def _bare_burst(self, max_ns: int) -> float:
        return self._bare.bare_loop(max_ns)


def summarise_overhead(medians_ns: Sequence[tuple[float, float]]) -> Overhead:
    """Return the overhead that pairs of medians (harness, bare) show, by Student's t over pairs, in logarithms."""
    logs = [math.log(max(harness, 1.0) / max(bare, 1.0)) for harness, bare in medians_ns]
    interval = t_interval(logs)
    harness_ns, bare_ns = (float(np.median(side)) for side in zip(*medians_ns, strict=True))
    if interval is None:
        return Overhead(
            len(logs), harness_ns, bare_ns, unavailable={"ratio": f"{len(logs)} pairs, {_LEAST_PAIRS} needed"}
        )
    low, middle, high = (math.exp(value) for value in (interval.low, interval.mean, interval.high))
    return Overhead(len(logs), harness_ns, bare_ns, middle, low, high)


def _compare_copy(spec: Spec, device: Device) -> tuple[RuntimeInfo, KnownComparison]:
    """Return one comparison of the model with its copy. Raises WorkerError where a case failed."""
    record = run_spec(spec, device=device).record
    if record.interrupted:
        raise KeyboardInterrupt
    for case in record.cases:
        if case.status is not Status.OK:
            failure = case.failure
            raise WorkerError(f"the built-in model failed: {failure.message if failure else case.status.value}")
    case = next(case for case in record.cases if case.comparison is not None)
    return _known(case)


def _known(case: CaseResult) -> tuple[RuntimeInfo, KnownComparison]:
    found = case.comparison
    if case.runtime is None or found is None or found.ratio is None or found.low is None or found.high is None:
        reason = ", ".join(found.unavailable.values()) if found else ""
        raise WorkerError(f"the built-in model cannot be compared with its copy: {reason or 'no figures'}")
    known = KnownComparison(
        log_ratio=math.log(found.ratio),
        half_width=math.expm1(math.log(found.high / found.low) / 2),
        detectable=found.detectable or 0.0,
        different=found.difference is not Difference.NONE_SHOWN,
    )
    return case.runtime, known


@dataclass(frozen=True)
class KnownComparison:
    """What one comparison of a model with its copy came to."""

    log_ratio: float
    half_width: float
    detectable: float
    different: bool


def summarise_noise(found: Sequence[KnownComparison]) -> Noise:
    """Return what comparisons of a model with its copy show together; there is at least one."""
    several = len(found) > 1
    return Noise(
        comparisons=len(found),
        different=sum(one.different for one in found),
        half_width=float(np.median([one.half_width for one in found])),
        detectable=float(np.median([one.detectable for one in found])),
        ratio_sd=float(np.std([one.log_ratio for one in found], ddof=1)) if several else None,
        unavailable={} if several else {"ratio_sd": "one comparison has no spread; give a larger --budget"},
    )
