"""Stored runs with known truth: what a machine's days, a run's blocks and its bursts add to a latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from edgebench.analysis.accuracy import measure_accuracy
from edgebench.analysis.comparison import t_interval
from edgebench.analysis.latency import summarise_latency
from edgebench.findings import Verdict
from edgebench.frames import SCORE_PREFIX
from edgebench.records import (
    CaseResult,
    Comparison,
    Coverage,
    Delegate,
    DelegateKind,
    Delegation,
    Engine,
    Environment,
    Memory,
    ModelFile,
    RunRecord,
    RuntimeInfo,
    Settings,
    Status,
)
from edgebench.store import StoredRun

HOST = Environment("bench-01", "Debian 12", "6.1.0", "x86_64", "AMD EPYC", 8, 2, 16_000_000_000, "3.11.9", "0.1.0")
SETTINGS = Settings(0, 64, 20_000, 10**9, 30 * 10**9, 10**8, 3, 120.0)
LITERT = RuntimeInfo("litert", "ai-edge-litert", "2.3.0", "3.11.9", "2.4.6", "x86_64")
BLOCKS, ROUNDS, BURST = 6, 2, 4


@dataclass(frozen=True)
class Truth:
    """One case: its true latency, and the file that it is."""

    latency_ms: float = 5.0
    sha256: str = "a" * 64
    verdict: Verdict = Verdict.VALID


def case_id(variant: str, device: str = "local", model: str = "net") -> str:
    return f"{model}/{variant}@{device}/interpreter.litert+default/t1"


def simulated_run(
    number: int,
    cases: Mapping[str, Truth],
    rng: np.random.Generator,
    *,
    between_sd: float = 0.0,
    alone_sd: float = 0.0,
    block_sd: float = 0.01,
    environment: Environment = HOST,
    device: str = "local",
    model: str = "net",
) -> StoredRun:
    """Return a run in which the first case is the baseline.

    The day moves all cases of the run alike by ``between_sd``, and each of them by ``alone_sd``; blocks differ by
    ``block_sd``, bursts by a tenth of that more.
    """
    day = rng.normal(0, between_sd)
    logs: dict[str, np.ndarray] = {}
    found, frames = [], []
    for variant, truth in cases.items():
        own = np.log(truth.latency_ms * 1e6) + day + rng.normal(0, alone_sd)
        blocks = own + rng.normal(0, block_sd, BLOCKS)
        latency = np.exp(blocks[:, None] + rng.normal(0, block_sd / 10, (BLOCKS, ROUNDS * BURST))).astype(np.int64)
        logs[variant] = np.median(np.log(latency), axis=1)
        found.append(_case(variant, truth, latency, device, model))
        frames.append(_frame(found[-1].case_id, latency))
    baseline = next(iter(logs))
    record = RunRecord(
        schema_version=2,
        run_id=f"20260101-{number:06d}-{model}",
        created_utc=f"2026-01-01T00:00:{number:06d}Z",
        command=("edgebench", "run", model),
        settings=SETTINGS,
        environment=environment,
        cases=tuple(
            case
            if case.variant == baseline
            else replace(case, comparison=_against(logs, case.variant, baseline, found))
            for case in found
        ),
    )
    return StoredRun(record, pd.concat(frames, ignore_index=True), None)


def _case(variant: str, truth: Truth, latency: np.ndarray, device: str, model: str) -> CaseResult:
    return CaseResult(
        case_id=case_id(variant, device, model),
        model=model,
        variant=variant,
        device=device,
        engine=Engine.INTERPRETER,
        delegate=Delegate(DelegateKind.DEFAULT),
        threads=1,
        file=ModelFile(f"{model}/{variant}.tflite", truth.sha256, 1_000_000, variant),
        status=Status.OK,
        runtime=LITERT,
        load_ns=2_000_000,
        first_inference_ns=8_000_000,
        latency=summarise_latency(list(latency), 10),
        memory=Memory(40_000_000, 42_000_000, 44_000_000, 50_000_000),
        delegation=Delegation(Coverage.FULL, 66, 66, 1),
        verdict=truth.verdict,
    )


def _against(logs: Mapping[str, np.ndarray], variant: str, baseline: str, cases: Sequence[CaseResult]) -> Comparison:
    found = t_interval(list(logs[variant] - logs[baseline]))
    assert found is not None
    base = next(case.case_id for case in cases if case.variant == baseline)
    return Comparison(
        base, float(np.exp(found.mean)), float(np.exp(found.low)), float(np.exp(found.high)), BLOCKS, found.detectable
    )


def _frame(case: str, latency: np.ndarray) -> pd.DataFrame:
    count = latency.size
    rounds = np.tile(np.repeat(np.arange(ROUNDS), BURST), BLOCKS)
    return pd.DataFrame(
        {
            "case": case,
            "block": np.repeat(np.arange(BLOCKS), ROUNDS * BURST),
            "round": rounds,
            "start_ns": np.arange(count),
            "latency_ns": latency.ravel(),
            "warmup": False,
        }
    )


def with_answers(run: StoredRun, right: Mapping[str, Sequence[bool]], truth: Sequence[str]) -> StoredRun:
    """Return the run with one answer an image, ``truth`` or the next class; images are numbered."""
    labels = sorted(set(truth))
    cases, frames = [], []
    for case in run.record.cases:
        scores = np.zeros((len(truth), len(labels)))
        for row, (label, good) in enumerate(zip(truth, right[case.variant], strict=True)):
            scores[row, (labels.index(label) + (0 if good else 1)) % len(labels)] = 1.0
        accuracy = measure_accuracy(labels, truth, scores, resamples=200)
        cases.append(replace(case, accuracy=accuracy))
        frame = pd.DataFrame({"case": case.case_id, "image_id": [f"image-{n:05d}" for n in range(len(truth))],
                              "lesion_id": None, "label": list(truth)})  # fmt: skip
        frames.append(frame.assign(**{f"{SCORE_PREFIX}{name}": scores[:, i] for i, name in enumerate(labels)}))
    record = replace(run.record, cases=tuple(cases))
    return replace(run, record=record, predictions=pd.concat(frames, ignore_index=True))
