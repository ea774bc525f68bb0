"""What really runs: how many of the graph's nodes a delegate took, and which operators stay on the CPU's kernels.

After ``allocate_tensors`` the interpreter lists the original nodes plus one ``DELEGATE`` node per partition, but not
the execution plan. The plan is found by walking back from the outputs and preferring a DELEGATE as a tensor's
producer: what the walk meets is what runs.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterable, List, Sequence, Set

Node = Dict[str, Any]


def executed_nodes(nodes: Sequence[Node], outputs: Iterable[int]) -> List[Node]:
    """Return the nodes that run, in index order, given all nodes and the graph's output tensors."""
    producer: Dict[int, Node] = {}
    for node in nodes:
        for tensor in node["outputs"]:
            if int(tensor) not in producer or node["op_name"] == "DELEGATE":
                producer[int(tensor)] = node
    reached: Dict[int, Node] = {}
    pending = [int(tensor) for tensor in outputs]
    seen: Set[int] = set()
    while pending:
        tensor = pending.pop()
        if tensor in seen or tensor not in producer:
            continue
        seen.add(tensor)
        node = producer[tensor]
        reached[int(node["index"])] = node
        pending.extend(int(value) for value in node["inputs"])
    return [reached[index] for index in sorted(reached)]


def delegation_report(before: Sequence[Node], after: Sequence[Node], outputs: Sequence[int]) -> Dict[str, Any]:
    """Return nodes in the graph, nodes taken, partitions, and the operators left to the CPU with their counts.

    ``before`` are the nodes listed before ``allocate_tensors``, ``after`` those listed afterwards.
    """
    # An external delegate is applied when the interpreter is made, so its nodes are in ``before`` already.
    graph = executed_nodes([node for node in before if node["op_name"] != "DELEGATE"], outputs)
    running = executed_nodes(after, outputs)
    on_cpu = [node for node in running if node["op_name"] != "DELEGATE"]
    partitions = len(running) - len(on_cpu)
    left = Counter(str(node["op_name"]) for node in on_cpu)
    return {
        "total_nodes": len(graph),
        "delegated_nodes": len(graph) - len(on_cpu) if partitions else 0,
        "partitions": partitions,
        "cpu_operators": dict(sorted(left.items())),
    }
