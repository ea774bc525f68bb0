"""Engine benchmark_model end to end, over the shell of this machine as a device: nothing but the tool is made up."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from devices.local_transport import LocalTransport, at_once
from edgebench.api import resume_run, run_spec
from edgebench.benchmark_model.meter import meter_device
from edgebench.devices.local import LocalDevice
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.devices.shell import ShellDevice
from edgebench.dry_run import dry_run
from edgebench.errors import DeviceLost, DeviceRefused, StoreError, UsageError
from edgebench.findings import Verdict
from edgebench.records import Coverage, Delegate, DelegateKind, Engine, Status
from edgebench.report.dry_run import render_dry_run
from edgebench.run_cli import exit_code
from edgebench.spec import Spec
from edgebench.store import RAW_LOG_FILE, StoredRun, load
from edgebench.worker.keeper_files import MARKER
from harness import SHORT, model

from .official import Build, mean_us, write_tool

FLOAT32 = Path(model("float32"))
MEAN_NS = mean_us(FLOAT32.stat().st_size, 1) * 1e3
#: Programs that a phone's shell has; no Python among them.
PROGRAMS = ("sh", "cat", "mkdir", "mv", "rm", "wc", "cut", "uname", "sed", "grep", "chmod", "taskset", "timeout",
            "sha256sum", "flock", "head")  # fmt: skip


class Phone:
    """A phone's home, and the transports that were made to it. ``without`` are programs that it lacks."""

    def __init__(self, folder: Path, *without: str) -> None:
        self.home = folder / "phone"
        self.home.mkdir()
        (folder / "tmp").mkdir()
        programs = folder / "programs"
        programs.mkdir()
        for name in set(PROGRAMS) - set(without):
            found = shutil.which(name)
            if found is None:
                pytest.skip(f"no program {name} here")
            (programs / name).symlink_to(found)
        self.environment = {"PATH": str(programs), "TMPDIR": str(folder / "tmp")}
        self.transports: list[LocalTransport] = []

    def connect(self) -> LocalTransport:
        self.transports.append(LocalTransport(self.home, self.environment, "echo Welcome"))
        return self.transports[-1]

    def device(self, **options: Any) -> RemoteDevice:
        return RemoteDevice("phone", self.connect, RemoteSettings(**options), reach=at_once)

    @property
    def root(self) -> Path:
        return self.home / ".cache" / "edgebench"


@pytest.fixture
def phone(tmp_path: Path) -> Phone:
    return Phone(tmp_path)


Run = Callable[..., StoredRun]


@pytest.fixture
def run(phone: Phone, tmp_path: Path) -> Iterator[Run]:
    opened: list[RemoteDevice] = []

    def measured(build: Build | None = None, *, models: tuple[str, ...] = (str(FLOAT32),), **options: Any) -> StoredRun:
        device = options.pop("device", None) or phone.device()
        opened.append(device)
        out = options.pop("out", None)
        tool = write_tool(tmp_path / "tool", build)
        options.setdefault("settings", SHORT)
        options.setdefault("benchmark_model", str(tool))
        spec = Spec(models, engines=options.pop("engines", (Engine.BENCHMARK_MODEL,)), **options)
        return run_spec(spec, device=device, out=out)

    yield measured
    for device in opened:
        device.close()


def only(stored: StoredRun) -> Any:
    (case,) = stored.record.cases
    return case


def failure(stored: StoredRun) -> str:
    case = only(stored)
    assert case.status is Status.FAILED
    return f"{case.failure.code}: {case.failure.message}"


