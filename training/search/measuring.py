"""Figures of candidates from the harness's own workers: accuracy on one part of the split, latency in turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.api import run_spec
from edgebench.devices.base import Device
from edgebench.errors import TrainingError, WorkerError
from edgebench.images.unseen import SplitChoice
from edgebench.records import CaseResult, DataInfo, Settings
from edgebench.spec import DEFAULT_SETTINGS, DataSpec, Spec
from edgebench.store import StoredRun

from ..check import CheckResult, check_variant
from ..convert import Variant
from ..export import ExportPlan
from .candidates import Candidate
from .results import Measured

Array = np.ndarray[Any, Any]
#: As little timing as a run can do: these runs are about accuracy.
_UNTIMED = replace(
    DEFAULT_SETTINGS,
    min_runs=1,
    max_runs=1,
    min_time_ns=0,
    warmup_time_ns=0,
    warmup_min_runs=1,
    min_blocks=1,
    max_blocks=1,
)
#: Timing of one candidate against float32, in turns.
TIMED = replace(
    DEFAULT_SETTINGS, min_runs=36, min_time_ns=300_000_000, precision=0.02, max_blocks=6, budget_ns=20_000_000_000
)
#: Timing of all that is judged on the test images, in turns.
TIMED_TOGETHER = replace(DEFAULT_SETTINGS, min_time_ns=500_000_000, precision=0.02, budget_ns=120_000_000_000)


@dataclass(frozen=True)
class Judged:
    """Answers of one file: class numbers int64 [images] in a fixed order, truth and lesions alike."""

    answers: Array
    truth: Array
    lesions: tuple[str, ...]


class HarnessMeasurer:
    """Measures files that lie in a folder with the model's card. The first one, float32, is what others stand by."""

    def __init__(
        self,
        folder: Path,
        plan: ExportPlan,
        data: DataSpec,
        *,
        device: Device,
        pixels_path: Path,
        expected: Array,
        timed: Settings = TIMED,
    ) -> None:
        """``pixels_path`` and ``expected`` [images, classes] are images to check with and the Keras model's scores."""
        self._folder = folder
        self._plan = plan
        self._data = replace(data, split=SplitChoice.VALIDATION)
        self._device = device
        self._pixels_path = pixels_path
        self._expected = expected
        self._timed = timed
        self._reference: Array | None = None

    def measure(self, candidate: Candidate, path: Path) -> Measured:
        """Figures of a file. Raises WorkerError or ScoreError where it does not run."""
        check = self._check(candidate.variant, path) if candidate.variant and candidate.standard else None
        run = _run(Spec((str(path),), data=self._data, settings=_UNTIMED), self._device)
        case = _fine(run.record.cases[0])
        if case.accuracy is None:
            raise WorkerError("its answers were not measured")
        if candidate.variant is Variant.FLOAT32:
            self._reference = answers_of(run, path.stem).answers
            timed = _run(Spec((str(path),), settings=self._timed), self._device)
            return Measured(case.accuracy, _p50(timed.record.cases[0]), check=check)
        spec = Spec((str(self._folder / "float32.tflite"), str(path)), baseline="float32", settings=self._timed)
        other = _fine(_run(spec, self._device).record.cases[1])
        agreement = float(np.mean(answers_of(run, path.stem).answers == self._float_answers()))
        return Measured(case.accuracy, _p50(other), other.comparison, agreement, check)

    def _float_answers(self) -> Array:
        """What float32 answers; measured again where an earlier call of the command had measured it."""
        if self._reference is None:
            path = self._folder / "float32.tflite"
            run = _run(Spec((str(path),), data=self._data, settings=_UNTIMED), self._device)
            _fine(run.record.cases[0])
            self._reference = answers_of(run, "float32").answers
        return self._reference

    def _check(self, variant: Variant, path: Path) -> CheckResult:
        check = check_variant(self._device, path, variant, self._pixels_path, self._plan.normalization, self._expected)
        if not check.usable:
            raise WorkerError((check.problem or "cannot be used").removeprefix("does not run: "))
        return check


def measure_test(
    folder: Path, names: tuple[str, ...], data: DataSpec, device: Device, settings: Settings = TIMED_TOGETHER
) -> tuple[Mapping[str, CaseResult], Mapping[str, Judged], DataInfo | None]:
    """Cases and answers on the test images by variant, all timed in turns. Raises UsageError, InputError."""
    spec = Spec(
        tuple(str(folder / f"{name}.tflite") for name in names),
        baseline="float32",
        data=replace(data, split=SplitChoice.TEST),
        settings=settings,
    )
    run = _run(spec, device)
    cases = {case.variant: case for case in run.record.cases}
    judged = {name: answers_of(run, name) for name, case in cases.items() if case.accuracy is not None}
    return cases, judged, run.record.data


def answers_of(run: StoredRun, variant: str) -> Judged:
    """What a variant answered in a run. Raises TrainingError where the run has no answers of it."""
    frame = run.predictions
    ids = [case.case_id for case in run.record.cases if case.variant == variant]
    if frame is None or not ids or not len(rows := frame[frame["case"] == ids[0]]):
        raise TrainingError(f"{variant}: the run has no answers of it")
    rows = rows.sort_values("image_id")
    columns = [column for column in rows.columns if column.startswith("score:")]
    scores = rows[columns].to_numpy()
    known = [column.removeprefix("score:") for column in columns]
    truth = np.array([known.index(label) for label in rows["label"]])
    lesions = rows["lesion_id"].where(rows["lesion_id"].notna(), rows["image_id"])
    return Judged(scores.argmax(axis=1), truth, tuple(str(lesion) for lesion in lesions))


def _run(spec: Spec, device: Device) -> StoredRun:
    """Run; a Ctrl-C, which a run keeps to itself, ends the search here: half-measured is not failed."""
    run = run_spec(spec, device=device)
    if run.record.interrupted:
        raise KeyboardInterrupt
    return run


def _fine(case: CaseResult) -> CaseResult:
    if case.failure is not None:
        raise WorkerError(case.failure.message)
    return case


def _p50(case: CaseResult) -> float | None:
    return case.latency.p50_ns if case.latency else None
