"""Several devices in one run: fake ones in real threads; their clocks are virtual."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import edgebench
import pytest
from colours import write_folder
from edgebench.api import run_spec
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice
from edgebench.errors import DeviceLost, DeviceRefused, StoreError, UsageError, WorkerDied
from edgebench.images import cache
from edgebench.planning import plan_device
from edgebench.progress import Progress
from edgebench.records import Settings, Status
from edgebench.report.markdown import render_markdown
from edgebench.report.tables import build_table
from edgebench.report.terminal import render_table
from edgebench.run_cli import exit_code
from edgebench.runner import Runner
from edgebench.spec import DataSpec, PythonTarget
from fake_runs import Recording
from several import FAST, RUN_ID, Bench, by_device, fast, lines, slow


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=2)


def test_each_device_is_measured_as_if_it_were_alone(bench: Bench) -> None:
    """One record has the cases of both in the order given, and baselines are within a device."""
    alone = [run_spec(bench.spec(), device=device()).record.cases for device in (fast, slow)]
    devices = fast(), slow()
    stored = bench.run(*devices)
    assert stored.record.cases == (*alone[0], *alone[1])
    assert [case.case_id.partition("@")[2].partition("/")[0] for case in stored.record.cases] == ["fast"] * 2 + [
        "slow"
    ] * 2
    for one, other in by_device(stored.record).values():
        assert one.comparison is None
        assert other.comparison is not None
        assert other.comparison.baseline == one.case_id
    assert stored.record.warnings == ()
    assert bench.stored == [RUN_ID]
    assert edgebench.load(bench.out / RUN_ID).record == stored.record
    assert [device.open_workers for device in devices] == [0, 0]
    assert exit_code(stored) == 0


class Meeting(Progress):
    """Each device waits in its first block until the others are there: only threads at the same time get past."""

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties, timeout=60)
        self._met = threading.local()

    def detail(self, text: str) -> None:
        if text.endswith("taking turns") and not getattr(self._met, "done", False):
            self._met.done = True
            self._barrier.wait()


def test_devices_are_measured_at_the_same_time(bench: Bench) -> None:
    stored = bench.run(fast(), slow(), FakeDevice(FAST, name="third"), progress=Meeting(3))
    assert {case.status for case in stored.record.cases} == {Status.OK}


def test_images_are_decoded_once_for_all(bench: Bench, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []
    build = cache._build

    def counting(folder: Path, *rest: Any) -> Any:
        built.append(folder)
        return build(folder, *rest)

    monkeypatch.setattr(cache, "_build", counting)
    monkeypatch.setenv("EDGEBENCH_CACHE", str(bench.out.parent / "cache"))
    stored = bench.run(fast(), slow(), data=DataSpec(f"folder:{images}", normalize="-1..1"))
    assert len(built) == 1
    accuracies = [case.accuracy for case in stored.record.cases]
    assert accuracies[0] is not None
    assert accuracies == accuracies[:1] * 4
    assert stored.predictions is not None
    assert stored.predictions.groupby("case", observed=True).size().nunique() == 1


def test_the_host_is_the_environment_of_several_devices_and_a_device_that_of_one(bench: Bench) -> None:
    both = run_spec(bench.spec(), devices=(fast(), slow())).record
    assert both.environment == edgebench.devices.local.this_machine()
    assert run_spec(bench.spec(), devices=(fast(),)).record.environment.hostname == "fake"


class Named(FakeDevice):
    """A device with a Python of its own at a path of its own."""

    def resolve_python(self, text: str) -> str:
        return f"/{self.name}/{text}"


def test_a_python_is_looked_for_on_each_device(bench: Bench) -> None:
    devices = Named(FAST, name="one"), Named(FAST, name="two")
    record = run_spec(bench.spec(pythons=(PythonTarget("python3.9", "old"),)), devices=devices).record
    assert {case.device: case.python_path for case in record.cases} == {
        "one": "/one/python3.9", "two": "/two/python3.9",
    }  # fmt: skip


def test_two_devices_of_one_name_are_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="two devices are called fast; give them names of their own"):
        bench.run(fast(), fast())
    assert bench.stored == []


class Bare(FakeDevice):
    """A device without the Python that is asked for."""

    def start_worker(self, python: str) -> WorkerLink:
        raise WorkerDied(f"cannot start {python}: no such program")


def test_a_run_that_cannot_begin_on_one_device_begins_on_none(bench: Bench) -> None:
    devices = fast(), Bare(FAST, name="bare")
    with pytest.raises(UsageError, match="cannot start python3: no such program"):
        bench.run(*devices)
    assert bench.stored == []
    assert devices[0].asked["load"] == 0


@pytest.mark.parametrize("error", [DeviceLost("slow: no route to host"), DeviceRefused("slow: no key fits")])
def test_a_device_that_cannot_be_reached_does_not_stop_the_others(
    bench: Bench, error: DeviceLost | DeviceRefused
) -> None:
    stored = bench.run(fast(), slow(refusal=error))
    cases = by_device(stored.record)
    assert [case.status for case in cases["fast"]] == [Status.OK] * 2
    assert [case.case_id for case in cases["slow"]] == [
        "net/a@slow/interpreter.unknown+default/t1", "net/b@slow/interpreter.unknown+default/t1",
    ]  # fmt: skip
    for case in cases["slow"]:
        assert case.status is Status.INTERRUPTED
        assert case.failure is not None
        assert (case.failure.code, case.failure.message) == (error.code, str(error))
        assert (case.runtime, case.python_path, case.latency) == (None, None, None)
    assert stored.record.interrupted
    assert lines(stored.record, "slow: dropped out")
    assert exit_code(stored) == 3
    assert (bench.out / RUN_ID / "journal.jsonl").exists()


def test_when_no_device_can_be_reached_nothing_is_stored(bench: Bench) -> None:
    lost, refused = DeviceLost("fast: no route to host"), DeviceRefused("slow: no key fits")
    with pytest.raises(DeviceLost, match=r"^fast: no route to host; slow: no key fits$") as caught:
        bench.run(fast(refusal=lost), slow(refusal=refused))
    assert caught.value.exit_code == 3
    with pytest.raises(DeviceRefused, match=r"^slow: no key fits$"):
        bench.run(slow(refusal=refused))
    assert bench.stored == []


class StoppedAt(Progress):
    """An error in the first device's thread, once each of two devices has measured a block; ``both``: in either's."""

    def __init__(self, error: BaseException, parties: int = 2, *, both: bool = False) -> None:
        self._error = error
        self._both = both
        self._barrier = threading.Barrier(parties, timeout=60)
        self._blocks = threading.local()

    def side_by_side(self, names: Any) -> Any:
        return [_Told(self, name == names[0]) for name in names]

    def turn(self, *, first: bool) -> None:
        done = self._blocks.done = getattr(self._blocks, "done", 0) + 1
        if done == 2:
            self._barrier.wait()  # each has measured a block
            if first or self._both:
                raise self._error


class _Told(Progress):
    def __init__(self, whole: StoppedAt, first: bool) -> None:
        self._whole, self._first = whole, first

    def detail(self, text: str) -> None:
        if text.endswith("taking turns"):
            self._whole.turn(first=self._first)


def endless(bench: Bench) -> Settings:
    """Return settings with which a device would go on for hours."""
    settings = bench.spec().settings
    return replace(settings, max_runs=10**9, max_time_ns=10**18, min_blocks=100_000, max_blocks=100_000)


def test_an_interrupt_stops_all_and_keeps_what_was_measured(bench: Bench) -> None:
    devices = fast(), slow()
    stored = bench.run(*devices, progress=StoppedAt(KeyboardInterrupt()), settings=endless(bench))
    assert stored.record.interrupted
    for case in stored.record.cases:
        assert case.status is Status.INTERRUPTED
        assert case.failure is not None
        assert case.failure.message == "stopped by hand while timing"
        assert case.latency is not None
    assert [device.open_workers for device in devices] == [0, 0]
    assert exit_code(stored) == 130


@pytest.mark.parametrize("error", [ZeroDivisionError("a mistake of ours"), OSError(28, "No space left on device")])
def test_an_error_in_one_thread_comes_out_after_the_others_were_stopped_and_stored(
    bench: Bench, error: Exception
) -> None:
    devices = fast(), slow()
    expected = StoreError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected, match=r"a mistake of ours|measuring stopped: No space left on device; continue with"):
        bench.run(*devices, progress=StoppedAt(error), settings=endless(bench))
    record = edgebench.load(bench.out / RUN_ID).record
    assert record.interrupted
    assert all(case.latency is not None for case in by_device(record)["slow"])
    assert [device.open_workers for device in devices] == [0, 0]


def test_an_error_before_anything_was_timed_leaves_nothing(bench: Bench, images: Path) -> None:
    with pytest.raises(UsageError, match="nothing says how the float32 input is normalised"):
        bench.run(fast(), slow(), data=DataSpec(f"folder:{images}"))
    assert bench.stored == []


def test_an_interrupted_run_of_several_devices_goes_on(bench: Bench) -> None:
    """Each device from where it was: what it had finished stays sample by sample."""
    interrupted = bench.run(fast(), slow(), progress=StoppedAt(KeyboardInterrupt(), both=True))
    devices = fast(), slow()
    for device in devices:
        device.now_ns = 10**15
    resumed = bench.resume(*devices)
    assert not resumed.record.interrupted
    assert {case.status for case in resumed.record.cases} == {Status.OK}
    for case in resumed.record.cases:
        first = interrupted.samples[(interrupted.samples.case == case.case_id) & (interrupted.samples.block == 0)]
        again = resumed.samples[(resumed.samples.case == case.case_id) & (resumed.samples.block == 0)]
        assert first.start_ns.tolist() == again.start_ns.tolist()
        later = resumed.samples[(resumed.samples.case == case.case_id) & (resumed.samples.block >= 1)]
        assert later.start_ns.min() >= 10**15
    assert [device.asked["memory"] for device in devices] == [0, 0]
    assert resumed.record.warnings == tuple(
        f"{name}: continued on 2026-01-03T00:00:00+00:00: blocks 1 to 2 of samples.parquet were measured then"
        for name in ("fast", "slow")
    )
    assert bench.stored == [RUN_ID]
    assert not (bench.out / RUN_ID / "journal.jsonl").exists()


def test_a_run_goes_on_with_the_devices_that_it_was_begun_on(bench: Bench) -> None:
    bench.run(fast(), slow(), progress=StoppedAt(KeyboardInterrupt()))
    with pytest.raises(StoreError, match="the list of devices was fast, slow, now it is slow, fast"):
        bench.resume(slow(), fast())


def test_each_devices_progress_is_its_own(bench: Bench) -> None:
    class Both(Progress):
        def __init__(self) -> None:
            self.own = {"fast": Recording(), "slow": Recording()}

        def side_by_side(self, names: Any) -> Any:
            return [self.own[name] for name in names]

    progress = Both()
    bench.run(fast(), slow(), progress=progress)
    assert progress.own["fast"].phases[0] == ["checking, measuring memory", 2, 2]
    assert progress.own["slow"].phases == progress.own["fast"].phases


def test_a_worker_that_hangs_does_not_hold_up_an_interrupt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, and that is no failure of its case."""
    from edgebench import side_by_side

    monkeypatch.setattr(side_by_side, "_GRACE_S", 0.01)
    hung, killed = threading.Event(), threading.Event()
    request = edgebench.devices.fake._FakeLink.request

    def hanging(self: Any, command: str, timeout_s: float, **fields: Any) -> Any:
        if self._device.name == "slow" and command == "burst":
            hung.set()
            assert killed.wait(60)
            raise edgebench.errors.WorkerDied("killed")
        if self._device.name == "fast" and command == "burst":
            assert hung.wait(60)
            raise KeyboardInterrupt
        return request(self, command, timeout_s, **fields)

    monkeypatch.setattr(edgebench.devices.fake._FakeLink, "request", hanging)
    monkeypatch.setattr(edgebench.devices.fake._FakeLink, "abort", lambda _: killed.set())
    devices = fast(), slow()
    stored = run_spec(bench.spec(), devices=devices)
    assert [case.failure.code for case in stored.record.cases if case.failure] == ["interrupted"] * 4


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, images: Path) -> dict[str, Any]:
    """Runs with accuracy on two devices, by what became of the slow one."""
    found = {}
    for name, options in (("finished", {}), ("lost", {"cuts": [("predict", 1)], "reconnects": [DeviceLost("gone")]})):
        bench = Bench(tmp_path_factory.mktemp(name))
        found[name] = bench.run(fast(), slow(**options), data=DataSpec(f"folder:{images}", normalize="-1..1"))
    return found


