"""A change between two measurements as text: its figures, its interval, and a sign for its verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..changes import Change, ChangeVerdict, Metric
from .text import ABSENT, known, megabytes, milliseconds, multiple, points, ratio

#: What is shown behind a figure. Better and worse are words: they are what a person looks for.
MARKS: Mapping[ChangeVerdict, str] = {
    ChangeVerdict.BETTER: "better",
    ChangeVerdict.WORSE: "worse",
    ChangeVerdict.SAME: "=",
    ChangeVerdict.UNDECIDED: "≈",
}
_MEMORY = (Metric.PEAK_RSS, Metric.MODEL_ADDS, Metric.SIZE)


def shown(metric: Metric, value: float | None) -> str:
    """Return a figure without its unit: ms, MB, or a share."""
    if value is None or not known(value):
        return ABSENT
    show: Callable[[float], str] = ratio if metric.is_share else megabytes if metric in _MEMORY else milliseconds
    return show(value)


def sides(change: Change | None) -> str:
    """Return ``7.43 → 7.91``, a single figure where both are shown alike, or the mark for an absent one."""
    if change is None or (change.base is None and change.new is None):
        return ABSENT
    base, new = shown(change.metric, change.base), shown(change.metric, change.new)
    return base if base == new else f"{base} → {new}"


def factor(change: Change | None) -> str:
    """Return ``1.065 ±28%≈``: new / base, half its interval's width and the sign of its verdict."""
    if change is None or change.value is None:
        return ABSENT
    if change.low is None or change.high is None or change.low <= 0:
        return multiple(change.value)
    percent = 100 * (math.sqrt(change.high / change.low) - 1)
    width = f" ±{percent:.{1 if percent < 9.95 else 0}f}%" if percent else ""
    return f"{multiple(change.value)}{width}{sign(change)}"


def sign(change: Change) -> str:
    """Return the verdict's sign as it stands behind a figure, empty where there is none."""
    if change.verdict is None:
        return ""
    mark = MARKS[change.verdict]
    return mark if len(mark) == 1 else f" {mark}"


def difference(change: Change) -> str:
    """Return ``−9.0 (−14.1 to −4.2)`` in points, or what is known of it."""
    if change.value is None:
        return ABSENT
    if change.low is None or change.high is None:
        return points(change.value)
    if change.low == change.high:
        return points(change.value)
    return f"{points(change.value)} ({points(change.low)} to {points(change.high)})"


def bounded(change: Change) -> str:
    """Return ``1.31 (1.20 to 1.42)`` for a sentence."""
    if change.value is None:
        return ABSENT
    if change.low is None or change.high is None or change.low == change.high:
        return multiple(change.value)
    return f"{multiple(change.value)} ({multiple(change.low)} to {multiple(change.high)})"
