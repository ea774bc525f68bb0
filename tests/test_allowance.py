"""How far a device's outputs may be from the host's, by how both ran the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edgebench.allowance import ROUNDED, Limit, Ran, allowance
from edgebench.records import Coverage, Delegate, DelegateKind, Delegation, Engine, RuntimeInfo

LITERT = RuntimeInfo("litert", "ai-edge-litert", "2.3.0", "3.13", "2", "aarch64")
DELEGATION = Delegation(Coverage.PARTIAL, 66, 65, 1, {"SOFTMAX": 1})
HOST = Ran(replace(LITERT, machine="x86_64"), Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), DELEGATION)
BOARD = replace(HOST, runtime=LITERT)


def by(kind: DelegateKind) -> Delegate:
    return Delegate(kind)


@pytest.mark.parametrize("scheme", ["int8", "uint8", "int8-float-io"])
def test_8_bits_by_xnnpack_of_the_same_litert_are_equal_bit_for_bit(scheme: str) -> None:
    found = allowance(scheme, BOARD, HOST)
    assert found.expected == Limit(0.0, 0.0)
    assert found.reason == f"{scheme} by XNNPACK of ai-edge-litert 2.3.0 on both sides: bit for bit"


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (replace(BOARD, runtime=replace(LITERT, package="tflite-runtime", version="2.14.0")),
         "tflite-runtime 2.14.0 there and ai-edge-litert 2.3.0 here"),
        (replace(BOARD, runtime=replace(LITERT, version="2.2.0")),
         "ai-edge-litert 2.2.0 there and ai-edge-litert 2.3.0 here"),
        (replace(BOARD, engine=Engine.COMPILED), "engine compiled there and interpreter here"),
        (replace(BOARD, delegate=by(DelegateKind.NONE)), "the runtime's own kernels"),
        (replace(BOARD, delegation=None), "what XNNPACK runs of it is not told"),
        (replace(BOARD, delegation=Delegation(Coverage.UNKNOWN)), "what XNNPACK runs of it is not told"),
        (replace(BOARD, delegation=replace(DELEGATION, cpu_operators={"CONV_2D": 1, "SOFTMAX": 1})),
         "CONV_2D by the runtime's own kernels"),
        (replace(BOARD, delegation=replace(DELEGATION, delegated_nodes=0, cpu_operators={})),
         "everything by the runtime's own kernels"),
        (replace(BOARD, delegation=replace(DELEGATION, delegated_nodes=66, cpu_operators={})), "other nodes"),
    ],
)  # fmt: skip
def test_8_bits_that_are_rounded_in_another_way_may_be_some_steps_off(there: Ran, why: str) -> None:
    found = allowance("int8", there, HOST)
    assert (found.expected, found.explicable) == (ROUNDED, ROUNDED)
    assert why in found.reason
    assert "20 steps" in found.reason


def test_what_is_rounded_at_run_time_is_never_promised() -> None:
    assert allowance("dynamic", BOARD, HOST).expected == ROUNDED


@pytest.mark.parametrize("scheme", ["float32", "float16", "weight-only"])
def test_floats_may_be_a_ten_thousandth_off_whatever_runs_them(scheme: str) -> None:
    other = replace(BOARD, runtime=replace(LITERT, version="2.1.0"), delegate=by(DelegateKind.NONE))
    for there in (BOARD, other):
        found = allowance(scheme, there, HOST)
        assert found.expected.of(0.0, 2.0) == pytest.approx(2e-4)
        assert found.explicable.of(0.0, 2.0) == pytest.approx(0.04)


def test_16_bit_activations_have_finer_steps() -> None:
    found = allowance("int16x8-float-io", BOARD, HOST)
    assert found.expected.of(1 / 32768, 1.0) == pytest.approx(found.expected.of(0.0, 1.0), rel=0.03)


@pytest.mark.parametrize("kind", [DelegateKind.GPU, DelegateKind.EXTERNAL])
def test_an_accelerator_may_be_as_far_off_as_from_its_own_cpu(kind: DelegateKind) -> None:
    found = allowance("float32", replace(BOARD, delegate=by(kind)), HOST)
    assert (found.expected.of(0.0, 1.0), found.expected.of(0.5, 9.0)) == (0.02, 4.0)
    assert f"delegate {kind.value} there, the CPU here" in found.reason


def test_a_file_that_does_not_tell_its_scheme_may_be_of_8_bits() -> None:
    found = allowance(None, BOARD, HOST)
    assert (found.expected, found.explicable) == (ROUNDED, ROUNDED)


def test_a_host_that_answers_zeros_gives_no_magnitude_to_go_by() -> None:
    assert Limit(0.0, 1e-4).of(0.0, 0.0) == 1e-4
