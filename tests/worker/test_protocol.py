from __future__ import annotations

import base64
import io
import json
import math

import numpy as np
import pytest
from edgebench.worker.protocol import decode_array, encode_array, read_requests, write_answer

from .support import Array


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.array([1.5, -0.0, np.nan, np.inf], np.float32),
        np.arange(4, dtype=np.int8)[::-1],
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.empty((0, 7), np.float32),
        np.array([True, False]),
    ],
    ids=["int64", "float32", "reversed", "transposed", "empty", "bool"],
)
def test_an_array_survives_the_way_through_json(array: Array) -> None:
    result = decode_array(json.loads(json.dumps(encode_array(array))))
    assert (result.dtype, result.shape) == (array.dtype, array.shape)
    assert np.array_equal(result, array, equal_nan=array.dtype.kind == "f")


def test_arrays_travel_little_endian() -> None:
    sent = encode_array(np.array([1, 2], ">i4"))
    assert sent["dtype"] == "<i4"
    assert base64.b64decode(sent["base64"]) == b"\x01\x00\x00\x00\x02\x00\x00\x00"
    assert decode_array(sent).tolist() == [1, 2]


@pytest.mark.parametrize(
    "change",
    [{"shape": [3]}, {"base64": "AAA"}, {"base64": "AAAA"}, {"dtype": "O"}, {"dtype": "nothing"}, {"shape": "x"}],
)
def test_a_garbled_array_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_array({**encode_array(np.arange(2, dtype=np.int32)), **change})


def test_requests_are_read_line_by_line_and_empty_lines_skipped() -> None:
    stream = io.BytesIO(b'{"cmd": "a"}\n\n  \n{"cmd": "b"}\n')
    assert list(read_requests(stream)) == [{"cmd": "a"}, {"cmd": "b"}]


def test_an_answer_is_one_line_whatever_it_holds() -> None:
    stream = io.BytesIO()
    write_answer(stream, {"message": "two\nlines … and \udcff", "nan": float("nan")})
    content = stream.getvalue()
    assert content.endswith(b"\n")
    assert content.count(b"\n") == 1
    answer = json.loads(content)
    assert answer["message"].startswith("two\nlines …")
    assert math.isnan(answer["nan"])
