"""The model that variants are made from and compared with: a Keras model or a SavedModel."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.errors import ModelError

from .backend import captured_output, tensorflow
from .model import read_start

Array = np.ndarray[Any, Any]
_BATCH = 32


@dataclass(frozen=True)
class Reference:
    """An image classifier.

    ``infer`` takes a float32 tensor [n, height, width, channels] of normalised images and answers [n, classes];
    ``trackable`` owns its variables.
    """

    name: str
    height: int
    width: int
    channels: int
    classes: int
    infer: Callable[[Any], Any]
    trackable: Any

    def predict(self, images: Array) -> Array:
        """float32 [n, classes] of float32 images [n, height, width, channels]."""
        tf = tensorflow()
        parts = [
            np.asarray(self.infer(tf.constant(images[start : start + _BATCH])))
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(parts).astype(np.float32)

    def concrete(self) -> Any:
        """The function of one image that converters take."""
        tf = tensorflow()
        shape = (1, self.height, self.width, self.channels)
        function = tf.function(self.infer, input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
        return function.get_concrete_function()


def open_reference(path: Path) -> Reference:
    """The classifier in a ``.keras`` or ``.h5`` file or a SavedModel folder.

    Raises ModelError where it is none, or no image classifier with one input of fixed size.
    """
    if path.is_dir():
        return _saved_model(path)
    start = read_start(path)
    if start.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path}: is a Git LFS pointer, not the model; fetch it with: git lfs pull", path)
    if start[4:8] == b"TFL3":
        raise ModelError(f"{path}: is a TFLite model already; export starts from a Keras model or SavedModel", path)
    if not (start.startswith(b"\x89HDF") or zipfile.is_zipfile(path)):
        raise ModelError(f"{path}: is no Keras model (.keras, .h5) and no SavedModel folder", path)
    keras = tensorflow().keras
    try:
        with captured_output():
            model = keras.models.load_model(path, compile=False)
    # Keras raises whatever a file's contents led it into.
    except Exception as error:
        raise ModelError(f"{path}: Keras cannot load it: {_line(error)}", path) from error
    return reference_of(model, path.stem)


def reference_of(model: Any, name: str) -> Reference:
    """The classifier that a Keras model is. Raises ModelError where it is no image classifier."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{name}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs; an image classifier has one each"
        )
    tf = tensorflow()

    def infer(images: Any) -> Any:
        return model(images, training=False)

    return _reference(
        name,
        tuple(model.inputs[0].shape),
        tuple(model.outputs[0].shape),
        tf.function(infer, reduce_retracing=True),
        model,
    )


def _saved_model(path: Path) -> Reference:
    tf = tensorflow()
    if not (path / "saved_model.pb").exists():
        raise ModelError(f"{path}: is a folder without saved_model.pb; give a SavedModel or a .keras file", path)
    try:
        with captured_output():
            loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise ModelError(f"{path}: TensorFlow cannot load this SavedModel: {_line(error)}", path) from error
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise ModelError(f"{path}: the SavedModel has no signature serving_default; save it with one", path)
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; an image classifier has one each"
        )
    (input_name, spec), (output_name, result) = next(iter(inputs.items())), next(iter(outputs.items()))

    def infer(images: Any) -> Any:
        return signature(**{input_name: images})[output_name]

    return _reference(path.name, tuple(spec.shape), tuple(result.shape), infer, loaded)


def _reference(name: str, image: tuple[Any, ...], scores: tuple[Any, ...], infer: Any, trackable: Any) -> Reference:
    if len(image) != 4 or image[3] not in (1, 3) or None in image[1:]:
        raise ModelError(f"{name}: its input is {list(image)}, not [n, height, width, 3 or 1] of fixed size")
    if len(scores) != 2 or scores[1] is None or scores[1] < 2:
        raise ModelError(f"{name}: its output is {list(scores)}, not [n, classes]; cut it down to the scores")
    return Reference(name, int(image[1]), int(image[2]), int(image[3]), int(scores[1]), infer, trackable)


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