def test_a_case_end_to_end(run: Run, tmp_path: Path) -> None:
    stored = run(out=tmp_path / "results")
    case = only(stored)
    assert case.status is Status.OK, case.failure
    assert case.case_id.endswith("@phone/benchmark_model.tflite+default/t1")
    latency = case.latency
    assert (latency.summary_of, latency.count, latency.warmup_count) == ("benchmark_model", 12, 3)
    assert latency.mean_ns == pytest.approx(MEAN_NS, rel=1e-6)
    assert latency.p50_ns == pytest.approx(int(MEAN_NS / 1e3) * 1e3 - 1e3, rel=1e-6)
    assert latency.unavailable == {
        "p90_ns": "benchmark_model does not report it",
        "p95_ns": "n too small: 12 samples, 130 needed",
        "p99_ns": "benchmark_model does not report it",
    }
    assert (case.load_ns, case.first_inference_ns) == (3_337_000, round(int(MEAN_NS / 1e3) * 1e3 + 40e3))
    assert (case.memory.peak_rss_bytes, case.memory.grown_bytes) == (13819917, 9097215)
    assert case.memory.definition.startswith("benchmark_model's own: the largest resident set of its whole process")
    assert (case.delegation.coverage, case.delegation.delegated_nodes) == (Coverage.FULL, 10)
    assert case.runtime.package == "benchmark_model"
    assert case.runtime.version.startswith("sha256:")
    assert case.verdict is Verdict.VALID
    assert case.unchecked["drift"] == "benchmark_model reports summaries: no ratio, no gate"
    assert case.unavailable["accuracy"] == "benchmark_model answers no images"
    assert case.comparison is None
    assert stored.samples.empty
    assert exit_code(stored) == 0
    again = load(stored.folder) if stored.folder else stored
    assert again.record == stored.record


def test_the_raw_output_lies_beside_the_run(run: Run, tmp_path: Path) -> None:
    stored = run(out=tmp_path / "results", profile=True)
    assert stored.folder is not None
    text = (stored.folder / RAW_LOG_FILE).read_text(encoding="utf-8")
    case = only(stored)
    for purpose in ("times", "memory", "operators"):
        assert f"=== {case.case_id}, {purpose}: " in text
    assert text.count("INFO: Inference timings in us: Init: 3337") == 3
    assert text.count("=== ended with exit code 0") == 3
    assert "Welcome" not in text


def test_nothing_is_left_there_but_files_by_content(run: Run, phone: Phone) -> None:
    first = run()
    (device,) = first.record.devices
    assert device.bytes_sent is not None
    assert device.bytes_sent >= FLOAT32.stat().st_size
    left = {path.relative_to(phone.root).parts[0] for path in phone.root.rglob("*") if path.is_file()}
    assert left == {"files", MARKER}
    second = run(device=phone.device())
    assert second.record.devices[0].bytes_sent == 0


def test_operators_are_shares_without_ranges(run: Run) -> None:
    found = only(run(profile=True)).operators
    assert found.reported_by == "benchmark_model"
    assert [(item.key.tag, item.key.delegated, round(item.share, 3)) for item in found.operators] == [
        ("CONV_2D", False, 0.6), ("Convolution (NHWC, F32) IGEMM", True, 0.3), ("SOFTMAX", False, 0.1),
    ]  # fmt: skip
    assert found.operators[0].output_names == ("M/Conv2d_0/Relu6",)
    assert found.operators_us == 79_732.0
    assert found.operators[1].time_us == pytest.approx(0.3 * 79_732)


@pytest.mark.parametrize("kind", [DelegateKind.GPU, DelegateKind.NNAPI, DelegateKind.XNNPACK])
def test_a_delegate_that_takes_a_part_is_doubted(run: Run, kind: DelegateKind) -> None:
    case = only(run(Build(taken=7), delegates=(Delegate(kind),)))
    assert case.status is Status.OK
    assert (case.delegation.coverage, case.delegation.delegated_nodes, case.delegation.total_nodes) == (
        Coverage.PARTIAL, 7, 10,
    )  # fmt: skip
    assert [finding.code.value for finding in case.findings] == ["partial"]
    assert case.verdict is Verdict.SUSPECT


def test_no_delegate_and_none_that_took_anything(run: Run) -> None:
    case = only(run(delegates=(Delegate(DelegateKind.NONE),)))
    assert case.delegation.coverage is Coverage.NOTHING
    stored = run(Build(taken=0), delegates=(Delegate(DelegateKind.GPU),))
    assert (only(stored).latency, only(stored).load_ns) == (None, None)  # they would be the CPU's
    idle = failure(stored)
    assert idle == "delegate-idle: delegate gpu took none of the nodes"
    lacking = failure(run(Build(absent=("GPU",)), delegates=(Delegate(DelegateKind.GPU),)))
    assert lacking == "no-delegate: this benchmark_model has no gpu delegate on this platform"


