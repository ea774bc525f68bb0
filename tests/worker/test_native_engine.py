"""Engine ``compiled`` through the C API on the CPU, as a GPU is compared with it; on a GPU see ``test_gpu.py``."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.worker import capi
from edgebench.worker.engines import LoadRequest
from edgebench.worker.inputs import seeded_input
from edgebench.worker.native_engine import NativeEngine
from edgebench.worker.refusal import Refusal
from edgebench.worker.runtimes import Runtime

from .support import ask, engine, load_fields, model, ready_service, runtime


def native(name: str, **changes: object) -> NativeEngine:
    fields = load_fields(model(name), engine="compiled", **changes)
    return NativeEngine(runtime(), LoadRequest(**fields))


@pytest.mark.parametrize("name", ["float32", "int8", "int64_input", "bool_input"])
def test_it_answers_what_the_interpreter_answers(name: str) -> None:
    here, classic = native(name), engine(model(name))
    assert here.load_ns > 0
    for each in (here, classic):
        each.set_inputs([seeded_input(tensor, 4) for tensor in here.inputs])
        each.invoke()
    assert here.outputs[0].scale == classic.outputs[0].scale
    np.testing.assert_array_equal(here.read_output(0), classic.read_output(0).reshape(here.outputs[0].shape))


def test_through_the_service_with_a_dtype_that_the_python_binding_cannot_move() -> None:
    service = ready_service()
    fields = load_fields(model("int64_input"), engine="compiled")
    assert ask(service, "load", **fields)["code"] == "dtype"
    assert ask(service, "load", **fields, native=True)["ok"]
    assert ask(service, "first", seed=0)["ok"]
    (output,) = ask(service, "outputs")["outputs"]
    assert (output["step"], output["values"]["shape"]) == (0.0, [8])
    assert ask(service, "adapter")["code"] == "no-adapter"


def test_a_refusal_has_its_reason() -> None:
    with pytest.raises(Refusal, match="is of type string") as caught:
        native("string_input")
    assert caught.value.code == "dtype"
    with pytest.raises(Refusal, match="the model has no signature 'nothing'"):
        native("float32", signature="nothing")


@pytest.mark.parametrize(
    ("field", "value", "code"), [("batch", 2, "no-batch"), ("weight_cache", "x", "no-weight-cache")]
)
def test_what_it_cannot_do_is_refused_and_not_left_out(field: str, value: object, code: str) -> None:
    with pytest.raises(Refusal, match="through LiteRT's C API") as caught:
        native("float32", **{field: value})
    assert caught.value.code == code


def test_a_gpu_needs_a_runtime_that_tells_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capi.Library, "has", lambda _self, _name: False)
    with pytest.raises(Refusal, match=r"delegate gpu needs ai-edge-litert 2\.3\.0 or newer, this is ai-edge-litert "):
        native("float32", delegate="gpu")


def test_a_gpu_needs_litert() -> None:
    other = Runtime("tflite", "tflite-runtime", "2.14.0", None, 0)
    with pytest.raises(Refusal) as caught:
        NativeEngine(other, LoadRequest(**load_fields(model("float32"), engine="compiled", delegate="gpu")))
    assert caught.value.code == "no-gpu"
    assert str(caught.value) == "delegate gpu needs ai-edge-litert 2.3.0 or newer, this is tflite-runtime 2.14.0"


def test_the_interpreter_never_takes_gpu_for_its_default() -> None:
    service = ready_service()
    answer = ask(service, "load", **load_fields(model("float32"), delegate="gpu"))
    assert (answer["ok"], answer["code"]) == (False, "no-engine")
    assert answer["message"] == "engine interpreter has no GPU delegate; use --engine compiled"
