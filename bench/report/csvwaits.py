"""What a user waits for, as columns of the CSV form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ..records import Throughput, Waits, Whole
from .text import known

Value = str | int | float | None

_PERCENTILES = ("p50_ns", "p90_ns", "count")
_RATE = ("items_per_s", "low", "high", "speedup", "speedup_low", "speedup_high")


def number(owner: object, name: str) -> int | float | None:
    """Return the field where it is a finite number, else None."""
    value: int | float | None = getattr(owner, name, None)
    return value if known(value) else None


def wait_columns(waits: Waits | None) -> dict[str, Value]:
    """Return the columns, the same for every case; parts and rates, of which there are several, are JSON lists."""
    found = waits or Waits()
    row = _whole("end_to_end", found.end_to_end) | _whole("cold_start", found.cold_start)
    gap, cache = found.idle_gap, found.weight_cache
    row |= {"idle_gap_ns": number(gap, "gap_ns")}
    row |= {f"idle_gap_{name}": number(gap.latency if gap else None, name) for name in _PERCENTILES}
    row |= {f"idle_gap_{name}": number(gap, name) for name in ("ratio", "low", "high")}
    for name, part in (("plain", "plain"), ("writing", "cold"), ("reading", "warm")):
        row[f"weight_cache_{name}_p50_ns"] = number(getattr(cache, part, None), "p50_ns")
    row["weight_cache_bytes"] = number(cache, "cache_bytes")
    for name, part in (("plain", "plain"), ("reading", "warm")):
        row[f"weight_cache_{name}_peak_rss_bytes"] = number(cache, f"{part}_peak_rss_bytes")
    row |= {"batches": _rates(found.batches, "batch"), "workers": _rates(found.workers, "workers")}
    return row


def _whole(key: str, found: Whole | None) -> dict[str, Value]:
    row: dict[str, Value] = {f"{key}_{name}": number(found.total if found else None, name) for name in _PERCENTILES}
    parts = [asdict(part) for part in found.parts] if found else []
    return row | {f"{key}_parts": _json(parts)}


def _rates(found: Sequence[Throughput], key: str) -> str | None:
    return _json([{key: getattr(item, key)} | {name: number(item, name) for name in _RATE} for item in found])


def _json(items: Sequence[Mapping[str, object]]) -> str | None:
    return json.dumps(items, ensure_ascii=False) if items else None
