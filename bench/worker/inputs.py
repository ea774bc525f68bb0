"""Seeded inputs for any model, and quantization of real values into a model's own integers."""

from __future__ import annotations

import zlib
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np
import numpy.random  # numpy 2 would load it at its first use, into the memory that is put down to the model

from .refusal import Refusal


class Tensor(NamedTuple):
    """One input or output: ``scale`` is 0.0 where the tensor is not quantized per tensor."""

    name: str
    tensor_index: int
    shape: Tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int
    dynamic: bool = False

    @property
    def quantized(self) -> bool:
        """True if integers stand for real values: real = (q - zero_point) * scale."""
        return self.scale != 0.0 and self.dtype in ("int8", "uint8", "int16")

    def describe(self) -> Dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "scale": self.scale,
            "zero_point": self.zero_point,
            "dynamic": self.dynamic,
        }


def seeded_input(tensor: Tensor, seed: int) -> "np.ndarray[Any, Any]":
    """Return an array of the tensor's own shape and dtype, the same for the same seed and tensor name.

    Floats are uniform in [0, 1), 8-bit integers cover their range, wider integers lie in 0..127 (they are usually
    indices or counts), booleans are coin flips and strings are short ASCII words. The generator is PCG64, whose
    stream numpy keeps stable across versions.
    """
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(tensor.name.encode("utf-8"))]))
    shape = tensor.shape
    if tensor.dtype in ("string", "bytes"):
        words = [b"s%d" % value for value in rng.integers(0, 1000, size=int(np.prod(shape)))]
        return np.array(words, dtype=np.bytes_).reshape(shape)
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        dtype = np.dtype("V")
    if dtype.kind == "b":
        return rng.integers(0, 2, size=shape).astype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if dtype.itemsize == 1:
            return rng.integers(info.min, info.max, size=shape, endpoint=True).astype(dtype)
        return rng.integers(0, 128, size=shape).astype(dtype)
    if dtype.kind == "c":
        return (rng.random(shape) + 1j * rng.random(shape)).astype(dtype)
    if dtype.kind == "f":
        return rng.random(shape).astype(dtype)
    raise Refusal("input-dtype", "input '%s' has dtype %s, which cannot be generated" % (tensor.name, tensor.dtype))


def quantize(real: "np.ndarray[Any, Any]", tensor: Tensor) -> "np.ndarray[Any, Any]":
    """Return ``real`` as the tensor takes it: q = round(real / scale) + zero_point, clipped, or a plain cast.

    Rounds half to even as numpy does; the sum is clipped, never wrapped.
    """
    dtype = np.dtype(tensor.dtype)
    if not tensor.quantized:
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            # float32 cannot hold the limits of int32: clipped in it, large values would wrap.
            wide = np.rint(np.asarray(real, np.float64))
            return np.asarray(np.clip(wide, info.min, info.max).astype(dtype))
        return np.asarray(real.astype(dtype))
    info = np.iinfo(dtype)
    scaled = np.rint(real / np.float32(tensor.scale)) + tensor.zero_point
    return np.asarray(np.clip(scaled, info.min, info.max).astype(dtype))


def dequantize(values: "np.ndarray[Any, Any]", tensor: Tensor) -> "np.ndarray[Any, Any]":
    """Return float32 real values of an output."""
    if not tensor.quantized:
        return np.asarray(values.astype(np.float32))
    steps = values.astype(np.int32) - tensor.zero_point
    return np.asarray((steps * np.float32(tensor.scale)).astype(np.float32))


def real_values(values: "np.ndarray[Any, Any]", tensor: Tensor) -> "np.ndarray[Any, Any]":
    """Return an output's real values, flat and float64; of complex ones real and imaginary parts.

    Raises:
        Refusal: it holds no numbers.
    """
    if values.dtype.kind not in "biufc":
        raise Refusal("output-dtype", "output '%s' has dtype %s, no numbers" % (tensor.name, tensor.dtype))
    if tensor.quantized:
        return np.asarray((values.astype(np.float64) - tensor.zero_point).ravel() * tensor.scale)
    if values.dtype.kind == "c":
        return np.asarray(values.astype(np.complex128).ravel().view(np.float64))
    return np.asarray(values.astype(np.float64).ravel())


def spread(values: "np.ndarray[Any, Any]", at_most: Optional[int]) -> "np.ndarray[Any, Any]":
    """Return at most so many of flat values (None: all), evenly spread: the same places on every machine."""
    if at_most is None or values.size <= at_most:
        return values
    return np.asarray(values[np.arange(at_most, dtype=np.int64) * values.size // at_most])


def step_of(tensor: Tensor) -> Optional[float]:
    """Return what one step of a quantized tensor is worth, 0.0 for floats, None for integers that are no quantities."""
    if tensor.quantized:
        return tensor.scale
    return 0.0 if np.dtype(tensor.dtype).kind in "fc" else None


def dtype_name(dtype: Any) -> str:
    """Return a plain name such as ``float32``, ``int8`` or ``string`` for what a runtime calls a dtype."""
    resolved: Optional[np.dtype] = None
    try:
        resolved = np.dtype(dtype)
    except TypeError:
        return str(dtype)
    return "string" if resolved.kind in "SUO" else resolved.name
