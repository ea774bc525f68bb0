"""Which layer of a variant's graph is which of the reference's: pure functions. What is not sure is not claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

from ..layer_data import CONVERSIONS, INPUT, LayerPair, Match, Matched, Network, Unmatched

Item = TypeVar("Item")


def match_layers(reference: Network, variant: Network) -> Matched:
    """Return the layers that both graphs have, and those of either that the other has no sure counterpart of.

    A layer is a node that depends on the graph's input and does more than convert numbers. The converter keeps output
    names but for a digit at the end, and may give a layer's old name to another tensor; so a name counts only with the
    same operator and shape. Between two matched neighbours the rest is matched where both graphs have the same
    operators with the same shapes in the same order.
    """
    left, right = layer_nodes(reference), layer_nodes(variant)
    found = {node: (other, Match.NAME) for node, other in _by_name(reference, variant, left, right).items()}
    for lefts, rights in _gaps(left, right, {node: other for node, (other, _) in found.items()}):
        if [_kind(reference, node) for node in lefts] == [_kind(variant, node) for node in rights]:
            found.update({b: (a, Match.ORDER) for a, b in zip(lefts, rights, strict=True)})
    missing = _left_over("reference", reference, left, {node for node, _ in found.values()})
    added = _left_over("variant", variant, right, set(found))
    return Matched(tuple(_pairs(reference, variant, found)), (*missing, *added))


def layer_nodes(network: Network) -> list[int]:
    """Return the indices of the nodes that are layers."""
    return [
        number
        for number, node in enumerate(network.nodes)
        if node.operator not in CONVERSIONS and not network.activations.isdisjoint(node.inputs)
    ]


def _by_name(reference: Network, variant: Network, left: Sequence[int], right: Sequence[int]) -> dict[int, int]:
    """Return reference nodes by variant node, where names, operators and shapes agree and neither is there twice."""
    keys = _unique({node: (reference.nodes[node].output_names, _kind(reference, node)) for node in left})
    places = {key: node for node, key in keys.items()}
    wanted = _unique({node: (variant.nodes[node].output_names, _kind(variant, node)) for node in right})
    return {node: places[key] for node, key in wanted.items() if key in places and any(key[0])}


def _unique(keys: dict[int, Item]) -> dict[int, Item]:
    counts = Counter(keys.values())
    return {node: key for node, key in keys.items() if counts[key] == 1}


def _kind(network: Network, number: int) -> tuple[str, tuple[tuple[int, ...], ...]]:
    node = network.nodes[number]
    return node.operator, tuple(network.tensors[tensor].shape for tensor in node.outputs)


def _gaps(left: Sequence[int], right: Sequence[int], found: dict[int, int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield what lies between matched neighbours, on both sides; pairs that cross end the search."""
    ends = [(found[node], node) for node in right if node in found]
    if ends != sorted(ends):
        return
    first = (-1, -1)
    for last in [*ends, (max(left, default=0) + 1, max(right, default=0) + 1)]:
        lefts = [node for node in left if first[0] < node < last[0]]
        rights = [node for node in right if first[1] < node < last[1]]
        if lefts and rights:
            yield lefts, rights
        first = last


def _pairs(reference: Network, variant: Network, found: dict[int, tuple[int, Match]]) -> Iterator[LayerPair]:
    same = {
        tensor: other
        for node, (match, _) in found.items()
        for tensor, other in zip(variant.nodes[node].outputs, reference.nodes[match].outputs, strict=True)
    }
    same.update(zip(variant.inputs, reference.inputs, strict=False))
    yield from _inputs(reference, variant)
    for number in sorted(found):
        other, match = found[number]
        agree = _inputs_agree(reference, variant, (other, number), same)
        outputs = zip(reference.nodes[other].outputs, variant.nodes[number].outputs, strict=True)
        for theirs, own in outputs:
            yield LayerPair(variant.nodes[number].operator, other, number, theirs, own, match, agree)


def _inputs(reference: Network, variant: Network) -> Iterator[LayerPair]:
    """Yield the models' inputs: the variant's as its layers see it, quantized."""
    for theirs, own in zip(reference.inputs, variant.inputs, strict=False):
        written = [node.outputs[0] for node in variant.nodes if node.operator == "QUANTIZE" and node.inputs[0] == own]
        seen = written[0] if len(written) == 1 else own
        yield LayerPair(INPUT, -1, -1, theirs, seen, Match.NAME, inputs_match=False)


def _inputs_agree(reference: Network, variant: Network, nodes: tuple[int, int], same: dict[int, int]) -> bool:
    theirs, own = reference.nodes[nodes[0]].inputs, variant.nodes[nodes[1]].inputs
    made, made_there = variant.producers(), reference.producers()
    moving = [position for position, tensor in enumerate(own) if tensor in variant.activations]
    if moving != [position for position, tensor in enumerate(theirs) if tensor in reference.activations]:
        return False
    return all(
        same.get(variant.source(own[position], made)) == reference.source(theirs[position], made_there)
        for position in moving
    )


def _left_over(side: str, network: Network, nodes: Sequence[int], taken: set[int]) -> Iterator[Unmatched]:
    for number in nodes:
        if number not in taken:
            node = network.nodes[number]
            name = next((name for name in node.output_names if name), "")
            yield Unmatched(side, number, node.operator, name, "no sure counterpart in the other graph")
