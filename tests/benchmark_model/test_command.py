"""The command line that a case becomes, and what is said before anything runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from edgebench.benchmark_model.command import Asked, Places, Purpose, command_line, cpu_mask, longest_s
from edgebench.errors import UsageError
from edgebench.plan import left_out
from edgebench.records import Delegate, DelegateKind, Engine, Wait
from edgebench.spec import DEFAULT_SETTINGS, DataSpec, PythonTarget, Spec, WaitSpec

PLACES = Places("/data/bm", "/data/m.tflite", "/data/r.pb")


def words(purpose: Purpose = Purpose.TIMES, kind: DelegateKind = DelegateKind.DEFAULT, **more: Any) -> list[str]:
    places = more.pop("places", PLACES)
    settings = more.pop("settings", DEFAULT_SETTINGS)
    asked = Asked(Delegate(kind, more.pop("library", None), more.pop("options", {})), 4, **more)
    return command_line(purpose, asked, settings, places)


def test_times_are_bounded_by_the_settings() -> None:
    assert words() == [
        "/data/bm", "--graph=/data/m.tflite", "--num_threads=4", "--num_runs=64", "--min_secs=1", "--max_secs=30",
        "--warmup_runs=3", "--warmup_min_secs=0.1", "--result_file_path=/data/r.pb",
    ]  # fmt: skip
    assert longest_s(Purpose.TIMES, DEFAULT_SETTINGS) == 60


def test_memory_and_operators_are_processes_of_their_own_and_short() -> None:
    memory, operators = words(Purpose.MEMORY), words(Purpose.OPERATORS)
    assert "--report_peak_memory_footprint=true" in memory
    assert "--enable_op_profiling=true" in operators
    assert {"--num_runs=6", "--min_secs=0", "--max_secs=1"} <= set(memory)
    assert {"--num_runs=50", "--max_secs=1"} <= set(operators)
    both = {"--report_peak_memory_footprint=true", "--enable_op_profiling=true"}
    assert not both & set(words())
    assert longest_s(Purpose.MEMORY, DEFAULT_SETTINGS) == 2


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        (DelegateKind.DEFAULT, []),
        (DelegateKind.XNNPACK, ["--use_xnnpack=true"]),
        (DelegateKind.NONE, ["--use_xnnpack=false"]),
        (DelegateKind.GPU, ["--use_gpu=true"]),
        (DelegateKind.NNAPI, ["--use_nnapi=true"]),
    ],
)
def test_delegates(kind: DelegateKind, flags: list[str]) -> None:
    """XNNPACK has three states: not named is the runtime's default."""
    assert [word for word in words(kind=kind) if word.startswith("--use_")] == flags
    strict = words(kind=kind, settings=replace(DEFAULT_SETTINGS, require_full=True))
    assert ("--require_full_delegation=true" in strict) == (kind not in (DelegateKind.DEFAULT, DelegateKind.NONE))


def test_an_external_delegate_and_a_signature() -> None:
    found = words(
        kind=DelegateKind.EXTERNAL, library="lib.so", options={"a": "1", "b": "c d"}, signature="serving",
        places=replace(PLACES, library="/data/lib.so", cpu_mask="f0"),
    )  # fmt: skip
    assert found[:3] == ["taskset", "f0", "/data/bm"]
    assert "--external_delegate_path=/data/lib.so" in found
    assert "--external_delegate_options=a:1;b:c d" in found
    assert "--signature_to_run_for=serving" in found
    assert "--external_delegate_path=lib.so" in words(kind=DelegateKind.EXTERNAL, library="lib.so")


def test_masks_of_cpus() -> None:
    assert [cpu_mask(numbers) for numbers in ((0,), (4, 5, 6, 7), (0, 2), (64,))] == ["1", "f0", "5", f"1{'0' * 16}"]


def spec(**options: Any) -> Spec:
    return Spec(("m.tflite",), engines=options.pop("engines", (Engine.BENCHMARK_MODEL,)), **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": DataSpec("phantom")}, "--data: benchmark_model answers no images"),
        ({"waits": WaitSpec((Wait.IDLE_GAP,))}, "--waits: engine benchmark_model measures inference alone"),
        ({"sustain_ns": 10**10}, "--sustain: engine benchmark_model tells no latency over time"),
        ({"pythons": (PythonTarget("/py"),)}, "--python /py: engine benchmark_model runs without Python"),
        ({"runtime": "litert"}, "--runtime litert: engine benchmark_model has the runtime that was built into it"),
        ({"baseline": "int8"}, "--baseline int8: benchmark_model reports summaries: no ratio, no gate"),
        ({"against": ("old.tflite",)}, "no ratio, no gate: leave --interleave out"),
        ({"settings": replace(DEFAULT_SETTINGS, memory_limit_bytes=10**9)}, "--memory-limit: engine benchmark_model"),
        ({"delegates": (Delegate(DelegateKind.EXTERNAL, "l.so", {"a": "b;c"}),)},
         "--delegate-option a=b;c: benchmark_model takes no option with : or ;"),
    ],
)  # fmt: skip
def test_what_the_tool_cannot_do_is_said_before_anything_runs(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        spec(**options)
    assert said in str(caught.value)


def test_beside_another_engine_the_rest_is_that_ones() -> None:
    both = (Engine.INTERPRETER, Engine.BENCHMARK_MODEL)
    assert spec(engines=both, data=DataSpec("phantom"), runtime="litert").engines == both
    with pytest.raises(UsageError, match="--benchmark-model bm: goes with --engine benchmark_model"):
        spec(engines=(Engine.COMPILED,), benchmark_model="bm")


def test_which_engines_have_nnapi() -> None:
    nnapi = Delegate(DelegateKind.NNAPI)
    said = {engine: left_out(engine, nnapi) for engine in Engine}
    assert said[Engine.BENCHMARK_MODEL] is None
    assert said[Engine.COMPILED] == "engine compiled has no NNAPI delegate; use --engine benchmark_model"
    assert all(left_out(Engine.BENCHMARK_MODEL, Delegate(kind)) is None for kind in DelegateKind)
