"""What bounds say at other levels than their own."""

from __future__ import annotations

import math

import pytest
from edgebench.analysis.evidence import Evidence, exactly, of_blocks
from scipy import stats


@pytest.mark.parametrize("freedom", [2, 5, 11, 60])
def test_two_bounds_tell_the_whole_distribution(freedom: int) -> None:
    both, alone = (0.01 * float(stats.t.ppf(level, freedom)) for level in (0.975, 0.95))
    known = Evidence(0.0, -both, both, -alone, alone, log=False)
    for distance in (0.005, 0.02, 0.05):
        wanted = float(stats.t.sf(distance / 0.01, freedom))
        assert known.doubt_of_more(-distance) == pytest.approx(wanted, rel=1e-6)
        assert known.doubt_of_less(distance) == pytest.approx(wanted, rel=1e-6)
    _, low, high, _ = known.scaled(0.0, 0.99)
    assert (low, high) == pytest.approx((-0.01 * stats.t.ppf(0.99, freedom), 0.01 * stats.t.ppf(0.99, freedom)))


def test_an_interval_over_blocks_gives_one_sided_bounds() -> None:
    known = of_blocks(0.9, 1.1, 6)
    half = math.log(1.1 / 0.9) / 2 * stats.t.ppf(0.95, 5) / stats.t.ppf(0.975, 5)
    assert known.upper == pytest.approx(math.sqrt(0.99) * math.exp(half))
    assert known.doubt_of_more(known.lower) == pytest.approx(0.05)


def test_what_is_exact_is_beyond_doubt() -> None:
    assert exactly(2.0).doubt_of_more(1.9) == 0.0
    assert exactly(2.0).doubt_of_more(2.0) == 1.0
    assert exactly(2.0).detectable(above=True) == 0.0
