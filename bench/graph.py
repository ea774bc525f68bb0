"""The graph of a ``.tflite`` file: its nodes in order, with the names that tools know them by."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from .errors import ModelError
from .profile_data import GraphNode, Subgraph


def read_graph(path: Path) -> tuple[Subgraph, ...] | None:
    """Return the file's subgraphs, or None where this Python lacks ai-edge-litert to read the file with.

    Raises:
        ModelError: the file cannot be read or is damaged.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        return None
    try:
        model = schema.Model.GetRootAs(path.read_bytes(), 0)
        names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        codes = [_code(names, model.OperatorCodes(index)) for index in range(model.OperatorCodesLength())]
        return tuple(_subgraph(model.Subgraphs(index), codes) for index in range(model.SubgraphsLength()))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}", path) from error
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError):
        raise ModelError(f"{path}: is a damaged TFLite flatbuffer", path) from None


def _code(names: dict[int, str], code: Any) -> str:
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = names.get(builtin, str(builtin))
    return (code.CustomCode() or b"?").decode("utf-8", "replace") if name == "CUSTOM" else name


def _subgraph(graph: Any, codes: list[str]) -> Subgraph:
    nodes = []
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        outputs = tuple(int(operator.Outputs(i)) for i in range(operator.OutputsLength()))
        nodes.append(
            GraphNode(
                operator=codes[operator.OpcodeIndex()],
                inputs=tuple(int(operator.Inputs(i)) for i in range(operator.InputsLength())),
                outputs=outputs,
                output_names=tuple(_text(graph.Tensors(index).Name()) for index in outputs),
            )
        )
    return Subgraph(_text(graph.Name()), tuple(nodes))


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
