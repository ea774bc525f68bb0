"""Framing: one JSON object per line in, one per line out, on private file descriptors.

Runtimes print to the standard streams whenever they like, from C++ as well. So the worker moves its protocol to
duplicates of descriptors 0 and 1 and points descriptor 1 at 2: nothing a library prints can look like an answer.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any, BinaryIO, Dict, Iterator, Tuple

import numpy as np


def take_over_streams() -> Tuple[BinaryIO, BinaryIO]:
    """Return (requests, answers) on private descriptors; descriptor 1 then leads to 2 and descriptor 0 to nothing."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    os.close(devnull)
    return requests, answers


def read_requests(stream: BinaryIO) -> Iterator[Dict[str, Any]]:
    """Yield requests until the controller closes its end."""
    for line in stream:
        if line.strip():
            yield json.loads(line)


def write_answer(stream: BinaryIO, answer: Dict[str, Any]) -> None:
    """Write one answer and flush it."""
    stream.write(json.dumps(answer, separators=(",", ":"), allow_nan=True).encode("utf-8") + b"\n")
    stream.flush()


def encode_array(array: "np.ndarray[Any, Any]") -> Dict[str, Any]:
    """Return a JSON form of a numeric array: dtype, shape and base64 of its little-endian bytes."""
    plain = np.ascontiguousarray(array)
    little = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": little.dtype.str,
        "shape": list(little.shape),
        "base64": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def decode_array(data: Dict[str, Any]) -> "np.ndarray[Any, Any]":
    """Return the array behind dtype, shape and base64."""
    raw = base64.b64decode(data["base64"])
    return np.asarray(np.frombuffer(raw, dtype=np.dtype(data["dtype"])).reshape(data["shape"]))
