"""Snapshots as the readers give them, of a machine on which nothing disturbs."""

from __future__ import annotations

import copy
from typing import Any

Snapshot = dict[str, Any]


def quiet_pair(elapsed_s: float = 10.0) -> tuple[Snapshot, Snapshot]:
    """Return the state before and after ``elapsed_s`` in which a process of two threads kept CPU 0 of two busy."""
    before: Snapshot = {
        "taken_ns": 5_000_000_000,
        "pid": 7,
        "jiffies_per_second": 100,
        "cpu_jiffies": {name: _ticks(0, 0) for name in ("all", "0", "1")},
        "threads": {
            "7": {"run_ns": 1000, "wait_ns": 50, "voluntary_switches": 5, "involuntary_switches": 1},
            "8": {"run_ns": 0, "wait_ns": 0, "voluntary_switches": 0, "involuntary_switches": 0},
        },
        "major_faults": 3,
        "pages_swapped_in": 100,
        "pages_swapped_out": 200,
        "cgroup_throttled": {"periods": 4, "time_ns": 1_000_000},
        "cpu_clocks": {name: _clock() for name in ("0", "1")},
        "temperatures": {"thermal_zone0": {"type": "cpu-thermal", "celsius": 45.0}},
        "cooling": {"cooling_device0": {"type": "cpufreq-cpu0", "state": 0}},
        "thermal_throttling": {"core_events": 5, "core_time_ms": 9, "package_events": 5, "package_time_ms": 9},
        "under_voltage": False,
        "firmware_throttling": {"raw": 0, "now": [], "since_boot": []},
        "memory_available_bytes": 3_000_000_000,
        "swap_used_bytes": 0,
        "power": {"on_battery": False},
        "unavailable": {},
    }
    after = copy.deepcopy(before)
    after["taken_ns"] += int(elapsed_s * 1e9)
    after["threads"]["7"]["run_ns"] += int(elapsed_s * 1e9)
    after["cpu_jiffies"] = {
        "all": _ticks(elapsed_s * 100, elapsed_s * 100),
        "0": _ticks(elapsed_s * 100, 0),
        "1": _ticks(0, elapsed_s * 100),
    }
    return before, after


def _ticks(user: float, idle: float) -> dict[str, int]:
    names = ("nice", "system", "iowait", "irq", "softirq", "steal")
    return {"user": int(user), "idle": int(idle), **dict.fromkeys(names, 0)}


def _clock() -> dict[str, Any]:
    return {
        "current_hz": 1_500_000_000,
        "max_hz": 1_500_000_000,
        "hardware_max_hz": 1_500_000_000,
        "governor": "performance",
    }
