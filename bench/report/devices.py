"""The devices of a run: what they are, and their state before, during and after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..records import DeviceRecord, RunRecord
from .device_facts import (
    UNAVAILABLE,
    ZONES_SHOWN,
    Course,
    clocks,
    cores,
    courses,
    governors,
    runtimes,
    seconds,
    temperatures,
    throttled_in_short,
    throttling,
    why,
    zones,
)
from .phone_facts import phone_in_short, phone_rows
from .sections import Grid, Section
from .text import ABSENT, clean, count, megabytes

_HEADS = (("", ""), ("before", ""), ("lowest", ""), ("highest", ""), ("after", ""))
_ABOUT = (
    "Read before the run, right after each block's last burst, and at the end. Clocks are the kernel's own figures, "
    "which a measured clock can contradict."
)


def device_lines(record: RunRecord) -> list[str]:
    """Return a line or two for each device: what it is, then heat, clock, throttling, memory and load over the run."""
    return [line for device in record.devices for line in _lines(record, device)]


def device_section(record: RunRecord) -> Section | None:
    """Return every fact of each device and the course of its state; None where nobody looked at a device."""
    if not record.devices:
        return None
    names = [clean(device.name) for device in record.devices]
    facts = [_facts(record, device) for device in record.devices]
    titles = list(dict.fromkeys(title for found in facts for title in found))
    rows = _together((title, tuple(found.get(title, ABSENT) for found in facts)) for title in titles)
    heads = (("", ""), *((name, "") for name in names))
    grids = [Grid("", heads, rows, words=True)]
    for device, name in zip(record.devices, names, strict=True):
        found = courses(device)
        if found:
            title = f"Before, during and after, {name}" if len(names) > 1 else "Before, during and after"
            grids.append(Grid(title, _HEADS, tuple(map(_row, found))))
    return Section(
        "device", "Device" if len(names) == 1 else "Devices", _ABOUT, tuple(grids), tuple(_notes(record.devices))
    )


def _together(rows: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[tuple[str, ...], ...]:
    """Return the rows, facts that are unavailable for the same reason in one."""
    found: list[tuple[str, ...]] = []
    places: dict[tuple[str, ...], int] = {}
    for title, cells in rows:
        if all(cell.startswith(UNAVAILABLE) for cell in cells) and cells in places:
            place = places[cells]
            found[place] = (f"{found[place][0]}, {title[:1].lower()}{title[1:]}", *cells)
        else:
            places[cells] = len(found)
            found.append((title, *cells))
    return tuple(found)


def _row(course: Course) -> tuple[str, ...]:
    ends = (course.values[0], min(course.known), max(course.known), course.values[-1])
    title = f"{course.title}, {course.unit}" if course.unit else course.title
    return (title, *(ABSENT if value is None else course.show(value) for value in ends))


def _facts(record: RunRecord, device: DeviceRecord) -> dict[str, str]:
    """Return each fact by its title; what is unknown says why."""
    here = device.environment
    memory = here.memory_total_bytes
    found = {
        "Board": _text(device, "board_model", device.board_model),
        "System on chip": _text(device, "soc", device.soc),
        "Processor": clean(here.cpu_model) if here.cpu_model else _because(here.unavailable.get("cpu_model")),
        "Cores": cores(device.cores, here.cpus_logical, numbers=True) or why(device, "cores"),
        **_maximum(device),
        "Governor": ", ".join(governors(device)) or why(device, "governors"),
        "Memory": f"{memory / 1e9:.1f} GB" if memory else _because(here.unavailable.get("memory_total_bytes")),
        "System": clean(here.system),
        "Kernel": clean(f"{here.kernel}, {here.machine}"),
        "Runtime": "; ".join(runtimes(record, device)) or f"{UNAVAILABLE}: no case told it",
        "Virtual machine": _signs(device, "virtual", device.virtual),
        "Emulated": _signs(device, "emulated", device.emulated),
    }
    if device.address is not None:
        first = device.ready_to_first_result_ns
        found |= {
            "Address": clean(device.address),
            "Bytes sent": _megabytes(device, "bytes_sent", device.bytes_sent),
            "Bytes that were there already": _megabytes(device, "bytes_reused", device.bytes_reused),
            "Ready to first result": why(device, "ready_to_first_result_ns") if first is None else seconds(first),
        }
    if not temperatures(device):
        found["Temperature"] = why(device, "celsius")
    if not any(item.clocks_hz for item in device.readings):
        found["Clock"] = why(device, "clocks_hz")
    phone = phone_rows(device)
    if phone:  # it has no firmware of a Raspberry Pi, which would measure clock and supply
        return found | phone
    if not any(item.measured_clock_hz for item in device.readings):
        found["Measured clock"] = why(device, "measured_clock_hz")
    return found | (dict(throttling(device)) or {"Throttling": why(device, "throttling")}) | _supply(device)


def _supply(device: DeviceRecord) -> dict[str, str]:
    told = [item.under_voltage for item in device.readings if item.under_voltage is not None]
    if not told:
        return {"Supply, by the kernel": why(device, "under_voltage")}
    low = sum(told)
    return {"Supply, by the kernel": f"too low in {low} of {count(len(told), 'reading')}" if low else "never too low"}


def _maximum(device: DeviceRecord) -> dict[str, str]:
    """Return why a maximum clock is not known; where all are, the cores have them."""
    untold = not device.cores or any(group.max_hz is None for group in device.cores)
    return {"Maximum clock": why(device, "max_hz" if device.cores else "cores")} if untold else {}


def _text(device: DeviceRecord, field: str, value: str | None) -> str:
    return why(device, field) if value is None else clean(value)


def _megabytes(device: DeviceRecord, field: str, value: int | None) -> str:
    return why(device, field) if value is None else f"{megabytes(value)} MB"


def _signs(device: DeviceRecord, field: str, signs: Sequence[str] | None) -> str:
    if signs is None:
        return why(device, field)
    return f"yes: {'; '.join(map(clean, signs))}" if signs else "no sign of it"


def _because(reason: str | None) -> str:
    return f"{UNAVAILABLE}: {clean(reason or 'not recorded')}"


def _notes(devices: Sequence[DeviceRecord]) -> list[str]:
    found = []
    for device in devices:
        name = f"{clean(device.name)}: " if len(devices) > 1 else ""
        found += [name + clean(note) for note in device.notes]
        more = len(zones(device)) - ZONES_SHOWN
        if more > 0:
            found.append(f"{name}{count(more, 'more thermal zone')}, cooler or not of the processor, not shown")
    return found


def _lines(record: RunRecord, device: DeviceRecord) -> list[str]:
    here = device.environment
    name = f" {clean(device.name)}" if len(record.devices) > 1 or device.address is not None else ""
    board = clean(device.board_model or here.cpu_model or here.machine)
    soc = f" ({clean(device.soc)})" if device.soc and device.soc != device.board_model else ""
    kind = "emulated" if device.emulated else "virtual machine" if device.virtual else ""
    ruled = f"governor {', '.join(governors(device))}" if governors(device) else ""
    what = [f"{board}{soc}", kind, cores(device.cores, here.cpus_logical) or "", ruled]
    state = _state(device)
    if not (temperatures(device) or clocks(device)) and device.address is None:
        return [f"Device{name}: {', '.join(part for part in what if part)}; no temperature or clock told; "
                f"{'; '.join(state)}."]  # fmt: skip
    what += [clean(here.system), clean(here.kernel), *runtimes(record, device)]
    lines = [f"Device{name}: {', '.join(part for part in what if part)}.", f"  {'; '.join(state)}."]
    return [*lines, *_way_there(device)]


def _way_there(device: DeviceRecord) -> list[str]:
    """Return what it took to measure elsewhere: bytes, and the time to the first result."""
    said = []
    if device.bytes_sent is not None:
        there = device.bytes_reused
        before = f", {megabytes(there)} MB were there already" if there else ""
        said.append(f"{megabytes(device.bytes_sent)} MB sent{before}")
    if device.address is not None and device.ready_to_first_result_ns is not None:
        said.append(f"ready to first result {seconds(device.ready_to_first_result_ns)}")
    return [f"  {'; '.join(said)}."] if said else []


def _state(device: DeviceRecord) -> list[str]:
    """Return what changed over the run, each before, at its worst, and after."""
    found = [_worst(course, max(course.known), "highest") for course in temperatures(device, 1)]
    found += [_worst(course, min(course.known), "lowest") for course in clocks(device)]
    short = throttled_in_short(device)
    if short is None and "raspberry" in (device.board_model or "").lower():
        short = f"throttling {why(device, 'throttling')}"
    found += [short] if short else []
    found += phone_in_short(device)
    free = [item.memory_available_bytes for item in device.readings if item.memory_available_bytes is not None]
    loads = [item.load_1min for item in device.readings if item.load_1min is not None]
    found += [f"at least {megabytes(min(free))} MB free"] if free else []
    found += [f"load {loads[0]:.1f} → {loads[-1]:.1f}"] if loads else []
    return found or ["its state is not told"]


def _worst(course: Course, worst: float, word: str) -> str:
    ends = (course.values[0], course.values[-1])
    first, last = (ABSENT if value is None else course.show(value) for value in ends)
    if first == last == course.show(worst):
        return f"{course.title} {first} {course.unit}"
    return f"{course.title} {first} → {course.show(worst)} ({word}) → {last} {course.unit}"
