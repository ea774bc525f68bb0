"""Names of layers that a person can read: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

#: Parts of the converter's names that tell how a layer is computed, not which one it is.
_INNER = frozenset(
    {"batchnorm", "BatchNorm_Fold", "BiasAdd", "ReadVariableOp", "convolution", "depthwise_Fold", "Conv2D_Fold"}
)


def layer_names(outputs: Sequence[str]) -> list[str]:
    """Return a short name for each output's name, with as much of its path as tells it from the others.

    The converter joins the names of all nodes that became one by ``;``, the layer's own last, as in
    ``a/conv_1/BiasAdd;a/conv_1/Conv2D1``: of that ``conv_1`` is left.
    """
    paths = [_path(name) for name in outputs]
    depths = [1] * len(paths)
    while True:
        names = ["/".join(path[-depth:]) for path, depth in zip(paths, depths, strict=True)]
        longer = [names.count(name) > 1 and depths[i] < len(paths[i]) for i, name in enumerate(names)]
        if not any(longer):
            return names
        depths = [depth + grows for depth, grows in zip(depths, longer, strict=True)]


def _path(name: str) -> list[str]:
    own = next((part for part in reversed(name.split(";")) if part), "")
    parts = [part for part in own.split("/") if part]
    if len(parts) > 1:
        parts = parts[:-1]
    while len(parts) > 1 and parts[-1] in _INNER:
        parts = parts[:-1]
    return parts or ["?"]
