"""A scripted Raspberry Pi 4, whose firmware throttles when it is hot, for tests of what a run tells of its device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.worker import truth
from edgebench.worker.vcgencmd import decode_throttled
from machine_trees import lay_out

ADDRESS = "pi@hushbox:22"
MACHINE_NAME = "Raspberry Pi 4 Model B Rev 1.2"
#: Frequency capped and throttled, now and since boot.
THROTTLED = 0x60006


def recorded(name: str, folder: Path, uname_machine: str = "aarch64") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the lasting facts of a recorded machine, and a snapshot without what belongs to one process."""
    root = str(lay_out(name, folder))
    snapshot = truth.snapshot(root, 1234)
    state = {name: value for name, value in snapshot.items() if name not in ("pid", "threads", "major_faults")}
    return truth.machine(root, uname_machine), state


def firmware(raw: int, measured_hz: int = 1_500_000_000) -> dict[str, Any]:
    """Return what the firmware says."""
    return {
        "firmware_throttling": decode_throttled(raw),
        "measured_clock_hz": measured_hz,
        "claimed_clock_hz": 1_500_000_000,
        "unavailable": {},
    }


def hot_board(
    folder: Path, models: Mapping[str, FakeModel], celsius: Callable[[int], float], limit: float = 80.0
) -> FakeDevice:
    """Return a board as hot as ``celsius`` says at a time in ns; from ``limit`` on it has two thirds of its clock."""
    machine, still = recorded("raspberry-pi-4", folder)

    def state(now_ns: int) -> dict[str, Any]:
        found = copy.deepcopy(still)
        del found["taken_ns"]
        found["temperatures"]["thermal_zone0"]["celsius"] = celsius(now_ns)
        return found

    def told(now_ns: int) -> dict[str, Any]:
        return firmware(THROTTLED, 1_000_000_000) if celsius(now_ns) >= limit else firmware(0)

    return FakeDevice(models, machine, state=state, firmware=told, address=ADDRESS)
