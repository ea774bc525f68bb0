"""Fixture models with one trait changed: written while a test runs, so that nothing binary is added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def rescaled(source: Path, target: Path, node: int, factor: float) -> Path:
    """Write the model with the scale of a node's output multiplied, and return ``target``."""
    model = _read(source)
    graph = model.subgraphs[0]
    tensor = graph.tensors[int(graph.operators[node].outputs[0])]
    tensor.quantization.scale = np.array([tensor.quantization.scale[0] * factor], np.float32)
    return _write(model, target)


def renamed(source: Path, target: Path) -> Path:
    """Write the model with other names for all tensors, and return ``target``."""
    model = _read(source)
    for number, tensor in enumerate(model.subgraphs[0].tensors):
        tensor.name = f"other_{number}".encode()
    return _write(model, target)


def biased(source: Path, target: Path, output: int, by: float) -> Path:
    """Write a float32 classifier with one output's bias, in the last layer that has one, changed; return ``target``."""
    model = _read(source)
    graph = model.subgraphs[0]
    classes = int(graph.tensors[int(graph.outputs[0])].shape[-1])
    for operator in reversed(graph.operators):
        for number in operator.inputs:
            tensor = graph.tensors[int(number)] if number >= 0 else None
            data = None if tensor is None else model.buffers[tensor.buffer].data
            if tensor is not None and list(tensor.shape) == [classes] and data is not None and len(data) == 4 * classes:
                values = np.frombuffer(bytes(data), np.float32).copy()
                values[output] += by
                model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
                return _write(model, target)
    raise ValueError(f"{source}: no layer has a bias of {classes} values")


def _read(source: Path) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes(), 0))


def _write(model: Any, target: Path) -> Path:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target
