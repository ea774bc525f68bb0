"""Latency under sustained load, as columns of the CSV form."""

from __future__ import annotations

from ..sustained_records import Sustained
from .csvwaits import Value, number

_TREND = ("begin_ns", "end_ns", "ratio", "low", "high", "slowed_after_ns", "steady_ns", "end_celsius",
          "begin_clock_hz", "end_clock_hz")  # fmt: skip


def sustained_columns(found: Sustained | None) -> dict[str, Value]:
    """Return the columns, the same for every case."""
    trend = found.trend if found else None
    row: dict[str, Value] = {f"sustained_{name}": number(found, name) for name in ("wanted_ns", "lasted_ns")}
    row["sustained_pace"] = trend.pace.value if trend else None
    row["sustained_start_celsius"] = number(found.start if found else None, "celsius")
    return row | {f"sustained_{name}": number(trend, name) for name in _TREND}
