"""Numbers and names as text: the one place for rounding, units and clean-up."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

#: Shown where a value is absent. A reason always stands below.
ABSENT = "–"
#: Shown where the runtime could not tell how many nodes a delegate took.
UNKNOWN = "?"


def known(value: float | None) -> bool:
    """Return whether ``value`` is a finite number."""
    return value is not None and math.isfinite(value)


def significant(value: float) -> str:
    """Return ``value`` with three significant digits, integer digits never dropped: 0.348, 7.43, 1234."""
    if value == 0:
        return "0"
    decimals = _decimals(value)
    # Rounding can add a digit (9.996 to 10.00): count again from the rounded value.
    rounded = round(value, decimals)
    return f"{rounded:.{_decimals(rounded)}f}" if rounded else "0"


def _decimals(value: float) -> int:
    return min(max(2 - math.floor(math.log10(abs(value))), 0), 9)


def milliseconds(duration_ns: float) -> str:
    """Return nanoseconds as milliseconds, three significant digits, without the unit."""
    return significant(duration_ns / 1e6)


def megabytes(size_bytes: float) -> str:
    """Return bytes as MB (10^6 bytes), three significant digits, without the unit."""
    return significant(size_bytes / 1e6)


def ratio(value: float) -> str:
    """Return a ratio from 0 to 1 with three decimals."""
    return f"{value:.3f}"


def multiple(value: float) -> str:
    """Return how many times one thing is another: 0.482, 1.004, 14.53, 104.6, 0.00871."""
    if value < 0.1:
        return significant(value)
    return f"{value:.{max(0, 3 - len(str(int(value))) + 1)}f}"


def points(share: float) -> str:
    """Return a difference of shares in points, signed: +1.2, −9.0, 0.0."""
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def probability(value: float) -> str:
    """Return a p value: < 0.001, 0.012, 0.41, 1."""
    if value < 0.001:
        return "< 0.001"
    return f"{value:.2g}" if value < 0.995 else "1"


def interval(bounds: tuple[float, float]) -> str:
    """Return an interval of shares with two decimals: 0.64–0.78."""
    return f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def estimate(value: float | None, bounds: tuple[float, float] | None) -> str:
    """Return a share with its interval, ``0.713 (0.64–0.78)``, or the mark for an absent one."""
    if value is None or not known(value):
        return ABSENT
    return f"{ratio(value)} ({interval(bounds)})" if bounds else ratio(value)


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 case``, ``4,000 cases``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def clean(text: str) -> str:
    """Return ``text`` on one line without control or invisible characters, which could forge output."""
    kept = (" " if char in "\t\r\n\v\f\u2028\u2029" else char for char in text)
    return "".join(char for char in kept if unicodedata.category(char) not in ("Cc", "Cf", "Cs")).strip()


def joined(names: Sequence[str], limit: int = 4) -> str:
    """Return ``a, b, c and 3 more``."""
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def shortened(text: str, limit: int) -> str:
    """Return ``text`` cut in the middle to at most ``limit`` characters: both ends tell names apart."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
