"""Normalizations by name, by numbers, and as a quantized input implies them."""

from __future__ import annotations

import numpy as np
import pytest
from edgebench.errors import UsageError
from edgebench.images.normalization import (
    Normalization,
    normalization_from_quantization,
    parse_normalization,
)

ENDS = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)


@pytest.mark.parametrize(
    ("text", "name", "low", "high"),
    [
        ("-1..1", "-1..1", -1.0, 1.0),
        ("0..1", "0..1", 0.0, 1.0),
        (" 0 .. 1 ", "0..1", 0.0, 1.0),
        ("0..255", "0..255", 0.0, 255.0),
        ("None", "0..255", 0.0, 255.0),
        ("127.5/127.5", "127.5/127.5", -1.0, 1.0),
        ("-10/0.5", "-10/0.5", 20.0, 530.0),
    ],
)
def test_named_and_numeric_forms(text: str, name: str, low: float, high: float) -> None:
    normalization = parse_normalization(text)
    assert normalization.name == name
    real = normalization.apply(ENDS)
    assert real.dtype == np.float32
    assert real.shape == ENDS.shape
    np.testing.assert_allclose(real, [[low] * 3, [high] * 3], rtol=1e-6)


def test_imagenet_is_in_pixel_units() -> None:
    expected = (np.array([0.5, 0.5, 0.5]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    normalization = parse_normalization("ImageNet")
    got = (127.5 - np.array(normalization.mean)) / np.array(normalization.std)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_three_channels_and_one_value_for_all() -> None:
    normalization = parse_normalization("123.7, 116.8,103.9/58.4,57.1,57.4")
    assert normalization.mean == (123.7, 116.8, 103.9)
    assert normalization.std == (58.4, 57.1, 57.4)
    assert parse_normalization("1,2,3/10") == Normalization("1,2,3/10", (1, 2, 3), (10, 10, 10))


@pytest.mark.parametrize(
    "text",
    ["", "caffe", "-1:1", "1/0", "1/-2", "1/nan", "inf/1", "1,2/3,4", "1,2,3/1,2", "1/2/3", "/", "a/b", "1/"],
)
def test_bad_text_lists_the_forms(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_normalization(text)
    assert '"-1..1"' in str(caught.value)
    assert "MEAN/STD" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dtype_name", "scale", "zero_point", "expected"),
    [
        ("int8", 1 / 127.5, -1, "-1..1"),
        ("int8", 1 / 127.5, 0, "-1..1"),
        ("uint8", 0.0078125, 128, "-1..1"),
        ("int8", 1 / 255, -128, "0..1"),
        ("uint8", 1 / 255, 0, "0..1"),
        ("uint8", 1.0, 0, "0..255"),
        ("int8", 1.0, -128, "0..255"),
        ("uint8", 0.0186, 114, None),
        ("int8", 1.05 / 255, -128, None),
        ("int8", 1.015 / 255, -128, "0..1"),
        ("int16", 1 / 32767, 0, None),
        ("float32", 0.0, 0, None),
        ("int8", 0.0, 0, None),
        ("int8", float("nan"), 0, None),
    ],
)
def test_quantization_implies(dtype_name: str, scale: float, zero_point: int, expected: str | None) -> None:
    found = normalization_from_quantization(dtype_name, scale, zero_point)
    assert (found.name if found else None) == expected
