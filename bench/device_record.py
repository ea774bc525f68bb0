"""From what a device's workers tell of it (:mod:`edgebench.worker.truth`) to what the record keeps.

Nothing here asks a device. What a device does not tell has its reason; what it tells in another form than it should
counts as not told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .cpus import cpu_list
from .readings import Cause, CoreGroup, Moment, Phone, Reading, ThermalStatus, Throttling
from .records import DeviceRecord, Environment

Facts = Mapping[str, Any]
Value = TypeVar("Value")

#: Readings during a run that a record keeps: enough for a chart, and small beside the rest.
READINGS_KEPT = 200
#: The facts that records are made from, by the reading that has them.
MACHINE_FACTS = ("board_model", "soc", "cpus_online", "virtual", "emulated")
STATE_FACTS = (
    "temperatures",
    "cpu_clocks",
    "under_voltage",
    "memory_available_bytes",
    "load_average",
)
_NOT_TOLD = "the device does not tell"


def reading(moment: Moment, facts: Facts, block: int | None = None) -> Reading:
    """Return what a snapshot tells; it may carry the fields of :func:`edgebench.worker.truth.firmware` as well."""
    told = _Told(facts)
    return Reading(
        moment=moment,
        taken_ns=told.value("taken_ns", "taken_ns", int),
        block=block,
        celsius=told.value("celsius", "temperatures", _celsius) or {},
        clocks_hz=told.value("clocks_hz", "cpu_clocks", lambda clocks: _by_cpus(clocks, "current_hz", int)) or {},
        governors=told.value("governors", "cpu_clocks", lambda clocks: _by_cpus(clocks, "governor", str)) or {},
        measured_clock_hz=told.value("measured_clock_hz", "measured_clock_hz", int),
        throttling=told.value("throttling", "firmware_throttling", _throttling),
        under_voltage=told.value("under_voltage", "under_voltage", bool),
        phone=_phone(told),
        memory_available_bytes=told.value("memory_available_bytes", "memory_available_bytes", int),
        load_1min=told.value("load_1min", "load_average", lambda load: float(load["1min"])),
        unavailable=told.unavailable,
    )


def block_reading(block: int, after: Sequence[Facts]) -> Reading:
    """Return a block's reading, from the snapshots after its bursts: the first of them is the closest to the work."""
    return reading(Moment.DURING, min(after, key=lambda state: int(state["taken_ns"])), block)


def device_record(
    name: str, environment: Environment, machine: Facts, state: Facts, readings: Sequence[Reading] = (), **more: Any
) -> DeviceRecord:
    """Return the record of a device from its lasting facts and one snapshot.

    ``more`` are the fields that these do not tell, such as ``address``; an ``unavailable`` among them is added.
    """
    told = _Told({**machine, "cpu_clocks": state.get("cpu_clocks", {})})
    cores = told.value("cores", "cpus_online", lambda numbers: _cores(numbers, told.facts["cpu_clocks"])) or ()
    if any(group.max_hz is None for group in cores):
        told.unavailable["max_hz"] = _reason(state, "cpu_clocks", "hardware_max_hz")
    kept = sampled(readings)
    notes = (f"{len(kept):,} of {len(readings):,} readings are kept",) if len(kept) < len(readings) else ()
    return DeviceRecord(
        name=name,
        environment=environment,
        board_model=told.value("board_model", "board_model", str),
        soc=told.value("soc", "soc", str),
        cores=cores,
        virtual=told.value("virtual", "virtual", _signs),
        emulated=told.value("emulated", "emulated", _signs),
        readings=kept,
        notes=(*notes, *more.pop("notes", ())),
        unavailable={**told.unavailable, **more.pop("unavailable", {})},
        **more,
    )


