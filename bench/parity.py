"""Whether a GPU computes what the CPU computes: outputs of both on the same inputs, and how far apart they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import ProtocolError
from .findings import Code, Finding, Severity
from .records import Parity
from .session import Output

#: Of the largest magnitude among the CPU's values of an output. A GPU computes in float16 by default, whose steps are
#: 0.05 to 0.1 %; rounding adds up over layers, and a softmax turns a logit's error of 0.05 into 1 % of a score. Kernels
#: that are wrong are off by tens of percent.
RELATIVE_TOLERANCE = 0.02
#: Steps of a quantized output: LiteRT's own CPU kernels were seen up to 6 apart on one model, a GPU 4 from the CPU.
STEPS_ALLOWED = 8.0
#: Where the CPU answers nothing but zeros there is no magnitude to go by: what float16 rounds off at 1.
ZERO_TOLERANCE = 1e-3


def compare_outputs(found: Sequence[Output], expected: Sequence[Output], against: str) -> Parity:
    """Return the parity of ``found`` with the CPU's outputs: the figures of the output that is furthest off.

    A float output may differ by 2 % of the CPU's largest magnitude, a quantized one by that or by 8 of its steps,
    whichever is more; integers that count or name something not at all. NaN and infinities must be the same on both
    sides, and are left out of the differences.

    Raises:
        ProtocolError: the outputs are not those of one model.
    """
    shapes = [[(output.name, output.values.size) for output in side] for side in (found, expected)]
    if shapes[0] != shapes[1] or not found:
        raise ProtocolError(f"outputs of two models: {shapes[0]} and {shapes[1]}")
    rows = [_one(mine, theirs) for mine, theirs in zip(found, expected, strict=True)]
    difference, allowed, largest, _ = max(rows, key=lambda row: _excess(row[0], row[1]))
    lost = sum(row[3] for row in rows)
    agrees = lost == 0 and all(row[0] <= row[1] for row in rows)
    return Parity(against, difference, largest, allowed, agrees, lost)


def parity_finding(parity: Parity) -> Finding | None:
    """Return the finding against a case whose outputs are not the CPU's."""
    if parity.agrees:
        return None
    reason = (
        f"outputs differ from those of {parity.against} by {parity.max_abs_difference:.2g}, "
        f"allowed are {parity.allowed_difference:.2g}"
    )
    if parity.not_finite:
        reason += f"; values infinite or NaN on one side only: {parity.not_finite}"
    hint = "do not ship this model on this GPU before its accuracy there is measured (--data)"
    return Finding(Code.OUTPUTS_DIFFER, Severity.INVALID, reason, hint)


def _one(mine: Output, theirs: Output) -> tuple[float, float, float, int]:
    """Return the largest difference, what is allowed, the largest magnitude, and the values finite on one side only."""
    finite = np.isfinite(mine.values) & np.isfinite(theirs.values)
    lost = int(np.sum(~finite & ~_same(mine.values, theirs.values)))
    difference = _largest(mine.values[finite] - theirs.values[finite])
    largest = _largest(theirs.values[finite])
    return difference, _allowed(theirs.step, largest), largest, lost


def _same(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray((np.isnan(mine) & np.isnan(theirs)) | (mine == theirs))


def _largest(values: np.ndarray[Any, Any]) -> float:
    return float(np.abs(values).max(initial=0.0))


def _allowed(step: float | None, largest: float) -> float:
    if step is None:
        return 0.0
    if largest == 0.0 and step == 0.0:
        return ZERO_TOLERANCE
    return max(RELATIVE_TOLERANCE * largest, STEPS_ALLOWED * step)


def _excess(difference: float, allowed: float) -> float:
    if difference == 0.0:
        return 0.0
    return difference / allowed if allowed else float("inf")
