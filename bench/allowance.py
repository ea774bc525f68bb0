"""How far a device's outputs may be from the host's, and why.

Measured on two MobileNetV2 that end in a softmax: x86-64 against emulated aarch64 on 8 seeded inputs, and runtimes and
delegates of x86-64 against each other on 150.

* The same LiteRT gives 8-bit models that XNNPACK runs the same bits on x86-64 and on four kinds of aarch64, through
  pooling and the softmax, which stays with the runtime's own kernels.
* XNNPACK and the runtime's own kernels, and these on two processors, round 8-bit values differently: up to 6 steps
  before the last layers, up to 17 steps behind a softmax, which makes a step of a logit into several of a score. 8-bit
  weights on float activations (dynamic) are rounded at run time, by up to 8.5 % of the largest score.
* Floats are 2e-6 of the largest value apart at most, whatever runs them; 16-bit activations 7e-4 between versions.
"""

from __future__ import annotations

from dataclasses import dataclass

from .parity import RELATIVE_TOLERANCE, STEPS_ALLOWED
from .records import Delegate, DelegateKind, Delegation, Engine, RuntimeInfo

#: Operators that the runtime's own kernels compute in integers alone or by rounding once, alike on all processors:
#: models of which XNNPACK leaves nothing else were bit-equal.
EXACT_OPERATORS = frozenset({"SOFTMAX", "QUANTIZE", "DEQUANTIZE"})
_ACCELERATORS = frozenset({DelegateKind.GPU, DelegateKind.EXTERNAL})
_XNNPACK = frozenset({DelegateKind.DEFAULT, DelegateKind.XNNPACK})


@dataclass(frozen=True)
class Limit:
    """What an output may be off: so many steps where it is quantized, else a part of the largest magnitude."""

    steps: float
    relative: float

    def of(self, step: float, largest: float) -> float:
        """Return the difference allowed, in the output's own unit; ``step`` is 0.0 for floats."""
        # Where the host answers nothing but zeros there is no magnitude to go by: as if the largest were 1.
        return self.steps * step if step else self.relative * (largest or 1.0)


#: 8-bit values that are rounded differently, with a fifth on top of what was seen.
ROUNDED = Limit(20.0, 0.1)
_EXACT = Limit(0.0, 0.0)
_ACCELERATED = Limit(STEPS_ALLOWED, RELATIVE_TOLERANCE)
#: Fifty times what was seen, and below what one rounding to float16 makes (5e-4).
_FLOAT = Limit(1.0, 1e-4)
_INT16 = Limit(64.0, 2e-3)
#: What correct kernels explain where no 8-bit value is rounded: float16 arithmetic, as of a GPU.
_HALF = Limit(STEPS_ALLOWED, RELATIVE_TOLERANCE)


@dataclass(frozen=True)
class Ran:
    """How one side ran the model."""

    runtime: RuntimeInfo
    engine: Engine
    delegate: Delegate
    delegation: Delegation | None

    @property
    def package(self) -> str:
        """The runtime and its version."""
        return f"{self.runtime.package} {self.runtime.version}"


@dataclass(frozen=True)
class Allowance:
    """``expected`` is what these two ways of running should keep to, for ``reason``.

    ``explicable`` is what correct kernels of any kind were seen to keep to: beyond it something is broken.
    """

    expected: Limit
    explicable: Limit
    reason: str


def allowance(scheme: str | None, there: Ran, here: Ran) -> Allowance:
    """Return what a model of this quantization scheme may be off, run in one way on the device and in one here."""
    eight_bit = scheme is None or any(name in scheme for name in ("int8", "dynamic"))
    explicable = ROUNDED if eight_bit else _HALF
    if there.delegate.kind in _ACCELERATORS:
        how = f"delegate {there.delegate.kind.value} there, the CPU here: 2 % of the largest value or 8 steps"
        return Allowance(_ACCELERATED, explicable, how)
    if scheme is None:
        return Allowance(ROUNDED, explicable, "the file does not tell how it is quantized: as for 8 bits")
    if scheme.startswith("int16"):
        return Allowance(_INT16, explicable, f"{scheme}: 0.2 % of the largest value, or 64 steps of 16 bits")
    if not eight_bit:
        return Allowance(_FLOAT, explicable, f"{scheme}: 0.01 % of the largest value")
    differently = _rounds_differently(there, here)
    if differently is None and scheme != "dynamic":
        how = f"{scheme} by XNNPACK of {there.package} on both sides: bit for bit"
        return Allowance(_EXACT, explicable, how)
    why = differently or "activations are rounded at run time"
    return Allowance(ROUNDED, explicable, f"{scheme}, {why}: 20 steps, or 10 % of the largest value for float outputs")


def _rounds_differently(there: Ran, here: Ran) -> str | None:
    """Return why 8-bit values may be rounded in another way on one side, None where XNNPACK does the same on both."""
    if there.package != here.package:
        return f"{there.package} there and {here.package} here"
    if there.engine is not here.engine:
        return f"engine {there.engine.value} there and {here.engine.value} here"
    if there.delegate.kind not in _XNNPACK or here.delegate.kind not in _XNNPACK:
        return "by the runtime's own kernels, which differ by processor"
    for side in (there, here):
        if side.delegation is None or side.delegation.delegated_nodes is None or not side.delegation.total_nodes:
            return "and what XNNPACK runs of it is not told"
        left = sorted(set(side.delegation.cpu_operators) - EXACT_OPERATORS)
        if left or not side.delegation.delegated_nodes:
            names = ", ".join(left[:3]) or "everything"
            return f"{names} by the runtime's own kernels, which differ by processor"
    if there.delegation != here.delegation:
        return "of which XNNPACK runs other nodes there than here"
    return None
