"""What the tests of whole runs on the fake device share: no process is started, time is virtual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.evaluation import Evaluator
from edgebench.outcome import Outcome
from edgebench.progress import Progress
from edgebench.records import CaseResult, Settings
from edgebench.runner import Runner
from edgebench.spec import Spec
from harness import copies, plan_of

MS = 1_000_000
#: One block: tests of blocks say how many they want.
ONE_BLOCK = Settings(
    seed=0,
    min_runs=10,
    max_runs=1_000,
    min_time_ns=200 * MS,
    max_time_ns=400 * MS,
    warmup_time_ns=20 * MS,
    warmup_min_runs=3,
    timeout_s=9.0,
    min_blocks=1,
    max_blocks=1,
)
PLENTY = 64_000_000_000

Models = Mapping[str, FakeModel]


def build(
    folder: Path,
    models: Models,
    settings: Settings = ONE_BLOCK,
    *,
    device: FakeDevice | None = None,
    available: int | None = PLENTY,
    evaluator: Evaluator | None = None,
    progress: Progress | None = None,
    apart: bool = False,
    **spec: Any,
) -> tuple[Runner, FakeDevice]:
    """Return a runner of variants of one model, the first of them the baseline; ``apart``: of models of their own."""
    paths = dict(zip(models, copies(folder, *models), strict=True))
    names = tuple(path if apart else f"net/{name}={path}" for name, path in paths.items())
    device = device or FakeDevice(models)
    asked = Spec(models=names, **spec)
    known = (settings, evaluator, progress, lambda: available)
    return Runner(device, plan_of(asked), *known, sustain_ns=asked.sustain_ns), device


def outcomes(runner: Runner) -> dict[str, Outcome]:
    """Return what was learnt by the stem of the case's file."""
    return {Path(outcome.case.variant.file.path).stem: outcome for outcome in runner.outcomes}


def results(runner: Runner) -> dict[str, CaseResult]:
    """Return the results by the stem of the case's file."""
    return {stem: outcome.result for stem, outcome in outcomes(runner).items()}


def ran(
    folder: Path, models: Models, settings: Settings = ONE_BLOCK, **options: Any
) -> tuple[dict[str, CaseResult], FakeDevice]:
    """Run to the end and return the results by stem."""
    runner, device = build(folder, models, settings, **options)
    runner.run()
    assert device.open_workers == 0
    return results(runner), device


def commands(device: FakeDevice, worker: int) -> list[str]:
    """Return what one worker was asked."""
    return [command for number, command in device.log if number == worker]


def after(runs: int, latency_ns: int, error: BaseException) -> Callable[[int], int]:
    """A model that behaves for so many runs of one process."""

    def latency(run: int) -> int:
        if run >= runs:
            raise error
        return latency_ns

    return latency


class Counting(FakeDevice):
    """Remembers the most workers that were open at once."""

    most = 0

    def start_worker(self, python: str) -> WorkerLink:
        link = super().start_worker(python)
        self.most = max(self.most, self.open_workers)
        return link


class Recording(Progress):
    """Remembers each phase as [name, total, advances]."""

    def __init__(self) -> None:
        self.phases: list[list[Any]] = []

    def phase(self, name: str, total: int) -> None:
        self.phases.append([name, total, 0])

    def advance(self) -> None:
        self.phases[-1][2] += 1
