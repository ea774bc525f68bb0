"""A graph with its tensors, and copies in which every layer stands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from edgebench.analysis.layer_match import layer_nodes
from edgebench.errors import InputError, ModelError
from edgebench.network import read_network, stand_alone

MODELS = Path(__file__).resolve().parent / "fixtures" / "models"


def _open(content: bytes) -> Any:
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


def test_tensors_tell_whether_they_hold_values() -> None:
    network = read_network(MODELS / "int8.tflite")
    first = network.nodes[0]
    image, weights, output = (network.tensors[index] for index in (first.inputs[0], first.inputs[1], first.outputs[0]))
    assert (image.type, image.shape, image.tells_values) == ("int8", (1, 32, 32, 3), True)
    assert (weights.scales, weights.tells_values) == (16, False)
    assert output.tells_values
    assert first.inputs[1] not in network.activations
    assert layer_nodes(network) == [0, 1, 2, 3, 4, 5]


def test_weights_that_the_graph_converts_are_no_activations() -> None:
    network = read_network(MODELS / "float16.tflite")
    layers = [network.nodes[node].operator for node in layer_nodes(network)]
    assert layers == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    weights = network.nodes[layer_nodes(network)[0]].inputs[1]
    assert network.tensors[network.source(weights, network.producers())].type == "float16"


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int8", "uint8", "branches"])
def test_a_layer_that_stands_alone_computes_what_it_does_in_the_graph(name: str) -> None:
    """Also proves that the tensors that are kept are the true ones: none is overwritten by a later layer."""
    path = MODELS / f"{name}.tflite"
    network = read_network(path)
    alone = stand_alone(path, network, layer_nodes(network))
    whole, apart = _open(path.read_bytes()), _open(alone.content)
    detail = whole.get_input_details()[0]
    draw = np.random.default_rng(0)
    if detail["dtype"] == np.float32:
        image = draw.uniform(-1, 1, detail["shape"]).astype(np.float32)
    else:
        limits = np.iinfo(detail["dtype"])
        image = draw.integers(limits.min, limits.max + 1, detail["shape"]).astype(detail["dtype"])
    whole.set_tensor(detail["index"], image)
    whole.invoke()
    for (node, position), place in alone.slots.items():
        apart.set_tensor(place, whole.get_tensor(network.nodes[node].inputs[position]))
    apart.invoke()
    for node in layer_nodes(network):
        for tensor in network.nodes[node].outputs:
            np.testing.assert_array_equal(apart.get_tensor(tensor), whole.get_tensor(tensor))


def test_only_chosen_layers_are_kept() -> None:
    path = MODELS / "float32.tflite"
    alone = stand_alone(path, read_network(path), [1, 4])
    assert sorted(alone.slots) == [(1, 0), (4, 0)]
    assert len(_open(alone.content).get_input_details()) == 2


def test_several_subgraphs_are_refused() -> None:
    with pytest.raises(ModelError, match=r"loop\.tflite: has 3 subgraphs \(control flow or several signatures\)"):
        read_network(MODELS / "loop.tflite")


def test_a_python_that_cannot_read_graphs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.network.read_graph", lambda _: None)
    with pytest.raises(InputError, match="edgebench's own Python lacks"):
        read_network(MODELS / "int8.tflite")


def test_a_file_that_cannot_be_rewritten_is_named(tmp_path: Path) -> None:
    network = read_network(MODELS / "int8.tflite")
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"\x18\0\0\0TFL3" + b"\xff" * 20)
    with pytest.raises(ModelError, match=r"damaged\.tflite: cannot be rewritten"):
        stand_alone(damaged, network, [0])
