"""A device that is not this machine must compute what the host computes: real workers and the fake device."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from colours import write_folder
from devices.local_transport import LocalTransport
from edgebench import runner as runner_module
from edgebench.allowance import ROUNDED
from edgebench.api import resume_run, run_spec
from edgebench.device_parity import DeviceParityCheck
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.devices.remote import RemoteDevice
from edgebench.errors import MemoryExceeded, RuntimeRefused, WorkerDied
from edgebench.evaluation import Evaluator
from edgebench.findings import Code, Severity
from edgebench.golden_inputs import GOLDEN_INPUTS, GoldenInputs
from edgebench.launch import Launcher
from edgebench.outcome import Outcome
from edgebench.plan import Case
from edgebench.records import CaseResult, Delegate, DelegateKind, Engine, Status
from edgebench.runner import Runner
from edgebench.session import ImageNeeds, Session
from edgebench.spec import DataSpec, PythonTarget, Spec
from fake_runs import ONE_BLOCK, commands, results
from harness import SHORT, copies, model, plan_of
from worker.support import other_python

BOARD: dict[str, Any] = {"elsewhere": True}


class Elsewhere(LocalDevice):
    """This machine in the part of another one; ``sent`` are files that it got damaged."""

    name = "board"
    elsewhere = True

    def __init__(self, python: str = sys.executable, sent: dict[Path, Path] | None = None) -> None:
        super().__init__()
        self.python = python
        self.sent = sent or {}

    def default_python(self) -> str:
        return self.python

    def place(self, path: Path) -> str:
        return super().place(self.sent.get(path, path))


@functools.cache
def loaded(name: str, python: str, engine: Engine) -> tuple[Case, ImageNeeds, dict[str, Any]]:
    """Return a case of a fixture model, and what a run learns of it before it is compared."""
    (case,) = plan_of(Spec(models=(model(name),), pythons=(PythonTarget(python),), engines=(engine,))).cases
    device = LocalDevice()
    with Session(device.start_worker(python), 60) as session:
        runtime = session.hello().runtime
        found = Launcher(device, 60).load(case, session)
        fields = {"inputs": found.inputs, "outputs": found.outputs, "delegation": found.delegation, "runtime": runtime}
        return case, session.image_needs(), fields


def real(
    name: str,
    device: Device,
    evaluator: Evaluator | None = None,
    engine: Engine = Engine.INTERPRETER,
    python: str | None = None,
) -> CaseResult:
    """Return a fixture model's result as far as the comparison of real workers puts something into it."""
    case, needs, fields = loaded(name, python or device.default_python(), engine)
    outcome = Outcome(case, replace(case.result(Status.INTERRUPTED), **fields))
    if evaluator is not None:
        outcome.reading = evaluator.read(case.variant, needs)
    with GoldenInputs(0, evaluator) as golden:
        DeviceParityCheck(device, LocalDevice(), SHORT, golden).check(outcome)
    return outcome.result


def damaged(source: Path, target: Path) -> Path:
    """Write the file with one bit of one weight of its last layer, [7 classes, ...], turned over."""
    data = bytearray(source.read_bytes())
    found = schema.Model.GetRootAs(bytes(data), 0)
    graph = found.Subgraphs(0)
    tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    weights = [found.Buffers(it.Buffer()).DataAsNumpy() for it in tensors if it.ShapeLength() == 2 and it.Shape(0) == 7]
    (last,) = (buffer.tobytes() for buffer in weights if isinstance(buffer, np.ndarray))
    data[bytes(data).index(last)] ^= 0x80
    target.write_bytes(data)
    return target


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    folder = write_folder(tmp_path_factory.mktemp("images"), per_class=2)
    return Evaluator(DataSpec(f"folder:{folder}", normalize="-1..1"))


def codes(found: CaseResult) -> list[tuple[Code, Severity]]:
    return [(finding.code, finding.severity) for finding in found.findings]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[RemoteDevice]:
    device = RemoteDevice("board", lambda: LocalTransport(tmp_path))
    yield device
    device.close()