def test_what_to_ship_is_said_of_each_device(compared: dict[str, Any]) -> None:
    """The answer is not the same on both; and within a device nothing needs its name again."""
    stored = compared["finished"]
    text = render_table(stored.record, predictions=stored.predictions)
    assert "net on fast: Ship b: the fastest of 2 that keep to the rule" in text
    assert "net on slow: Ship a: the fastest of 2 that keep to the rule" in text
    table = text.partition("net on fast\n")[2].partition("What to ship")[0]
    assert "@" not in table
    assert "device" not in table
    page = (stored.folder / "report.html").read_text()
    assert [page.count(f"net on {name}") > 1 for name in ("fast", "slow")] == [True, True]
    told = render_markdown(stored.record, stored.predictions)
    assert "net on slow: Ship a" in told


def test_what_to_ship_is_said_of_devices_that_came_to_the_end(compared: dict[str, Any]) -> None:
    stored = compared["lost"]
    text = render_table(stored.record, predictions=stored.predictions)
    assert "net on fast: Ship b:" in text
    assert "slow dropped out: nothing is recommended for it." in text
    assert "slow dropped out: its rows are not complete and are not ranked." in text
    assert "net on fast: b answers all" in text
    assert "net on slow: Ship" not in text
    assert "stopped by hand" not in text
    assert "the run was interrupted" not in text
    rows = {row.case.case_id: row for row in build_table(stored.record).rows}
    assert all(rows[case.case_id].cells["p50"].value for case in stored.record.cases)


