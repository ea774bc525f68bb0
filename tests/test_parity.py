"""How far a GPU's outputs may be from the CPU's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from edgebench.errors import ProtocolError
from edgebench.findings import Code, Severity
from edgebench.parity import compare_outputs, parity_finding
from edgebench.records import Parity
from edgebench.session import Output


def output(values: list[float], step: float | None = 0.0, name: str = "scores") -> Output:
    return Output(name, step, np.array(values, np.float64))


def parity(mine: list[float], theirs: list[float], step: float | None = 0.0) -> Parity:
    return compare_outputs([output(mine, step)], [output(theirs, step)], "the CPU")


@pytest.mark.parametrize(
    ("mine", "theirs", "step", "agrees"),
    [
        ([0.1, 0.9], [0.1, 0.9], 0.0, True),
        ([0.117, 0.9], [0.1, 0.9], 0.0, True),
        ([0.119, 0.9], [0.1, 0.9], 0.0, False),
        ([-98.5, 3.0], [-100.0, 3.0], 0.0, True),
        ([-97.5, 3.0], [-100.0, 3.0], 0.0, False),
        # Eight steps of a quantized output, however small its values are.
        ([0.5 * 14, 1.0], [0.5 * 6, 1.0], 0.5, True),
        ([0.5 * 15, 1.0], [0.5 * 6, 1.0], 0.5, False),
        ([0.5 * 8], [0.0], 0.5, True),
        ([0.5 * 9], [0.0], 0.5, False),
        # Of many steps 2 % are more.
        ([985.0], [1000.0], 0.5, True),
        ([979.0], [1000.0], 0.5, False),
        # Integers that count or name something.
        ([3.0, 200.0], [3.0, 200.0], None, True),
        ([3.0, 201.0], [3.0, 200.0], None, False),
        # Nothing but zeros gives no magnitude to go by.
        ([0.0005, 0.0], [0.0, 0.0], 0.0, True),
        ([0.002, 0.0], [0.0, 0.0], 0.0, False),
        # Scores of a thousand classes are all small; their tolerance is small as well.
        ([0.0015, 0.001], [0.001, 0.001], 0.0, False),
    ],
)
def test_what_may_differ(mine: list[float], theirs: list[float], step: float | None, agrees: bool) -> None:
    assert parity(mine, theirs, step).agrees is agrees


@pytest.mark.parametrize(
    ("mine", "theirs", "lost"),
    [
        ([math.nan, 1.0], [math.nan, 1.0], 0),
        ([math.inf, 1.0], [math.inf, 1.0], 0),
        ([math.nan, 1.0], [1.0, 1.0], 1),
        ([1.0, 1.0], [math.nan, 1.0], 1),
        ([math.inf, 1.0], [70_000.0, 1.0], 1),
        ([math.inf, -math.inf], [-math.inf, -math.inf], 1),
        ([math.inf, math.nan], [math.nan, math.inf], 2),
    ],
)
def test_what_is_not_finite_must_be_so_on_both_sides(mine: list[float], theirs: list[float], lost: int) -> None:
    found = parity(mine, theirs)
    assert (found.not_finite, found.agrees) == (lost, lost == 0)
    assert math.isfinite(found.max_abs_difference)
    assert math.isfinite(found.largest_value)


def test_the_figures_are_those_of_the_output_that_is_furthest_off() -> None:
    mine = [output([100.5]), output([0.5], name="small"), output([7.0], None, "count")]
    theirs = [output([100.0]), output([0.4], name="small"), output([7.0], None, "count")]
    found = compare_outputs(mine, theirs, "the CPU")
    assert (found.against, found.agrees) == ("the CPU", False)
    assert found.max_abs_difference == pytest.approx(0.1)
    assert found.largest_value == pytest.approx(0.4)
    assert found.allowed_difference == pytest.approx(0.008)


def test_a_wrong_count_outweighs_a_float_that_is_only_far_off() -> None:
    found = compare_outputs([output([5.0]), output([8.0], None)], [output([1.0]), output([7.0], None)], "the CPU")
    assert (found.max_abs_difference, found.allowed_difference) == (1.0, 0.0)


@pytest.mark.parametrize(
    "other", [[], [output([1.0])], [output([1.0, 2.0], name="b")], [output([1.0, 2.0]), output([1.0])]]
)
def test_outputs_of_another_model_are_not_compared(other: list[Output]) -> None:
    with pytest.raises(ProtocolError, match="outputs of two models"):
        compare_outputs([output([1.0, 2.0])], other, "the CPU")


def test_no_outputs_prove_nothing() -> None:
    with pytest.raises(ProtocolError, match="outputs of two models"):
        compare_outputs([], [], "the CPU")


def test_outputs_that_agree_are_no_finding() -> None:
    assert parity_finding(parity([0.1], [0.1])) is None


def test_outputs_that_differ_make_the_figures_worthless() -> None:
    finding = parity_finding(parity([0.5, math.nan], [0.25, 0.0]))
    assert finding is not None
    assert (finding.code, finding.severity) == (Code.OUTPUTS_DIFFER, Severity.INVALID)
    assert finding.reason == (
        "outputs differ from those of the CPU by 0.25, allowed are 0.005; values infinite or NaN on one side only: 1"
    )