def test_the_same_runtime_gives_int8_bit_for_bit_from_the_pixels_on(evaluator: Evaluator, board: RemoteDevice) -> None:
    """Through a keeper, so that the pixels really go there, and no others do."""
    found = real("int8", board, evaluator, python=sys.executable)
    parity = found.device_parity
    assert parity is not None
    assert (parity.inputs, parity.images, parity.values) == (GOLDEN_INPUTS, True, 7 * GOLDEN_INPUTS)
    assert (parity.bit_equal, parity.top1_differing, parity.max_steps, parity.notes) == (True, 0, 0.0, ())
    assert parity.allowed.startswith("int8 by XNNPACK of ai-edge-litert")
    assert codes(found) == []
    sizes = [path.stat().st_size for path in Path(board.root, "files").iterdir()]
    assert sorted(sizes) == sorted([128 + GOLDEN_INPUTS * 32 * 32 * 3, Path(model("int8")).stat().st_size])


def test_engine_compiled_does_not_tell_its_nodes_and_is_exact_too() -> None:
    found = real("int8", Elsewhere(), engine=Engine.COMPILED)
    assert found.delegation is not None
    assert found.delegation.total_nodes is None
    assert found.device_parity is not None
    assert found.device_parity.bit_equal
    assert found.device_parity.allowed.endswith("on both sides: bit for bit")


def test_a_file_that_was_damaged_on_its_way_is_found(tmp_path: Path) -> None:
    whole = Path(model("int8"))
    device = Elsewhere(sent={whole: damaged(whole, tmp_path / "int8.tflite")})
    found = real("int8", device)
    assert found.device_parity is not None
    assert not found.device_parity.bit_equal
    assert found.device_parity.images is False
    assert [code for code, _ in codes(found)] == [Code.DEVICE_DIFFERS]
    assert "allowed 0: int8 by XNNPACK" in found.findings[0].reason


def test_another_runtime_rounds_int8_differently_and_says_by_how_much() -> None:
    found = real("int8_float_io", Elsewhere(other_python()))
    parity = found.device_parity
    assert parity is not None
    assert not parity.bit_equal
    assert 0 < parity.max_abs_difference <= parity.allowed_difference <= ROUNDED.relative
    assert "tflite-runtime" in parity.allowed
    assert "ai-edge-litert" in parity.against
    assert codes(found) == []


def test_a_combination_that_the_host_cannot_run_is_compared_with_its_default(tmp_path: Path) -> None:
    runner = faked(tmp_path, FakeModel(), engines=(Engine.COMPILED,), delegates=(Delegate(DelegateKind.GPU),))
    runner.run()
    parity = results(runner)["a"].device_parity
    assert parity is not None
    assert parity.notes == ("run on the host by compiled+default: delegate gpu is the device's own",)
    assert "delegate gpu there, the CPU here" in parity.allowed


def faked(folder: Path, there: FakeModel, here: FakeModel | None = None, **spec: Any) -> Runner:
    """Return a runner on a fake device elsewhere; the host is a fake as well."""
    (path,) = copies(folder, "a")
    device = FakeDevice({"a": there}, **BOARD)
    plan = plan_of(Spec(models=(f"net/a={path}",), **spec))
    host = FakeDevice({"a": here or FakeModel()})
    return Runner(device, plan, ONE_BLOCK, available_bytes=lambda: None, host=host)


def ran(folder: Path, there: FakeModel, here: FakeModel | None = None, **spec: Any) -> CaseResult:
    runner = faked(folder, there, here, **spec)
    runner.run()
    return results(runner)["a"]


def test_it_comes_before_any_time_and_after_memory(tmp_path: Path) -> None:
    runner = faked(tmp_path, FakeModel())
    device, host = runner._device, runner._host
    assert isinstance(device, FakeDevice)
    assert isinstance(host, FakeDevice)
    runner.run()
    asked = ["first", "outputs"] * GOLDEN_INPUTS
    assert "memory" in commands(device, 1)
    assert commands(device, 2) == ["hello", "load", *asked]
    assert "burst" in commands(device, 3)
    assert commands(host, 1) == ["hello", "load", *asked]
    assert (device.open_workers, host.open_workers) == (0, 0)


