"""Handing a worker's samples to pytest-benchmark, one a round, so that its table and files hold exactly these."""

from __future__ import annotations

from typing import Any

from ..records import CaseResult
from .measured import Measured

#: Rounds that pytest-benchmark is given at most; a model of microseconds has more samples than its files should hold.
MOST_ROUNDS = 10_000


class WorkerClock:
    """A timer for ``@pytest.mark.benchmark(timer=...)`` that goes on by the next sample between any two readings."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._reading = 0
        self.__name__ = "edgebench_worker_clock"

    def load(self, samples_s: list[float]) -> None:
        """Take the samples to replay, in seconds."""
        self._samples, self._reading = samples_s, 0

    def __call__(self) -> float:
        """Return 0 at the start of a round and the round's sample at its end."""
        number, at_end = divmod(self._reading, 2)
        self._reading += 1
        return self._samples[number] if at_end and number < len(self._samples) else 0.0


def replay(benchmark: Any, clock: WorkerClock, measured: Measured) -> None:
    """Give a case's samples and what else was measured to pytest-benchmark's fixture, by its public API."""
    case = measured.case
    samples_ns = measured.samples_ns(case)
    step = -(-len(samples_ns) // MOST_ROUNDS) if len(samples_ns) else 1
    clock.load([value / 1e9 for value in samples_ns[::step].tolist()])
    benchmark.extra_info.update(extra_info(case))
    if step > 1:
        benchmark.extra_info["samples"] = f"every {step}th of {len(samples_ns)}"
    if len(samples_ns):
        benchmark.pedantic(_measured_elsewhere, rounds=len(samples_ns[::step]), iterations=1, warmup_rounds=0)


def _measured_elsewhere() -> None:
    """Stand for the model's run, which took place in a worker."""


def extra_info(case: CaseResult) -> dict[str, Any]:
    """Return what was measured beside latency, as plain JSON; what is unknown is left out."""
    memory, accuracy, delegation, ratio = case.memory, case.accuracy, case.delegation, case.comparison
    found: dict[str, Any] = {
        "case": case.case_id,
        "device": case.device,
        "model_sha256": case.file.sha256,
        "size_bytes": case.file.size_bytes,
        "runtime": f"{case.runtime.package} {case.runtime.version}" if case.runtime else None,
        "peak_rss_bytes": memory.peak_rss_bytes if memory else None,
        "model_adds_bytes": memory.model_adds_bytes if memory else None,
        "load_ns": case.load_ns,
        "first_inference_ns": case.first_inference_ns,
        "verdict": case.verdict.value if case.verdict else None,
        "findings": [finding.code.value for finding in case.findings],
    }
    if delegation is not None:
        found["delegate"] = {
            "asked": case.delegate.kind.value,
            "coverage": delegation.coverage.value,
            "delegated_nodes": delegation.delegated_nodes,
            "total_nodes": delegation.total_nodes,
        }
    if ratio is not None and ratio.ratio is not None:
        found["ratio"] = {"baseline": ratio.baseline, "value": ratio.ratio, "low": ratio.low, "high": ratio.high}
    if accuracy is not None:
        found["accuracy"] = {
            "images": accuracy.images,
            "top1": accuracy.top1,
            "balanced": accuracy.balanced_accuracy,
            "recall": {item.label: item.recall for item in accuracy.classes},
        }
    return {name: value for name, value in found.items() if value is not None}
