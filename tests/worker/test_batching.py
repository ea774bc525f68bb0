from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from edgebench.devices.base import WorkerLink
from edgebench.devices.local import LocalDevice
from edgebench.errors import RuntimeRefused
from edgebench.worker import batching
from edgebench.worker.batching import check_batch, own_batch, resized_shapes
from edgebench.worker.engines import LoadRequest
from edgebench.worker.inputs import seeded_input
from edgebench.worker.refusal import Refusal
from edgebench.worker.runtimes import Runtime

from .support import ask, engine, load_fields, model, ready_service, runtime, softmax_of_mean

ENGINES = ("interpreter", "compiled")


def check(name: str, batch: int) -> dict[str, Any]:
    return ask(ready_service(), "check_batch", seed=0, **load_fields(model(name), batch=batch))


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerLink]:
    """A process of its own: what CompiledModel registers in one stays there, and other tests would find it."""
    device = LocalDevice()
    with device.start_worker(device.default_python()) as link:
        link.request("hello", 60.0)
        yield link


def check_in(worker: WorkerLink, name: str, batch: int, engine_name: str) -> str:
    """Return the reason why a model does not take a batch, empty where it does."""
    fields = load_fields(model(name), batch=batch, engine=engine_name)
    try:
        worker.request("check_batch", 60.0, seed=0, **fields)
    except RuntimeRefused as refusal:
        return f"{refusal.code}: {refusal}"
    return ""


def test_every_dimension_that_is_the_models_own_batch_becomes_the_wanted_one() -> None:
    shapes = [(), (2, 8), (2,), (5, 2)]
    assert own_batch(shapes) == 2
    assert resized_shapes(shapes, 7) == [(), (7, 8), (7,), (5, 2)]


def test_without_dimensions_there_is_no_batch() -> None:
    with pytest.raises(Refusal, match="no input has a dimension"):
        own_batch([(), ()])


def test_a_larger_batch_answers_for_each_item() -> None:
    loaded = engine(model("batch4"), batch=6)
    assert (loaded.inputs[0].shape, loaded.outputs[0].shape) == ((6, 8, 8, 3), (6, 7))
    items = seeded_input(loaded.inputs[0], 3)
    loaded.set_inputs([items])
    loaded.invoke()
    np.testing.assert_allclose(loaded.read_output(0), softmax_of_mean(items), atol=1e-6)


def test_the_compiled_engine_has_the_batch_in_all_its_shapes(worker: WorkerLink) -> None:
    answer = worker.request("load", 60.0, **load_fields(model("batch4"), batch=6, engine="compiled"))
    assert (answer["inputs"][0]["shape"], answer["outputs"][0]["shape"]) == ([6, 8, 8, 3], [6, 7])
    assert worker.request("first", 60.0, seed=0)["ok"]


def test_a_signature_can_have_a_batch_of_its_own() -> None:
    loaded = engine(model("float32"), signature="serving_default", batch=3)
    assert (loaded.inputs[0].shape, loaded.outputs[0].shape) == ((3, 32, 32, 3), (3, 7))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    "file", ["float32", "float16", "dynamic", "int8", "uint8", "batch4", "two_inputs", "nan", "loop"]
)
@pytest.mark.parametrize("batch", [1, 5])
def test_models_that_take_a_batch(worker: WorkerLink, file: str, name: str, batch: int) -> None:
    assert check_in(worker, file, batch, name) == ""


@pytest.mark.parametrize("name", ENGINES)
def test_a_batch_written_into_the_graph_is_refused_with_what_to_do(worker: WorkerLink, name: str) -> None:
    assert check_in(worker, "fixed_reshape", 2, name).startswith(
        "no-batch: a batch of 2 is refused (the model's batch is fixed at 1: export it with an open batch): XNNPack"
    )


@pytest.mark.parametrize("name", ENGINES)
def test_a_graph_that_mixes_the_items_of_a_batch_is_found_out(worker: WorkerLink, name: str) -> None:
    reason = check_in(worker, "mixing", 2, name)
    assert "with a batch of 2 output 'Identity' differs from that of the same items alone" in reason
    assert check_in(worker, "mixing", 1, name) == ""


def test_a_graph_that_runs_and_computes_nonsense_is_found_out() -> None:
    # Its second input is a number for each column; eight of them fit, as something else.
    assert "differs from that of the same items alone" in check("int64_input", 8)["message"]


def test_a_model_without_a_batch_says_so() -> None:
    answer = check("waveform", 1)
    assert answer["message"] == (
        "the model has no batch: its inputs begin with a dimension of 192, its output 'Identity' has shape [1, 7]"
    )


def test_through_the_c_api_no_other_export_would_help(worker: WorkerLink) -> None:
    with pytest.raises(RuntimeRefused) as caught:
        worker.request(
            "check_batch", 60.0, seed=0, **load_fields(model("two_inputs"), batch=2, engine="compiled"), native=True
        )
    assert str(caught.value) == (
        "a batch of 2 is refused: through LiteRT's C API, as delegate gpu runs, a model keeps its own batch"
    )


@pytest.mark.parametrize("delegate", ["gpu", "external"])
def test_what_the_interpreter_lacks_is_not_blamed_for_a_batch(monkeypatch: pytest.MonkeyPatch, delegate: str) -> None:
    """A GPU, or an accelerator that opens only once, is not asked again for what to do."""

    def open_once(name: Runtime, request: LoadRequest) -> Any:
        opened.append(request.delegate)
        if request.batch is not None:
            raise Refusal("no-batch", "it keeps its own")
        return engine(model("batch4"))

    opened: list[str] = []
    monkeypatch.setattr(batching, "engine_class", lambda *_: open_once)
    kind = "compiled" if delegate == "gpu" else "interpreter"
    wanted = LoadRequest(**load_fields(model("batch4"), batch=2, engine=kind, delegate=delegate))
    with pytest.raises(Refusal, match=r"^a batch of 2 is refused.*: it keeps its own$"):
        check_batch(runtime(), wanted, 0)
    assert opened[:2] == [delegate, delegate]
    assert delegate not in opened[2:]


def test_a_model_whose_batch_is_open_is_not_told_to_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.worker import classic

    def refuse(self: object, batch: int) -> None:
        raise Refusal("runtime-refused", f"no room for {batch}")

    monkeypatch.setattr(classic.ClassicEngine, "_resize", refuse)
    assert check("float32", 2)["message"] == "a batch of 2 is refused: no room for 2"


def test_an_item_that_is_off_is_seen_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.worker import classic

    read = classic.ClassicEngine.read_output

    def spoilt(self: Any, position: int) -> Any:
        found = read(self, position)
        if len(found) == 3:
            found[2, 0] += 0.5
        return found

    monkeypatch.setattr(classic.ClassicEngine, "read_output", spoilt)
    assert "by up to 0.5" in check("float32", 3)["message"]
    assert check("float32", 4)["ok"]


def test_without_a_batch_there_is_nothing_to_check() -> None:
    with pytest.raises(Refusal, match="without a batch"):
        check_batch(runtime(), LoadRequest(**load_fields(model("float32"))), 0)