def test_a_device_that_is_this_machine_is_not_asked(tmp_path: Path) -> None:
    runner = faked(tmp_path, FakeModel())
    device, host = runner._device, runner._host
    device.elsewhere = False
    runner.run()
    assert isinstance(host, FakeDevice)
    assert (host.log, results(runner)["a"].device_parity) == ([], None)


def test_other_outputs_are_a_finding_and_are_still_timed(tmp_path: Path) -> None:
    found = ran(tmp_path, FakeModel(cpu_outputs=(0.25, 0.7501)), FakeModel())
    assert (Code.DEVICE_DIFFERS, Severity.SUSPECT) in codes(found)
    assert found.latency is not None
    broken = ran(tmp_path / "broken", FakeModel(cpu_outputs=(0.75, 0.25)), FakeModel())
    assert (Code.DEVICE_DIFFERS, Severity.INVALID) in codes(broken)


def test_outputs_of_other_sizes_are_a_finding_too(tmp_path: Path) -> None:
    found = ran(tmp_path, FakeModel(cpu_outputs=(0.25,)), FakeModel())
    assert (Code.DEVICE_DIFFERS, Severity.INVALID) in codes(found)
    assert found.device_parity is None
    assert "[1] values there and [2] on the host (fake, ai-edge-litert 0)" in found.findings[0].reason


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        (FakeModel(fails={"load": RuntimeRefused("no such operator")}), "the host does not run this model: no such"),
        (FakeModel(fails={"load": WorkerDied("gone")}), "the host does not run this model: gone"),
        (FakeModel(fails={"load": MemoryExceeded(9, 5, "load")}), "the comparison with the host came to no end: used"),
    ],
)
def test_a_host_that_cannot_run_it_leaves_it_unchecked(tmp_path: Path, here: FakeModel, reason: str) -> None:
    found = ran(tmp_path, FakeModel(), here)
    assert found.status is Status.OK
    assert found.device_parity is None
    assert found.unchecked["device-differs"].startswith(reason)


def test_outputs_that_the_device_cannot_read_leave_it_unchecked(tmp_path: Path) -> None:
    found = ran(tmp_path, FakeModel(fails={"outputs": RuntimeRefused("inconsistent")}))
    assert (found.status, found.device_parity) == (Status.OK, None)
    assert found.unchecked["device-differs"] == "its outputs cannot be read: inconsistent"


def test_a_worker_that_dies_there_is_the_cases_result(tmp_path: Path) -> None:
    found = ran(tmp_path, FakeModel(fails={"outputs": WorkerDied("gone")}))
    assert (found.status, found.failure and found.failure.code) == (Status.FAILED, "worker-died")


def test_what_was_compared_is_not_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = copies(tmp_path, "a")
    hosts: list[FakeDevice] = []

    class Host(FakeDevice):
        def __init__(self) -> None:
            super().__init__({"a": FakeModel()})
            hosts.append(self)

    def interrupted(run: int) -> int:
        if run > 20:
            raise KeyboardInterrupt
        return 1_000_000

    monkeypatch.setattr(runner_module, "LocalDevice", Host)
    spec = Spec(models=(path,), settings=replace(ONE_BLOCK, min_blocks=3, max_blocks=3))
    stopped = run_spec(spec, out=tmp_path / "out", device=FakeDevice({"a": FakeModel(interrupted)}, **BOARD))
    assert stopped.record.interrupted
    went_on = resume_run("latest", tmp_path / "out", device=FakeDevice({"a": FakeModel()}, **BOARD))
    assert went_on.record.cases[0].status is Status.OK
    assert went_on.record.cases[0].device_parity == stopped.record.cases[0].device_parity is not None
    assert [bool(host.log) for host in hosts] == [True, False]
