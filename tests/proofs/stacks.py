"""Models that differ in speed by a known share: stacks of n equal convolutions, built without TensorFlow.

Every convolution costs the same, so a stack of 21 takes 21/20 of the time of a stack of 20, but for the one cost that
both have. All layers share one weight buffer in the file.
"""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def write_stack(path: Path, layers: int, *, size: int = 24, channels: int = 32) -> Path:
    """Write a float32 model of ``layers`` 3x3 convolutions on [1, size, size, channels] and return its path."""
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(channels, 3, 3, channels)) / np.sqrt(9 * channels)).astype(np.float32)
    model = schema.ModelT()
    model.version = 3
    model.description = f"{layers} equal convolutions"
    model.buffers = [_buffer(None), _buffer(weights), _buffer(np.zeros(channels, np.float32))]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    model.operatorCodes = [code]
    model.subgraphs = [_graph(layers, size, channels)]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _graph(layers: int, size: int, channels: int) -> schema.SubGraphT:
    graph = schema.SubGraphT()
    graph.name = "main"
    shape = [1, size, size, channels]
    graph.tensors = [
        _tensor("weights", [channels, 3, 3, channels], 1),
        _tensor("bias", [channels], 2),
        *(_tensor(f"activation_{number}", shape, 0) for number in range(layers + 1)),
    ]
    graph.operators = [_convolution(number) for number in range(layers)]
    graph.inputs, graph.outputs = [2], [2 + layers]
    return graph


def _convolution(number: int) -> schema.OperatorT:
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.SAME
    options.strideW = options.strideH = 1
    options.dilationWFactor = options.dilationHFactor = 1
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs, operator.outputs = [2 + number, 0, 1], [3 + number]
    operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    operator.builtinOptions = options
    return operator


def _tensor(name: str, shape: list[int], buffer: int) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, shape, buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _buffer(content: np.ndarray | None) -> schema.BufferT:
    buffer = schema.BufferT()
    if content is not None:
        buffer.data = np.frombuffer(content.tobytes(), np.uint8)
    return buffer
