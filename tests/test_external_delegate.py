"""External delegates: a real shared library, compiled here, that the runtime loads."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import edgebench
import pytest
from edgebench.records import Coverage, Failure
from edgebench.spec import DEFAULT_SETTINGS

FIXTURES = Path(__file__).resolve().parent / "fixtures"
QUICK = replace(DEFAULT_SETTINGS, min_time_ns=1_000_000, warmup_time_ns=1_000_000, max_runs=100)


@pytest.fixture(scope="module")
def idle_delegate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delegate that loads and takes no node."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here to build a delegate with")
    library = tmp_path_factory.mktemp("delegate") / "libidle.so"
    source = FIXTURES / "delegates" / "idle.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(source)], check=True)
    return library


def _failure(delegate: str, *options: str) -> Failure:
    model = FIXTURES / "models" / "int8.tflite"
    run = edgebench.run(model, delegate=delegate, delegate_options=options, settings=QUICK)
    (case,) = run.record.cases
    assert case.failure is not None
    assert case.latency is None
    return case.failure


def test_a_delegate_that_took_nothing_is_an_error_and_the_default_one_does_not_hide_it(idle_delegate: Path) -> None:
    failure = _failure(f"external:{idle_delegate}")
    assert failure.code == "delegate-idle"
    assert "took none of the 6 nodes" in failure.message


def test_its_own_words_are_passed_on(idle_delegate: Path) -> None:
    failure = _failure(f"external:{idle_delegate}", "fail=the chip is not plugged in")
    assert failure.code == "delegate-refused"
    assert "the chip is not plugged in" in failure.message


def test_a_library_that_is_no_delegate(tmp_path: Path) -> None:
    library = tmp_path / "libtext.so"
    library.write_text("not a library")
    failure = _failure(f"external:{library}")
    assert failure.code == "delegate-refused"
    assert "\n" not in failure.message


def test_the_case_id_names_the_library(idle_delegate: Path) -> None:
    model = FIXTURES / "models" / "int8.tflite"
    run = edgebench.run(model, delegate=f"external:{idle_delegate}", settings=QUICK)
    assert run.record.cases[0].case_id == "int8/int8@local/interpreter.litert+external-idle/t1"


def test_the_default_delegate_is_told_apart_from_an_external_one(idle_delegate: Path) -> None:
    run = edgebench.run(FIXTURES / "models" / "int8.tflite", delegate=f"external:{idle_delegate}", settings=QUICK)
    (case,) = run.record.cases
    assert case.delegation is not None
    assert case.delegation.coverage is Coverage.NOTHING
    assert any("default one took 5 nodes" in note for note in case.notes)
