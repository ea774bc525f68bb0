"""What is known of one figure, as tests need it: an estimate, its bounds, and how improbable a limit is.

A bound at 95 % tells the answer at that level only; a family of gates asks at stricter ones. Two bounds of an interval,
the two-sided 95 % one and the one-sided, tell the shape of what lies between and beyond: their distances from the
estimate are as Student's t at 97.5 % is to t at 95 %, and that ratio has one solution for the degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

CONFIDENCE = 0.95
POWER = 0.80
#: Beyond these, t is the normal distribution, and below it has hardly a shape.
_LEAST_FREEDOM, _MOST_FREEDOM = 2.0, 200.0


@dataclass(frozen=True)
class Evidence:
    """An estimate with its bounds, in its own unit.

    ``low`` and ``high`` are the two-sided 95 % interval, ``lower`` and ``upper`` are one-sided 95 % bounds. With
    ``log``, distances are ratios. All five are equal where the figure is exact.
    """

    value: float
    low: float
    high: float
    lower: float
    upper: float
    log: bool
    exact: bool = False

    def doubt_of_more(self, limit: float) -> float:
        """Return the chance of an estimate so far above ``limit``, or further, where the truth is at most there."""
        return self._doubt(self._scaled(self.value) - self._scaled(limit), self.lower, self.low)

    def doubt_of_less(self, limit: float) -> float:
        """Return the chance of an estimate so far below ``limit``, or further, where the truth is at least there."""
        return self._doubt(self._scaled(limit) - self._scaled(self.value), self.upper, self.high)

    def detectable(self, *, above: bool) -> float:
        """Return the smallest step beyond a limit that data like these show 4 times in 5 at the one-sided 95 % level.

        It is a relative difference (0.01 = 1 %) of a figure with ``log``, else one in its unit.
        """
        one_sided, two_sided = (self.lower, self.low) if above else (self.upper, self.high)
        error, freedom = self._shape(one_sided, two_sided)
        step = error * (_quantile(CONFIDENCE, freedom) + _quantile(POWER, freedom))
        return math.expm1(step) if self.log else step

    def scaled(self, limit: float, level: float) -> tuple[float, float, float, float]:
        """Return the estimate, its one-sided bounds at ``level``, and the limit, where distances add up."""
        middle, halves = self._scaled(self.value), []
        for one_sided, two_sided in ((self.lower, self.low), (self.upper, self.high)):
            error, freedom = self._shape(one_sided, two_sided)
            halves.append(error * _quantile(level, freedom))
        return middle, middle - halves[0], middle + halves[1], self._scaled(limit)

    def _doubt(self, distance: float, one_sided: float, two_sided: float) -> float:
        from scipy.special import stdtr

        error, freedom = self._shape(one_sided, two_sided)
        if error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(freedom, -distance / error))

    def _shape(self, one_sided: float, two_sided: float) -> tuple[float, float]:
        """Return the standard error and the degrees of freedom that two bounds of one side come from."""
        middle = self._scaled(self.value)
        alone, both = (abs(middle - self._scaled(bound)) for bound in (one_sided, two_sided))
        freedom = _freedom(both / alone) if alone > 0 else _MOST_FREEDOM
        return alone / _quantile(CONFIDENCE, freedom), freedom

    def _scaled(self, value: float) -> float:
        if not self.log:
            return value
        return math.log(value) if value > 0 else -math.inf


def exactly(value: float) -> Evidence:
    """Return what is known of a figure that was counted."""
    return Evidence(value, value, value, value, value, log=False, exact=True)


def of_blocks(low: float, high: float, blocks: int) -> Evidence:
    """Return what a Student's t interval of logarithms over blocks says; its middle is the estimate."""
    middle = math.sqrt(low * high)
    freedom = max(1, blocks - 1)
    ratio = _quantile(CONFIDENCE, freedom) / _quantile((1 + CONFIDENCE) / 2, freedom)
    alone = math.exp(math.log(high / low) / 2 * ratio)
    return Evidence(middle, low, high, middle / alone, middle * alone, log=True)


def _quantile(level: float, freedom: float) -> float:
    from scipy.special import stdtrit  # a hundred times as fast as scipy.stats, and asked for often

    return float(stdtrit(freedom, level))


def _freedom(ratio: float) -> float:
    """Return the degrees of freedom at which t's 97.5 % point is ``ratio`` times its 95 % point."""
    from scipy.optimize import brentq

    def off(freedom: float) -> float:
        return _quantile((1 + CONFIDENCE) / 2, freedom) / _quantile(CONFIDENCE, freedom) - ratio

    solve: Callable[..., float] = brentq
    if off(_MOST_FREEDOM) >= 0:
        return _MOST_FREEDOM
    return _LEAST_FREEDOM if off(_LEAST_FREEDOM) <= 0 else float(solve(off, _LEAST_FREEDOM, _MOST_FREEDOM))
