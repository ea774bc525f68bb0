"""Engine benchmark_model on a phone without Python, over the real daemon, with a tool that really runs the models."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from edgebench.api import resume_run, run_spec
from edgebench.benchmark_model.meter import meter_device
from edgebench.cli import main
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_address import AdbAddress
from edgebench.devices.opening import PHONE_FOLDER
from edgebench.devices.remote import RemoteDevice, RemoteSettings
from edgebench.errors import DeviceRefused
from edgebench.records import Coverage, Engine, Status
from edgebench.setup.cleaning import clean_device
from edgebench.spec import Spec
from edgebench.store import RAW_LOG_FILE, StoredRun, load
from edgebench.worker.keeper_files import MARKER
from harness import SHORT

from .adb_client import lead_to
from .local_transport import at_once
from .phone import SMALL, Phone
from .runners import give_library, require_runner
from .support import wait_for

pytestmark = pytest.mark.phone

SAMPLE = Path(__file__).resolve().parents[2] / "models/sample"
#: Of the graph's nodes, those that XNNPACK takes: as the interpreter on this machine tells them, too.
NODES = {"float16": (172, 172), "float32": (66, 66), "int8": (65, 66)}
SHORT_FLAGS = ("--min-runs", "3", "--min-time", "0s", "--max-time", "1s", "--warmup", "0s")

Run = Callable[..., int]
Open = Callable[..., RemoteDevice]


@pytest.fixture
def tool(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tool's binary, for a phone on which nothing of ours is; nothing is left there."""
    binary = require_runner() / "runner"
    give_library(phone)
    lead_to(phone.server, monkeypatch)
    yield binary
    phone.run("rm", "-rf", PHONE_FOLDER)