def sampled(readings: Sequence[Reading], limit: int = READINGS_KEPT) -> tuple[Reading, ...]:
    """Return the readings, at most about ``limit`` of those during the run: evenly, and the extremes among them."""
    during = [place for place, item in enumerate(readings) if item.moment is Moment.DURING]
    if len(during) <= limit:
        return tuple(readings)
    kept = {during[step * (len(during) - 1) // (limit - 1)] for step in range(limit)}
    hot = [place for place in during if readings[place].celsius]
    clocked = [place for place in during if readings[place].clocks_hz]
    kept |= {max(hot, key=lambda place: max(readings[place].celsius.values()))} if hot else set()
    kept |= {min(clocked, key=lambda place: max(readings[place].clocks_hz.values()))} if clocked else set()
    return tuple(item for place, item in enumerate(readings) if item.moment is not Moment.DURING or place in kept)


class _Told:
    """Reads facts one by one. ``unavailable`` collects why a field has no value."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.unavailable: dict[str, str] = {}

    def value(self, field: str, name: str, read: Callable[[Any], Value | None]) -> Value | None:
        """Return what the fact called ``name`` comes to, None where it is not told."""
        if name not in self.facts:
            self.unavailable[field] = _reason(self.facts, name)
            return None
        try:
            found = read(self.facts[name])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            self.unavailable[field] = f"not understood: {self.facts[name]!r:.60}"
            return None
        if found is None:
            self.unavailable[field] = _reason(self.facts, name, {"clocks_hz": "current_hz"}.get(field, field))
        return found


def _reason(facts: Facts, name: str, part: str | None = None) -> str:
    """Return why a fact is not told, or, where it consists of parts that have their own reasons, the first of these."""
    found = facts.get("unavailable", {}).get(name)
    if found is not None:
        return str(found)
    parts = facts.get(name)
    for item in parts.values() if isinstance(parts, Mapping) else ():
        reasons = item.get("unavailable") if isinstance(item, Mapping) else None
        why = reasons.get(part) if isinstance(reasons, Mapping) else reasons
        if why:
            return str(why)
    return _NOT_TOLD


def _celsius(zones: Facts) -> dict[str, float] | None:
    """Return temperatures by the zone's type; of zones of one type the second and further have their own name, too."""
    found: dict[str, float] = {}
    for name, zone in zones.items():
        if "celsius" in zone:
            kind = str(zone["type"])
            found[kind if kind not in found else f"{kind} ({name})"] = float(zone["celsius"])
    return found or None


def _by_cpus(clocks: Facts, part: str, kind: Callable[[Any], Value]) -> dict[str, Value] | None:
    """Return a part of each CPU's clock, CPUs of the same value together."""
    found: dict[Value, list[int]] = {}
    for cpu, clock in clocks.items():
        if part in clock:
            found.setdefault(kind(clock[part]), []).append(int(cpu))
    return {cpu_list(cpus): value for value, cpus in found.items()} or None


def _throttling(told: Facts) -> Throttling:
    now, since_boot = (tuple(Cause(cause) for cause in told[name]) for name in ("now", "since_boot"))
    return Throttling(int(told["raw"]), now, since_boot)


def _phone(told: _Told) -> Phone | None:
    """Return what Android told; None where it was not asked, as between bursts."""
    facts = told.facts
    if "thermal_status" not in facts and "thermal_status" not in facts.get("unavailable", {}):
        return None
    return Phone(
        thermal_status=told.value("thermal_status", "thermal_status", ThermalStatus),
        battery_percent=told.value("battery_percent", "power", lambda power: power.get("battery_percent")),
        powered_by=told.value("powered_by", "power", lambda power: _sources(power.get("powered_by"))),
        screen=told.value("screen", "screen", str),
        power_saver=told.value("power_saver", "power_saver", bool),
    )


def _sources(names: Sequence[Any] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(map(str, names))


def _cores(numbers: Sequence[Any], clocks: Facts) -> tuple[CoreGroup, ...]:
    found: dict[int | None, list[int]] = {}
    for number in numbers:
        max_hz = clocks.get(str(number), {}).get("hardware_max_hz")
        found.setdefault(None if max_hz is None else int(max_hz), []).append(int(number))
    return tuple(CoreGroup(cpu_list(cpus), len(cpus), max_hz) for max_hz, cpus in found.items())


def _signs(told: Facts) -> tuple[str, ...]:
    return tuple(str(sign) for sign in told["signs"])
