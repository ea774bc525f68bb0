"""Matching the layers of two graphs."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.analysis.layer_match import match_layers
from edgebench.layer_data import INPUT, Match, Network, NetworkTensor
from edgebench.profile_data import GraphNode

Step = tuple[str, str, tuple[int, ...]]


def chain(*steps: Step) -> Network:
    """Return a graph whose steps (operator, output's name, shape) each read the one before; tensor 0 is the input."""
    nodes = tuple(GraphNode(operator, (i,), (i + 1,), (name,)) for i, (operator, name, _) in enumerate(steps))
    tensors = [NetworkTensor("image", (1, 8), "float32")]
    tensors += [NetworkTensor(name, shape, "float32") for _, name, shape in steps]
    everything = frozenset(range(len(tensors)))
    return Network("main", nodes, tuple(tensors), (0,), (len(steps),), everything)


def found(reference: Network, variant: Network) -> list[tuple[int, int, str]]:
    pairs = match_layers(reference, variant).pairs
    return [(pair.reference_node, pair.variant_node, pair.match.value) for pair in pairs if pair.operator != INPUT]


CONV, POOL, DENSE = ("CONV_2D", "a", (1, 4)), ("MEAN", "p", (1, 4)), ("FULLY_CONNECTED", "d", (1, 2))


def test_names_with_the_same_operator_and_shape_match() -> None:
    assert found(chain(CONV, POOL, DENSE), chain(CONV, POOL, DENSE)) == [
        (0, 0, "name"),
        (1, 1, "name"),
        (2, 2, "name"),
    ]


def test_conversions_are_no_layers_and_do_not_stand_in_the_way() -> None:
    quantize, back = ("QUANTIZE", "tfl.quantize", (1, 8)), ("DEQUANTIZE", "d", (1, 2))
    variant = chain(quantize, CONV, POOL, ("FULLY_CONNECTED", "d1", (1, 2)), back)
    assert found(chain(CONV, POOL, DENSE), variant) == [(0, 1, "name"), (1, 2, "name"), (2, 3, "order")]
    matched = match_layers(chain(CONV, POOL, DENSE), variant)
    assert matched.unmatched == ()
    assert all(pair.inputs_match for pair in matched.pairs if pair.operator != INPUT)


def test_the_input_is_a_pair_as_the_variants_layers_see_it() -> None:
    variant = chain(("QUANTIZE", "tfl.quantize", (1, 8)), CONV)
    first = match_layers(chain(CONV), variant).pairs[0]
    assert (first.operator, first.reference_tensor, first.variant_tensor) == (INPUT, 0, 1)


def test_an_old_name_on_another_kind_of_node_is_no_match() -> None:
    variant = chain(("DEQUANTIZE", "a", (1, 4)), ("CONV_2D", "a2", (1, 4)), POOL)
    assert found(chain(CONV, POOL), variant) == [(0, 1, "order"), (1, 2, "name")]


def test_a_gap_that_differs_is_left_over_on_both_sides_never_guessed() -> None:
    reference = chain(CONV, ("PAD", "x", (1, 4)), ("CONV_2D", "b", (1, 4)), DENSE)
    variant = chain(CONV, ("CONV_2D", "c", (1, 4)), DENSE)
    assert found(reference, variant) == [(0, 0, "name"), (3, 2, "name")]
    left = match_layers(reference, variant).unmatched
    assert [(item.side, item.node, item.operator) for item in left] == [
        ("reference", 1, "PAD"),
        ("reference", 2, "CONV_2D"),
        ("variant", 1, "CONV_2D"),
    ]
    assert not next(
        pair for pair in match_layers(reference, variant).pairs if pair.operator == "FULLY_CONNECTED"
    ).inputs_match


def test_same_operators_with_other_shapes_are_other_layers() -> None:
    assert found(chain(("CONV_2D", "a", (1, 4))), chain(("CONV_2D", "z", (1, 5)))) == []


def test_a_name_that_is_there_twice_names_nothing() -> None:
    twice = chain(("ADD", "s", (1, 4)), ("ADD", "s", (1, 4)), POOL)
    assert [match for _, _, match in found(twice, twice)] == ["order", "order", "name"]


def test_pairs_that_cross_leave_the_rest_unmatched() -> None:
    reference = chain(("ADD", "a", (1, 4)), ("MUL", "b", (1, 4)), ("TANH", "x", (1, 4)))
    variant = chain(("MUL", "b", (1, 4)), ("ADD", "a", (1, 4)), ("TANH", "y", (1, 4)))
    assert found(reference, variant) == [(1, 0, "name"), (0, 1, "name")]


def test_inputs_in_another_order_are_told() -> None:
    def two(order: Sequence[int]) -> Network:
        first = GraphNode("ADD", (0,), (1,), ("a",))
        second = GraphNode("MUL", (0,), (2,), ("b",))
        last = GraphNode("SUB", tuple(order), (3,), ("c",))
        tensors = tuple(NetworkTensor(name, (1, 4), "float32") for name in ("image", "a", "b", "c"))
        return Network("main", (first, second, last), tensors, (0,), (3,), frozenset(range(4)))

    agreed = {pair.operator: pair.inputs_match for pair in match_layers(two((1, 2)), two((2, 1))).pairs}
    assert agreed == {INPUT: False, "ADD": True, "MUL": True, "SUB": False}
    assert match_layers(two((1, 2)), two((1, 2))).pairs[-1].match is Match.NAME