@pytest.fixture
def run(phone: Phone, tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line on the phone and return its exit code; the runs are in ``tmp_path``/results."""
    monkeypatch.chdir(tmp_path)

    def measured(*words: str, model: str = "int8", binary: Path | None = tool, device: str = "") -> int:
        where = str(SAMPLE if model == "all" else SAMPLE / f"{model}.tflite")
        named = [] if binary is None else ["--benchmark-model", str(binary)]
        flags = ["--device", device or f"adb://{phone.serial}", "--engine", "benchmark_model", *named, *SHORT_FLAGS]
        return main(["run", where, *flags, "--out", str(tmp_path / "results"), *words])

    return measured


@pytest.fixture
def open_device(phone: Phone, tool: Path) -> Iterator[Open]:
    opened: list[RemoteDevice] = []

    def make(purpose: str = "edgebench", other: Phone = phone) -> RemoteDevice:
        settings = RemoteSettings(folder=PHONE_FOLDER, purpose=purpose)
        opened.append(RemoteDevice("phone", lambda: AdbTransport(AdbAddress(other.serial)), settings, reach=at_once))
        return opened[-1]

    yield make
    for device in opened:
        device.close()


def stored(tmp_path: Path) -> StoredRun:
    """Return the last run that was stored."""
    return load(max((tmp_path / "results").iterdir()))


def log_of(found: StoredRun) -> str:
    assert found.folder is not None
    return (found.folder / RAW_LOG_FILE).read_text(encoding="utf-8")


def spec_of(tool: Path, **options: Any) -> Spec:
    return Spec(
        (str(SAMPLE / "int8.tflite"),),
        engines=(Engine.BENCHMARK_MODEL,),
        settings=SHORT,
        benchmark_model=str(tool),
        **options,
    )


def failures(tmp_path: Path) -> list[str]:
    return [
        f"{case.failure.code}: {case.failure.message}" if case.failure else "" for case in stored(tmp_path).record.cases
    ]


def test_every_variant_of_a_model_on_a_bare_phone(run: Run, phone: Phone, tmp_path: Path) -> None:
    assert run(model="all") == 0
    found = stored(tmp_path)
    assert {case.variant: case.status for case in found.record.cases} == dict.fromkeys(NODES, Status.OK)
    for case in found.record.cases:
        assert case.latency is not None
        assert case.memory is not None
        assert case.delegation is not None
        assert (case.latency.summary_of, case.latency.count >= 3) == ("benchmark_model", True)
        assert case.latency.min_ns <= case.latency.mean_ns
        assert case.load_ns
        assert case.first_inference_ns
        assert 5_000_000 < (case.memory.peak_rss_bytes or 0) < 200_000_000
        assert 0 < (case.memory.grown_at_init_bytes or 0) <= (case.memory.grown_bytes or 0)
        taken, total = NODES[case.variant]
        assert (case.delegation.delegated_nodes, case.delegation.total_nodes) == (taken, total)
        assert case.delegation.coverage is (Coverage.FULL if taken == total else Coverage.PARTIAL)
        assert case.comparison is None
    assert found.samples.empty
    assert log_of(found).count("=== ended with exit code 0") == 2 * len(NODES)
    assert found.record.devices[0].environment.system.startswith("Android 14")
    left = phone.run("sh", "-c", f"cd {PHONE_FOLDER} && ls && ls scratch parts").stdout.split()
    assert left == ["edgebench-device-folder", "files", "parts", "scratch", "parts:", "scratch:"]


def test_two_runs_send_everything_once_and_another_measures_what_setup_has_put_there(
    run: Run, phone: Phone, tool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(binary=None) == 2
    assert f"{phone.serial} has no benchmark_model" in capsys.readouterr().err.replace("-", ":")
    assert run() == 0
    sent = stored(tmp_path).record.devices[0].bytes_sent
    assert sent == tool.stat().st_size + (SAMPLE / "int8.tflite").stat().st_size
    assert run() == 0
    assert stored(tmp_path).record.devices[0].bytes_sent == 0
    runtime = stored(tmp_path).record.cases[0].runtime
    assert runtime is not None
    assert (runtime.package, runtime.version[:7]) == ("benchmark_model", "sha256:")
    assert main(["device", "setup", f"adb://{phone.serial}", "--benchmark-model", str(tool)]) == 0
    assert f"sent: 0.1 MB, to {PHONE_FOLDER}/benchmark_model\n" in capsys.readouterr().out
    assert phone.run("stat", "-c", "%a", f"{PHONE_FOLDER}/benchmark_model").stdout == "700\n"
    assert main(["device", "check", f"adb://{phone.serial}"]) == 0
    told = rf"\nbenchmark_model  {runtime.version}, 0\.\d+ MB, from {tool}, fetched 20"
    assert re.search(told, capsys.readouterr().out)
    assert run(binary=None) == 0
    assert stored(tmp_path).record.cases[0].runtime == runtime
    assert main(["device", "clean", f"adb://{phone.serial}"]) == 0
    assert phone.path(PHONE_FOLDER).exists() is False


def test_threads_and_cpus_are_asked_of_the_phone(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--cpus", "0", "--threads", "1,2") == 0
    found = stored(tmp_path)
    log = log_of(found)
    assert [case.cpu_numbers for case in found.record.cases] == [(0,), (0,)]
    assert log.count(": taskset 1 /data/local/tmp/edgebench/files/") == 4
    assert [log.count(f"Num threads: [{threads}]") for threads in (1, 2)] == [2, 2]
    assert run("--cpus", "4000") == 2
    assert "--cpus 4000: may not use CPU 4000" in capsys.readouterr().err


def test_delegates_that_a_phone_s_tool_has_not_are_those_cases_errors(run: Run, tmp_path: Path) -> None:
    """An external delegate's flags are none of this tool's: it would have measured something else."""
    library = tmp_path / "libmine.so"
    library.write_bytes(b"a library")
    assert run("--delegate", f"default,none,gpu,nnapi,external:{library}") == 3
    found = stored(tmp_path)
    assert [case.status is Status.OK for case in found.record.cases] == [True, True, False, False, False]
    by_default, none = (case.delegation for case in found.record.cases[:2])
    assert by_default is not None
    assert none is not None
    assert (by_default.coverage, none.coverage) == (Coverage.PARTIAL, Coverage.NOTHING)
    gpu, nnapi, external = failures(tmp_path)[2:]
    assert gpu == "no-delegate: this benchmark_model has no gpu delegate on this platform"
    assert nnapi == "no-delegate: this benchmark_model has no nnapi delegate on this platform"
    assert external.startswith("unknown-flag: this benchmark_model does not know --external_delegate_path=/data/local")


def test_a_profile_that_the_tool_has_not_leaves_the_rest(run: Run, tmp_path: Path) -> None:
    assert run("--profile") == 0
    (case,) = stored(tmp_path).record.cases
    assert case.latency is not None
    assert case.unavailable["operators"].startswith("this benchmark_model does not know --enable_op_profiling=true")


def test_all_of_xnnpack_is_asked_of_the_tool_itself(run: Run, tmp_path: Path) -> None:
    assert run("--delegate", "xnnpack", "--require-full", model="all") == 3
    found = stored(tmp_path)
    assert {case.variant: case.status is Status.OK for case in found.record.cases} == {
        "float16": True, "float32": True, "int8": False,
    }  # fmt: skip
    assert "Disallowed CPU fallback detected." in failures(tmp_path)[2]


def test_a_binary_for_another_processor_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(binary=Path("/bin/true")) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "edgebench: error: --benchmark-model /bin/true: is built for x86-64, and the device is aarch64"


def test_a_disk_that_is_full(
    run: Run, phone: Phone, tmp_path: Path, capsys: pytest.CaptureFixture[str], tool: Path
) -> None:
    (tmp_path / "edgebench.toml").write_text(f'[devices.full]\nadb = "{phone.serial}"\nfolder = "{SMALL}/edgebench"\n')
    phone.fill_disk(left_bytes=100_000)
    try:
        assert run(device="full") == 3
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"edgebench: error: {phone.serial}: int8.tflite cannot be written there: ")
        assert said.endswith("No space left on device")
    finally:
        phone.empty_disk()
    assert run(device="full") == 0
    assert main(["device", "clean", "full"]) == 0
    assert phone.run("ls", SMALL).stdout == ""


def test_a_phone_that_another_run_has(
    run: Run, open_device: Open, phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    other = meter_device(open_device("edgebench run other"))
    assert other is not None
    other.shell()
    assert run() == 3
    assert "it is in use by" in capsys.readouterr().err
    with pytest.raises(DeviceRefused, match=r"it is in use by .+ \(edgebench run other, process \d+\) since"):
        clean_device(open_device())
    other.close()
    assert run() == 0


def test_the_daemon_is_killed_during_a_case_and_the_run_is_gone_on_with(
    phone: Phone, tool: Path, open_device: Open, tmp_path: Path
) -> None:
    asked = spec_of(tool, threads=(1, 2))
    killer = _Killer(phone, "--num_threads=2")
    cut = run_spec(asked, device=open_device(), out=tmp_path / "results")
    killer.join()
    assert [case.latency is not None for case in cut.record.cases] == [True, False]
    (said,) = cut.record.warnings
    assert said.startswith(f"phone: dropped out, so its cases are not finished: {phone.serial}: ")
    phone.start_daemon()
    whole = resume_run(str(cut.folder), tmp_path / "results", device=open_device())
    assert [case.status for case in whole.record.cases] == [Status.OK, Status.OK]
    assert whole.raw_log.startswith(cut.raw_log.partition("=== ended")[0])
    assert killer.tool is not None
    assert not killer.tool.is_running()  # it would have gone on beside the second measurement
    assert phone.run("ls", f"{PHONE_FOLDER}/scratch").stdout == ""


def test_what_is_there_but_not_ours_is_left_alone(phone: Phone, tool: Path, tmp_path: Path, open_device: Open) -> None:
    phone.run("mkdir", "-p", f"{PHONE_FOLDER}/files")
    with pytest.raises(DeviceRefused, match="has something of others called files; name another folder"):
        run_spec(spec_of(tool), device=open_device())
    with pytest.raises(DeviceRefused, match=f"has no file {MARKER}: nothing is removed there"):
        clean_device(open_device())
    phone.run("rm", "-rf", PHONE_FOLDER)
    assert run_spec(spec_of(tool), device=open_device()).record.cases[0].status is Status.OK
    phone.run("sh", "-c", f"echo mine > {PHONE_FOLDER}/notes; echo mine > {PHONE_FOLDER}/benchmark_model")
    cleaned = clean_device(open_device(), files_only=True)
    assert cleaned.removed_bytes == tool.stat().st_size + (SAMPLE / "int8.tflite").stat().st_size
    assert clean_device(open_device()).left == ("benchmark_model", "notes")  # a person's own tool, too
    with pytest.raises(DeviceRefused, match=f"has no file {MARKER}: nothing is removed there"):
        clean_device(open_device())


class _Killer:
    """Kills a phone's daemon once the tool runs there with a flag, and keeps which process that was."""

    def __init__(self, phone: Phone, flag: str) -> None:
        self.tool: psutil.Process | None = None
        self._phone = phone
        self._flag = flag
        self._thread = threading.Thread(target=self._kill, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(60)

    def _kill(self) -> None:
        if wait_for(self._found):
            self._phone.kill_daemon()

    def _found(self) -> bool:
        scratch = self._phone.path(f"{PHONE_FOLDER}/scratch")
        cases = [path.name for path in scratch.iterdir()] if scratch.is_dir() else []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            tool = any(word.startswith(f"{PHONE_FOLDER}/files/") for word in words[:3])
            if tool and self._flag in words and any(case in word for case in cases for word in words):
                self.tool = process
        return self.tool is not None
