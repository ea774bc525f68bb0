"""Where a training's inputs come from: features of a frozen part, computed once or anew, or images."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from edgebench.errors import DataError
from edgebench.images.normalization import Normalization
from edgebench.images.pixel_store import building, default_cache_dir

from .augment import augmented
from .backend import tensorflow
from .dihedral import dihedral
from .recipe import Augmentation

Array = np.ndarray[Any, Any]
Advance = Callable[[int, int], None]
_BATCH = 32
_FEATURES_NAME = "features.npy"
_HEADER_BYTES = 128


class Source(Protocol):
    """Gives inputs of a phase. ``places`` are positions in the source, not rows of the pixel cache."""

    @property
    def copies(self) -> int:
        """How many copies of each image there are."""

    def batch(self, places: Array, copies: Array, rng: np.random.Generator) -> Array:
        """float32 inputs of these images as these copies."""


@dataclass(frozen=True)
class Pixels:
    """Normalised images themselves, without or with random changes."""

    pixels: Array
    rows: Array
    normalization: Normalization
    changes: Augmentation | None = None
    copies: int = 1

    def batch(self, places: Array, copies: Array, rng: np.random.Generator) -> Array:
        """float32 [n, size, size, channels] as the model takes them."""
        images = np.stack(
            [dihedral(self.pixels[self.rows[i]][None], int(c))[0] for i, c in zip(places, copies, strict=True)]
        )
        if self.changes is None:
            return self.normalization.apply(images)
        changed = augmented(images, self.changes, rng)
        mean = np.asarray(self.normalization.mean, np.float32)
        return np.asarray((changed - mean) / np.asarray(self.normalization.std, np.float32))


@dataclass(frozen=True)
class Computed:
    """What a frozen model makes of an upstream source, computed anew at each batch."""

    upstream: Source
    model: Any

    @property
    def copies(self) -> int:
        """As many as upstream has."""
        return self.upstream.copies

    def batch(self, places: Array, copies: Array, rng: np.random.Generator) -> Array:
        """float32 [n, ...] features."""
        return apply_model(self.model, self.upstream.batch(places, copies, rng))


@dataclass(frozen=True)
class Cached:
    """Features on disk: ``features`` [copies, images, ...]."""

    features: Array

    @property
    def copies(self) -> int:
        """How many copies of each image there are."""
        return int(self.features.shape[0])

    def batch(self, places: Array, copies: Array, rng: np.random.Generator) -> Array:  # noqa: ARG002
        """float32 [n, ...] features."""
        return np.asarray(self.features[copies, places]).astype(np.float32)


def apply_model(model: Any, inputs: Array) -> Array:
    """float32 outputs of a Keras model in inference mode."""
    tf = tensorflow()
    return np.asarray(_compiled(model)(tf.convert_to_tensor(inputs)))


_FUNCTIONS: dict[int, tuple[Any, Any]] = {}


def _compiled(model: Any) -> Any:
    """One traced function per model: calling a Keras model layer by layer is several times slower."""
    if id(model) not in _FUNCTIONS:
        tf = tensorflow()
        shape = (None, *model.input_shape[1:])

        def infer(inputs: Any) -> Any:
            return model(inputs, training=False)

        function = tf.function(infer, input_signature=[tf.TensorSpec(shape, tf.float32)])
        _FUNCTIONS[id(model)] = (model, function)  # the model is kept so that its id stays its own
    return _FUNCTIONS[id(model)][1]


def cache_features(
    source: Computed,
    count: int,
    key: list[object],
    dtype: str,
    *,
    on_step: Advance | None = None,
) -> tuple[Cached, Path]:
    """Compute ``source`` for ``count`` images and all its copies once, or map what is there already.

    ``key`` is all that decides the values (pixels, rows, weights). Returns the features and the folder that
    holds them. Raises DataError where there is no room or no permission.
    """
    text = json.dumps([1, source.copies, count, dtype, str(tensorflow().__version__), *key])
    cache_dir = default_cache_dir()
    entry = cache_dir / f"features-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    path = entry / _FEATURES_NAME
    shape = (source.copies, count, *source.model.output_shape[1:])
    size_bytes = _HEADER_BYTES + math.prod(shape) * np.dtype(dtype).itemsize
    if not (path.is_file() and path.stat().st_size == size_bytes):
        with building(cache_dir, entry.name, size_bytes) as folder:
            _write(folder / _FEATURES_NAME, source, shape, np.dtype(dtype), on_step)
            shutil.rmtree(entry, ignore_errors=True)
            folder.rename(entry)
    try:
        return Cached(np.load(path, mmap_mode="r", allow_pickle=False)), entry
    except (OSError, ValueError) as error:
        raise DataError(f"cached features {path} cannot be read ({error}); run again to rebuild them") from error


def _write(path: Path, source: Computed, shape: tuple[int, ...], dtype: np.dtype[Any], on_step: Advance | None) -> None:
    """Plain writes, in order: a full disk is then an error, where a map would kill the process."""
    rng = np.random.default_rng(0)
    total, done = shape[0] * shape[1], 0
    with path.open("wb") as file:
        file.write(_header(shape, dtype))
        for copy in range(shape[0]):
            for start in range(0, shape[1], _BATCH):
                places = np.arange(start, min(start + _BATCH, shape[1]))
                values = source.batch(places, np.full(len(places), copy), rng)
                file.write(np.ascontiguousarray(values.astype(dtype)).data)
                done += len(places)
                if on_step is not None:
                    on_step(done, total)


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEADER_BYTES - 10)
    return magic + text.ljust(_HEADER_BYTES - 11).encode("ascii") + b"\n"
