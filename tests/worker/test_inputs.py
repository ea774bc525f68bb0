from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edgebench.worker.inputs import Tensor, dequantize, dtype_name, quantize, real_values, seeded_input, spread, step_of
from edgebench.worker.refusal import Refusal


def tensor(
    dtype: str, *, shape: tuple[int, ...] = (1, 4096), scale: float = 0.0, zero: int = 0, name: str = "x"
) -> Tensor:
    return Tensor(name, 0, shape, dtype, scale, zero)


GOLDEN_FLOATS = [0.7185102701187134, 0.12843790650367737, 0.4186919033527374]
GOLDEN_BYTES = [74, -68, -33, 34, 49, -38]
ALL_DTYPES = (
    "float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool",
    "complex64", "complex128", "string",
)  # fmt: skip


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_same_seed_and_name_give_the_same_input_and_any_other_another(dtype: str) -> None:
    first = seeded_input(tensor(dtype), 7)
    assert np.array_equal(first, seeded_input(tensor(dtype), 7))
    assert not np.array_equal(first, seeded_input(tensor(dtype), 8))
    assert not np.array_equal(first, seeded_input(tensor(dtype, name="y"), 7))


@pytest.mark.parametrize("dtype", [name for name in ALL_DTYPES if name != "string"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1,), ()])
def test_seeded_input_has_the_tensors_own_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = seeded_input(tensor(dtype, shape=shape), 0)
    assert (array.dtype, array.shape) == (np.dtype(dtype), shape)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int16", 0, 127),
        ("uint16", 0, 127),
        ("int32", 0, 127),
        ("int64", 0, 127),
        ("bool", 0, 1),
    ],
)
def test_seeded_integers_cover_exactly_their_range(dtype: str, low: int, high: int) -> None:
    array = seeded_input(tensor(dtype, shape=(20_000,)), 0)
    assert (int(array.min()), int(array.max())) == (low, high)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_seeded_floats_fill_the_unit_interval(dtype: str) -> None:
    array = seeded_input(tensor(dtype), 0)
    for part in {"real": array.real, "imag": array.imag if "complex" in dtype else array.real}.values():
        assert 0 <= part.min() < 0.01
        assert 0.99 < part.max() < 1


def test_seeded_strings_are_short_ascii_words() -> None:
    array = seeded_input(tensor("string", shape=(2, 3)), 0)
    assert (array.shape, array.dtype.kind) == ((2, 3), "S")
    assert all(word[:1] == b"s" and word[1:].isdigit() for word in array.ravel().tolist())


def test_the_stream_of_inputs_never_changes() -> None:
    """Runs of different versions and machines must have fed the same numbers to the same model."""
    floats = seeded_input(tensor("float32", shape=(3,), name="image"), 0)
    assert floats.tolist() == GOLDEN_FLOATS
    assert seeded_input(tensor("int8", shape=(6,), name="image"), 3).tolist() == GOLDEN_BYTES


@pytest.mark.parametrize("dtype", ["unknown", "datetime64[s]"])
def test_a_dtype_that_cannot_be_generated_is_refused_by_name(dtype: str) -> None:
    with pytest.raises(Refusal, match=f"input 'x' has dtype {dtype[:8]}") as caught:
        seeded_input(tensor(dtype), 0)
    assert caught.value.code == "input-dtype"


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, 3),
        (0.5, 4),
        (0.25, 3),  # 0.5 steps: half to even
        (0.75, 5),  # 1.5 steps
        (1.25, 5),  # 2.5 steps
        (-0.25, 3),
        (-0.75, 1),
        (62.0, 127),
        (62.5, 127),  # clipped
        (1e6, 127),
        (-65.5, -128),
        (-66.0, -128),
        (-1e6, -128),
    ],
)
def test_quantize_rounds_half_to_even_and_clips(real: float, expected: int) -> None:
    result = quantize(np.array([real], np.float32), tensor("int8", scale=0.5, zero=3))
    assert result.dtype == np.int8
    assert result.tolist() == [expected]


@pytest.mark.parametrize(
    ("dtype", "zero", "low", "high"), [("int8", -128, -128, 127), ("uint8", 128, 0, 255), ("int16", 0, -32768, 32767)]
)
def test_quantize_never_wraps(dtype: str, zero: int, low: int, high: int) -> None:
    result = quantize(np.array([-1e9, 1e9, -40_000, 40_000], np.float32), tensor(dtype, scale=0.01, zero=zero))
    assert result.tolist() == [low, high, low, high]


