"""Numbers as C++ streams write them, and statistics lines, which logs and profiles share."""

from __future__ import annotations

import math
import re

from .figures import Statistics

#: Six significant digits, with an exponent from a million on; an empty set of runs has no average.
NUMBER = r"[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|nan|inf)"
_US, _MS = 1_000, 1_000_000
_STATISTICS = re.compile(
    rf"count=(?P<count>\d+)(?: first=(?P<first>{NUMBER}))?(?: curr=(?P<last>{NUMBER})(?P<same>\(all same\))?)?"
    rf"(?: min=(?P<min>{NUMBER}) max=(?P<max>{NUMBER}) avg=(?P<mean>{NUMBER}) std=(?P<stdev>{NUMBER}))?"
    rf"(?: p5=(?P<p5>{NUMBER}) median=(?P<median>{NUMBER}) p95=(?P<p95>{NUMBER}))?"
)
_SPREAD = ("first", "min", "max", "mean")


def number(text: str | None) -> float | None:
    """Return a number, None where there is none: also for ``nan`` and ``inf``, which say that nothing was counted."""
    if text is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def nanoseconds(text: str | None) -> float | None:
    """Return microseconds as ns."""
    return _scaled(number(text), _US)


def milliseconds(text: str | None) -> float | None:
    """Return milliseconds as ns."""
    return _scaled(number(text), _MS)


def mebibytes(text: str) -> int | None:
    """Return what the tool calls MB, which is 2^20 bytes, as bytes."""
    value = number(text)
    return None if value is None else round(value * 2**20)


def statistics_of(text: str) -> Statistics | None:
    """Return what a ``count=...`` text says in microseconds, None where it is no such text.

    Runs that all took the same, and a single one, are written as that one value. Without runs there is nothing.
    """
    found = _STATISTICS.fullmatch(text.strip())
    if found is None:
        return None
    count = int(found["count"])
    if not count:
        return Statistics(0)
    told = {name: nanoseconds(found[name]) for name in (*_SPREAD, "last", "stdev", "p5", "median", "p95")}
    if found["mean"] is None and not (found["same"] or (count == 1 and found["last"])):
        return None  # cut off
    if found["mean"] is None:
        told.update(dict.fromkeys(_SPREAD, told["last"]))
        told["stdev"] = 0.0 if count > 1 else None
    return Statistics(
        count=count,
        first_ns=told["first"],
        last_ns=told["last"],
        min_ns=told["min"],
        max_ns=told["max"],
        mean_ns=told["mean"],
        stdev_ns=told["stdev"],
        p5_ns=told["p5"],
        median_ns=told["median"],
        p95_ns=told["p95"],
    )


def _scaled(value: float | None, unit: int) -> float | None:
    # 0.023 ms are 23,000 ns, not 22,999.999...
    return None if value is None else round(value * unit, 3)