class Turn:
    """Stands for the lock that keeps this machine from doing two things: notes how much was asked of a device."""

    def __init__(self, device: FakeDevice) -> None:
        self.device = device
        self.held: list[tuple[int, int]] = []
        self._begun = 0

    def __enter__(self) -> None:
        self._begun = len(self.device.log)

    def __exit__(self, *_: object) -> None:
        self.held.append((self._begun, len(self.device.log)))


def test_nothing_else_works_here_while_this_machine_is_timed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of this machine is in its turn, whole; those of other devices need none."""

    class Here(FakeDevice):
        pass

    monkeypatch.setattr("edgebench.runner.LocalDevice", Here)
    for kind, blocks in ((Here, 3), (FakeDevice, 0)):
        device = kind(FAST, name="fast")
        plan = plan_device(bench.spec(), device).plan
        turn = Turn(device)
        begun = len(device.log)
        runner = Runner(device, plan, bench.spec().settings, host_turn=turn)
        runner.run()
        held = [(first, last) for first, last in turn.held if last > first]
        assert len(held) == blocks
        bursts = [place for place, (_, command) in enumerate(device.log) if command == "burst" and place >= begun]
        inside = [place for place in bursts if any(first <= place < last for first, last in held)]
        assert len(inside) == (len(bursts) - 2 if blocks else 0)  # two are for memory
