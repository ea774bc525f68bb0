from __future__ import annotations

from dataclasses import replace

import pytest
from edgebench.estimate import TimeSpan, left_words, rough, time_words, timing_left
from edgebench.spec import DEFAULT_SETTINGS

S = 1_000_000_000
BUDGET = replace(DEFAULT_SETTINGS, budget_ns=20 * S)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.04, "0 s"), (0.3, "0.3 s"), (0.96, "1 s"), (7.6, "8 s"), (12, "10 s"), (41, "40 s"),
        (89, "90 s"), (91, "2 min"), (200, "3 min"), (3590, "60 min"), (3700, "1 h"), (5000, "1 h 20 min"),
        (36000, "10 h"),
    ],
)  # fmt: skip
def test_a_guess_is_as_precise_as_it_deserves(seconds: float, text: str) -> None:
    assert rough(seconds) == text.replace("60 min", "1 h")


@pytest.mark.parametrize(
    ("span", "words", "left"),
    [
        (TimeSpan(40, 40), "about 40 s", "about 40 s left"),
        (TimeSpan(38, 40), "about 40 s", "about 40 s left"),
        (TimeSpan(20, 180), "20 s to 3 min", "at most 3 min left"),
        (TimeSpan(0, 60), "at most 60 s", "at most 60 s left"),
        (TimeSpan(0, 0), "about 0 s", ""),
    ],
)
def test_words(span: TimeSpan, words: str, left: str) -> None:
    assert (time_words(span), left_words(span)) == (words, left)


def test_before_the_first_block_only_a_budget_says_anything() -> None:
    assert timing_left(DEFAULT_SETTINGS, 0, 0, compared=True) is None
    assert timing_left(BUDGET, 0, 0, compared=True) == TimeSpan(0, 20)


def test_blocks_so_far_tell_how_long_the_others_take() -> None:
    """Two blocks of 3 s; six to twelve there will be."""
    assert timing_left(DEFAULT_SETTINGS, 2, 6 * S, compared=True) == TimeSpan(12, 30)
    assert timing_left(DEFAULT_SETTINGS, 8, 24 * S, compared=True) == TimeSpan(0, 12)
    assert timing_left(DEFAULT_SETTINGS, 12, 36 * S, compared=True) == TimeSpan(0, 0)


def test_without_a_comparison_the_least_number_of_blocks_is_all() -> None:
    assert timing_left(DEFAULT_SETTINGS, 2, 6 * S, compared=False) == TimeSpan(12, 12)


def test_a_budget_bounds_both() -> None:
    assert timing_left(BUDGET, 2, 6 * S, compared=True) == TimeSpan(12, 14)
    assert timing_left(BUDGET, 4, 24 * S, compared=True) == TimeSpan(0, 0)


def test_spans_add_up() -> None:
    assert TimeSpan(1, 2) + TimeSpan(3, 5).times(2) == TimeSpan(7, 12)
