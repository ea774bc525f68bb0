"""From runs to shares, and from operators to nodes."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.analysis.nodes import match_nodes, partitions, xnnpack_family
from edgebench.analysis.profile import (
    drop_names,
    join_runs,
    operator_times,
    quicker_half,
    resolution,
    settled,
    type_times,
)
from edgebench.operators import Match, OperatorKey, OperatorTime
from edgebench.profile_data import GraphNode, ProfiledRuns, Subgraph


def _cpu(tag: str, index: int = 0, *, container: bool = False, subgraph: int = 0) -> OperatorKey:
    return OperatorKey(subgraph, False, -1, index, tag, container)


def _xnn(tag: str, index: int, partition: int = 0, subgraph: int = 0) -> OperatorKey:
    return OperatorKey(subgraph, True, partition, index, tag)


def _runs(times: dict[OperatorKey, list[int]], invoke_us: list[int] | None = None) -> ProfiledRuns:
    elapsed = np.array(list(times.values()), np.int64).T
    whole = np.array(invoke_us, np.int64) if invoke_us else elapsed.sum(axis=1)
    return ProfiledRuns(tuple(times), elapsed, np.ones_like(elapsed), whole, whole * 900)


def test_shares_are_sums_over_runs_before_dividing() -> None:
    # Times below a microsecond show only in the sum: 1 of 4 runs.
    found = operator_times(_runs({_cpu("A"): [0, 1, 0, 0], _cpu("B", 1): [3, 3, 2, 3]}))
    assert found[0].time_us == 0.25
    assert found[0].share == pytest.approx(1 / 12)
    assert found[1].share == pytest.approx(11 / 12)


def test_a_container_has_no_share_and_takes_none() -> None:
    found = operator_times(_runs({_cpu("WHILE", container=True): [50, 50], _cpu("ADD", subgraph=1): [5, 7]}))
    assert found[0].share is None
    assert found[0].time_us == 50
    assert found[1].share == 1.0


def test_a_run_in_which_everything_is_slower_does_not_widen_shares() -> None:
    steady = operator_times(_runs({_cpu("A"): [10, 20, 40, 80], _cpu("B", 1): [30, 60, 120, 240]}))
    uneven = operator_times(_runs({_cpu("A"): [10, 20, 40, 80], _cpu("B", 1): [60, 60, 60, 60]}))
    assert steady[0].share_interval == pytest.approx(0)
    assert uneven[0].share_interval > 0.1


def test_the_interval_covers_the_true_share_about_95_times_in_100() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        speed = rng.uniform(1, 2, 60)
        first, second = (np.round(speed * rng.normal(mean, mean / 20, 60)).astype(int) for mean in (100, 300))
        item = operator_times(_runs({_cpu("A"): list(first), _cpu("B", 1): list(second)}))[0]
        hits += item.share_low <= 0.25 <= item.share_high
    assert 270 <= hits <= 297


def test_what_xnnpack_cut_off_is_inside_the_range_whoever_lost_it() -> None:
    item, other = operator_times(_runs({_xnn("a", 0): [9, 9], _xnn("b", 1): [1, 1]}))
    assert item.cut_us == 1.0
    # 9 of 9 + 1.999..., and 9.999... of 9.999... + 1
    assert item.share_low == pytest.approx(9 / 11)
    assert item.share_high == pytest.approx(10 / 11)
    assert other.share_low == pytest.approx(1 / 11)
    assert other.share_high == pytest.approx(2 / 11)


def test_litert_rounds_both_ways_so_nothing_is_cut_from_its_own_operators() -> None:
    item = operator_times(_runs({_cpu("A"): [9, 9], _cpu("B", 1): [1, 1]}))[0]
    assert item.cut_us == 0.0
    assert [item.share_low, item.share_high] == pytest.approx([0.9, 0.9])


def test_operators_that_took_nothing_could_have_any_share() -> None:
    found = operator_times(_runs({_xnn("a", 0): [0, 0], _xnn("b", 1): [0, 0]}))
    assert [(item.share, item.share_low, item.share_high) for item in found] == [(0.0, 0.0, 1.0)] * 2


def test_one_run_tells_nothing_about_spread() -> None:
    (item,) = operator_times(_runs({_cpu("A"): [5]}))
    assert item.share_interval == 1.0
    assert (item.share_low, item.share_high) == (0.0, 1.0)


def test_only_the_quicker_half_counts() -> None:
    runs = quicker_half(_runs({_cpu("A"): [10, 10, 10, 9000], _cpu("B", 1): [10, 11, 12, 10]}))
    assert runs.elapsed_us.tolist() == [[10, 10], [10, 11]]
    assert len(runs.plain_ns) == len(runs.calls) == len(runs.invoke_us) == 2


def test_equal_runs_all_count() -> None:
    assert len(quicker_half(_runs({_cpu("A"): [5, 5, 5]})).invoke_us) == 3


def test_parts_with_other_operators_are_joined() -> None:
    joined = join_runs([_runs({_cpu("A"): [1], _cpu("B", 1): [2]}), _runs({_cpu("C", 2): [4], _cpu("A"): [3]})])
    assert [key.tag for key in joined.operators] == ["A", "B", "C"]
    assert joined.elapsed_us.tolist() == [[1, 2, 0], [3, 0, 4]]
    assert joined.calls.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert joined.plain_ns.tolist() == [2700, 6300]


def test_settled_looks_at_operators_that_matter_only() -> None:
    rng = np.random.default_rng(2)
    steady = {_cpu("A"): [1000] * 40, _cpu("B", 1): [500] * 40}
    assert settled(_runs({**steady, _cpu("C", 2): list(rng.integers(0, 9, 40))}), 0.02)
    assert not settled(_runs({**steady, _cpu("C", 2): list(rng.integers(0, 900, 40))}), 0.02)


def test_types_are_summed_apart_for_each_place() -> None:
    found = type_times(operator_times(_runs({_xnn("Add", 0): [2, 2], _cpu("Add", 4): [3, 3], _xnn("Add", 2): [5, 5]})))
    assert [(item.delegated, item.count, item.time_us) for item in found] == [(True, 2, 7.0), (False, 1, 3.0)]
    assert found[0].share == pytest.approx(0.7)
    assert found[0].share_low == pytest.approx(0.7)
    assert found[0].share_high == pytest.approx(9 / 12)


def test_resolution_counts_what_is_known_to_a_tenth() -> None:
    known = resolution(
        2, operator_times(_runs({_xnn("a", 0): [900, 900], _xnn("b", 1): [3, 3], _cpu("C", 2): [97, 97]}))
    )
    assert (known.runs, known.operators, known.resolved, known.cut_us) == (2, 3, 2, 2.0)
    assert known.resolved_share == pytest.approx(0.997)


def test_a_name_that_two_nodes_share_names_neither() -> None:
    def item(index: int, *names: str) -> OperatorTime:
        return OperatorTime(_cpu("A", index), 1.0, 1.0, 0.0, 0.5, node=index, output_names=names)

    found = drop_names([item(0, "x", "y"), item(1, "x"), item(1, "z")])
    assert [entry.output_names for entry in found] == [("y",), (), ("z",)]


def _node(operator: str, inputs: tuple[int, ...], output: int) -> GraphNode:
    return GraphNode(operator, inputs, (output,), (f"t{output}",))


def _chain(*operators: str) -> Subgraph:
    return Subgraph("main", tuple(_node(name, (index,), index + 1) for index, name in enumerate(operators)))


def _matched(keys: list[OperatorKey], *graph: Subgraph) -> list[tuple[Match, int | None]]:
    operators = [OperatorTime(key, 1.0, 1.0, 0.0, 0.1) for key in keys]
    return [(item.match, item.node) for item in match_nodes(operators, graph)]


CONV, FULL, DEPTH = "Convolution (NHWC, F32) IGEMM", "Fully Connected (NC, F32) GEMM", "Convolution (NHWC, F32) DWConv"


def test_the_cpus_operators_carry_their_nodes_index() -> None:
    keys = [_cpu("CONV_2D", 0), _cpu("SOFTMAX", 1)]
    assert _matched(keys, _chain("CONV_2D", "SOFTMAX")) == [(Match.INDEX, 0), (Match.INDEX, 1)]


def test_an_index_whose_node_is_another_operator_matches_nothing() -> None:
    keys = [_cpu("TfLiteOtherDelegate", 0), _cpu("SOFTMAX", 7)]
    assert _matched(keys, _chain("CONV_2D", "SOFTMAX")) == [(Match.NONE, None)] * 2


def test_xnnpacks_operators_keep_the_nodes_order() -> None:
    keys = [_xnn(CONV, 0), _xnn(DEPTH, 1), _xnn(FULL, 2), _xnn("Static Reshape (NC)", 3), _xnn(FULL, 4)]
    graph = _chain("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED")
    assert _matched(keys, graph) == [
        (Match.ORDER, 0),
        (Match.ORDER, 1),
        (Match.ORDER, 2),
        (Match.NONE, None),
        (Match.ORDER, 3),
    ]


def test_where_counts_differ_nothing_is_claimed() -> None:
    keys = [_xnn(CONV, 0), _xnn(DEPTH, 1)]
    graph = _chain("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D")
    assert _matched(keys, graph) == [(Match.NONE, None), (Match.ORDER, 1)]


def test_two_partitions_and_a_node_between_them() -> None:
    keys = [_xnn(CONV, 0), _cpu("REVERSE_V2", 1), _xnn(CONV, 0, 1)]
    assert _matched(keys, _chain("CONV_2D", "REVERSE_V2", "CONV_2D")) == [
        (Match.ORDER, 0),
        (Match.INDEX, 1),
        (Match.ORDER, 2),
    ]


def test_another_number_of_partitions_than_the_graph_explains_matches_nothing() -> None:
    keys = [_xnn(CONV, 0), _xnn(CONV, 0, 1)]
    assert _matched(keys, _chain("CONV_2D", "CONV_2D")) == [(Match.NONE, None)] * 2


def test_a_branch_is_in_the_partition_that_can_run_it_first() -> None:
    # conv 0 -> reverse 1 -> conv 2; conv 3 needs conv 0 only: it runs before reverse 1, though later in the file.
    nodes = (
        _node("CONV_2D", (0,), 1),
        _node("REVERSE_V2", (1,), 2),
        _node("CONV_2D", (2,), 3),
        _node("CONV_2D", (1,), 4),
        _node("ADD", (3, 4), 5),
    )
    assert partitions(nodes, {0, 2, 3, 4}) == [[0, 3], [2, 4]]
    keys = [_xnn(CONV, 0), _xnn(FULL, 1), _cpu("REVERSE_V2", 1), _xnn(CONV, 0, 1), _xnn("Add (ND)", 1, 1)]
    assert [node for _, node in _matched(keys, Subgraph("main", nodes))] == [0, 3, 1, 2, 4]


def test_subgraphs_are_matched_apart() -> None:
    keys = [_cpu("ADD", 0, subgraph=1), _xnn(FULL, 0, subgraph=1)]
    assert _matched(keys, _chain("WHILE"), _chain("ADD", "FULLY_CONNECTED")) == [(Match.INDEX, 0), (Match.ORDER, 1)]


def test_a_cycle_ends() -> None:
    nodes = (_node("ADD", (1,), 0), _node("ADD", (0,), 1))
    assert partitions(nodes, {0, 1}) == []


@pytest.mark.parametrize(
    ("tag", "family"),
    [(CONV, "weighted"), (FULL, "weighted"), (DEPTH, "depthwise"), ("Static Reshape (NC)", None), ("odd", None)],
)
def test_families(tag: str, family: str | None) -> None:
    assert xnnpack_family(tag) == family
