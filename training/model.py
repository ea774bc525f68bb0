"""The network: MobileNetV2, a head for the classes, and where a frozen part ends."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.errors import ModelError, UsageError

from .backend import captured_output, tensorflow
from .recipe import Recipe

_LFS_START = b"version https://git-lfs"
_HDF5_START = b"\x89HDF\r\n\x1a\n"
_SUFFIXES = (".h5", ".hdf5", ".keras")


@dataclass(frozen=True)
class Network:
    """A classifier and its parts, which share their weights.

    whole: image in -1..1 (or as normalised) -> scores that add up to 1. base: image -> pooled features.
    trunk: image -> what the tuned part begins with; tail: from there -> pooled features; both None where
    nothing but the head is tuned. head: pooled features -> logits.
    """

    whole: Any
    base: Any
    trunk: Any | None
    tail: Any | None
    head: Any


def build_network(recipe: Recipe, classes: int) -> Network:
    """The network of a recipe with its starting weights; the head is random, by the recipe's seed.

    Raises UsageError for an architecture that does not exist, ModelError for weights that do not fit it.
    """
    keras = tensorflow().keras
    keras.utils.set_random_seed(recipe.seed)
    base = _mobilenet(keras, recipe)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(base.output)
    features = keras.Model(base.input, pooled, name="base")
    trunk, tail = _cut(keras, base, pooled, recipe)
    logits = keras.layers.Dense(classes, name="logits")
    vector = keras.Input(pooled.shape[1:], name="features")
    head = keras.Model(vector, logits(vector), name="head")
    dropped = keras.layers.Dropout(recipe.dropout, name="dropout")(pooled)
    scores = keras.layers.Activation("softmax", name="scores")(logits(dropped))
    return Network(keras.Model(base.input, scores, name=recipe.arch), features, trunk, tail, head)


def _mobilenet(keras: Any, recipe: Recipe) -> Any:
    weights = "imagenet" if recipe.weights == "imagenet" else None
    try:
        with captured_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            base = keras.applications.MobileNetV2(
                input_shape=(recipe.size, recipe.size, 3), alpha=recipe.alpha, include_top=False, weights=weights
            )
    except ValueError as error:
        raise UsageError(f"--alpha {recipe.alpha:g} with --weights {recipe.weights}: {_first_line(error)}") from error
    except Exception as error:
        if weights is None:
            raise
        raise ModelError(
            f"the ImageNet weights could not be downloaded ({_first_line(error)}); "
            "give a file with --weights FILE, or --weights none"
        ) from error
    if recipe.weights == "none":
        for layer in base.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = recipe.norm_momentum
    elif weights is None:
        _load_weights(base, Path(recipe.weights).expanduser(), recipe)
    return base


def _load_weights(base: Any, path: Path, recipe: Recipe) -> None:
    start = read_start(path)
    if start.startswith(_LFS_START):
        raise ModelError(f"{path}: is a Git LFS pointer, not the weights; fetch them with: git lfs pull", path)
    if not start.startswith(_HDF5_START) and path.suffix != ".keras":
        raise ModelError(f"{path}: is no HDF5 file of Keras weights; give the .h5 of a MobileNetV2 without top", path)
    if path.suffix not in _SUFFIXES:
        raise ModelError(f"{path}: Keras tells kinds of weights by suffix; rename it to end in .h5", path)
    try:
        with captured_output():
            base.load_weights(str(path))
    # h5py and Keras raise whatever they stumbled over: OSError, KeyError, ValueError, TypeError ...
    except Exception as error:
        found = re.search(r"mobilenet_v2_weights.*_(\d\.\d+?)_\d+", path.name)
        named = f" (by its name it is for alpha {float(found.group(1)):g})" if found else ""
        raise ModelError(
            f"{path}: does not fit a MobileNetV2 without top of alpha {recipe.alpha:g}{named}; "
            f"give the alpha it was made for: {_first_line(error)}",
            path,
        ) from error


def read_start(path: Path) -> bytes:
    """The first bytes of a file. Raises ModelError where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file of weights; check the path", path) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({os.strerror(error.errno or 0)}); check the path", path) from error


def _cut(keras: Any, base: Any, pooled: Any, recipe: Recipe) -> tuple[Any | None, Any | None]:
    if recipe.weights == "none" or recipe.fine_tune_from == "none":
        return None, None
    first = next((layer for layer in base.layers if layer.name.startswith(f"{recipe.fine_tune_from}_")), None)
    if first is None:
        blocks = dict.fromkeys("_".join(layer.name.split("_")[:2]) for layer in base.layers if "block" in layer.name)
        raise UsageError(
            f"recipe: fine_tune_from {recipe.fine_tune_from!r} is no block of this network; use none or "
            f"{', '.join(blocks)}"
        )
    cut = first.input
    return keras.Model(base.input, cut, name="trunk"), keras.Model(cut, pooled, name="tail")


def tunable(model: Any, *, freeze_norms: bool) -> list[Any]:
    """The trainable variables of a model; with ``freeze_norms`` BatchNorm layers keep theirs and their
    statistics."""
    keras = tensorflow().keras
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not freeze_norms
    return list(model.trainable_variables)


def weights_digest(models: Sequence[Any]) -> str:
    """SHA-256 over all weights of the models, in hex."""
    import hashlib

    digest = hashlib.sha256()
    for model in models:
        for value in model.get_weights():
            digest.update(value.tobytes())
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
