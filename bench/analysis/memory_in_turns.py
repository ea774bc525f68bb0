"""Memory of two builds of a case, from clean processes that took turns.

A process's peak is counted in whole pages, and what its allocator and loader leave resident differs from start to
start. So the interval is Student's t over the processes' logarithms, both sides' spread pooled, and never narrower than
``FLOOR``: three processes may agree by chance to the page, which does not mean that the next one would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..changes import Basis, Change, Metric
from ..records import CaseResult
from .comparison import CONFIDENCE
from .two_runs import RatioInterval, with_interval

#: The least half width, as a share of the whole process's peak.
FLOOR = 0.005
_LEAST_PROCESSES = 2


def memory_in_turns(metric: Metric, base: CaseResult, new: CaseResult) -> Change | None:
    """Return the change of ``PEAK_RSS`` or ``MODEL_ADDS``, None where a side has too few processes to tell."""
    sides = [_values(case, metric) for case in (base, new)]
    if any(len(values) < _LEAST_PROCESSES or min(values) <= 0 for values in sides):
        return None
    logs = [np.log(np.array(values, dtype=np.float64)) for values in sides]
    middle = float(logs[1].mean() - logs[0].mean())
    floor = math.log1p(FLOOR * max(1.0, _whole(base, sides[0]), _whole(new, sides[1])))
    both, alone = (max(floor, half) for half in _halves(logs))
    base_bytes, new_bytes = (math.exp(float(values.mean())) for values in logs)
    explanation = (
        f"{len(sides[0])} and {len(sides[1])} clean processes in turns; pages and allocators leave "
        f"{100 * FLOOR:g} % of a process to chance"
    )
    found = RatioInterval.of_logs(middle, both, alone)
    return with_interval(Change(metric, None, base_bytes, new_bytes), found, Basis.IN_TURNS, explanation)


def _values(case: CaseResult, metric: Metric) -> list[int]:
    """Return the figure in each clean process that has it; where the first was not repeated, nothing."""
    if case.memory is None or not case.memory.repeats:
        return []
    name = "peak_rss_bytes" if metric is Metric.PEAK_RSS else "model_adds_bytes"
    found = (getattr(reading, name) for reading in (case.memory, *case.memory.repeats))
    return [value for value in found if value is not None]


def _whole(case: CaseResult, values: Sequence[int]) -> float:
    """Return how many times the figure the process's whole peak is."""
    peak = case.memory.peak_rss_bytes if case.memory else None
    return (peak or 0) / (sum(values) / len(values))


def _halves(logs: Sequence[np.ndarray[Any, Any]]) -> tuple[float, float]:
    """Return half widths of the two-sided interval and of a one-sided bound."""
    from scipy import stats

    freedom = sum(len(values) - 1 for values in logs)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in logs)
    error = math.sqrt(squares / freedom * sum(1 / len(values) for values in logs))
    two_sided, one_sided = (float(stats.t.ppf(level, freedom)) for level in ((1 + CONFIDENCE) / 2, CONFIDENCE))
    return two_sided * error, one_sided * error
