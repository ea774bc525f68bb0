"""Running a converted model with the harness's runtime, and comparing its answers with the Keras model's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.devices.base import Device
from edgebench.errors import WorkerError
from edgebench.images.normalization import Normalization
from edgebench.records import Delegate, DelegateKind, Engine
from edgebench.session import LoadRequest, Session

from .convert import Variant

Array = np.ndarray[Any, Any]
_TIMEOUT_S = 180.0
_CHUNK_NS = 1_000_000_000
#: Largest difference of a score from the Keras model's that float32 may have (scores are in 0..1).
FLOAT_TOLERANCE = 1e-3
#: Smallest share of images on which a smaller variant should give the Keras model's answer. Below, it is kept and
#: said: what a variant costs each class is for a run to measure.
LEAST_AGREEMENT = 0.8


@dataclass(frozen=True)
class CheckResult:
    """What running a variant showed. ``problem`` is None where all is as expected; ``usable`` is False where it
    does not run, or float32 is another model than the one it was made from."""

    images: int
    usable: bool
    problem: str | None = None
    max_abs_difference: float | None = None
    agreement: float | None = None


def check_variant(
    device: Device, model_path: Path, variant: Variant, pixels_path: Path, normalization: Normalization, expected: Array
) -> CheckResult:
    """Run a ``.tflite`` in a worker process over a pixel file and compare with ``expected`` [images, classes]."""
    count = len(expected)
    try:
        scores = run_scores(device, model_path, pixels_path, normalization, count)
    except WorkerError as error:
        return CheckResult(count, usable=False, problem=f"does not run: {error}")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).any(axis=1).sum())
        return CheckResult(count, usable=False, problem=f"scores of {bad} of {count} images are not finite")
    difference = float(np.abs(scores - expected).max())
    agreement = float(np.mean(scores.argmax(axis=1) == expected.argmax(axis=1)))
    usable, problem = True, None
    if variant is Variant.FLOAT32 and difference > FLOAT_TOLERANCE:
        usable = False
        problem = f"scores differ from the Keras model's by up to {difference:.2g} (allowed: {FLOAT_TOLERANCE:g})"
    elif agreement < LEAST_AGREEMENT:
        problem = f"gives the Keras model's answer on {agreement:.0%} of {count} images only"
    return CheckResult(count, usable, problem, difference, agreement)


def run_scores(device: Device, model_path: Path, pixels_path: Path, normalization: Normalization, count: int) -> Array:
    """Scores float32 [count, classes] of a ``.tflite`` in a worker process over a pixel file. Raises WorkerError."""
    with Session(device.start_worker(device.default_python()), _TIMEOUT_S) as session:
        session.hello()
        delegate = Delegate(DelegateKind.DEFAULT)
        session.load(LoadRequest(device.place(model_path), Engine.INTERPRETER, delegate, 1, None))
        quantized = bool(session.image_needs().input.scale)
        table = normalization.exact_table() if quantized else normalization.float_table()
        session.open_images(device.place(pixels_path), table)
        parts: list[Array] = []
        while (done := sum(len(part) for part in parts)) < count:
            parts.append(session.predict(done, count, _CHUNK_NS))
    return np.concatenate(parts)
