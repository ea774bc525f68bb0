"""Verdicts of whole runs on the fake device, and one of a real worker's states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import ProtocolError, RuntimeRefused, WorkerDied, WorkerError
from edgebench.findings import Code, Verdict
from edgebench.judging import judge
from edgebench.records import CaseResult, Coverage, Delegate, DelegateKind, Settings, Status
from edgebench.spec import DEFAULT_SETTINGS
from fake_runs import MS, ONE_BLOCK, build, commands, outcomes, ran

BLOCKS = replace(DEFAULT_SETTINGS, min_runs=1, min_time_ns=0, warmup_time_ns=20 * MS)
XNNPACK = {"delegates": (Delegate(DelegateKind.XNNPACK),)}


def codes(result: CaseResult) -> list[Code]:
    return [finding.code for finding in result.findings]


def starved(share: float) -> Callable[[int], dict[str, Any]]:
    """The state of a process that waits for a CPU for that share of the time."""
    return lambda now_ns: {"threads": {"1": {"run_ns": int(now_ns * (1 - share)), "wait_ns": int(now_ns * share)}}}


def test_a_steady_case_is_valid(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(MS), "b": FakeModel(2 * MS)}, BLOCKS)
    assert [(result.verdict, result.findings) for result in found.values()] == [(Verdict.VALID, ())] * 2
    assert found["a"].unchecked["steal"] == "not read"


def test_states_are_read_outside_the_bursts_of_a_block(tmp_path: Path) -> None:
    runner, device = build(tmp_path, {"a": FakeModel(), "b": FakeModel()})
    runner.run()
    timing = [(number, command) for number, command in device.log if number > 2]
    states = [index for index, (_, command) in enumerate(timing) if command == "state"]
    bursts = [index for index, (_, command) in enumerate(timing) if command == "burst"]
    assert len(states) == 4
    warm_ups = 4
    assert bursts[warm_ups - 1] < states[0] < states[1] < bursts[warm_ups]
    assert bursts[-1] < states[2]
    assert commands(device, 3).count("machine") == 1
    assert "state" not in commands(device, 1)
    for outcome in outcomes(runner).values():
        ((before, after),) = outcome.states
        assert after["taken_ns"] > before["taken_ns"]
        assert after["pid"] == before["pid"]


def test_every_block_has_a_pair_and_machine_facts_are_asked_for_once(tmp_path: Path) -> None:
    runner, device = build(tmp_path, {"a": FakeModel()}, BLOCKS)
    runner.run()
    assert len(outcomes(runner)["a"].states) == 6
    assert [command for _, command in device.log].count("machine") == 1


@pytest.mark.parametrize(("share", "verdict"), [(0.01, Verdict.VALID), (0.1, Verdict.SUSPECT), (0.5, Verdict.INVALID)])
def test_what_disturbed_reaches_the_verdict(tmp_path: Path, share: float, verdict: Verdict) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(state=starved(share)), "b": FakeModel()}, BLOCKS)
    assert found["a"].verdict is verdict
    assert found["b"].verdict is Verdict.VALID
    assert "preempted" not in found["a"].unchecked
    assert "preempted" in found["b"].unchecked


def test_silenced_codes_do_not_count(tmp_path: Path) -> None:
    settings = replace(BLOCKS, silenced=(Code.PREEMPTED,))
    found, _ = ran(tmp_path, {"a": FakeModel(state=starved(0.5))}, settings)
    (finding,) = found["a"].findings
    assert (finding.code, finding.silenced, found["a"].verdict) == (Code.PREEMPTED, True, Verdict.VALID)


def test_lasting_facts_reach_the_verdict(tmp_path: Path) -> None:
    models = {"a": FakeModel()}
    device = FakeDevice(models, {"emulated": {"found": True, "signs": ["qemu"]}})
    found, _ = ran(tmp_path, models, BLOCKS, device=device)
    assert (codes(found["a"]), found["a"].verdict) == ([Code.EMULATED], Verdict.INVALID)


@pytest.mark.parametrize("command", ["state", "machine"])
@pytest.mark.parametrize("error", [RuntimeRefused("unknown command"), ProtocolError("odd")])
def test_a_state_that_cannot_be_read_never_fails_a_case(tmp_path: Path, command: str, error: WorkerError) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(fails={command: error})}, BLOCKS)
    assert (found["a"].status, found["a"].verdict) == (Status.OK, Verdict.VALID)
    assert set(found["a"].unchecked.values()) == {str(error)}


def test_a_case_that_was_never_timed_has_no_verdict(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(fails={"first": WorkerDied("gone")}), "b": FakeModel()}, BLOCKS)
    assert (found["a"].verdict, found["a"].findings, dict(found["a"].unchecked)) == (None, (), {})
    assert found["b"].verdict is Verdict.VALID


def test_one_block_is_suspect(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel()})
    assert (codes(found["a"]), found["a"].verdict) == ([Code.FEW_BLOCKS], Verdict.SUSPECT)


def test_findings_that_a_case_has_already_count_too(tmp_path: Path) -> None:
    runner, _ = build(tmp_path, {"a": FakeModel()}, BLOCKS)
    runner.run()
    outcome = outcomes(runner)["a"]
    (few,) = ran(tmp_path / "other", {"a": FakeModel()})[0]["a"].findings
    outcome.update(findings=(replace(few, code=Code.NOISE),))
    judge(outcome, BLOCKS, 4)
    assert (codes(outcome.result), outcome.result.verdict) == ([Code.NOISE], Verdict.SUSPECT)


def test_more_threads_than_the_device_has_cores(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel()}, BLOCKS, threads=(5,))
    assert codes(found["a"]) == [Code.MORE_THREADS]
    assert found["a"].findings[0].reason == "5 threads on 4 usable cores"


FULL = replace(BLOCKS, require_full=True)


@pytest.mark.parametrize("settings", [BLOCKS, FULL])
def test_default_may_leave_operators_to_the_cpu(tmp_path: Path, settings: Settings) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(delegated_nodes=2)}, settings)
    assert (found["a"].status, found["a"].verdict) == (Status.OK, Verdict.VALID)


def test_a_named_delegate_that_left_operators_is_suspect(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(delegated_nodes=2)}, BLOCKS, **XNNPACK)
    assert (found["a"].status, codes(found["a"]), found["a"].verdict) == (
        Status.OK,
        [Code.PARTIAL],
        Verdict.SUSPECT,
    )


def test_require_full_fails_a_delegate_that_left_operators(tmp_path: Path) -> None:
    models = {"a": FakeModel(delegated_nodes=2), "b": FakeModel(delegated_nodes=3)}
    found, _ = ran(tmp_path, models, FULL, **XNNPACK)
    failure = found["a"].failure
    assert failure is not None
    assert failure.code == "delegate-partial"
    assert "took 2 of 3 nodes and left SOFTMAX to the CPU" in failure.message
    assert "\n" not in failure.message
    assert (found["a"].status, found["a"].verdict) == (Status.FAILED, None)
    assert (found["b"].status, found["b"].verdict) == (Status.OK, Verdict.VALID)


@pytest.mark.parametrize("require_full", [False, True])
def test_a_delegate_that_took_nothing_always_fails(tmp_path: Path, require_full: bool) -> None:
    settings = replace(ONE_BLOCK, require_full=require_full)
    found, _ = ran(tmp_path, {"a": FakeModel(delegated_nodes=0)}, settings, **XNNPACK)
    assert found["a"].failure is not None
    assert found["a"].failure.code == "delegate-idle"


def test_coverage_of_the_fake_is_what_these_tests_say(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(delegated_nodes=2)})
    assert found["a"].delegation is not None
    assert found["a"].delegation.coverage is Coverage.PARTIAL