def test_all_of_a_delegate_is_asked_of_the_tool_itself(run: Run) -> None:
    settings = replace(SHORT, require_full=True)
    said = failure(run(Build(taken=7), delegates=(Delegate(DelegateKind.GPU),), settings=settings))
    assert said == (
        "runtime-refused: benchmark_model ended with exit code 1: Disallowed CPU fallback detected.; "
        "Benchmarking failed."
    )


def test_an_external_delegate_is_sent_with_its_options(run: Run, tmp_path: Path) -> None:
    library = tmp_path / "libmine.so"
    library.write_bytes(b"a library")
    stored = run(delegates=(Delegate(DelegateKind.EXTERNAL, str(library), {"a": "1", "b": "x y"}),))
    assert only(stored).delegation.coverage is Coverage.FULL
    assert "'--external_delegate_options=a:1;b:x y'" in stored.raw_log
    assert "+external-mine/" in only(stored).case_id


def test_cpus_by_a_mask(run: Run, phone: Phone) -> None:
    stored = run(cpus=("0",))
    assert only(stored).cpu_numbers == (0,)
    assert stored.raw_log.count("taskset 1 ") == 2
    with pytest.raises(UsageError, match="--cpus 4000: may not use CPU 4000"):
        run(cpus=("4000",), device=phone.device())