@pytest.mark.parametrize("zero", [-128, -5, 0, 127])
def test_quantize_takes_back_what_dequantize_gave(zero: int) -> None:
    described = tensor("int8", scale=0.0173, zero=zero)
    every = np.arange(-128, 128, dtype=np.int8)
    assert np.array_equal(quantize(dequantize(every, described), described), every)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int8", [2, 2, 127, -128, 0]),
        ("uint8", [2, 2, 255, 0, 0]),
        ("int16", [2, 2, 300, -300, 0]),
        ("int32", [2, 2, 300, -300, 0]),
        ("int64", [2, 2, 300, -300, 0]),
    ],
)
def test_plain_integers_are_rounded_and_clipped(dtype: str, expected: list[int]) -> None:
    result = quantize(np.array([1.5, 2.5, 300, -300, -0.5], np.float32), tensor(dtype))
    assert result.dtype == np.dtype(dtype)
    assert result.tolist() == expected


def test_plain_int32_is_clipped_at_limits_that_float32_cannot_hold() -> None:
    result = quantize(np.array([3e9, -3e9], np.float32), tensor("int32"))
    assert result.tolist() == [2**31 - 1, -(2**31)]


def test_floats_pass_through_quantize_as_they_are() -> None:
    values = np.array([-1.5, 0.1, 3e4], np.float32)
    assert np.array_equal(quantize(values, tensor("float32")), values)
    assert np.array_equal(quantize(values, tensor("float16")), values.astype(np.float16))
    # A scale means nothing for a float tensor: float16 models carry one at times.
    assert np.array_equal(quantize(values, tensor("float32", scale=0.5, zero=3)), values)


@pytest.mark.parametrize(("dtype", "zero"), [("int8", -128), ("int8", 5), ("uint8", 0), ("uint8", 128), ("int16", 0)])
def test_dequantize_is_exact_for_every_value(dtype: str, zero: int) -> None:
    scale = 0.003921568859368563  # what a model stores for 1 / 255
    info = np.iinfo(dtype)
    every: np.ndarray[Any, Any] = np.arange(info.min, info.max + 1).astype(dtype)
    result = dequantize(every, tensor(dtype, scale=scale, zero=zero))
    assert result.dtype == np.float32
    by_hand = [np.float32(int(value) - zero) * np.float32(scale) for value in every]
    assert result.tolist() == [float(value) for value in by_hand]


def test_dequantize_leaves_unquantized_values_alone() -> None:
    assert dequantize(np.array([-7, 7], np.int8), tensor("int8")).tolist() == [-7.0, 7.0]
    assert dequantize(np.array([0.5], np.float16), tensor("float16")).dtype == np.float32


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (np.float32, "float32"),
        (np.dtype("int8"), "int8"),
        (np.bool_, "bool"),
        (np.complex64, "complex64"),
        (np.bytes_, "string"),
        (np.str_, "string"),
        (np.object_, "string"),
        ("no_such_dtype", "no_such_dtype"),
    ],
)
def test_dtype_names(given: object, name: str) -> None:
    assert dtype_name(given) == name


@pytest.mark.parametrize(
    ("values", "kind", "real", "step"),
    [
        (np.array([[0.5, -1.5]], np.float32), tensor("float32"), [0.5, -1.5], 0.0),
        (np.array([-3, 5], np.int8), tensor("int8", scale=0.25, zero=-3), [0.0, 2.0], 0.25),
        (np.array([7, 2**40], np.int64), tensor("int64"), [7.0, 2.0**40], None),
        (np.array([True, False]), tensor("bool"), [1.0, 0.0], None),
        (np.array([1 + 2j], np.complex64), tensor("complex64"), [1.0, 2.0], 0.0),
    ],
    ids=["float32", "int8", "int64", "bool", "complex64"],
)
def test_real_values_are_flat_and_know_their_step(
    values: np.ndarray[Any, Any], kind: Tensor, real: list[float], step: float | None
) -> None:
    found = real_values(values, kind)
    assert (found.dtype, found.tolist()) == (np.float64, real)
    assert step_of(kind) == step


def test_words_have_no_real_values() -> None:
    with pytest.raises(Refusal, match="output 'x' has dtype string, no numbers"):
        real_values(np.array([b"word"]), tensor("string"))


@pytest.mark.parametrize(
    ("at_most", "places"), [(None, [0, 1, 2, 3, 4, 5, 6]), (7, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 2, 4]), (1, [0])]
)
def test_a_part_of_many_values_is_spread_evenly(at_most: int | None, places: list[int]) -> None:
    assert spread(np.arange(7.0), at_most).tolist() == places
