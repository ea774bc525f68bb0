"""What a run saw to on its devices, as lines."""

from __future__ import annotations

from collections import Counter

from ..analysis.cooling import degrees, limit_words, status_words, waited_words
from ..records import Cooling, GovernorChange, RunRecord
from .text import count


def condition_lines(record: RunRecord) -> list[str]:
    """Return a line for each thing that was seen to; devices are named where there are several."""
    lines = []
    for conditions in record.conditions:
        where = f"{conditions.device}: " if len(record.conditions) > 1 else ""
        if conditions.governor is not None:
            lines.append(where + _governor(conditions.governor))
        if conditions.cooling is not None:
            lines.append(where + _cooling(conditions.cooling))
    return lines


def _governor(change: GovernorChange) -> str:
    if not change.previous:
        return f"governor {change.name} was asked for and set already: nothing was changed"
    before = Counter(change.previous.values())
    said = ", ".join(f"{name} on {count(number, 'clock policy', 'clock policies')}" for name, number in before.items())
    return f"governor {change.name} was set while measuring, then put back to what it was before: {said}"


def _cooling(cooling: Cooling) -> str:
    limit = limit_words(cooling.limit_celsius, cooling.limit_status)
    by = "" if cooling.limit_status is not None else f" (by {', '.join(cooling.zones) or 'no zone'})"
    waited = (
        f"waited {count(cooling.waits, 'time')}, {waited_words(cooling.waited_ns)} in all"
        if cooling.waits
        else ("never had to wait")
    )
    line = f"cooled to {limit} before {count(cooling.blocks, 'block')}{by}: {waited}"
    if cooling.too_warm:
        line += f"; {cooling.too_warm} began warmer"
    if cooling.limit_status is not None:
        return line if cooling.worst_status is None else f"{line}, at worst at {status_words(cooling.worst_status)}"
    if cooling.warmest_celsius is not None:
        line += f", the warmest at {degrees(cooling.warmest_celsius)}"
    return line
