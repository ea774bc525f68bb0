"""What about a machine would disturb any measurement on it, from one snapshot and its lasting facts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..findings import Code, Finding, Severity
from .disturbance import others_cores
from .phone import saver_finding

Facts = Mapping[str, Any]

#: Four workers: one with numpy, ai-edge-litert 2.3 and the smallest model was measured at 44 MB on x86-64.
MEMORY_LOW_BYTES = 200_000_000
#: Chosen: less may be pages that the kernel put away long ago and nobody misses.
SWAP_IN_USE_BYTES = 100_000_000
#: Distance of the 10th and 90th percentile, of the median: beyond, a single pair of runs cannot show a difference of
#: 10 %. pyperf warns at the same share, of the standard deviation (``format_checks``), which one long pause can rule.
SPREAD_SUSPECT = 0.10
#: Governors that keep the clock still. The others follow load, or pick what a board was left at.
_STEADY = ("performance",)
_SET = "--set-governor performance sets it while you measure"


def standing_findings(snapshot: Facts, machine: Facts) -> list[Finding]:
    """Return what would disturb, whatever is measured: emulator, battery, governor, limits of clock and memory."""
    checks = (_battery, saver_finding, partial(_governor, machine), _capped, _memory, _swap)
    found = [finding for finding in (check(snapshot) for check in checks) if finding is not None]
    lasting = (_emulated, _quota, _boost, _aslr)
    return found + [finding for finding in (check(machine) for check in lasting) if finding is not None]


def noise_finding(noise: Facts, before: Facts, after: Facts) -> Finding | None:
    """Return a finding where equal pieces of work took unequal time (:mod:`edgebench.worker.noise`).

    ``noise`` is empty where nothing could work.
    """
    if noise.get("spread", 0.0) < SPREAD_SUSPECT:
        return None
    reason = f"the same work varied by {noise['spread']:.0%} (p10 to p90, {noise['count']:,} times)"
    cores = others_cores(before, after)
    if cores is not None and cores < 0.1:
        reason += ", and no other process was busy: the clock or the host changes speed"
    return Finding(Code.NOISE, Severity.SUSPECT, reason, "mend what stands above, or measure for longer")


def _emulated(machine: Facts) -> Finding | None:
    emulated = machine.get("emulated", {})
    if not emulated.get("found"):
        return None
    reason = f"the processor is emulated: {'; '.join(emulated['signs'])}"
    return Finding(Code.EMULATED, Severity.INVALID, reason, "measure on the real device: times here mean nothing")


def _battery(snapshot: Facts) -> Finding | None:
    power = snapshot.get("power", {})
    if not power.get("on_battery"):
        return None
    level = f" ({power['battery_percent']} %)" if "battery_percent" in power else ""
    reason = f"it runs on battery{level}, where the clock is limited to save power"
    return Finding(Code.BATTERY, Severity.SUSPECT, reason, "connect the charger")


def _governor(machine: Facts, snapshot: Facts) -> Finding | None:
    found: dict[str, list[str]] = {}
    for cpu, clock in snapshot.get("cpu_clocks", {}).items():
        if clock.get("governor") and clock["governor"] not in _STEADY:
            found.setdefault(clock["governor"], []).append(cpu)
    if not found:
        return None
    listed = ", ".join(f"{name} on {len(cpus)} {'CPU' if len(cpus) == 1 else 'CPUs'}" for name, cpus in found.items())
    reason = f"the clock follows the load (governor {listed})"
    # A phone's shell is not root, and may not set it.
    hint = "measure in turns, and warm it up" if "android" in machine else _SET
    return Finding(Code.GOVERNOR, Severity.SUSPECT, reason, hint)


def _capped(snapshot: Facts) -> Finding | None:
    for cpu, clock in snapshot.get("cpu_clocks", {}).items():
        limit, usual = clock.get("max_hz"), clock.get("hardware_max_hz")
        if limit and usual and limit < usual:
            reason = f"CPU {cpu} is limited to {limit / 1e9:.2f} GHz of {usual / 1e9:.2f}"
            return Finding(
                Code.CLOCK_CAPPED, Severity.SUSPECT, reason, "lift the limit, unless the device ships with it"
            )
    return None


def _memory(snapshot: Facts) -> Finding | None:
    available = snapshot.get("memory_available_bytes")
    if available is None or available >= MEMORY_LOW_BYTES:
        return None
    reason = f"only {available / 1e6:.0f} MB of memory are free"
    return Finding(Code.MEMORY_LOW, Severity.SUSPECT, reason, "close programs before you measure")


def _swap(snapshot: Facts) -> Finding | None:
    used = snapshot.get("swap_used_bytes")
    if used is None or used < SWAP_IN_USE_BYTES:
        return None
    reason = f"{used / 1e6:.0f} MB lie in swap and may be read back at any time"
    return Finding(Code.SWAP_IN_USE, Severity.SUSPECT, reason, "bring them back before you measure")


def _quota(machine: Facts) -> Finding | None:
    quota = machine.get("cpu_quota", {})
    allowed = len(machine.get("cpus_allowed", ()))
    if not quota.get("limited") or (allowed and quota["cores"] >= allowed):
        return None
    reason = f"a CPU quota allows {quota['cores']:.2g} of {allowed or 'the'} cores and stops whoever exceeds it"
    return Finding(
        Code.QUOTA,
        Severity.SUSPECT,
        reason,
        "raise it from outside (docker update --cpus), or use no more threads than that",
    )


def _boost(machine: Facts) -> Finding | None:
    if not machine.get("boost", {}).get("on"):
        return None
    reason = "the processor exceeds its base clock while it is cool (boost), so speed depends on heat"
    return Finding(Code.BOOST, Severity.SUSPECT, reason, "switch it off for absolute figures; ratios hardly need it")


def _aslr(machine: Facts) -> Finding | None:
    if machine.get("aslr") != 0:
        return None
    reason = "memory layout is not drawn anew (ASLR is off), so fresh workers do not show what layout costs"
    return Finding(Code.ASLR_OFF, Severity.SUSPECT, reason, "switch it on")
