"""The C API on the real library: what it answers, that handles are freed, and that other layouts are refused."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import c_int, c_size_t, c_uint64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from edgebench.worker import capi
from edgebench.worker.events import DELEGATED_OPERATOR, EventReader, MappedMemory
from edgebench.worker.inputs import seeded_input
from edgebench.worker.memory import memory_snapshot
from edgebench.worker.native import NativeModel, NativeRequest
from edgebench.worker.refusal import Refusal
from edgebench.worker.runtimes import Runtime, load_runtime

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return load_runtime("litert")


@pytest.fixture(scope="module")
def library(runtime: Runtime) -> capi.Library:
    return capi.open_library(runtime)


def _request(name: str, **changes: Any) -> NativeRequest:
    return NativeRequest(str(MODELS / f"{name}.tflite"), "default", 1)._replace(**changes)


@pytest.fixture
def profiled(library: capi.Library) -> Iterator[NativeModel]:
    with NativeModel(library, _request("int8_float_io", profiling=True)) as model:
        yield model


@pytest.mark.parametrize("name", ["float32", "int8", "two_inputs", "bool_input", "int64_input", "batch4", "loop"])
def test_it_computes_what_the_interpreter_computes(name: str, library: capi.Library, runtime: Runtime) -> None:
    with NativeModel(library, _request(name)) as model:
        arrays = {tensor.name: seeded_input(tensor, 3) for tensor in model.inputs}
        model.set_inputs(list(arrays.values()))
        model.run()
        found = model.read_output(0)
    interpreter = runtime.module.Interpreter(str(MODELS / f"{name}.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], arrays[detail["name"]])
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(found, expected)


def test_quantization_and_open_sizes_are_told(library: capi.Library, runtime: Runtime) -> None:
    interpreter = runtime.module.Interpreter(str(MODELS / "int8.tflite"))
    with NativeModel(library, _request("int8")) as model:
        for mine, theirs in (
            (model.inputs, interpreter.get_input_details()),
            (model.outputs, interpreter.get_output_details()),
        ):
            assert [(tensor.scale, tensor.zero_point) for tensor in mine] == [item["quantization"] for item in theirs]
            assert all(tensor.dynamic for tensor in mine)
    with NativeModel(library, _request("two_inputs")) as model:
        assert [(tensor.scale, tensor.dynamic) for tensor in model.inputs] == [(0.0, False)] * 2


def test_a_silent_fallback_to_the_cpu_is_seen(library: capi.Library, tmp_path: Path) -> None:
    # No GPU accelerator is found here by this environment, and LiteRT runs on the CPU without a word.
    request = _request("float32", accelerators=capi.CPU | capi.GPU, library_folder=str(tmp_path))
    with NativeModel(library, request) as model:
        assert model.is_fully_accelerated()
        if library.has("LiteRtCompiledModelIsNonCpuFullyAccelerated"):
            assert model.is_non_cpu_fully_accelerated() is False
        else:
            assert model.is_non_cpu_fully_accelerated() is None


def test_an_operator_left_to_the_cpu_is_not_fully_accelerated(library: capi.Library) -> None:
    with NativeModel(library, _request("branches")) as model:
        assert not model.is_fully_accelerated()


def _watched(library: capi.Library, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the names of freeing functions are added as they are called."""
    freed: list[str] = []
    destroy = library.destroy

    def watch(name: str, handle: Any) -> None:
        freed.append(name)
        destroy(name, handle)

    monkeypatch.setattr(library, "destroy", watch)
    return freed


def test_every_handle_is_freed_last_made_first(library: capi.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    freed = _watched(library, monkeypatch)
    with NativeModel(library, _request("two_inputs")):
        assert freed == []
    kinds = [name.replace("LiteRtDestroy", "") for name in freed]
    assert kinds == [*["TensorBuffer"] * 3, "CompiledModel", "Options", "Model", "Environment"]


def test_a_refused_model_frees_what_it_had(library: capi.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    freed = _watched(library, monkeypatch)
    with pytest.raises(Refusal):
        NativeModel(library, _request("string_input"))
    assert freed[0] == "LiteRtDestroyCompiledModel"
    assert len(freed) == 4


def test_memory_does_not_grow_with_models_profiled(library: capi.Library) -> None:
    def cycle() -> None:
        with NativeModel(library, _request("int8", profiling=True)) as model:
            EventReader(library, model.profiler(), model.subgraphs).record(model.run)

    for _ in range(5):
        cycle()
    before = memory_snapshot()["rss_bytes"]
    for _ in range(20):
        cycle()
    # A compiled model that is left behind, with its profiler's buffer, costs tens of megabytes.
    assert memory_snapshot()["rss_bytes"] - before < 10_000_000


def test_closing_twice_is_fine(library: capi.Library) -> None:
    model = NativeModel(library, _request("int8"))
    model.close()
    model.close()


@pytest.mark.parametrize(
    ("name", "changes", "code", "words"),
    [
        ("string_input", {}, "dtype", "is of type string"),
        ("float32", {"signature": "nonsense"}, "no-signature", "it has: serving_default"),
        ("missing", {}, "litert-status", "LiteRtCreateModelFromFile answered: file"),
    ],
)
def test_refusals_are_one_line(
    name: str, changes: dict[str, Any], code: str, words: str, library: capi.Library
) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        NativeModel(library, _request(name, **changes))
    assert refused.value.code == code
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("tflite", "2.14.0", "tflite-runtime 2.14.0 has no such API"),
        ("litert", "2.1.6", "2.2 or newer, this is 2.1.6"),
        ("litert", "1.4.0", "2.2 or newer, this is 1.4.0"),
    ],
)
def test_other_runtimes_are_told_in_one_line(name: str, version: str, words: str) -> None:
    package = "ai-edge-litert" if name == "litert" else "tflite-runtime"
    with pytest.raises(Refusal, match=words) as refused:
        capi.open_library(Runtime(name, package, version, None, 0))
    assert refused.value.code == "no-profile"


