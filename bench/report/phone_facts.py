"""What Android told of a phone over a run, as texts that all reports share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..readings import Phone, ThermalStatus
from ..records import DeviceRecord
from .device_facts import why
from .text import clean, count

Rows = dict[str, str]


def phones(device: DeviceRecord) -> list[Phone]:
    """Return what Android told, in the order of the readings; nothing where it is no phone."""
    return [item.phone for item in device.readings if item.phone is not None]


def phone_rows(device: DeviceRecord) -> Rows:
    """Return each fact by its title, or why it is not known; nothing where it is no phone."""
    told = phones(device)
    if not told:
        return {}
    return {
        "Thermal status, by Android": thermal_in_short(device) or why(device, "thermal_status"),
        "Battery": _battery(told) or why(device, "battery_percent"),
        "Screen": _course(told, lambda phone: phone.screen) or why(device, "screen"),
        "Battery saver": _course(told, lambda phone: _on_off(phone.power_saver)) or why(device, "power_saver"),
    }


def phone_in_short(device: DeviceRecord) -> list[str]:
    """Return what matters for figures, for a line."""
    told = phones(device)
    thermal, battery = thermal_in_short(device), _battery(told)
    screen = _course(told, lambda phone: phone.screen)
    found = [f"thermal status {thermal}" if thermal else "", f"battery {battery}" if battery else ""]
    found += [f"screen {screen}" if screen else "", "BATTERY SAVER ON" if any(one.power_saver for one in told) else ""]
    return [part for part in found if part]


def thermal_in_short(device: DeviceRecord) -> str | None:
    """Return Android's thermal status over the run, None where it was never told."""
    told = [phone.thermal_status for phone in phones(device) if phone.thermal_status is not None]
    if not told:
        return None
    worst = max(told, key=lambda status: status.severity)
    if worst is ThermalStatus.NONE:
        return "none"
    hot = sum(status is not ThermalStatus.NONE for status in told)
    return f"{worst.value.upper()} at worst, not none in {hot} of {count(len(told), 'reading')}"


def _battery(told: Sequence[Phone]) -> str | None:
    percent = _course(told, lambda phone: phone.battery_percent)
    powered = _course(told, lambda phone: _sources(phone.powered_by))
    found = [f"{percent} %" if percent else "", powered or ""]
    return ", ".join(part for part in found if part) or None


def _sources(names: tuple[str, ...] | None) -> str | None:
    if names is None:
        return None
    return f"powered by {' and '.join(map(clean, names))}" if names else "not charging"


def _on_off(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"


def _course(told: Iterable[Phone], of: Callable[[Phone], Any]) -> str | None:
    """Return the first and the last value, and those between that are neither; None where none is told."""
    values = [clean(str(value)) for phone in told if (value := of(phone)) is not None]
    changes = [value for place, value in enumerate(values) if place == 0 or value != values[place - 1]]
    shown = changes if len(changes) <= 3 else [changes[0], changes[-1]]
    return " → ".join(shown) or None
