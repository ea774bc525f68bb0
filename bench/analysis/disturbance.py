"""What disturbed between two snapshots of a machine (:mod:`edgebench.worker.truth`).

Each check looks at one thing and is skipped where either snapshot lacks it or a counter went back (a reboot);
:func:`unchecked` says which and why. Nothing here reads the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..findings import Code, Finding, Severity, worst_first
from .heat import heat_findings

Snapshot = Mapping[str, Any]

#: Shares of lost time (stolen, waiting, stopped by a quota). With samples shorter than an interruption, at most this
#: share of them is hit. From 5 % on, p95, which every report shows, is a figure about the neighbours; from 25 % on a
#: quartile is, and the median's interval cannot be trusted either.
LOST_SUSPECT = 0.05
LOST_INVALID = 0.25
#: Steal is counted in whole ticks (10 ms mostly): one tick alone may be a rounding of nearly nothing.
STEAL_MIN_TICKS = 2
#: Where a kernel does not tell waiting times. Measured on two cores shared with other work: 26 to 46 switches in a
#: second that lost 2 to 4 % to waiting, 204 in one that lost 7 %; 50 is chosen to go with the 5 % of LOST_SUSPECT.
SWITCHES_PER_S = 50.0
SWITCHES_MIN = 3
#: Chosen: the kernel may write single idle pages out at any time, which disturbs nobody; a MiB says memory was short.
SWAPPED_OUT_MIN_PAGES = 256
#: Chosen to lie well above the first step that is documented, 1.4 to 1.2 GHz at a Raspberry Pi 3B+'s soft limit
#: (Raspberry Pi documentation, "Frequency management and thermal control"), and to let readings differ by a little.
CLOCK_SUSPECT = 0.95
#: At half the clock the figure belongs to another device.
CLOCK_INVALID = 0.5
#: A CPU that worked for less of the time may rightly have slowed down by itself.
BUSY_CPU = 0.5
#: Chosen: that much work by others shares caches, memory bandwidth and the heat budget with the measured process.
BUSY_CORES = 0.25

_NEEDS: Mapping[Code, tuple[str, ...]] = {
    Code.STEAL: ("cpu_jiffies",),
    Code.PREEMPTED: ("threads",),
    Code.QUOTA: ("cgroup_throttled",),
    Code.SWAPPING: ("pages_swapped_in", "pages_swapped_out"),
    Code.CLOCK_LOW: ("cpu_clocks",),
    Code.TEMPERATURE_RISE: ("temperatures",),
    Code.THROTTLED: ("cooling", "thermal_throttling", "firmware_throttling", "thermal_status"),
}


def disturbances(before: Snapshot, after: Snapshot) -> list[Finding]:
    """Return what disturbed between two snapshots of the same machine and process: worst first, one finding a code.

    Both may carry the fields of :func:`edgebench.worker.truth.firmware` as well.
    """
    checks: Sequence[Callable[[Snapshot, Snapshot], Finding | None]] = (
        _quota,
        _steal,
        _preempted,
        _swapping,
        _clock,
        _measured_clock,
    )
    found = [finding for finding in (check(before, after) for check in checks) if finding is not None]
    return worst_first(found + heat_findings(before, after))


def unchecked(*snapshots: Snapshot) -> dict[Code, str]:
    """Return the checks that cannot be made, each with the reasons given for every field it could have used."""
    reasons: dict[Code, str] = {}
    for code, names in _NEEDS.items():
        if not any(all(name in snapshot for snapshot in snapshots) for name in names):
            said = [snapshot.get("unavailable", {}).get(name) for name in names for snapshot in snapshots]
            reasons[code] = "; ".join(dict.fromkeys(text for text in said if text)) or "not read"
    return reasons


def elapsed_s(before: Snapshot, after: Snapshot) -> float:
    """Return the seconds between two snapshots, 0 where the clock went back."""
    nanoseconds: int = after["taken_ns"] - before["taken_ns"]
    return max(0, nanoseconds) / 1e9


def others_cores(before: Snapshot, after: Snapshot) -> float | None:
    """Return how many cores' time went to anything but the watched process, None where that cannot be told."""
    elapsed = elapsed_s(before, after)
    ticks, hertz = _ticks(before, after, "all"), int(after.get("jiffies_per_second", 0))
    threads = _thread_changes(before, after)
    own = [change["run_ns"] for change in threads if "run_ns" in change]
    if not elapsed or ticks is None or not hertz or not own:
        return None
    return max(0.0, (_busy(ticks) / hertz - sum(own) / 1e9) / elapsed)


