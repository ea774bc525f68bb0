"""Clock, temperature and power of the machine, from sysfs.

Sources: kernel documentation, admin-guide/pm/cpufreq and driver-api/thermal/sysfs-api;
Documentation/ABI/testing/sysfs-class-power; ABI/testing/sysfs-devices-system-cpu (thermal_throttle, acpi_cppc).
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Optional, Tuple

from .tree import Tree, Unreadable

_CPUS = "/sys/devices/system/cpu"
_THERMAL = "/sys/class/thermal"
_POWER = "/sys/class/power_supply"
_HWMON = "/sys/class/hwmon"
_PSTATE = _CPUS + "/intel_pstate/no_turbo"
_BOOST = _CPUS + "/cpufreq/boost"
#: Field -> file below ``cpuN/`` and what its unit is in Hz.
_CLOCK_FILES = {
    "current_hz": (("cpufreq/scaling_cur_freq", 1000),),
    "min_hz": (("cpufreq/scaling_min_freq", 1000),),
    "max_hz": (("cpufreq/scaling_max_freq", 1000),),
    "hardware_max_hz": (("cpufreq/cpuinfo_max_freq", 1000),),
    # The clock that the maker guarantees to all cores, where boost lifts the maximum above it.
    "base_hz": (("cpufreq/base_frequency", 1000), ("acpi_cppc/nominal_freq", 1_000_000)),
}
#: Cooling devices that slow the processor down; others are fans and the like.
_SLOWING = re.compile(r"(?i).*(cpufreq|processor|powerclamp|cpu).*")
#: Trips at which something is slowed down. At the one called critical the machine switches itself off instead.
_TRIP_KINDS = ("passive", "hot")


def cpu_clocks(tree: Tree) -> Dict[str, Dict[str, Any]]:
    """Return current, least and greatest clock and the governor of each CPU by its number."""
    tree.text(_CPUS + "/cpu0/cpufreq/scaling_governor")  # no governor at all: one reason instead of one a CPU
    return {name[3:]: _clock(tree, "%s/%s/" % (_CPUS, name)) for name in tree.names(_CPUS, r"cpu\d+")}


def fastest_hz(tree: Tree) -> int:
    """Return the current clock of the fastest CPU, as the kernel tells it."""
    clocks = cpu_clocks(tree)
    known: List[int] = [clock["current_hz"] for clock in clocks.values() if "current_hz" in clock]
    if not known:
        raise Unreadable(str(clocks["0"]["unavailable"]["current_hz"]))
    return max(known)


def _clock(tree: Tree, folder: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    unavailable: Dict[str, str] = {}
    for field, choices in _CLOCK_FILES.items():
        for path, unit_hz in choices:
            try:
                found[field] = tree.number(folder + path, minimum=1) * unit_hz
                break
            except Unreadable as error:
                unavailable.setdefault(field, str(error))
    try:
        found["governor"] = tree.text(folder + "cpufreq/scaling_governor")
    except Unreadable as error:
        unavailable["governor"] = str(error)
    found["unavailable"] = {name: why for name, why in unavailable.items() if name not in found}
    return found


def boost(tree: Tree) -> Dict[str, Any]:
    """Return whether boost is ``on`` (while cool, the clock may exceed its base) and the ``file`` that rules it."""
    try:
        return {"on": tree.number(_PSTATE) == 0, "file": _PSTATE}
    except Unreadable:
        try:
            return {"on": tree.number(_BOOST) != 0, "file": _BOOST}
        except Unreadable as error:
            raise Unreadable("neither %s nor %s" % (_PSTATE, error)) from None


def temperatures(tree: Tree) -> Dict[str, Dict[str, Any]]:
    """Return type, temperature and limit of each thermal zone; the limit is its lowest passive or hot trip."""
    zones: Dict[str, Dict[str, Any]] = {}
    for name in tree.names(_THERMAL, r"thermal_zone\d+"):
        folder = "%s/%s/" % (_THERMAL, name)
        zone: Dict[str, Any] = {"type": _text_or(tree, folder + "type", "unknown")}
        try:
            zone["celsius"] = tree.number(folder + "temp", minimum=-273_150) / 1000
        except Unreadable as error:
            zone["unavailable"] = str(error)
        limit = _limit(tree, folder)
        if limit is not None:
            zone["limit_celsius"] = limit
        zones[name] = zone
    return zones


def _limit(tree: Tree, folder: str) -> Optional[float]:
    limits: List[float] = []
    try:
        trips = tree.names(folder, r"trip_point_\d+_type")
    except Unreadable:
        return None
    for trip in trips:
        try:
            if tree.text(folder + trip) in _TRIP_KINDS:
                # A trip that is switched off reads 0 or absolute zero.
                limits.append(tree.number(folder + trip.replace("_type", "_temp"), minimum=1) / 1000)
        except Unreadable:
            continue
    return min(limits) if limits else None


def cooling(tree: Tree) -> Dict[str, Dict[str, Any]]:
    """Return the cooling devices that slow the processor: type and state, 0 being full speed."""
    found: Dict[str, Dict[str, Any]] = {}
    for name in tree.names(_THERMAL, r"cooling_device\d+"):
        folder = "%s/%s/" % (_THERMAL, name)
        kind = _text_or(tree, folder + "type", "unknown")
        if _SLOWING.fullmatch(kind) and "fan" not in kind.lower():
            try:
                # intel_powerclamp says -1 while it is off.
                found[name] = {"type": kind, "state": max(0, tree.number(folder + "cur_state", minimum=-1))}
            except Unreadable as error:
                found[name] = {"type": kind, "unavailable": str(error)}
    if not found:
        raise Unreadable("%s: no cooling device slows the processor" % _THERMAL)
    return found


def thermal_throttling(tree: Tree) -> Dict[str, int]:
    """Return how often, and where told how long, Intel processors slowed down for heat since boot.

    Core counts are summed over CPUs; a package's is told by each of its CPUs, so the greatest is taken.
    """
    base = "%s/%s/thermal_throttle/"
    tree.text(base % (_CPUS, "cpu0") + "core_throttle_count")
    kinds: Tuple[Tuple[str, str, Callable[[List[int]], int]], ...] = (
        ("core_events", "core_throttle_count", sum),
        ("core_time_ms", "core_throttle_total_time_ms", sum),
        ("package_events", "package_throttle_count", max),
        ("package_time_ms", "package_throttle_total_time_ms", max),
    )
    found: Dict[str, int] = {}
    for field, file, join in kinds:
        values: List[int] = []
        for name in tree.names(_CPUS, r"cpu\d+"):
            try:
                values.append(tree.number(base % (_CPUS, name) + file))
            except Unreadable:
                continue  # offline CPUs have no counters
        if values:
            found[field] = join(values)
    if not found:
        raise Unreadable("%s: thermal_throttle holds no counters" % _CPUS)
    return found


def under_voltage(tree: Tree) -> bool:
    """Return whether a Raspberry Pi's supply is too weak now, by the kernel's own monitor (driver raspberrypi-hwmon).

    Not read from the firmware's ``get_throttled`` in sysfs: reading that file clears the firmware's memory.
    """
    for name in tree.names(_HWMON, r"hwmon\d+"):
        if _text_or(tree, "%s/%s/name" % (_HWMON, name), "") == "rpi_volt":
            return tree.number("%s/%s/in0_lcrit_alarm" % (_HWMON, name)) != 0
    raise Unreadable("%s: no monitor of a Raspberry Pi's supply" % _HWMON)


def power(tree: Tree) -> Dict[str, Any]:
    """Return ``on_battery``, and the first battery's ``battery_status`` and ``battery_percent`` where there is one."""
    mains: List[bool] = []
    found: Dict[str, Any] = {}
    for name in tree.names(_POWER, r".+"):
        folder = "%s/%s/" % (_POWER, name)
        kind = _text_or(tree, folder + "type", "")
        # The battery of a mouse or keyboard has the scope Device.
        if kind in ("Mains", "USB"):
            online = _text_or(tree, folder + "online", "")
            mains.extend([online != "0"] if online.isdecimal() else [])
        elif kind == "Battery" and _text_or(tree, folder + "scope", "System") == "System":
            _add_battery(tree, folder, found)
    status = found.get("battery_status")
    if status is None and not mains:
        raise Unreadable("%s: neither mains nor battery tells its state" % _POWER)
    found["on_battery"] = status == "Discharging" if status not in (None, "Unknown") else bool(mains) and not any(mains)
    return found


def _add_battery(tree: Tree, folder: str, found: Dict[str, Any]) -> None:
    status = _text_or(tree, folder + "status", "")
    if status:
        found.setdefault("battery_status", status)
    try:
        found.setdefault("battery_percent", tree.number(folder + "capacity"))
    except Unreadable:
        return


def _text_or(tree: Tree, path: str, default: str) -> str:
    try:
        return tree.text(path) or default
    except Unreadable:
        return default
