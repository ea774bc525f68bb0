"""What ``benchmark_model`` cannot measure, said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..records import Delegate, DelegateKind, Engine
from ..summaries import SUMMARIES
from .command import check_options

if TYPE_CHECKING:
    from ..spec import Spec


NO_ACCURACY = "benchmark_model answers no images"
NO_TRANSPORT = (
    "engine benchmark_model runs on a device that is reached over SSH or adb; name one with --device, or use another "
    "--engine here"
)
_ONLY = "engine benchmark_model"


def is_alone(spec: Spec) -> bool:
    """Return whether nothing else is to run the models: then the device needs no Python."""
    return set(spec.engines) == {Engine.BENCHMARK_MODEL}


def left_out(engine: Engine, delegate: Delegate) -> str | None:
    """Return why an engine cannot run with a delegate of this tool, or the tool not with a delegate."""
    if engine is not Engine.BENCHMARK_MODEL and delegate.kind is DelegateKind.NNAPI:
        return f"engine {engine.value} has no NNAPI delegate; use --engine benchmark_model"
    return None


def check(spec: Spec) -> None:
    """Refuse what no case of a Spec could measure.

    Raises:
        UsageError: the tool is the only engine, and something is asked for that it cannot do; or it is not asked for,
            and its binary is named.
    """
    if Engine.BENCHMARK_MODEL not in spec.engines:
        if spec.benchmark_model is not None:
            raise UsageError(f"--benchmark-model {spec.benchmark_model}: goes with --engine benchmark_model")
        return
    if spec.against:
        raise UsageError(f"{SUMMARIES}: leave --interleave out, or --engine benchmark_model")
    for delegate in spec.delegates:
        check_options(delegate)
    if is_alone(spec):
        for flag, reason in _beyond(spec):
            raise UsageError(f"{flag}: {reason}; leave it out, or add another --engine")


def _beyond(spec: Spec) -> Iterator[tuple[str, str]]:
    settings = spec.settings
    if spec.data is not None:
        yield "--data", f"{NO_ACCURACY}, so {_ONLY} has no accuracy"
    if spec.waits is not None:
        yield "--waits", f"{_ONLY} measures inference alone"
    if spec.sustain_ns is not None:
        yield "--sustain", f"{_ONLY} tells no latency over time"
    if spec.pythons:
        yield f"--python {spec.pythons[0].path}", f"{_ONLY} runs without Python"
    if spec.runtime is not None:
        yield f"--runtime {spec.runtime}", f"{_ONLY} has the runtime that was built into it"
    if spec.baseline is not None:
        yield f"--baseline {spec.baseline}", SUMMARIES
    if settings.memory_limit_bytes is not None:
        yield "--memory-limit", f"{_ONLY} cannot be held to a limit of memory"
