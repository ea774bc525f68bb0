"""Reading a ``.tflite`` file without running it: is it one, how is it quantized, which operators has it."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ModelError
from .records import ModelFile

_IDENTIFIER = b"TFL3"
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class ModelContents:
    """What the flatbuffer says: quantization scheme, operator counts, custom operators' names."""

    scheme: str | None
    operators: dict[str, int] = field(default_factory=dict)
    custom_operators: tuple[str, ...] = ()
    unavailable: str | None = None


def read_model_file(path: Path) -> ModelFile:
    """Return the file's identity and quantization scheme.

    Raises:
        ModelError: one line, when the file is not a TFLite model that any runtime could load.
    """
    data = _read(path)
    _check_kind(path, data)
    contents = read_contents(path, data)
    return ModelFile(
        path=str(path),
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        scheme=contents.scheme,
        unavailable={"scheme": contents.unavailable} if contents.unavailable else {},
    )


def _read(path: Path) -> bytes:
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise ModelError(f"{path}: the path holds bytes that are no UTF-8, which no runtime opens; rename it") from None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ModelError(f"{path}: is a pipe or device, not a file")  # reading it might never end
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder, not a .tflite file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def _check_kind(path: Path, data: bytes) -> None:
    if not data:
        raise ModelError(f"{path}: the file is empty")
    if data.startswith(_LFS):
        raise ModelError(f"{path}: is a Git LFS pointer, not the model; fetch it with: git lfs pull")
    if data[4:8] == _IDENTIFIER:
        return  # first: a flatbuffer whose root lies at byte 60 begins with "<"
    if data[:1] == b"<" or data[:64].lstrip()[:1] == b"<":
        raise ModelError(f"{path}: is an HTML or XML page, not a model (a failed download?)")
    if data.startswith((b"\x89HDF", b"PK\x03\x04")):
        raise ModelError(f"{path}: is a Keras model (.h5 or .keras), not .tflite; convert it first")
    raise ModelError(f"{path}: is not a TFLite flatbuffer (no TFL3 identifier)")


def read_contents(path: Path, data: bytes) -> ModelContents:
    """Return what the flatbuffer says about the model.

    Raises:
        ModelError: wrong schema version, no subgraph, or a damaged flatbuffer.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        return ModelContents(None, unavailable="reading the file's own schema needs ai-edge-litert")
    try:
        model = schema.Model.GetRootAs(data, 0)
        version, subgraphs = model.Version(), model.SubgraphsLength()
        if version != 3:
            raise ModelError(f"{path}: has TFLite schema version {version}, runtimes read version 3")
        if subgraphs == 0:
            raise ModelError(f"{path}: has no subgraph")
        return _describe(schema, model)
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, UnicodeDecodeError, AttributeError):
        raise ModelError(f"{path}: is a damaged TFLite flatbuffer") from None


def _describe(schema: Any, model: Any) -> ModelContents:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    operators: Counter[str] = Counter()
    custom: set[str] = set()
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for position in range(graph.OperatorsLength()):
            code = codes[graph.Operators(position).OpcodeIndex()]
            builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = names.get(builtin, str(builtin))
            if name == "CUSTOM":
                name = (code.CustomCode() or b"?").decode("utf-8", "replace")
                custom.add(name)
            operators[name] += 1
    return ModelContents(_scheme(schema, model), dict(operators), tuple(sorted(custom)))


def _scheme(schema: Any, model: Any) -> str:
    """Name the scheme from the types that weighted operators compute on and store their weights in.

    float32, float16, dynamic (8-bit weights, float activations), weight-only (weights are converted back before use),
    int8, uint8, int16x8; ``-float-io`` where inputs and outputs stay float; ``int8+float32`` where both compute.
    A graph without weights is named by its first input's type.
    """
    graph = model.Subgraphs(0)
    kinds = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    types = [kinds.get(graph.Tensors(index).Type(), "unknown") for index in range(graph.TensorsLength())]
    found: set[str] = set()
    stored_as: dict[int, str] = {}
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        inputs = [int(operator.Inputs(i)) for i in range(operator.InputsLength())]
        builtin = _builtin(model, operator)
        if builtin == schema.BuiltinOperator.DEQUANTIZE and inputs:
            stored_as[int(operator.Outputs(0))] = types[inputs[0]]
        if builtin in _weighted(schema) and len(inputs) >= 2 and inputs[1] >= 0:
            weight = stored_as.get(inputs[1], types[inputs[1]])
            found.add(_operator_scheme(types[inputs[0]], weight, converted=inputs[1] in stored_as))
    if not found:
        return types[graph.Inputs(0)] if graph.InputsLength() else "unknown"
    return _graph_scheme(found, _boundary(graph, types))


def _operator_scheme(activation: str, weight: str, *, converted: bool) -> str:
    if not activation.startswith("float"):
        return "int16x8" if activation == "int16" else activation
    if weight.startswith("float"):
        return weight
    return "weight-only" if converted else "dynamic"


def _graph_scheme(found: set[str], boundary: set[str]) -> str:
    integer = sorted(name for name in found if name.startswith(("int", "uint")))
    if not integer:
        # The converter leaves small tensors in float32 in every scheme: the compressed ones give the name.
        return next(name for name in ("dynamic", "weight-only", "float16", "float32", *sorted(found)) if name in found)
    real = sorted(found - set(integer))
    suffix = "-float-io" if boundary == {"float32"} and not real else ""
    return "+".join(integer + real) + suffix


def _boundary(graph: Any, types: list[str]) -> set[str]:
    inputs = {types[graph.Inputs(i)] for i in range(graph.InputsLength())}
    return inputs | {types[graph.Outputs(i)] for i in range(graph.OutputsLength())}


def _builtin(model: Any, operator: Any) -> int:
    code = model.OperatorCodes(operator.OpcodeIndex())
    return max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))


def _weighted(schema: Any) -> set[int]:
    names = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D")
    return {getattr(schema.BuiltinOperator, name) for name in names}
