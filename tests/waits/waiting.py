"""What the tests of waits share: a context on the fake device and a case that was timed before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.launch import Launcher
from edgebench.outcome import Outcome
from edgebench.plan import Case
from edgebench.records import Engine, Latency, Memory, Settings, Status, TensorInfo, Wait
from edgebench.spec import PythonTarget, Spec, WaitSpec
from edgebench.waits.context import WaitContext
from harness import copies, model, plan_of

MS = 1_000_000
S = 1_000 * MS
THREE_BLOCKS = Settings(
    seed=0,
    min_runs=10,
    max_runs=100_000,
    min_time_ns=0,
    max_time_ns=S,
    warmup_time_ns=20 * MS,
    warmup_min_runs=3,
    timeout_s=9.0,
    min_blocks=3,
    max_blocks=3,
)


def wanted(*kinds: Wait, gap_ns: int = 100 * MS, batches: tuple[int, ...] = (1, 2),
           workers: tuple[int, ...] = (1, 2)) -> WaitSpec:  # fmt: skip
    """Return what is asked for."""
    return WaitSpec(kinds or (Wait.IDLE_GAP,), gap_ns, batches, workers)


def context(
    device: Device,
    spec: WaitSpec,
    *,
    blocks: int = 3,
    available_bytes: Callable[[], int | None] = lambda: None,
    memory_limit_bytes: int | None = None,
    timeout_s: float = 9.0,
) -> WaitContext:
    """Return a context with short settings."""
    settings = replace(
        THREE_BLOCKS,
        min_blocks=blocks,
        max_blocks=max(3, blocks),
        memory_limit_bytes=memory_limit_bytes,
        timeout_s=timeout_s,
    )
    return WaitContext(
        device, Launcher(device, timeout_s, memory_limit_bytes), settings, spec, available_bytes=available_bytes
    )


def timed(
    case: Case, latency_ns: float, *, peak_bytes: int = 50_000_000, batch: int = 1, output_batch: int | None = None
) -> Outcome:
    """Return a case as it is after timing."""
    latency = Latency(20, int(latency_ns), latency_ns, p50_ns=latency_ns)
    outcome = Outcome(case, case.result(Status.INTERRUPTED))
    outcome.update(
        latency=latency,
        memory=Memory(peak_rss_bytes=peak_bytes),
        inputs=(TensorInfo("image", (batch, 8, 8, 3), "float32"),),
        outputs=(TensorInfo("scores", (output_batch or batch, 7), "float32"),),
    )
    return outcome


def fake(folder: Path, model: FakeModel, *, threads: int = 1) -> tuple[FakeDevice, Case]:
    """Return a device with one model, and its case."""
    spec = Spec(models=tuple(copies(folder, "one")), threads=(threads,))
    return FakeDevice({"one": model}), plan_of(spec).cases[0]


def real_case(name: str, engine: Engine = Engine.INTERPRETER) -> Case:
    """Return a case of a fixture model under this Python."""
    spec = Spec(models=(model(name),), engines=(engine,), pythons=(PythonTarget(sys.executable),))
    return plan_of(spec).cases[0]
