"""Which node of the model's graph each profiled operator is: pure functions.

An operator on the CPU's own kernels carries its node's index. XNNPACK's operators carry only their place in a list
that XNNPACK makes for each partition: it adds operators (reshapes), folds others away and runs a 1x1 convolution as a
fully connected layer. But it keeps the order. So, within one partition, where there are as many operators of a family
as nodes of that family, the first is the first, and so on; where the counts differ, nothing is claimed.

Which nodes are in which partition follows from TFLite's ``PartitionGraphIntoIndependentNodeSubsets`` (graph_info.cc):
alternately, everything that is ready and taken by the delegate, then everything that is ready and is not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..operators import Match, OperatorKey, OperatorTime
from ..profile_data import GraphNode, Subgraph

_WEIGHTED = "weighted"
#: TFLite operator -> family.
_NODE_FAMILIES = {
    "CONV_2D": _WEIGHTED,
    "FULLY_CONNECTED": _WEIGHTED,
    "DEPTHWISE_CONV_2D": "depthwise",
    "TRANSPOSE_CONV": "transposed",
    "BATCH_MATMUL": "matmul",
    "ADD": "add",
    "SUB": "subtract",
    "MUL": "multiply",
    "DIV": "divide",
    "MEAN": "mean",
    "SUM": "sum",
    "SOFTMAX": "softmax",
    "AVERAGE_POOL_2D": "average pooling",
    "MAX_POOL_2D": "max pooling",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "HARD_SWISH": "hardswish",
    "PAD": "pad",
    "CONCATENATION": "concatenate",
    "RESIZE_BILINEAR": "resize",
}
#: XNNPACK's name, before its brackets -> family. Reshapes, copies and conversions are missing on purpose: XNNPACK adds
#: some of its own, so equal counts would prove nothing.
_XNNPACK_FAMILIES = {
    "Convolution": _WEIGHTED,
    "Fully Connected": _WEIGHTED,
    "Deconvolution": "transposed",
    "Batch Matrix Multiply": "matmul",
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Divide": "divide",
    "Mean": "mean",
    "Sum": "sum",
    "Softmax": "softmax",
    "Average Pooling": "average pooling",
    "Max Pooling": "max pooling",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "HardSwish": "hardswish",
    "Constant Pad": "pad",
    "Concatenate": "concatenate",
    "Resize Bilinear": "resize",
}
_XNNPACK_NAME = re.compile(r"([^(]+?)\s*\(")


def match_nodes(operators: Sequence[OperatorTime], graph: Sequence[Subgraph]) -> tuple[OperatorTime, ...]:
    """Return the operators with the nodes that they can be shown to be, in the same order."""
    found: dict[OperatorKey, tuple[int, Match]] = {}
    for number, subgraph in enumerate(graph):
        keys = [item.key for item in operators if item.key.subgraph == number]
        on_cpu = _by_index(keys, subgraph.nodes)
        found.update({key: (node, Match.INDEX) for key, node in on_cpu.items()})
        taken = set(range(len(subgraph.nodes))) - set(on_cpu.values())
        ordered = _by_order([key for key in keys if key.delegated], subgraph.nodes, taken)
        found.update({key: (node, Match.ORDER) for key, node in ordered.items()})
    return tuple(_matched(item, found.get(item.key), graph) for item in operators)


def _matched(item: OperatorTime, found: tuple[int, Match] | None, graph: Sequence[Subgraph]) -> OperatorTime:
    if found is None:
        return item
    number, match = found
    node = graph[item.key.subgraph].nodes[number]
    names = tuple(name for name in node.output_names if name)
    return replace(item, match=match, node=number, node_operator=node.operator, output_names=names)


def _by_index(keys: Sequence[OperatorKey], nodes: Sequence[GraphNode]) -> dict[OperatorKey, int]:
    return {
        key: key.index
        for key in keys
        if not key.delegated and key.index < len(nodes) and nodes[key.index].operator == key.tag
    }


def _by_order(keys: Sequence[OperatorKey], nodes: Sequence[GraphNode], taken: set[int]) -> dict[OperatorKey, int]:
    numbers = sorted({key.partition for key in keys})
    parts = partitions(nodes, taken)
    if len(parts) != len(numbers):
        return {}
    found: dict[OperatorKey, int] = {}
    for number, part in zip(numbers, parts, strict=True):
        listed = [key for key in keys if key.partition == number]
        for family in set(_NODE_FAMILIES.values()):
            members = sorted((key for key in listed if xnnpack_family(key.tag) == family), key=lambda key: key.index)
            candidates = [node for node in part if _NODE_FAMILIES.get(nodes[node].operator) == family]
            if len(members) == len(candidates):
                found.update(zip(members, candidates, strict=True))
    return found


def xnnpack_family(tag: str) -> str | None:
    """Return the family of an XNNPACK operator such as ``Convolution (NHWC, F32) DWConv``; None if it has none."""
    name = _XNNPACK_NAME.match(tag)
    if name is None:
        return None
    if name.group(1) == "Convolution" and tag.endswith("DWConv"):
        return "depthwise"
    return _XNNPACK_FAMILIES.get(name.group(1))


def partitions(nodes: Sequence[GraphNode], taken: set[int]) -> list[list[int]]:
    """Return the delegate's partitions, in the order they run: indices of the nodes in ``taken``, each ascending."""
    pending = {tensor for node in nodes for tensor in node.outputs}
    waiting = list(range(len(nodes)))
    subsets: list[tuple[bool, list[int]]] = []
    while waiting:
        subset: list[int] = []
        delegated: bool | None = None
        progress = True
        while progress:
            progress = False
            for index in list(waiting):
                if any(tensor in pending for tensor in nodes[index].inputs):
                    continue
                if delegated is None:
                    delegated = index in taken
                if delegated == (index in taken):
                    subset.append(index)
                    waiting.remove(index)
                    pending.difference_update(nodes[index].outputs)
                    progress = True
        if delegated is None:
            break  # a graph with a cycle: what is left cannot run
        subsets.append((delegated, sorted(subset)))
    return [subset for delegated, subset in subsets if delegated]
