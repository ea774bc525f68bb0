"""A device's outputs beside the host's: figures, and what they say against the case. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .allowance import Allowance
from .device_outputs import DeviceParity, inputs_text, steps_text
from .errors import ProtocolError
from .findings import Code, Finding, Severity
from .session import Output

Array = np.ndarray[Any, Any]
#: What a golden input gave: all outputs of the model.
Outputs = Sequence[Output]

_NOT_QUANTIZED = "no output is quantized"
_NO_SCORES = "the first output is not one score per class"


class OutputsUnlike(Exception):
    """The outputs do not even have the same sizes. The text says how they differ."""


@dataclass(frozen=True)
class Comparison:
    """The figures; ``broken`` where no correct kernels explain them."""

    parity: DeviceParity
    broken: bool


@dataclass(frozen=True)
class _Row:
    """One output over all inputs. ``excess`` is its difference in units of what is expected, 0 where it is equal."""

    difference: float
    largest: float
    allowed: float
    excess: float
    steps: float | None
    values: int
    differing: int
    lost: int
    broken: bool


def compare(
    there: Sequence[Outputs],
    here: Sequence[Outputs],
    allowed: Allowance,
    against: str,
    *,
    images: bool = False,
    classes: int | None = None,
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Return how far the outputs of each golden input on the device are from those here.

    ``classes`` is how many scores an item of the first output has, None where it is no list of scores.

    Raises:
        OutputsUnlike: the outputs are not as many, or not of the same sizes.
        ProtocolError: nothing was compared.
    """
    pairs = [_paired(mine, theirs) for mine, theirs in zip(there, here, strict=True)]
    if not pairs or not pairs[0]:
        raise ProtocolError("the model has no outputs to compare")
    rows = [_row([pair[place] for pair in pairs], allowed) for place in range(len(pairs[0]))]
    worst = max(rows, key=lambda row: row.excess)
    values, differing = sum(row.values for row in rows), sum(row.differing for row in rows)
    steps = [row.steps for row in rows if row.steps is not None]
    scored = classes is not None and all(pair[0][0].values.size % classes == 0 for pair in pairs)
    top1 = sum(_answers_differ(*pair[0], classes) for pair in pairs) if classes and scored else None
    unavailable = {} if steps else {"max_steps": _NOT_QUANTIZED}
    if top1 is None:
        unavailable["top1_differing"] = _NO_SCORES
    parity = DeviceParity(
        against=against,
        inputs=len(pairs),
        images=images,
        values=values,
        bit_equal=differing == 0,
        differing_share=differing / values if values else 0.0,
        max_abs_difference=worst.difference,
        largest_value=worst.largest,
        allowed_difference=worst.allowed,
        allowed=allowed.reason,
        agrees=all(row.excess <= 1 and not row.lost for row in rows),
        max_steps=max(steps, default=None),
        top1_differing=top1,
        not_finite=sum(row.lost for row in rows),
        notes=notes,
        unavailable=unavailable,
    )
    return Comparison(parity, any(row.broken for row in rows))


def device_finding(found: Comparison) -> Finding | None:
    """Return the finding against a case whose outputs are not the host's.

    It is suspect where the outputs are further off than these two should be and correct kernels could still have made
    them: the right work was timed, and accuracy is measured from the device's own outputs, but the file, the runtime
    or the kernels are not the ones that they are taken for. Beyond that it is invalid: whatever ran there is not this
    model, so its times, its memory and its answers are another's.
    """
    parity = found.parity
    if parity.agrees:
        return None
    steps = "" if parity.max_steps is None else f" ({steps_text(parity.max_steps)})"
    reason = (
        f"{parity.differing_share:.0%} of {parity.values} output values on {inputs_text(parity)} differ from "
        f"the host's ({parity.against}), by up to {parity.max_abs_difference:.2g}{steps}; allowed "
        f"{parity.allowed_difference:.2g}: {parity.allowed}"
    )
    if parity.top1_differing:
        reason += f"; another top-1 answer on {parity.top1_differing} of {parity.inputs}"
    if parity.not_finite:
        reason += f"; values infinite or NaN on one side only: {parity.not_finite}"
    return Finding(Code.DEVICE_DIFFERS, Severity.INVALID if found.broken else Severity.SUSPECT, reason, _HINT)


def unlike_finding(reason: str) -> Finding:
    """Return the finding against a case whose outputs cannot even be laid beside the host's."""
    return Finding(Code.DEVICE_DIFFERS, Severity.INVALID, reason, _HINT)


_HINT = (
    "see whether the model's file and the runtime's version are the same there; --delegate none, or the host's runtime "
    "there, tells kernels from a damaged file; go by accuracy measured there (--data)"
)


def _paired(mine: Outputs, theirs: Outputs) -> list[tuple[Output, Output]]:
    """Return the outputs side by side: by name where both have the same names, else in their order."""
    by_name = {output.name: output for output in theirs}
    if len(by_name) == len(theirs) and sorted(by_name) == sorted(output.name for output in mine):
        theirs = [by_name[output.name] for output in mine]
    sizes = [[output.values.size for output in side] for side in (mine, theirs)]
    if sizes[0] != sizes[1]:
        raise OutputsUnlike(f"outputs have {sizes[0]} values there and {sizes[1]} on the host")
    return list(zip(mine, theirs, strict=True))


def _row(pairs: Sequence[tuple[Output, Output]], allowed: Allowance) -> _Row:
    mine, theirs = (np.concatenate([pair[side].values for pair in pairs]) for side in (0, 1))
    step = pairs[0][1].step
    same = _same(mine, theirs)
    finite = np.isfinite(mine) & np.isfinite(theirs)
    lost = int(np.sum(~finite & ~same))
    difference, largest = _largest(mine[finite] - theirs[finite]), _largest(theirs[finite])
    limit = 0.0 if step is None else allowed.expected.of(step, largest)
    # Integers that name or count something: a tie that rounding broke looks just like a broken kernel.
    broken = lost > 0 or (step is not None and difference > allowed.explicable.of(step, largest) * _ROUNDING)
    return _Row(
        difference=difference,
        largest=largest,
        allowed=limit,
        excess=_excess(difference, limit),
        steps=difference / step if step else None,
        values=int(mine.size),
        differing=int(np.sum(~same)),
        lost=lost,
        broken=broken,
    )


#: Dequantised values are rounded: twenty steps of 1/255 may come out a little larger.
_ROUNDING = 1 + 1e-9


def _same(mine: Array, theirs: Array) -> Array:
    """Return where values are the same bits, but for NaN, of which processors have several."""
    equal = (mine == theirs) & (np.signbit(mine) == np.signbit(theirs))
    return np.asarray(equal | (np.isnan(mine) & np.isnan(theirs)))


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


def _excess(difference: float, limit: float) -> float:
    if difference == 0.0:
        return 0.0
    return difference / (limit * _ROUNDING) if limit else float("inf")


def _answers_differ(mine: Output, theirs: Output, classes: int) -> bool:
    scores = [np.nan_to_num(output.values).reshape(-1, classes) for output in (mine, theirs)]
    return bool((scores[0].argmax(1) != scores[1].argmax(1)).any())
