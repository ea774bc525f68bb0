from __future__ import annotations

from typing import Any

import pytest
from edgebench.worker.delegation import delegation_report, executed_nodes

from .support import engine, model

Node = dict[str, Any]


def node(index: int, name: str, inputs: list[int], outputs: list[int]) -> Node:
    return {"index": index, "op_name": name, "inputs": inputs, "outputs": outputs}


#: 0 -> CONV -> 1 -> POOL -> 2 -> FC -> 3 -> SOFTMAX -> 4; tensors 10 to 12 are weights.
CHAIN = [
    node(0, "CONV_2D", [0, 10], [1]),
    node(1, "POOL", [1], [2]),
    node(2, "FULLY_CONNECTED", [2, 11], [3]),
    node(3, "SOFTMAX", [3], [4]),
]


def report(before: list[Node], delegates: list[Node], outputs: list[int]) -> dict[str, Any]:
    """The runtime keeps the original nodes in its list and appends the delegate's."""
    return delegation_report(before, before + delegates, outputs)


def test_without_a_delegate_every_node_is_left_to_the_cpu() -> None:
    assert report(CHAIN, [], [4]) == {
        "total_nodes": 4,
        "delegated_nodes": 0,
        "partitions": 0,
        "cpu_operators": {"CONV_2D": 1, "FULLY_CONNECTED": 1, "POOL": 1, "SOFTMAX": 1},
    }


def test_one_partition_takes_the_whole_graph() -> None:
    taken = report(CHAIN, [node(4, "DELEGATE", [0, 10, 11], [4])], [4])
    assert taken == {"total_nodes": 4, "delegated_nodes": 4, "partitions": 1, "cpu_operators": {}}


def test_the_tail_left_to_the_cpu_is_named() -> None:
    taken = report(CHAIN, [node(4, "DELEGATE", [0, 10, 11], [3])], [4])
    assert taken == {"total_nodes": 4, "delegated_nodes": 3, "partitions": 1, "cpu_operators": {"SOFTMAX": 1}}


def test_two_partitions_around_an_operator_left_out() -> None:
    delegates = [node(4, "DELEGATE", [0, 10], [1]), node(5, "DELEGATE", [2, 11], [4])]
    taken = report(CHAIN, delegates, [4])
    assert taken == {"total_nodes": 4, "delegated_nodes": 3, "partitions": 2, "cpu_operators": {"POOL": 1}}


def test_dead_nodes_count_nowhere() -> None:
    dead = [*CHAIN, node(4, "ADD", [1, 2], [20]), node(5, "MUL", [20], [21])]
    assert report(dead, [], [4])["total_nodes"] == 4
    taken = report(dead, [node(6, "DELEGATE", [0, 10, 11], [3])], [4])
    assert taken == {"total_nodes": 4, "delegated_nodes": 3, "partitions": 1, "cpu_operators": {"SOFTMAX": 1}}


def test_a_shared_tensor_does_not_count_its_producer_twice() -> None:
    diamond = [
        node(0, "CONV_2D", [0], [1]),
        node(1, "RELU", [1], [2]),
        node(2, "TANH", [1], [3]),
        node(3, "ADD", [2, 3], [4]),
    ]
    assert [found["index"] for found in executed_nodes(diamond, [4])] == [0, 1, 2, 3]
    taken = report(diamond, [node(4, "DELEGATE", [0], [2, 1])], [4])
    assert taken == {"total_nodes": 4, "delegated_nodes": 2, "partitions": 1, "cpu_operators": {"ADD": 1, "TANH": 1}}


def test_several_outputs_and_operators_of_one_name() -> None:
    split = [
        node(0, "SPLIT", [0], [1, 2]),
        node(1, "TANH", [1], [3]),
        node(2, "TANH", [2], [4]),
    ]
    assert report(split, [], [3, 4])["cpu_operators"] == {"SPLIT": 1, "TANH": 2}
    assert report(split, [], [3])["total_nodes"] == 2


def test_an_optional_input_that_is_absent_and_a_cycle_end_the_walk() -> None:
    assert len(executed_nodes([node(0, "LSTM", [-1, 0], [1])], [1])) == 1
    assert len(executed_nodes([node(0, "A", [2], [1]), node(1, "B", [1], [2])], [2])) == 2


def test_an_output_that_is_an_input_needs_no_node() -> None:
    assert report([], [], [0]) == {"total_nodes": 0, "delegated_nodes": 0, "partitions": 0, "cpu_operators": {}}


def test_an_external_delegate_is_in_the_list_from_the_start() -> None:
    """It is applied when the interpreter is made, before the nodes can be listed a first time."""
    listed = [*CHAIN, node(4, "DELEGATE", [0, 10, 11], [3])]
    assert delegation_report(listed, listed, [4]) == {
        "total_nodes": 4,
        "delegated_nodes": 3,
        "partitions": 1,
        "cpu_operators": {"SOFTMAX": 1},
    }


def test_a_real_float_model_is_taken_whole() -> None:
    found = engine(model("float32")).delegation()
    assert found == {"total_nodes": 6, "delegated_nodes": 6, "partitions": 1, "cpu_operators": {}}


def test_a_real_int8_model_keeps_its_softmax() -> None:
    found = engine(model("int8")).delegation()
    assert found == {"total_nodes": 6, "delegated_nodes": 5, "partitions": 1, "cpu_operators": {"SOFTMAX": 1}}


def test_a_real_model_in_two_partitions() -> None:
    found = engine(model("int8_float_io")).delegation()
    assert found == {"total_nodes": 8, "delegated_nodes": 7, "partitions": 2, "cpu_operators": {"SOFTMAX": 1}}


@pytest.mark.parametrize("asked", [{"delegate": "none"}, {"exclusive": True}])
@pytest.mark.parametrize("name", ["float32", "int8"])
def test_without_default_delegates_every_operator_is_left_to_the_cpu(name: str, asked: dict[str, Any]) -> None:
    found = engine(model(name), **asked).delegation()
    assert (found["total_nodes"], found["delegated_nodes"], found["partitions"]) == (6, 0, 0)
    assert sum(found["cpu_operators"].values()) == 6
    assert found["cpu_operators"]["CONV_2D"] == 2
