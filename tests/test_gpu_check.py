"""What is learnt of a GPU case before it is timed: on the fake device, time is virtual."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.fake import FakeModel
from edgebench.errors import MemoryExceeded, RuntimeRefused, WorkerDied, WorkerError, WorkerTimeout
from edgebench.findings import Code, Verdict
from edgebench.records import Adapter, CaseResult, Delegate, DelegateKind, Engine, Status
from fake_runs import ONE_BLOCK, commands, ran

BLOCKS = replace(ONE_BLOCK, min_blocks=6, max_blocks=6)
GPU: dict[str, Any] = {"engines": (Engine.COMPILED,), "delegates": (Delegate(DelegateKind.GPU),)}
LLVMPIPE = {"name": "llvmpipe (LLVM 15.0.6, 256 bits)", "kind": "cpu", "software": True, "driver": "Mesa 25"}


def case(folder: Path, model: FakeModel, settings: Any = BLOCKS) -> CaseResult:
    return ran(folder, {"a": model}, settings, **GPU)[0]["a"]


def codes(found: CaseResult) -> list[Code]:
    return [finding.code for finding in found.findings]


def test_a_gpu_that_agrees_with_the_cpu_is_valid(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel())
    assert found.case_id.endswith("/compiled.litert+gpu/t1")
    assert (found.status, found.verdict, codes(found)) == (Status.OK, Verdict.VALID, [])
    assert found.adapter == Adapter("Fake GPU", "discrete", False)
    assert found.parity is not None
    assert (found.parity.against, found.parity.agrees, found.parity.max_abs_difference) == ("the CPU", True, 0.0)


def test_the_cpu_runs_in_a_process_of_its_own_and_before_timing(tmp_path: Path) -> None:
    _, device = ran(tmp_path, {"a": FakeModel()}, ONE_BLOCK, **GPU)
    inspected = next(number for number, command in device.log if command == "adapter")
    # adapters are asked about once the memory has been read, since the question costs some
    assert commands(device, inspected)[-3:] == ["memory", "adapter", "outputs"]
    assert commands(device, inspected + 1) == ["hello", "load", "first", "outputs"]
    assert "burst" in commands(device, inspected + 2)


def test_a_program_that_plays_the_gpu_is_suspect(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel(adapter=LLVMPIPE))
    assert (codes(found), found.verdict) == ([Code.SOFTWARE_GPU], Verdict.SUSPECT)
    assert found.findings[0].reason == ("the GPU is llvmpipe, a program on the CPU: its times tell nothing about a GPU")
    assert found.adapter is not None
    assert (found.adapter.driver, found.adapter.api_version) == ("Mesa 25", None)


def test_other_outputs_than_the_cpus_are_invalid_and_still_timed(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel(outputs=(0.75, 0.25), adapter=LLVMPIPE))
    assert (codes(found), found.verdict) == ([Code.OUTPUTS_DIFFER, Code.SOFTWARE_GPU], Verdict.INVALID)
    assert found.latency is not None


def test_a_finding_can_be_silenced(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel(adapter=LLVMPIPE), replace(BLOCKS, silenced=(Code.SOFTWARE_GPU,)))
    assert (codes(found), found.verdict) == ([Code.SOFTWARE_GPU], Verdict.VALID)


def test_an_adapter_that_is_not_told_is_unchecked(tmp_path: Path) -> None:
    unknown = RuntimeRefused("the runtime does not tell which adapter it chose", "no-adapter")
    found = case(tmp_path, FakeModel(fails={"adapter": unknown}))
    assert (found.status, found.adapter, found.verdict) == (Status.OK, None, Verdict.VALID)
    assert found.unchecked["software-gpu"] == "the runtime does not tell which adapter it chose"
    assert "steal" in found.unchecked  # what the fake machine does not tell is listed as well


def test_a_worker_that_dies_over_the_adapter_is_the_cases_result(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel(fails={"adapter": WorkerDied("gone")}))
    assert (found.status, found.failure and found.failure.code) == (Status.FAILED, "worker-died")


@pytest.mark.parametrize("error", [RuntimeRefused("no such operator"), WorkerDied("gone")])
def test_a_model_that_the_cpu_cannot_run_is_unchecked(tmp_path: Path, error: WorkerError) -> None:
    found = case(tmp_path, FakeModel(cpu_fails=error))
    assert (found.status, found.parity, found.verdict) == (Status.OK, None, Verdict.VALID)
    assert found.unchecked["outputs-differ"] == f"the CPU does not run this model: {error}"


@pytest.mark.parametrize("error", [WorkerTimeout("silent"), MemoryExceeded(9_000_000, 5_000_000, "load")])
def test_a_comparison_that_did_not_end_says_nothing_about_the_cpu(tmp_path: Path, error: WorkerError) -> None:
    found = case(tmp_path, FakeModel(cpu_fails=error))
    assert found.failure is None
    assert found.unchecked["outputs-differ"] == f"the comparison with the CPU came to no end: {error}"


def test_outputs_that_cannot_be_read_are_unchecked(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel(fails={"outputs": RuntimeRefused("inconsistent")}))
    assert found.failure is None
    assert found.unchecked["outputs-differ"] == "its outputs cannot be read: inconsistent"


def test_other_delegates_are_not_asked(tmp_path: Path) -> None:
    found, device = ran(tmp_path, {"a": FakeModel()}, ONE_BLOCK)
    assert (found["a"].adapter, found["a"].parity) == (None, None)
    assert {"adapter", "outputs"}.isdisjoint(command for _, command in device.log)


def test_a_gpu_that_left_operators_is_suspect(tmp_path: Path) -> None:
    found = case(tmp_path, FakeModel(delegated_nodes=2))
    assert (codes(found), found.verdict) == ([Code.PARTIAL], Verdict.SUSPECT)
    assert found.findings[0].reason == "gpu took 2 of 3 nodes; SOFTMAX ran on the CPU's kernels"


def test_require_full_and_a_gpu_that_took_nothing_are_errors(tmp_path: Path) -> None:
    strict = case(tmp_path, FakeModel(delegated_nodes=2), replace(BLOCKS, require_full=True))
    idle = case(tmp_path / "idle", FakeModel(delegated_nodes=0))
    assert [found.failure and found.failure.code for found in (strict, idle)] == ["delegate-partial", "delegate-idle"]
