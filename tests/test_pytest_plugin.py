"""The plugin in pytest sessions of its own, with real models, with and without pytest-benchmark and xdist."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edgebench.store import find_run, load
from edgebench.testing.replay import MOST_ROUNDS
from pytest_sessions import MODELS, SUITE, Folder

with_xdist = pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "project")


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, subprocess.CompletedProcess[str]]:
    """One timed session of the suite, saved by pytest-benchmark, stored by edgebench."""
    folder = Folder(tmp_path_factory.mktemp("timed") / "project")
    done = folder.run(str(SUITE), "--models", "net", "--blocks", "3", "--edgebench-out", "runs", "--benchmark-save=one")
    return folder, done


def _saved(folder: Folder, number: int = 1) -> dict[str, Any]:
    (file,) = folder.path.glob(f".benchmarks/*/000{number}_*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_the_suite_has_a_test_for_each_case_in_one_run(timed: tuple[Folder, Any]) -> None:
    folder, done = timed
    assert done.returncode == 0, done.stdout
    assert "test_model[net/float32-default-t1]" in done.stdout
    assert "test_model[net/int8-default-t1]" in done.stdout
    run = load(find_run("latest", folder.path / "runs"))
    assert [case.variant for case in run.record.cases] == ["float32", "int8"]
    assert len(list((folder.path / "runs").glob("*/run.json"))) == 1


def test_pytest_benchmark_has_exactly_the_workers_samples(timed: tuple[Folder, Any]) -> None:
    folder, _ = timed
    samples = load(find_run("latest", folder.path / "runs")).samples
    for item in _saved(folder)["benchmarks"]:
        info = item["extra_info"]
        mine = samples[(samples["case"] == info["case"]) & ~samples["warmup"]]["latency_ns"]
        mine = mine.iloc[:: -(-len(mine) // MOST_ROUNDS)]
        assert item["stats"]["rounds"] == len(mine)
        assert item["stats"]["min"] == mine.min() / 1e9
        assert item["stats"]["median"] == pytest.approx(mine.median() / 1e9, rel=1e-12)
        assert item["stats"]["iterations"] == 1


def test_extra_info_has_what_is_measured_beside_latency(timed: tuple[Folder, Any]) -> None:
    folder, _ = timed
    info = {item["extra_info"]["case"]: item["extra_info"] for item in _saved(folder)["benchmarks"]}
    int8 = next(value for name, value in info.items() if "int8" in name)
    assert int8["size_bytes"] == (MODELS / "int8.tflite").stat().st_size
    assert int8["peak_rss_bytes"] > 10_000_000
    assert int8["delegate"]["asked"] == "default"
    assert int8["verdict"] in ("ok", "suspect", "invalid")
    assert int8["ratio"]["baseline"].startswith("net/float32@")


@pytest.mark.slow
def test_its_commands_compare_and_fail_and_draw(timed: tuple[Folder, Any]) -> None:
    folder, _ = timed
    # The same test ids with a slower model: float32 in the place of int8.
    slower = ["--models", "net/int8=net/float32.tflite", "--blocks", "3"]
    done = folder.run(str(SUITE), *slower, "--benchmark-compare=0001", "--benchmark-compare-fail=median:5%",
                      "--benchmark-save=two")  # fmt: skip
    assert done.returncode != 0
    assert "Performance has regressed" in done.stdout + done.stderr
    assert "0001_one" in done.stdout
    command = shutil.which("pytest-benchmark", path=str(Path(sys.executable).parent))
    assert command is not None
    listed = subprocess.run(
        [command, "compare", "--csv=both.csv", *(["--histogram=drawn"] if importlib.util.find_spec("pygal") else [])],
        cwd=folder.path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert "net/int8-default-t1" in listed.stdout
    assert (folder.path / "both.csv").read_text().count("test_model[net/int8-default-t1]") == 2
    if importlib.util.find_spec("pygal"):
        assert list(folder.path.glob("drawn*.svg"))


def test_only_selected_cases_are_measured(folder: Folder) -> None:
    done = folder.quick(str(SUITE), "--models", "net", "-k", "int8", "--edgebench-out", "runs")
    assert "1 passed, 1 deselected" in done.stdout
    run = load(find_run("latest", folder.path / "runs"))
    assert [case.variant for case in run.record.cases] == ["int8"]


def test_a_damaged_model_is_one_failing_test(folder: Folder) -> None:
    (folder.path / "net" / "broken.tflite").write_bytes(b"no model")
    done = folder.quick(str(SUITE), "--models", "net")
    assert "2 passed, 1 error" in done.stdout
    assert "broken.tflite: is not a TFLite flatbuffer" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "name the models: --models"),
        (
            ["--models", "net", "--device", "mars"],
            "--device mars: no such device; there are: local, or write ssh://USER@HOST",
        ),
        (["--models", "net", "--device", "pi,mars"], "name one device, as 'pi' or 'ssh://pi@raspberrypi.local'"),
        (["--models", "net", "--edgebench-device", "pi,mars"], "--edgebench-device pi,mars: tests measure on one devi"),
        (["--models", "net", "--threads", "two"], "--threads two: write whole numbers"),
        (["--models", "net", "--delegate", "warp"], "--delegate warp: choose"),
    ],
)
def test_the_suite_says_what_is_wrong(folder: Folder, arguments: list[str], line: str) -> None:
    done = folder.quick(str(SUITE), *arguments)
    assert done.returncode != 0
    assert line in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_collecting_imports_no_runtime(folder: Folder) -> None:
    (folder.path / "watch.py").write_text(
        "import sys\n"
        "def pytest_sessionfinish():\n"
        "    heavy = {'ai_edge_litert.interpreter', 'tflite_runtime', 'tensorflow', 'pandas', 'scipy', 'sklearn'}\n"
        "    print('imported:', sorted(heavy & set(sys.modules)))\n"
    )
    done = folder.run(str(SUITE), "--models", "net", "--collect-only", "-q", "-s", "-p", "watch")
    assert "net/int8-default-t1" in done.stdout
    assert "imported: []" in done.stdout


def test_a_session_without_marked_tests_imports_next_to_nothing(folder: Folder) -> None:
    folder.test_file(
        "import sys\ndef test_nothing():\n"
        "    assert not [name for name in sys.modules if name.startswith('edgebench.')\n"
        "                and name not in ('edgebench.errors', 'edgebench.pytest_plugin')]\n"
    )
    done = folder.run()
    assert "1 passed" in done.stdout, done.stdout


def test_a_broken_limit_fails_with_value_interval_limit_and_case(folder: Folder) -> None:
    folder.test_file(
        "@pytest.mark.edgebench('net/int8.tflite', max_size_mb=0.0001, max_peak_mb=5000)\ndef test_size(): ...\n"
        "@pytest.mark.edgebench('net/int8.tflite', max_size_mb=1)\ndef test_fine(edgebench):\n"
        "    assert edgebench().case.variant == 'int8'\n"
        "@pytest.mark.edgebench('net/int8.tflite', gate='size <= 0.9x', max_ratio=('float32', 9))\n"
        "def test_ratio(): ...\n"
    )
    done = folder.quick()
    assert "1 failed, 2 passed" in done.stdout, done.stdout
    assert "int8/int8@local/interpreter.litert+default/t1: size 0.00" in done.stdout
    assert "allowed: at most 0.0001 MB" in done.stdout
    assert "Traceback" not in done.stdout
    assert "During handling" not in done.stdout


def test_a_device_that_is_not_known_ends_the_session_once(folder: Folder) -> None:
    folder.test_file(
        "def test_other(): ...\n"
        "@pytest.mark.edgebench('net/int8.tflite', device='mars')\ndef test_one(): ...\n"
        "@pytest.mark.edgebench('net/float32.tflite', device='mars')\ndef test_two(): ...\n"
    )
    done = folder.quick()
    assert (done.returncode, (done.stdout + done.stderr).count("mars")) == (pytest.ExitCode.USAGE_ERROR, 1)
    assert "ERROR: --device mars: no such device" in done.stderr
    assert "no tests ran" in done.stdout
    assert "1 passed" in folder.quick("-k", "other").stdout


@pytest.mark.parametrize(
    ("marker", "line"),
    [
        ("'net/int8.tflite', max_p51_ms=1", "there is no keyword max_p51_ms; did you mean max_p50_ms?"),
        ("max_p50_ms=1", "name the model"),
        ("'net/none.tflite'", "net/none.tflite: no such file"),
        ("'net/int8.tflite', min_balanced=70", "a share of 1 is all"),
        ("'net/int8.tflite', min_recall={'mel': 0.5}", "it needs data="),
        ("'net/int8.tflite', max_ratio=1.05", "write a variant and a ratio"),
        ("'net/int8.tflite', max_ratio=('int4', 1)", "there is no variant int4 beside"),
        ("'net/int8.tflite', gate='p50 < 1'", "is written with <="),
        ("'net/int8.tflite', threads='two'", "must be a whole number"),
        ("'net/int8.tflite', device='a,b'", "name one device"),
        ("'net/int8.tflite', 'net/float32.tflite'", "takes one model"),
    ],
)
def test_a_wrong_marker_is_that_tests_one_line(folder: Folder, marker: str, line: str) -> None:
    folder.test_file(f"@pytest.mark.edgebench({marker})\ndef test_it(): ...\ndef test_other(): ...\n")
    done = folder.quick()
    assert line in done.stdout, done.stdout
    assert "1 passed" in done.stdout
    assert "Traceback" not in done.stdout


def test_undecided_passes_aloud_or_fails(folder: Folder) -> None:
    # Latency of one block has no interval: nothing about it can be decided.
    folder.test_file("@pytest.mark.edgebench('net/int8.tflite', max_p50_ms=1000, blocks=1)\ndef test_it(): ...\n")
    done = folder.run()
    assert "1 passed, 1 warning" in done.stdout, done.stdout
    assert "UndecidedWarning: undecided: int8/int8@local" in done.stdout
    done = folder.run("--edgebench-undecided", "fail")
    assert "1 failed" in done.stdout
    assert "undecided: int8/int8@local" in done.stdout


def test_disabled_benchmarks_leave_time_out(folder: Folder) -> None:
    folder.test_file("@pytest.mark.edgebench('net/int8.tflite', max_p50_ms=0.000001)\ndef test_it(): ...\n")
    assert "1 passed" in folder.quick("--edgebench-undecided", "fail").stdout


def test_the_fixture_measures_what_it_is_given(folder: Folder) -> None:
    folder.test_file(
        "def test_it(edgebench):\n"
        "    both = edgebench('net', blocks=1)\n"
        "    assert both['int8'].memory.peak_rss_bytes > 1e6\n"
        "    assert len(both.samples_ns(both['float32'])) >= 1\n"
        "    with pytest.raises(KeyError, match='there are float32, int8'):\n"
        "        both['int4']\n"
    )
    assert "1 passed" in folder.quick().stdout


def test_benchmark_only_keeps_marked_tests(folder: Folder) -> None:
    folder.test_file("@pytest.mark.edgebench('net/int8.tflite', blocks=1)\ndef test_it(): ...\ndef test_other(): ...\n")
    assert "1 passed, 1 skipped" in folder.run("--benchmark-only").stdout
    assert "1 passed, 1 skipped" in folder.run("--benchmark-skip").stdout


def test_without_pytest_benchmark_limits_hold_all_the_same(folder: Folder) -> None:
    folder.test_file("@pytest.mark.edgebench('net/int8.tflite', max_size_mb=0.0001, blocks=1)\ndef test_it(): ...\n")
    done = folder.run("-p", "no:benchmark")
    assert "1 failed" in done.stdout, done.stdout
    assert "allowed: at most 0.0001 MB" in done.stdout
    assert "int8/int8@local/interpreter.litert+default/t1: p50 " in done.stdout


def test_the_suite_goes_by_its_package_name(folder: Folder) -> None:
    done = folder.quick("--pyargs", "edgebench.suite", "--models", "net", "-q")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_projects_addopts_do_not_keep_the_suite_from_timing(folder: Folder) -> None:
    (folder.path / "pytest.ini").write_text("[pytest]\naddopts = --benchmark-disable\n")
    done = folder.run(str(SUITE), "--models", "net/int8.tflite", "--blocks", "1")
    assert "benchmark: 1 tests" in done.stdout, done.stdout


@with_xdist
def test_timing_beside_other_tests_is_refused(folder: Folder) -> None:
    folder.test_file(
        "@pytest.mark.edgebench('net/int8.tflite', max_size_mb=1)\ndef test_it(): ...\ndef test_other(): ...\n"
    )
    done = folder.run("-n", "2")
    assert "nothing is timed while xdist runs other tests at the same time; run these tests with -n 0" in done.stdout
    assert "2 passed" in folder.quick("-n", "2").stdout
    assert "2 passed" in folder.run("-n", "0").stdout