def test_threads_are_cases(run: Run) -> None:
    stored = run(threads=(1, 2))
    assert [case.threads for case in stored.record.cases] == [1, 2]
    halves = [case.latency.mean_ns for case in stored.record.cases if case.latency]
    assert halves[1] == pytest.approx(halves[0] / 2, rel=1e-3)
    assert all(case.comparison is None for case in stored.record.cases)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (Build(fault="Failed to apply GPU delegate."),
         "runtime-refused: benchmark_model ended with exit code 1: Failed to apply GPU delegate.; Benchmarking"),
        (Build(fault="crash"), "worker-died: benchmark_model ended by SIGSEGV: INFO: Loaded model"),
        (Build(fault="garbage"), "protocol: not understood, line 5: 'INFO: count=9 first=81913 curr=554'"),
        (Build(flags=tuple(sorted({"graph", "num_threads", "num_runs", "min_secs", "max_secs", "warmup_runs",
                                   "result_file_path"}))),
         "unknown-flag: this benchmark_model does not know --warmup_min_secs=0: it would have measured something else"),
        (Build(extra="INFO: count=3 first=9 curr=9 min=9 max=10 avg=9.3 std=0\n"),
         "protocol: more than one run in this log: line 10"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_that_cases_result(run: Run, build: Build, expected: str) -> None:
    stored = run(build)
    assert failure(stored).startswith(expected)
    assert exit_code(stored) == 3
    assert stored.raw_log.startswith("=== ")


def test_a_tool_that_hangs_is_killed(run: Run) -> None:
    settings = replace(SHORT, timeout_s=1.0, max_time_ns=0)
    assert failure(run(Build(fault="hang"), settings=settings)).startswith(
        "timeout: benchmark_model did not end within 1 s"
    )


def test_a_profile_that_fails_leaves_the_rest(run: Run) -> None:
    case = only(run(Build(fault="No profiler.", fault_in="enable_op_profiling"), profile=True))
    assert case.status is Status.OK
    assert case.latency is not None
    assert case.unavailable["operators"].endswith("exit code 1: No profiler.; Benchmarking failed.")


def test_an_old_build_without_levels_percentiles_and_result_file(run: Run) -> None:
    case = only(run(Build(levels=False, percentiles=False, result=False)))
    assert case.status is Status.OK
    assert case.latency.mean_ns == pytest.approx(MEAN_NS, rel=1e-5)
    assert case.latency.p50_ns is None
    assert case.latency.unavailable["p50_ns"].startswith("this build of benchmark_model reports no median; the mean is")


def test_the_tool_that_lies_on_the_device(run: Run, phone: Phone, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="phone has no benchmark_model; name the binary for its system"):
        run(benchmark_model=None, device=phone.device())
    write_tool(phone.root / "benchmark_model")
    assert only(run(benchmark_model=None, device=phone.device())).status is Status.OK


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"PK", "is no program"), (b"\x7fELF\x02\x01" + bytes(12) + b"\x28\x00", "32-bit ARM")],
)
def test_a_binary_that_cannot_be(run: Run, tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "binary"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        run(benchmark_model=str(path))


def test_a_binary_that_is_not_there_is_said_before_the_device_is_asked() -> None:
    def connect() -> LocalTransport:
        raise DeviceLost("it was asked")

    device = RemoteDevice("phone", connect, reach=at_once)
    spec = Spec((str(FLOAT32),), engines=(Engine.BENCHMARK_MODEL,), settings=SHORT, benchmark_model="nowhere")
    with pytest.raises(UsageError, match="--benchmark-model nowhere: No such file"):
        run_spec(spec, device=device)


@pytest.mark.parametrize("lacking", ["sha256sum", "flock", "timeout"])
def test_a_phone_that_lacks_a_program(tmp_path: Path, lacking: str) -> None:
    folder = tmp_path / "poor"
    folder.mkdir()
    device = Phone(folder, lacking).device()
    spec = Spec(
        (str(FLOAT32),), engines=(Engine.BENCHMARK_MODEL,), settings=SHORT,
        benchmark_model=str(write_tool(tmp_path / "tool")),
    )  # fmt: skip
    assert only(run_spec(spec, device=device)).status is Status.OK
    device.close()


def test_two_runs_do_not_measure_at_once(run: Run, phone: Phone) -> None:
    other = meter_device(phone.device(purpose="edgebench run other"))
    assert other is not None
    assert other.shell() is phone.transports[0]
    with pytest.raises(DeviceRefused, match=r"it is in use by .+@.+ \(edgebench run other, process \d+\) since"):
        run()
    other.close()
    assert only(run(device=phone.device())).status is Status.OK


def test_a_ctrl_c_ends_the_tool_there_too(run: Run, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    plain = LocalTransport.run

    def stop(self: LocalTransport, command: Any, **options: Any) -> Any:
        if not any(str(word).startswith("--num_runs") for word in command):
            return plain(self, command, **options)
        tool = subprocess.Popen(command, stdout=subprocess.PIPE, env=self._environment)
        begun.append(tool)
        assert tool.stdout is not None
        assert any(b"INFO" in line for line in tool.stdout)  # the tool's own first words
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalTransport, "run", stop)
    assert run(Build(fault="hang")).record.interrupted
    (tool,) = begun
    with tool:
        assert tool.wait(30) == -signal.SIGKILL
    assert not list((phone.root / "scratch").iterdir())


def test_a_lost_connection_costs_the_case_under_way(run: Run, phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[int] = []
    plain = LocalTransport.run

    def cut_once(self: LocalTransport, command: Any, **options: Any) -> Any:
        if any(str(word).startswith("--enable_op") for word in command) and not lost:
            lost.append(1)
            self.lost = True
            raise DeviceLost("phone: the connection was lost")
        return plain(self, command, **options)

    monkeypatch.setattr(LocalTransport, "run", cut_once)
    stored = run(profile=True, threads=(1, 2))
    assert [case.status for case in stored.record.cases] == [Status.OK, Status.OK]
    assert all(case.operators for case in stored.record.cases)
    (said,) = stored.record.warnings
    assert said.startswith("phone: the connection was lost while running benchmark_model")
    assert stored.raw_log.count(", times: ") == 2


def test_a_run_that_was_cut_off_is_gone_on_with(
    run: Run, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured is kept word for word; the binary must be the one that began."""
    plain = LocalTransport.run
    broken = [True]

    def cut(self: LocalTransport, command: Any, **options: Any) -> Any:
        if broken and "--num_threads=2" in command:
            raise DeviceLost("phone: the connection was lost")
        return plain(self, command, **options)

    monkeypatch.setattr(LocalTransport, "run", cut)
    stored = run(threads=(1, 2), out=tmp_path / "results")
    assert [case.latency is not None for case in stored.record.cases] == [True, False]
    assert {case.status for case in stored.record.cases} == {Status.INTERRUPTED}
    assert stored.folder is not None
    broken.clear()
    tool = tmp_path / "tool"
    content = tool.read_text(encoding="utf-8")
    tool.write_text(f"{content}# another build\n", encoding="utf-8")
    with pytest.raises(StoreError, match="the runtime's version was sha256:"):
        resume_run(str(stored.folder), tmp_path / "results", device=phone.device())
    tool.write_text(content, encoding="utf-8")
    whole = resume_run(str(stored.folder), tmp_path / "results", device=phone.device())
    assert [case.status for case in whole.record.cases] == [Status.OK, Status.OK]
    assert whole.raw_log.startswith(stored.raw_log.partition("=== ended")[0])
    assert (stored.folder / RAW_LOG_FILE).read_text(encoding="utf-8") == whole.raw_log
    assert whole.raw_log.count(", times: ") == 2


def test_with_another_engine_its_cases_stand_beside(run: Run, tmp_path: Path) -> None:
    """A board with a Python runs both; only what was measured in turns is compared."""
    board = Phone(_folder(tmp_path / "board"))
    board.environment.pop("PATH")
    device = RemoteDevice("board", board.connect, RemoteSettings(python=sys.executable), reach=at_once)
    python = json.dumps(sys.executable).strip('"')
    stored = run(
        device=device,
        engines=(Engine.INTERPRETER, Engine.BENCHMARK_MODEL),
        pythons=(_target(python),),
    )
    device.close()
    ways = [(case.engine.value, case.threads, case.comparison is not None) for case in stored.record.cases]
    assert ways == [("interpreter", 1, False), ("benchmark_model", 1, False)]
    assert [case.status for case in stored.record.cases] == [Status.OK, Status.OK]
    assert set(stored.samples["case"]) == {stored.record.cases[0].case_id}
    assert stored.record.cases[0].device_parity is not None
    # The helper program waits for nothing that the tool waits for.
    assert "another process" in stored.record.cases[1].unchecked["preempted"]
    assert "preempted" not in [finding.code.value for finding in stored.record.cases[1].findings]


def test_on_this_machine_there_is_no_such_engine(tmp_path: Path) -> None:
    spec = Spec((str(FLOAT32),), engines=(Engine.BENCHMARK_MODEL,), settings=SHORT)
    with pytest.raises(
        UsageError, match="local: engine benchmark_model runs on a device that is reached over SSH or adb"
    ):
        run_spec(spec, device=LocalDevice())
    assert meter_device(LocalDevice()) is None


def test_a_dry_run_starts_nothing(phone: Phone, tmp_path: Path) -> None:
    device = phone.device()
    tool = write_tool(tmp_path / "tool", Build(fault="crash"))
    spec = Spec(
        (str(FLOAT32), f"m/other={FLOAT32}"),
        engines=(Engine.BENCHMARK_MODEL,),
        settings=SHORT,
        benchmark_model=str(tool),
    )
    found = dry_run(spec, tmp_path / "results", device)
    device.close()
    assert [len(group) for group in found.groups] == [1, 1]
    assert list(found.parts) == ["running benchmark_model"]
    assert "running benchmark_model" in render_dry_run(found)
    assert not (phone.root / "files").exists()


def test_what_a_phone_tells_without_python(phone: Phone) -> None:
    device = meter_device(phone.device())
    assert isinstance(device, ShellDevice)
    found = device.environment()
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    assert (found.machine, found.python) == (machine, "none")
    assert found.cpus_logical
    assert found.memory_total_bytes
    assert found.cpus_allowed == len(device.allowed_cpus())
    with pytest.raises(DeviceRefused, match="--set-governor performance: nothing there can be asked"):
        device.set_governor("performance")
    device.close()


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _target(python: str) -> Any:
    from edgebench.spec import PythonTarget

    return PythonTarget(python)
