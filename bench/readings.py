"""What was read of a device at a moment of a run: what the record keeps of its state, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Moment(str, Enum):
    """When a reading was taken. ``DURING``: right after the bursts of a block, while its workers still held models."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Cause(str, Enum):
    """Why a Raspberry Pi's firmware holds the clock down: the bits of ``vcgencmd get_throttled``."""

    UNDER_VOLTAGE = "under-voltage"
    CLOCK_CAPPED = "clock capped"
    THROTTLED = "throttled"
    SOFT_LIMIT = "soft temperature limit"


class ThermalStatus(str, Enum):
    """How much Android slows a phone down for heat (``PowerManager.THERMAL_STATUS_*``), in the order of severity."""

    NONE = "none"
    LIGHT = "light"
    MODERATE = "moderate"
    SEVERE = "severe"
    CRITICAL = "critical"
    EMERGENCY = "emergency"
    SHUTDOWN = "shutdown"

    @property
    def severity(self) -> int:
        """Its place in the order, 0 for none."""
        return list(ThermalStatus).index(self)


@dataclass(frozen=True)
class Phone:
    """What Android told of the phone. None where it did not tell, the reason is the reading's.

    ``powered_by`` names the sources of power, none of which leaves the battery; ``screen`` is on, dozing or off.
    """

    thermal_status: ThermalStatus | None = None
    battery_percent: int | None = None
    powered_by: tuple[str, ...] | None = None
    screen: str | None = None
    power_saver: bool | None = None


@dataclass(frozen=True)
class Throttling:
    """The firmware's bits as one number, and decoded: the causes that held ``now``, and those seen ``since_boot``."""

    raw: int
    now: tuple[Cause, ...] = ()
    since_boot: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class CoreGroup:
    """CPUs of one maximum clock, None where it is not told. ``cpus`` is in the kernel's list format: ``0-3,8``."""

    cpus: str
    count: int
    max_hz: int | None = None


@dataclass(frozen=True)
class Reading:
    """A device's state at one moment; ``taken_ns`` is its monotonic clock, which begins anew when it boots.

    ``celsius`` maps a thermal zone's type to its temperature. ``clocks_hz`` are the clocks that the kernel tells and
    ``governors`` who rules them, by CPUs in the kernel's list format; ``measured_clock_hz`` is what the firmware
    measured. ``under_voltage`` is the kernel's own monitor of the supply, ``phone`` what Android told, None where
    nothing asked it. ``block`` is that of ``samples.parquet``, None before and after the run.
    """

    moment: Moment
    taken_ns: int | None = None
    block: int | None = None
    celsius: Mapping[str, float] = field(default_factory=dict)
    clocks_hz: Mapping[str, int] = field(default_factory=dict)
    governors: Mapping[str, str] = field(default_factory=dict)
    measured_clock_hz: int | None = None
    throttling: Throttling | None = None
    under_voltage: bool | None = None
    phone: Phone | None = None
    memory_available_bytes: int | None = None
    load_1min: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