def busy_finding(before: Snapshot, after: Snapshot) -> Finding | None:
    """Return a finding where other processes used the machine meanwhile."""
    cores = others_cores(before, after)
    if cores is None or cores < BUSY_CORES:
        return None
    reason = f"other processes used {cores:.1f} of {_cpu_count(after)} cores"
    return Finding(Code.BUSY, Severity.SUSPECT, reason, "stop them, or expect wider intervals")


def _lost(share: float) -> Severity | None:
    if share >= LOST_INVALID:
        return Severity.INVALID
    return Severity.SUSPECT if share >= LOST_SUSPECT else None


def _steal(before: Snapshot, after: Snapshot) -> Finding | None:
    ticks = _ticks(before, after, "all")
    if ticks is None or ticks.get("steal", 0) < STEAL_MIN_TICKS:
        return None
    share = ticks["steal"] / (_busy(ticks) + ticks["steal"])
    severity = _lost(share)
    if severity is None:
        return None
    reason = f"the host took away {share:.0%} of the processor time this virtual machine asked for"
    return Finding(Code.STEAL, severity, reason, "measure when the host is quiet, or on a machine of your own")


def _preempted(before: Snapshot, after: Snapshot) -> Finding | None:
    changes = _thread_changes(before, after)
    hint = "stop other programs, or give the measurement CPUs of its own with taskset"
    timed = [change for change in changes if "wait_ns" in change]
    if timed:
        waiting = sum(change["wait_ns"] for change in timed)
        wanted = waiting + sum(change["run_ns"] for change in timed)
        severity = _lost(waiting / wanted) if wanted else None
        if severity is None:
            return None
        reason = f"the process waited for a CPU {waiting / wanted:.0%} of the time it wanted to run"
        return Finding(Code.PREEMPTED, severity, reason, hint)
    switches = sum(change.get("involuntary_switches", 0) for change in changes)
    elapsed = elapsed_s(before, after)
    if switches < SWITCHES_MIN or not elapsed or switches / elapsed < SWITCHES_PER_S:
        return None
    reason = f"the process was pushed off its CPU {switches:,} times in {elapsed:.1f} s"
    return Finding(Code.PREEMPTED, Severity.SUSPECT, reason, hint)


def _quota(before: Snapshot, after: Snapshot) -> Finding | None:
    periods = _change(before, after, "cgroup_throttled", "periods")
    if not periods:
        return None
    elapsed = elapsed_s(before, after)
    lost_ns = _change(before, after, "cgroup_throttled", "time_ns") or 0
    # Even one stop is suspect: it lasts up to a whole period (100 ms), longer than most inferences.
    severity = (_lost(lost_ns / 1e9 / elapsed) if elapsed else None) or Severity.SUSPECT
    reason = f"the CPU quota stopped this container {periods:,} times, for {lost_ns / 1e6:.0f} ms"
    return Finding(Code.QUOTA, severity, reason, "raise the container's CPU quota, or use fewer threads")


def _swapping(before: Snapshot, after: Snapshot) -> Finding | None:
    read = _change(before, after, "pages_swapped_in") or 0
    written = _change(before, after, "pages_swapped_out") or 0
    if not read and written < SWAPPED_OUT_MIN_PAGES:
        return None
    # Pages of others may come and go; a fault of the process itself means that its own samples waited for a disk.
    own = bool(read and _change(before, after, "major_faults"))
    reason = f"{read:,} pages came back from swap and {written:,} went there"
    if own:
        reason += "; the measured process waited for some"
    severity = Severity.INVALID if own else Severity.SUSPECT
    return Finding(Code.SWAPPING, severity, reason, "close programs or use a smaller model: memory is short")


