"""One graph of a ``.tflite`` file with its tensors, and copies of it in which every layer stands alone."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError, ModelError
from .graph import read_graph
from .layer_data import Network, NetworkTensor
from .profile_data import GraphNode


def read_network(path: Path) -> Network:
    """Return the file's graph.

    Raises:
        ModelError: the file is damaged, or has several subgraphs.
        InputError: this Python lacks ai-edge-litert to read the file with.
    """
    subgraphs = read_graph(path)
    if subgraphs is None:
        raise InputError("diagnose reads the model's graph with ai-edge-litert, which edgebench's own Python lacks")
    if len(subgraphs) != 1:
        raise ModelError(
            f"{path}: has {len(subgraphs)} subgraphs (control flow or several signatures); "
            "only models of one graph can be diagnosed",
            path,
        )
    try:
        graph, kinds = _first_graph(path.read_bytes())
        tensors = tuple(_tensor(graph.Tensors(index), kinds) for index in range(graph.TensorsLength()))
        inputs = tuple(int(graph.Inputs(index)) for index in range(graph.InputsLength()))
        outputs = tuple(int(graph.Outputs(index)) for index in range(graph.OutputsLength()))
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError):
        raise ModelError(f"{path}: is a damaged TFLite flatbuffer", path) from None
    nodes = subgraphs[0].nodes
    return Network(subgraphs[0].name, nodes, tensors, inputs, outputs, _activations(nodes, inputs))


def _first_graph(data: bytes) -> tuple[Any, dict[int, str]]:
    from ai_edge_litert import schema_py_generated as schema

    kinds = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    return schema.Model.GetRootAs(data, 0).Subgraphs(0), kinds


def _tensor(tensor: Any, kinds: dict[int, str]) -> NetworkTensor:
    shape = tuple(int(tensor.Shape(index)) for index in range(tensor.ShapeLength()))
    quantization = tensor.Quantization()
    return NetworkTensor(
        name=(tensor.Name() or b"").decode("utf-8", "replace"),
        shape=shape,
        type=kinds.get(tensor.Type(), "unknown"),
        scales=0 if quantization is None else int(quantization.ScaleLength()),
    )


def _activations(nodes: Iterable[GraphNode], inputs: Iterable[int]) -> frozenset[int]:
    found = set(inputs)
    for node in nodes:
        if not found.isdisjoint(node.inputs):
            found.update(node.outputs)
    return frozenset(found)


@dataclass(frozen=True)
class Alone:
    """A model file in which chosen nodes have inputs of their own: ``slots`` maps (node, position) to that tensor."""

    content: bytes
    slots: dict[tuple[int, int], int]


def stand_alone(path: Path, network: Network, chosen: Iterable[int]) -> Alone:
    """Return a copy of the model in which each chosen node reads its activations from inputs of the graph.

    All chosen nodes run at once then, each on what it is given, and none hears of another. Weights, and nodes that
    convert them, stay as they are; other nodes are dropped.

    Raises:
        ModelError: the file cannot be rewritten.
    """
    try:
        return _rewritten(path.read_bytes(), network, frozenset(chosen))
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be rewritten: {error}", path) from error


def _rewritten(data: bytes, network: Network, chosen: frozenset[int]) -> Alone:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    slots: dict[tuple[int, int], int] = {}
    kept, outputs = [], []
    for number, operator in enumerate(graph.operators):
        moving = [int(tensor) in network.activations for tensor in operator.inputs]
        if any(moving) and number not in chosen:
            continue
        kept.append(operator)
        if not any(moving):
            continue
        operator.inputs = [int(tensor) for tensor in operator.inputs]
        for position in (position for position, moves in enumerate(moving) if moves):
            slots[number, position] = len(graph.tensors)
            graph.tensors.append(_input_of_its_own(graph.tensors[operator.inputs[position]], number, position))
            operator.inputs[position] = slots[number, position]
        outputs += [int(tensor) for tensor in operator.outputs]
    graph.operators, graph.inputs, graph.outputs = kept, list(slots.values()), outputs
    model.signatureDefs = None
    model.metadata, model.metadataBuffer = None, None
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return Alone(bytes(builder.Output()), slots)


def _input_of_its_own(tensor: Any, number: int, position: int) -> Any:
    own = copy.copy(tensor)
    own.name = f"alone_{number}_{position}".encode()
    own.buffer = 0  # by convention the empty one
    own.shapeSignature = None
    own.isVariable = False
    return own
