"""The exact command that mends a finding, and the one that takes it back. Nothing here runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..findings import Code, Finding

Facts = Mapping[str, Any]

_CPUS = "/sys/devices/system/cpu"
_BY_PROCESSOR = "ps -eo pcpu,pid,user,comm --sort=-pcpu | head -6"
_BY_MEMORY = "ps -eo rss,pid,user,comm --sort=-rss | head -6"


@dataclass(frozen=True)
class Remedy:
    """``command`` mends the finding or shows its cause; ``undo`` restores what was there before, where that is needed.

    Both are for a shell on the machine itself. Changes in ``/sys`` and ``/proc`` last until the next boot.
    """

    command: str
    undo: str | None = None


def remedy(finding: Finding, snapshot: Facts, machine: Facts) -> Remedy | None:
    """Return the remedy for a finding, given the snapshot and the lasting facts it came from; None if no command helps.

    Commands write to sysfs directly, so that boards need no further tool installed.
    """
    known = _ON_PHONES if "android" in machine else _REMEDIES
    write = known.get(finding.code)
    return write(snapshot, machine) if write else None


def _governor(snapshot: Facts, _machine: Facts) -> Remedy | None:
    governors = _of_each_cpu(snapshot, "governor")
    return Remedy(
        _writes("scaling_governor", dict.fromkeys(governors, "performance")), _writes("scaling_governor", governors)
    )


def _capped(snapshot: Facts, _machine: Facts) -> Remedy | None:
    limits = _of_each_cpu(snapshot, "hardware_max_hz", 1000)
    before = _of_each_cpu(snapshot, "max_hz", 1000)
    return Remedy(_writes("scaling_max_freq", limits), _writes("scaling_max_freq", before))


def _boost(_snapshot: Facts, machine: Facts) -> Remedy | None:
    file = machine["boost"]["file"]
    off, on = ("1", "0") if file.endswith("no_turbo") else ("0", "1")
    return Remedy(_write(off, file), _write(on, file))


def _swap(snapshot: Facts, _machine: Facts) -> Remedy | None:
    # Emptying swap into memory that is not there would end programs.
    if snapshot.get("memory_available_bytes", 0) < 2 * snapshot["swap_used_bytes"]:
        return Remedy(_BY_MEMORY)
    return Remedy("sudo swapoff -a && sudo swapon -a")


def _aslr(_snapshot: Facts, _machine: Facts) -> Remedy | None:
    return Remedy("sudo sysctl -w kernel.randomize_va_space=2", "sudo sysctl -w kernel.randomize_va_space=0")


def _show_busy(_snapshot: Facts, _machine: Facts) -> Remedy | None:
    return Remedy(_BY_PROCESSOR)


def _show_memory(_snapshot: Facts, _machine: Facts) -> Remedy | None:
    return Remedy(_BY_MEMORY)


_REMEDIES: Mapping[Code, Callable[[Facts, Facts], Remedy | None]] = {
    Code.GOVERNOR: _governor,
    Code.CLOCK_CAPPED: _capped,
    Code.BOOST: _boost,
    Code.SWAP_IN_USE: _swap,
    Code.SWAPPING: _show_memory,
    Code.MEMORY_LOW: _show_memory,
    Code.ASLR_OFF: _aslr,
    Code.BUSY: _show_busy,
    Code.PREEMPTED: _show_busy,
}
#: A phone's shell is not root, so it may change little.
_ON_PHONES: Mapping[Code, Callable[[Facts, Facts], Remedy | None]] = {
    Code.POWER_SAVER: lambda _snapshot, _machine: Remedy(
        "settings put global low_power 0", "settings put global low_power 1"
    ),
    Code.BUSY: lambda _snapshot, _machine: Remedy("top -b -n 1 -m 6"),
    Code.PREEMPTED: lambda _snapshot, _machine: Remedy("top -b -n 1 -m 6"),
}


def _of_each_cpu(snapshot: Facts, field: str, divisor: int = 1) -> dict[str, str]:
    """Return a field of each CPU's clock as the text that sysfs takes."""
    found: dict[str, str] = {}
    for cpu, clock in snapshot["cpu_clocks"].items():
        if field in clock:
            found[cpu] = str(clock[field] // divisor) if divisor > 1 else clock[field]
    return found


def _writes(file: str, values: Mapping[str, str]) -> str:
    """Return shell text that writes each CPU's value: one command where all are equal, else one per value."""
    commands: list[str] = []
    for value in dict.fromkeys(values.values()):
        cpus = [cpu for cpu, own in values.items() if own == value]
        every = len(cpus) == len(values)
        paths = ["cpu*"] if every else [f"cpu{cpu}" for cpu in cpus]
        commands.append(_write(value, *(f"{_CPUS}/{path}/cpufreq/{file}" for path in paths)))
    return " && ".join(commands)


def _write(value: str, *paths: str) -> str:
    return f"echo {value} | sudo tee {' '.join(paths)}"