def test_a_package_without_the_library(tmp_path: Path) -> None:
    module = SimpleNamespace(__file__=str(tmp_path / "interpreter.py"))
    with pytest.raises(Refusal, match=r"libLiteRt\.so, which this build of it lacks"):
        capi.open_library(Runtime("litert", "ai-edge-litert", "2.3.0", module, 0))


def test_a_library_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "libLiteRt.so").write_text("text")
    with pytest.raises(Refusal, match="cannot be loaded"):
        capi.Library(str(tmp_path / "libLiteRt.so"), "2.3.0")


def test_a_library_without_a_function_names_it() -> None:
    with pytest.raises(Refusal, match="lacks the function LiteRtCreateEnvironment; the C API was checked on 2"):
        capi.Library("libc.so.6", "9.9.9")


def test_the_versions_said_to_be_checked_include_the_one_here(library: capi.Library) -> None:
    assert library.checked == (library.version in capi.CHECKED_VERSIONS)
    assert capi.CHECKED_VERSIONS == ("2.2.0", "2.3.0")


def test_a_buffer_of_another_size_than_its_shape(library: capi.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(capi.ELEMENT_DTYPES, 1, "float64")
    with pytest.raises(Refusal, match="has 12288 bytes where its shape needs 24576") as refused:
        NativeModel(library, _request("float32"))
    assert refused.value.code == "no-profile"


def _layout(*fields: tuple[str, Any]) -> Any:
    return type("Other", (ctypes.Structure,), {"_fields_": list(fields)})


HEAD = (("tag", c_size_t), ("event_type", c_int))
TIMES = (("start_us", c_uint64), ("elapsed_us", c_uint64))
TAIL = (("metadata1", c_uint64), ("metadata2", c_uint64), ("source", c_int))


def _memory(words: int) -> tuple[tuple[str, Any], ...]:
    return (("begin_memory", c_size_t * words), ("end_memory", c_size_t * words))


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (_layout(*HEAD, *TIMES, *_memory(2), *TAIL), "events take"),
        (_layout(*HEAD, *TIMES, *_memory(4), *TAIL), "events take"),
        (_layout(*HEAD, TIMES[1], TIMES[0], *_memory(3), *TAIL), "in a run from"),
        (_layout(*HEAD, *_memory(3), *TIMES, *TAIL), "in a run from"),
        (_layout(("start_us", c_uint64), HEAD[1], HEAD[0], TIMES[1], *_memory(3), *TAIL), "no memory|has the name"),
        (_layout(HEAD[0], ("source", c_int), *TIMES, *_memory(3), *TAIL[:2], HEAD[1]), "an event of type|take"),
    ],
    ids=["smaller", "larger", "swapped-times", "times-elsewhere", "tag-elsewhere", "type-elsewhere"],
)
def test_another_layout_is_refused_not_read(
    layout: Any, words: str, library: capi.Library, profiled: NativeModel
) -> None:
    reader = EventReader(library, profiled.profiler(), profiled.subgraphs, layout)
    with pytest.raises(Refusal, match=words) as refused:
        reader.record(profiled.run)
    assert refused.value.code == "no-profile"
    assert "checked on 2.2.0 and 2.3.0" in str(refused.value)


def test_events_lie_inside_the_run(library: capi.Library, profiled: NativeModel) -> None:
    reader = EventReader(library, profiled.profiler(), profiled.subgraphs)
    events = reader.record(profiled.run)
    assert next(event.tag for event in events if event.kind == DELEGATED_OPERATOR).startswith("Convert")
    assert events[0].start_us > 0


def test_a_model_without_profiling_has_no_profiler(library: capi.Library) -> None:
    with NativeModel(library, _request("int8")) as model, pytest.raises(Refusal, match="GetProfiler answered"):
        model.profiler()


def test_mapped_memory_knows_what_can_be_read(tmp_path: Path) -> None:
    buffer = ctypes.create_string_buffer(8)
    mapped = MappedMemory()
    assert mapped.holds(ctypes.addressof(buffer))
    assert not mapped.holds(0)
    assert not mapped.holds(1234)
    assert not mapped.holds((1 << 64) - 4096)
    blind = MappedMemory(str(tmp_path / "nothing"))
    assert blind.holds(1234)
    assert not blind.holds(0)
