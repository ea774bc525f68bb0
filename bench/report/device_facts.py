"""What the record tells of a device, as texts that all reports share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..analysis.heat import is_processor
from ..cpus import cpu_numbers
from ..readings import Cause, CoreGroup, Moment, Reading
from ..records import DeviceRecord, RunRecord
from .text import clean, count, known, megabytes, milliseconds

#: Thermal zones of one device that are shown: phones have dozens.
ZONES_SHOWN = 8
#: How a fact begins that is not known.
UNAVAILABLE = "unavailable"
_BITS = (
    ("Under-voltage", Cause.UNDER_VOLTAGE),
    ("Clock capped by the firmware", Cause.CLOCK_CAPPED),
    ("Throttled by the firmware", Cause.THROTTLED),
    ("Soft temperature limit", Cause.SOFT_LIMIT),
)


@dataclass(frozen=True)
class Course:
    """A figure over the readings of a run, in their order; None where a reading lacks it."""

    title: str
    unit: str
    values: tuple[float | None, ...]
    show: Callable[[float], str]

    @property
    def known(self) -> list[float]:
        """The values that there are."""
        return [value for value in self.values if value is not None and known(value)]


def gigahertz(clock_hz: float) -> str:
    """Return a clock in GHz with two decimals, without the unit."""
    return f"{clock_hz / 1e9:.2f}"


def cores(groups: Sequence[CoreGroup], logical: int | None, *, numbers: bool = False) -> str | None:
    """Return ``4 × 1.50 GHz``, or how many CPUs there are where their clocks are not told; None where neither is.

    With ``numbers`` it says which CPUs these are.
    """
    if groups and all(group.max_hz for group in groups):
        return " + ".join(
            f"{group.count} × {gigahertz(group.max_hz or 0)} GHz" + (f" (CPU {clean(group.cpus)})" if numbers else "")
            for group in groups
        )
    number = sum(group.count for group in groups) or logical
    return None if number is None else count(number, "CPU")


def governors(device: DeviceRecord) -> list[str]:
    """Return the governors that were read, in order of their first appearance."""
    return list(dict.fromkeys(clean(name) for item in device.readings for name in item.governors.values()))


def runtimes(record: RunRecord, device: DeviceRecord) -> list[str]:
    """Return the runtimes that ran cases there."""
    found = [case.runtime for case in record.cases if case.device == device.name and case.runtime]
    return list(dict.fromkeys(clean(f"{item.package} {item.version}, Python {item.python}") for item in found))


def zones(device: DeviceRecord) -> list[str]:
    """Return the types of the thermal zones, those of the processor first, then the hottest first."""
    hottest: dict[str, float] = {}
    for item in device.readings:
        for zone, celsius in item.celsius.items():
            hottest[zone] = max(celsius, hottest.get(zone, celsius))
    return sorted(hottest, key=lambda zone: (not is_processor(zone), -hottest[zone]))


def temperatures(device: DeviceRecord, limit: int = ZONES_SHOWN) -> list[Course]:
    """Return the course of the temperature of at most ``limit`` zones."""
    return [
        Course(
            clean(zone), "°C", tuple(item.celsius.get(zone) for item in device.readings), lambda value: f"{value:.1f}"
        )
        for zone in zones(device)[:limit]
    ]


def clocks(device: DeviceRecord) -> list[Course]:
    """Return the course of the clocks: the fastest CPU of each group of cores, then what the firmware measured."""
    groups = device.cores or (CoreGroup("", 0),)
    found = []
    for group in groups:
        title = "clock" if len(groups) == 1 else f"clock of CPUs {group.cpus}"
        found.append(Course(title, "GHz", tuple(_fastest(item, group) for item in device.readings), gigahertz))
    found.append(Course("measured clock", "GHz", tuple(item.measured_clock_hz for item in device.readings), gigahertz))
    return [course for course in found if course.known]


def _fastest(item: Reading, group: CoreGroup) -> int | None:
    wanted = set(_numbers(group.cpus))
    found = [hertz for cpus, hertz in item.clocks_hz.items() if not wanted or wanted & set(_numbers(cpus))]
    return max(found, default=None)


def _numbers(listed: str) -> tuple[int, ...]:
    """Return CPU numbers; a record that somebody wrote by hand may hold anything."""
    try:
        return tuple(cpu_numbers(listed))
    except ValueError:
        return ()


def courses(device: DeviceRecord) -> list[Course]:
    """Return everything that was read several times: temperatures, clocks, free memory, load."""
    memory = Course("memory free", "MB", tuple(item.memory_available_bytes for item in device.readings), megabytes)
    load = Course("load, 1 min", "", tuple(item.load_1min for item in device.readings), lambda value: f"{value:.2f}")
    return [course for course in (*temperatures(device), *clocks(device), memory, load) if course.known]


def throttling(device: DeviceRecord) -> list[tuple[str, str]]:
    """Return for each of the firmware's bits whether it was set during the run, and whether it was since boot.

    Empty where the firmware told none.
    """
    told = [item.throttling for item in device.readings if item.throttling]
    if not told:
        return []
    found = []
    for title, cause in _BITS:
        now = sum(cause in item.now for item in told)
        here = f"set in {now} of {count(len(told), 'reading')}" if now else "not set"
        if cause in told[0].since_boot:
            before = "had occurred since boot"
        else:
            before = "occurred during the run" if cause in told[-1].since_boot else "not since boot"
        found.append((title, f"{here}; {before}"))
    return found


def throttled_in_short(device: DeviceRecord) -> str | None:
    """Return the causes that held during the run or came up in it, else those since boot; None where none is told."""
    told = [item.throttling for item in device.readings if item.throttling]
    if not told:
        return None
    during = {cause for item in told for cause in item.now} | (set(told[-1].since_boot) - set(told[0].since_boot))
    if during:
        return f"THROTTLING during the run: {', '.join(cause.value for cause in Cause if cause in during)}"
    if told[-1].since_boot:
        return f"no throttling during the run (since boot: {', '.join(cause.value for cause in told[-1].since_boot)})"
    return "no throttling since boot"


def first_reading(device: DeviceRecord) -> Reading | None:
    """Return the state before the run."""
    return next((item for item in device.readings if item.moment is Moment.BEFORE), None)


def why(device: DeviceRecord, field: str) -> str:
    """Return why a fact or what was read several times is not known: ``unavailable: REASON``."""
    reasons = [device.unavailable.get(field), *(item.unavailable.get(field) for item in device.readings)]
    reason = next((reason for reason in reasons if reason), "not recorded")
    return f"{UNAVAILABLE}: {clean(reason)}"


def seconds(duration_ns: int) -> str:
    """Return a duration with its unit."""
    return f"{duration_ns / 1e9:.2f} s" if duration_ns >= 1e9 else f"{milliseconds(duration_ns)} ms"
