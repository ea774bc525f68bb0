"""How far a device's outputs are from the host's, as a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DeviceParity:
    """A device's outputs against those of the host, the machine that edgebench runs on, on the same golden inputs.

    ``against`` names the host's processor, runtime and version. ``inputs`` counts golden inputs, which are images of
    the data set where ``images``, else seeded; ``values`` are compared in all. ``bit_equal``: every value is the same,
    NaN counting as such; ``differing_share`` is the share of those that are not.

    Further figures are of the output that is furthest off, as dequantised values: the largest difference, the largest
    magnitude among the host's values, and what was allowed, for the reason ``allowed``. ``max_steps`` is the largest
    difference of any quantized output in its own steps, None where none is quantized. ``top1_differing`` counts inputs
    whose first answer is another one, ``not_finite`` values that are no finite number on one side only.

    ``notes`` say how the host ran the model where it was not as on the device. ``unavailable`` maps ``max_steps`` or
    ``top1_differing`` to the reason.
    """

    against: str
    inputs: int
    images: bool
    values: int
    bit_equal: bool
    differing_share: float
    max_abs_difference: float
    largest_value: float
    allowed_difference: float
    allowed: str
    agrees: bool
    max_steps: float | None = None
    top1_differing: int | None = None
    not_finite: int = 0
    notes: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


def steps_text(steps: float) -> str:
    """Return ``1 step``, ``7 steps``, for texts."""
    text = f"{steps:.3g}"
    return f"{text} {'step' if text == '1' else 'steps'}"


def inputs_text(parity: DeviceParity) -> str:
    """Return ``8 images`` or ``8 seeded inputs``, for texts."""
    what = "image" if parity.images else "seeded input"
    return f"{parity.inputs} {what}{'' if parity.inputs == 1 else 's'}"
