"""Numbers as C++ streams write them, and statistics lines, which logs and profiles share."""

from __future__ import annotations

import re

from .figures import Statistics

_DIGITS = r"[0-9]{1,15}(?:\.[0-9]{1,30})?(?:[eE](?:-[0-9]{1,2}|\+?0?[0-9]|\+?1[0-5]))?"
_NO_NUMBER = r"[-+]?(?:nan(?:\([a-z]{1,9}\))?|inf)"
#: Six significant digits, with an exponent from a million on; an empty set of runs has no average. What is larger than
#: any run could be is none.
NUMBER = rf"(?:[-+]?{_DIGITS}|{_NO_NUMBER})"
#: A time or a size: not below 0.
UNSIGNED = rf"(?:\+?{_DIGITS}|{_NO_NUMBER})"
COUNT = r"[0-9]{1,15}"
_US, _MS = 1_000, 1_000_000
_STATISTICS = re.compile(
    rf"count=(?P<count>{COUNT})(?: first=(?P<first>{UNSIGNED}))?(?: curr=(?P<last>{UNSIGNED})(?P<same>\(all same\))?)?"
    rf"(?: min=(?P<min>{UNSIGNED}) max=(?P<max>{UNSIGNED}) avg=(?P<mean>{UNSIGNED}) std=(?P<stdev>{UNSIGNED}))?"
    rf"(?: p5=(?P<p5>{UNSIGNED}) median=(?P<median>{UNSIGNED}) p95=(?P<p95>{UNSIGNED}))?"
)
_ROUNDED = 1e-5
_SPREAD = ("first", "min", "max", "mean")


def number(text: str | None) -> float | None:
    """Return a number, None where there is none: also for ``nan`` and ``inf``, which say that nothing was counted."""
    if text is None:
        return None
    return float(text) if re.fullmatch(rf"[-+]?{_DIGITS}", text) else None


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
    """Return what a ``count=...`` text says in microseconds, None where it is no such text or contradicts itself.

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
    if not _agree(told):
        return None  # digits were lost
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


def _agree(told: dict[str, float | None]) -> bool:
    """Return whether nothing is below the minimum or above the maximum, and percentiles are in their order."""
    low, high = told["min"], told["max"]
    if low is None or high is None:
        return True
    inner = (told["p5"], told["median"], told["p95"])
    order = [value for value in (low, *inner, high) if value is not None]
    # The mean has six digits.
    slack = _ROUNDED * high
    within = [value for value in (told["first"], told["last"]) if value is not None]
    mean = low if told["mean"] is None else told["mean"]
    return (
        order == sorted(order) and all(low <= value <= high for value in within) and low - slack <= mean <= high + slack
    )


def _scaled(value: float | None, unit: int) -> float | None:
    # 0.023 ms are 23,000 ns, not 22,999.999...
    return None if value is None else round(value * unit, 3)
