"""Outputs of a device beside the host's: figures and findings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from edgebench.allowance import ROUNDED, Allowance, Limit
from edgebench.device_compare import Comparison, OutputsUnlike, compare, device_finding
from edgebench.errors import ProtocolError
from edgebench.findings import Code, Severity
from edgebench.session import Output

EXACT = Allowance(Limit(0.0, 0.0), ROUNDED, "bit for bit")
FLOAT = Allowance(Limit(1.0, 1e-4), Limit(8.0, 0.02), "float32: 0.01 % of the largest value")


def outputs(*values: Sequence[float], step: float | None = 0.0) -> list[list[Output]]:
    """One output of one model for each input."""
    return [[Output("scores", step, np.array(row, np.float64))] for row in values]


def found(
    mine: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]], allowed: Allowance, step: float | None = 0.0
) -> Comparison:
    classes = len(theirs[0]) if len(theirs[0]) > 1 else None
    return compare(outputs(*mine, step=step), outputs(*theirs, step=step), allowed, "x86_64, a 1", classes=classes)


def severity(comparison: Comparison) -> Severity | None:
    finding = device_finding(comparison)
    return finding.severity if finding else None


def test_equal_bits_are_equal() -> None:
    same = found([[0.25, math.nan], [0.5, 0.0]], [[0.25, math.nan], [0.5, 0.0]], EXACT)
    parity = same.parity
    assert (parity.bit_equal, parity.agrees, parity.differing_share) == (True, True, 0.0)
    assert (parity.inputs, parity.values, parity.against, parity.allowed) == (2, 4, "x86_64, a 1", "bit for bit")
    assert device_finding(same) is None


def test_one_step_where_none_is_allowed_is_suspect_with_its_figures() -> None:
    comparison = found([[0.5, 0.25], [0.5, 0.75]], [[0.5, 0.25], [0.75, 0.5]], EXACT, step=0.25)
    parity = comparison.parity
    assert (parity.bit_equal, parity.differing_share, parity.max_steps, parity.top1_differing) == (False, 0.5, 1.0, 1)
    finding = device_finding(comparison)
    assert finding is not None
    assert (finding.code, finding.severity) == (Code.DEVICE_DIFFERS, Severity.SUSPECT)
    assert finding.reason == (
        "50% of 4 output values on 2 seeded inputs differ from the host's (x86_64, a 1), by up to 0.25 (1 step); "
        "allowed 0: bit for bit; another top-1 answer on 1 of 2"
    )
    assert "--delegate none" in finding.hint


@pytest.mark.parametrize(
    ("off", "step", "allowed", "expected"),
    [
        (1 / 256, 1 / 256, EXACT, Severity.SUSPECT),
        (20 / 255, 1 / 255, EXACT, Severity.SUSPECT),
        (21 / 255, 1 / 255, EXACT, Severity.INVALID),
        (20 / 255, 1 / 255, Allowance(ROUNDED, ROUNDED, "x"), None),
        (21 / 255, 1 / 255, Allowance(ROUNDED, ROUNDED, "x"), Severity.INVALID),
        (0.9e-4, 0.0, FLOAT, None),
        (1.1e-4, 0.0, FLOAT, Severity.SUSPECT),
        (0.03, 0.0, FLOAT, Severity.INVALID),
        (1.0, None, FLOAT, Severity.SUSPECT),
        (100.0, None, EXACT, Severity.SUSPECT),
    ],
)
def test_severity_follows_what_kernels_explain(
    off: float, step: float | None, allowed: Allowance, expected: Severity | None
) -> None:
    comparison = found([[1.0 - off]], [[1.0]], allowed, step)
    assert severity(comparison) is expected
    assert comparison.parity.agrees is (expected is None)


def test_values_that_are_finite_on_one_side_only_are_broken() -> None:
    comparison = found([[math.nan, 1.0]], [[0.0, 1.0]], FLOAT)
    assert (comparison.parity.not_finite, severity(comparison)) == (1, Severity.INVALID)
    assert math.isfinite(comparison.parity.max_abs_difference)


def test_a_zero_of_another_sign_is_another_bit_and_no_difference() -> None:
    parity = found([[-0.0, 1.0]], [[0.0, 1.0]], EXACT).parity
    assert (parity.bit_equal, parity.agrees, parity.max_abs_difference) == (False, True, 0.0)


def test_what_a_model_lacks_is_said() -> None:
    parity = found([[0.5]], [[0.5]], FLOAT).parity
    assert (parity.max_steps, parity.top1_differing) == (None, None)
    assert parity.unavailable == {
        "max_steps": "no output is quantized",
        "top1_differing": "the first output is not one score per class",
    }


def test_outputs_are_matched_by_name_and_the_worst_gives_the_figures() -> None:
    first, second = Output("a", 0.0, np.array([1.0])), Output("b", 0.0, np.array([2.0, 8.0]))
    off = Output("b", 0.0, np.array([2.0, 8.4]))
    parity = compare([[first, off]], [[second, first]], FLOAT, "h").parity
    assert (parity.values, parity.largest_value) == (3, 8.0)
    assert parity.max_abs_difference == pytest.approx(0.4)
    assert parity.allowed_difference == pytest.approx(8e-4)
    assert parity.differing_share == pytest.approx(1 / 3)


def test_outputs_of_other_sizes_cannot_be_laid_side_by_side() -> None:
    with pytest.raises(OutputsUnlike, match=r"\[2\] values there and \[1\] on the host"):
        compare(outputs([1.0, 2.0]), outputs([1.0]), FLOAT, "h")


def test_nothing_to_compare_proves_nothing() -> None:
    with pytest.raises(ProtocolError, match="no outputs"):
        compare([[]], [[]], FLOAT, "h")
