"""A profile within a run, on the fake device: each in a worker of its own, after timing, kept on resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import RuntimeRefused, WorkerDied, WorkerError
from edgebench.operators import Match, OperatorProfile
from edgebench.records import Delegate, DelegateKind, Engine, Status
from edgebench.runner import Runner
from edgebench.spec import Spec
from fake_runs import ONE_BLOCK, PLENTY, Models, Recording, commands, ran, results
from harness import copies, plan_of

THREE = (("Convolution (NHWC, F32) IGEMM", 600, True), ("SOFTMAX", 100, False), ("MEAN", 300, False))
TWO = {"a": FakeModel(operators=THREE), "b": FakeModel()}


def profiled(folder: Path, models: Models = TWO, delegates: Sequence[Delegate] = ()) -> tuple[Runner, FakeDevice]:
    names = tuple(f"net/{name}={path}" for name, path in zip(models, copies(folder, *models), strict=True))
    chosen = tuple(delegates) or (Delegate(DelegateKind.DEFAULT),)
    engines = (Engine.COMPILED,) if chosen[0].kind is DelegateKind.GPU else (Engine.INTERPRETER,)
    spec = Spec(models=names, delegates=chosen, engines=engines)
    device = FakeDevice(models)
    return Runner(device, plan_of(spec), ONE_BLOCK, None, None, lambda: PLENTY, profile=True), device


def only(runner: Runner) -> OperatorProfile:
    (result,) = results(runner).values()
    assert result.operators is not None
    return result.operators


def test_each_case_has_a_worker_of_its_own_and_none_before_timing_ends(tmp_path: Path) -> None:
    runner, device = profiled(tmp_path)
    runner.run()
    asked = [number for number, command in device.log if command == "open_profile"]
    assert asked == [5, 6]  # 1 and 2 checked, 3 and 4 were timed
    for worker in asked:
        assert set(commands(device, worker)) == {"hello", "open_profile", "profile"}
    places = [place for place, (number, _) in enumerate(device.log) if number in asked]
    assert min(places) > max(place for place, (_, command) in enumerate(device.log) if command == "burst")
    assert device.open_workers == 0


def test_the_record_has_types_and_nodes_with_their_shares(tmp_path: Path) -> None:
    runner, _ = profiled(tmp_path, {"a": TWO["a"]})
    runner.run()
    found = only(runner)
    assert [(item.tag, item.share, item.delegated) for item in found.types] == [
        ("Convolution (NHWC, F32) IGEMM", 0.6, True), ("MEAN", 0.3, False), ("SOFTMAX", 0.1, False),
    ]  # fmt: skip
    assert [item.time_us for item in found.operators] == [600, 100, 300]
    assert (found.invoke_us, found.operators_us, found.plain_us) == (1000, 1000, 1000)
    assert found.resolution.runs >= 50
    assert found.resolution.cut_us == 1  # XNNPACK's one operator
    assert found.operators[1].match is Match.NONE  # the file on disk has another operator there


def test_without_asking_nothing_is_profiled(tmp_path: Path) -> None:
    found, device = ran(tmp_path, {"a": FakeModel()})
    assert (found["a"].operators, found["a"].unavailable) == (None, {})
    assert "open_profile" not in [command for _, command in device.log]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeRefused("per-operator times need ai-edge-litert 2.2 or newer; tflite-runtime 2.14", "no-profile"),
        WorkerDied("the worker was ended by SIGSEGV during 'open_profile'"),
    ],
)
def test_one_that_cannot_be_profiled_says_why_and_keeps_its_figures(tmp_path: Path, error: WorkerError) -> None:
    models = {"a": FakeModel(fails={"open_profile": error}), "b": FakeModel()}
    runner, device = profiled(tmp_path, models)
    runner.run()
    found = results(runner)
    assert found["a"].operators is None
    assert str(error) in found["a"].unavailable["operators"]
    assert (found["a"].status, found["a"].failure) == (Status.OK, None)
    assert found["a"].latency is not None
    assert found["b"].operators is not None
    assert device.open_workers == 0


@pytest.mark.parametrize(
    ("delegate", "words"),
    [
        (Delegate(DelegateKind.EXTERNAL, "libidle.so"), "only default, xnnpack and none can be profiled"),
        (Delegate(DelegateKind.GPU), "a profile is of the CPU's operators"),
        (Delegate(DelegateKind.XNNPACK), "delegate xnnpack took none of the 2 operators that ran"),
    ],
)
def test_a_delegate_that_cannot_be_profiled_is_the_reason(tmp_path: Path, delegate: Delegate, words: str) -> None:
    runner, device = profiled(tmp_path, {"a": FakeModel()}, [delegate])
    runner.run()
    (result,) = results(runner).values()
    assert result.operators is None
    assert result.unavailable["operators"] == words
    idle = delegate.kind is DelegateKind.XNNPACK
    assert ("open_profile" in [command for _, command in device.log]) is idle


def test_a_case_that_failed_before_is_not_profiled(tmp_path: Path) -> None:
    runner, device = profiled(tmp_path, {"a": FakeModel(fails={"first": RuntimeRefused("no")}), "b": FakeModel()})
    runner.run()
    assert results(runner)["a"].operators is None
    assert [command for _, command in device.log].count("open_profile") == 1


def test_progress_tells_of_the_phase(tmp_path: Path) -> None:
    runner, _ = profiled(tmp_path)
    runner._progress = progress = Recording()
    runner.run()
    assert ["profiling operators", 2, 2] in progress.phases


def test_a_slow_model_is_profiled_for_as_few_runs_as_tell_something(tmp_path: Path) -> None:
    runner, device = profiled(tmp_path, {"a": FakeModel(operators=(("LSTM", 2_000_000, False),))})
    runner.run()
    assert only(runner).resolution.runs == 50
    assert [command for _, command in device.log].count("profile") == 50  # each answers well within the time limit