def _clock(before: Snapshot, after: Snapshot) -> Finding | None:
    """Judge by the slowest CPU that worked meanwhile; where none is known to have, by the fastest."""
    shares: dict[str, float] = {}
    for cpu, clock in after.get("cpu_clocks", {}).items():
        usual = clock.get("base_hz") or clock.get("hardware_max_hz")
        if usual and clock.get("current_hz"):
            shares[cpu] = clock["current_hz"] / usual
    worked = {cpu: share for cpu, share in shares.items() if was_busy(before, after, cpu)}
    if not shares:
        return None
    cpu = min(worked, key=lambda name: worked[name]) if worked else max(shares, key=lambda name: shares[name])
    if shares[cpu] >= CLOCK_SUSPECT:
        return None
    clock = after["cpu_clocks"][cpu]
    usual = clock.get("base_hz") or clock["hardware_max_hz"]
    reason = f"CPU {cpu} ran at {clock['current_hz'] / 1e9:.2f} GHz of {usual / 1e9:.2f}"
    severity = Severity.INVALID if shares[cpu] <= CLOCK_INVALID else Severity.SUSPECT
    return Finding(
        Code.CLOCK_LOW, severity, reason, "set the governor to performance, cool the device, check its supply"
    )


def _measured_clock(_before: Snapshot, after: Snapshot) -> Finding | None:
    """Judge by the clock that the firmware measured: the kernel's own figure is only the one that it asked for."""
    measured, claimed = after.get("measured_clock_hz"), after.get("claimed_clock_hz")
    if not measured or not claimed or measured >= CLOCK_SUSPECT * claimed:
        return None
    reason = f"the firmware measured a clock of {measured / 1e9:.2f} GHz where the kernel claims {claimed / 1e9:.2f}"
    severity = Severity.INVALID if measured <= CLOCK_INVALID * claimed else Severity.SUSPECT
    return Finding(Code.CLOCK_LOW, severity, reason, "check heat and supply, update the firmware, restart the board")


def was_busy(before: Snapshot, after: Snapshot, cpu: str) -> bool:
    """Return whether a CPU was busy for most of the time between two snapshots."""
    ticks = _ticks(before, after, cpu)
    total = sum(ticks.get(name, 0) for name in ("idle", "iowait")) + _busy(ticks) if ticks else 0
    return bool(ticks and total and _busy(ticks) / total >= BUSY_CPU)


def _ticks(before: Snapshot, after: Snapshot, cpu: str) -> dict[str, int] | None:
    """Return the ticks per state that a CPU spent meanwhile, None where unknown or where counters went back."""
    old, new = before.get("cpu_jiffies", {}).get(cpu), after.get("cpu_jiffies", {}).get(cpu)
    if old is None or new is None:
        return None
    # Idle and iowait alone may run back by a tick (proc_stat(5)).
    if any(new[name] < old.get(name, 0) for name in new if name not in ("idle", "iowait")):
        return None
    return {name: max(0, new[name] - old.get(name, 0)) for name in new}


def _busy(ticks: Mapping[str, int]) -> int:
    return sum(ticks.get(name, 0) for name in ("user", "nice", "system", "irq", "softirq"))


def _thread_changes(before: Snapshot, after: Snapshot) -> list[dict[str, int]]:
    """Return what each thread's counters grew by; a thread that is new counts from 0, one that ended is unknown."""
    if "threads" not in before or before.get("pid") != after.get("pid"):
        return []
    changes: list[dict[str, int]] = []
    for tid, new in after.get("threads", {}).items():
        old = before["threads"].get(tid)
        names = [name for name in new if name != "unavailable" and (old is None or name in old)]
        change = {name: new[name] - (old[name] if old else 0) for name in names}
        if all(value >= 0 for value in change.values()):
            changes.append(change)
    return changes


def _change(before: Snapshot, after: Snapshot, *path: str) -> int | None:
    """Return how much a counter grew, None where it is unknown or went back."""
    old: Any = before
    new: Any = after
    for name in path:
        old, new = old.get(name), new.get(name)
        if old is None or new is None:
            return None
    return int(new - old) if new >= old else None


def _cpu_count(snapshot: Snapshot) -> int:
    return sum(name != "all" for name in snapshot["cpu_jiffies"])
