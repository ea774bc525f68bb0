from __future__ import annotations

import math

import pytest
from edgebench.report.text import clean, joined, known, megabytes, milliseconds, shortened, significant


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.0000123, "0.0000123"),
        (1e-12, "0"),
        (-7.434, "-7.43"),
        (0.348, "0.348"),
        (0.24, "0.240"),
        (0.9996, "1.00"),
        (7.43, "7.43"),
        (9.996, "10.0"),
        (61.12, "61.1"),
        (99.96, "100"),
        (104.6, "105"),
        (1234.5, "1234"),
        (1e7, "10000000"),
    ],
)
def test_three_digits_and_no_lost_integer_digits(value: float, shown: str) -> None:
    assert significant(value) == shown


def test_units() -> None:
    assert milliseconds(3_580_000) == "3.58"
    assert megabytes(8_841_204) == "8.84"


def test_only_finite_numbers_are_known() -> None:
    assert known(0)
    assert not any(map(known, (None, math.nan, math.inf)))


def test_clean_removes_what_forges_output() -> None:
    assert clean("\x1b[31mred\x1b[0m\nnext\u202eevil") == "[31mred[0m nextevil"


def test_short_forms() -> None:
    assert joined(["a", "b"]) == "a, b"
    assert joined(list("abcdefg")) == "a, b, c, d and 3 more"
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abc", 5) == "abc"
