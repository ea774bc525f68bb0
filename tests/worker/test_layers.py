"""The worker's side of a diagnosis, on the real runtime."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.layer_match import layer_nodes
from edgebench.network import read_network, stand_alone
from edgebench.worker.classic import ClassicEngine
from edgebench.worker.engines import LoadRequest
from edgebench.worker.images import ImageClassifier
from edgebench.worker.inputs import dequantize
from edgebench.worker.layer_sums import ALONE_COLUMNS, COLUMNS
from edgebench.worker.layers import Layers, OpenEngine, compare_rows, open_layers
from edgebench.worker.protocol import decode_array, encode_array
from edgebench.worker.refusal import Refusal
from edgebench.worker.runtimes import Runtime, load_runtime
from edgebench.worker.service import Service, answer_to

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"
NAMES = (*COLUMNS, *ALONE_COLUMNS)


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return load_runtime("litert")


@pytest.fixture
def pixels(tmp_path: Path) -> str:
    path = tmp_path / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8))
    return str(path)


def request(pixels: str, variant: str, outputs: list[tuple[int, int]], **changes: Any) -> dict[str, Any]:
    table = (np.arange(256, dtype=np.float32) / 127.5 - 1)[None]
    return {
        "cmd": "open_layers",
        "reference_path": str(MODELS / "float32.tflite"),
        "variant_path": str(MODELS / f"{variant}.tflite"),
        "pixels_path": pixels,
        "reference_table": encode_array(table),
        "variant_table": encode_array(table),
        "pairs": outputs,
        "weights": [],
        "slots": [],
        "alone_layers": [],
        "reference_alone": None,
        "variant_alone": None,
        **changes,
    }


def _outputs(name: str) -> list[int]:
    network = read_network(MODELS / f"{name}.tflite")
    return [network.nodes[node].outputs[0] for node in layer_nodes(network)]


@pytest.fixture
def pairs() -> list[tuple[int, int]]:
    return list(zip(_outputs("float32"), _outputs("int8"), strict=True))


def test_a_model_against_itself_has_no_error(runtime: Runtime, pixels: str) -> None:
    same = [(tensor, tensor) for tensor in _outputs("float32")]
    layers = Layers(runtime, request(pixels, "float32", same))
    sums, theirs, own = layers.run(0)
    assert (sums[:, NAMES.index("error")] == 0).all()
    assert (sums[:, NAMES.index("signal")] > 0).all()
    assert np.isnan(sums[:, NAMES.index("clipped")]).all()
    np.testing.assert_array_equal(theirs, own)
    assert theirs.sum() == pytest.approx(1, abs=1e-5)


def test_an_int8_model_is_near_and_tells_its_formats(
    runtime: Runtime, pixels: str, pairs: list[tuple[int, int]]
) -> None:
    layers = Layers(runtime, request(pixels, "int8", pairs))
    told = layers.describe()["layers"]
    assert [item["dtype"] for item in told] == ["int8"] * 6
    assert told[0]["elements"] == 15 * 15 * 16
    sums, _, _ = layers.run(1)
    assert (sums[:, 0] / sums[:, 1] > 100).all()  # 20 dB
    assert np.isnan(sums[:, NAMES.index("alone_error")]).all()
    first = layers.channels()[0]
    assert first is not None
    assert decode_array(first["variant_low"]).shape == (16,)
    assert decode_array(first["variant_low"]).min() >= -128


def test_rows_come_until_the_deadline_and_at_least_one(
    runtime: Runtime, pixels: str, pairs: list[tuple[int, int]]
) -> None:
    layers = Layers(runtime, request(pixels, "int8", pairs))
    assert decode_array(compare_rows(layers, 0, 3, lambda: True)["sums"]).shape == (1, 6, len(NAMES))
    assert decode_array(compare_rows(layers, 1, 3, lambda: False)["reference_scores"]).shape == (2, 7)


def test_copies_that_the_runtime_refuses_leave_the_rest(
    runtime: Runtime, pixels: str, pairs: list[tuple[int, int]], tmp_path: Path
) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"\x18\0\0\0TFL3" + b"\xff" * 100)
    broken = str(tmp_path / "broken.tflite")
    layers = Layers(runtime, request(pixels, "int8", pairs, reference_alone=broken, variant_alone=broken))
    assert layers.unavailable["alone"].startswith("the runtime does not take the layers one by one: ")
    assert np.isfinite(layers.run(0)[0][:, 0]).all()


def test_weights_that_have_another_form_are_told(runtime: Runtime, pixels: str, pairs: list[tuple[int, int]]) -> None:
    place = {"layer": 0, "reference": pairs[0][0], "variant": pairs[1][1], "axis": 0, "scales": 1}
    (told,) = Layers(runtime, request(pixels, "int8", pairs, weights=[place])).describe()["weights"]
    assert told["unavailable"] == "the reference's weights are not of the same form"


def _with_copies(pixels: str, folder: Path, variant: str = "float32") -> dict[str, Any]:
    sources, places = [], []
    for name in ("float32", variant):
        network = read_network(MODELS / f"{name}.tflite")
        alone = stand_alone(MODELS / f"{name}.tflite", network, layer_nodes(network))
        (folder / f"{name}-alone.tflite").write_bytes(alone.content)
        sources.append([network.nodes[node].inputs[position] for node, position in alone.slots])
        places.append(list(alone.slots.values()))
    pairs = list(zip(_outputs("float32"), _outputs(variant), strict=True))
    return request(
        pixels,
        variant,
        pairs,
        reference_alone=str(folder / "float32-alone.tflite"),
        variant_alone=str(folder / f"{variant}-alone.tflite"),
        alone_layers=list(range(len(pairs))),
        slots=[list(slot) for slot in zip(*sources, *places, strict=True)],
    )


def test_layers_alone_of_a_model_against_itself_are_equal(runtime: Runtime, pixels: str, tmp_path: Path) -> None:
    sums, _, _ = Layers(runtime, _with_copies(pixels, tmp_path)).run(0)
    assert (sums[:, NAMES.index("alone_error")] == 0).all()
    assert (sums[:, NAMES.index("alone_signal")] > 0).all()


def test_a_runtime_in_which_a_layer_overwrites_anothers_output_is_refused(
    runtime: Runtime, pixels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _with_copies(pixels, tmp_path)
    shown = asked["pairs"][0][0]
    read = OpenEngine.tensor

    def overwritten(self: OpenEngine, index: int) -> Any:
        return read(self, index) * (2 if index == shown and len(self.inputs) == 1 else 1)

    monkeypatch.setattr(OpenEngine, "tensor", overwritten)
    with pytest.raises(Refusal, match="lets one layer overwrite another's output") as refused:
        Layers(runtime, asked)
    assert refused.value.code == "tensors-overwritten"


class _OldInterpreter:
    def __init__(self, model_path: str, num_threads: int, experimental_op_resolver_type: int) -> None:
        raise AssertionError("never reached: an unknown argument comes first")


def test_a_runtime_that_keeps_no_tensors_is_named() -> None:
    module = SimpleNamespace(
        Interpreter=_OldInterpreter, OpResolverType=SimpleNamespace(BUILTIN_WITHOUT_DEFAULT_DELEGATES=1)
    )
    old = Runtime("tflite", "tflite-runtime", "2.4.0", module, 1)
    with pytest.raises(Refusal, match=r"tflite-runtime 2\.4\.0 cannot keep what is between layers; use ai-edge-litert"):
        OpenEngine(old, "model.tflite", "none")


def test_the_service_answers_in_order_only(pixels: str, pairs: list[tuple[int, int]]) -> None:
    service = Service()
    assert answer_to(service, request(pixels, "int8", pairs))["message"] == "open_layers before hello"
    assert answer_to(service, {"cmd": "layers"})["message"] == "layers before open_layers"
    assert answer_to(service, {"cmd": "layer_channels"})["message"] == "layer_channels before open_layers"
    assert answer_to(service, {"cmd": "hello", "runtime": "litert"})["ok"]
    assert len(answer_to(service, request(pixels, "int8", pairs))["layers"]) == 6
    answer = answer_to(service, {"cmd": "layers", "start": 0, "stop": 2, "max_ns": 10**10})
    assert decode_array(answer["sums"]).shape == (2, 6, len(NAMES))
    assert len(answer_to(service, {"cmd": "layer_channels"})["channels"]) == 6


def test_no_runtime_no_layers() -> None:
    with pytest.raises(Refusal, match="open_layers before hello"):
        open_layers(None, {})


@pytest.mark.parametrize("variant", ["float32", "int8", "dynamic", "float16"])
def test_layers_are_those_of_the_default_delegate_with_its_very_scores(
    variant: str, runtime: Runtime, pixels: str, tmp_path: Path
) -> None:
    asked = _with_copies(pixels, tmp_path, variant)
    layers = Layers(runtime, asked)
    assert layers.describe()["kernels"] == "default"
    _, _, scores = layers.run(2)
    plain = ClassicEngine(runtime, LoadRequest(asked["variant_path"], "interpreter", "default", 1))
    ImageClassifier(plain, pixels, decode_array(asked["variant_table"])).feed(2)
    plain.invoke()
    np.testing.assert_array_equal(dequantize(plain.read_output(0), plain.output_tensor(0)).ravel(), scores)


def test_a_delegate_that_hides_its_inside_gives_way_to_the_cpus_kernels(
    runtime: Runtime, pixels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _with_copies(pixels, tmp_path)
    hidden, read = asked["pairs"][0][0], OpenEngine.tensor

    def stale(self: OpenEngine, index: int) -> Any:
        delegated = any(node["op_name"] == "DELEGATE" for node in self._interpreter._get_ops_details())
        return read(self, index) * (0 if index == hidden and delegated and len(self.inputs) == 1 else 1)

    monkeypatch.setattr(OpenEngine, "tensor", stale)
    assert Layers(runtime, asked).describe()["kernels"] == "none"
