"""What Android tells of a phone: what it is, its heat, battery and screen. Read from what its own programs say.

A shell may not read all of a phone's ``/sys``; these programs are what it has instead. Each starts a process there, so
nothing of this is for the time between two runs.

Sources: Android's reference, ``PowerManager`` (THERMAL_STATUS_*), ``BatteryManager`` (BATTERY_STATUS_*); its thermal
HAL's ``TemperatureType`` and ``CoolingType``; the dumps' own forms in ``ThermalManagerService``, ``BatteryService`` and
``PowerManagerService`` of its sources.
"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Optional

from .programs import Ask
from .tree import Tree, Unreadable, shown

#: The severities of Android's thermal status in its own order. From the second on something is slowed down.
THERMAL_STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
#: What is on every Android, and readable enough to be seen.
MARK = "/system/bin/getprop"

_BATTERY_STATUSES = {2: "Charging", 3: "Discharging", 4: "Not charging", 5: "Full"}
_SOURCES = ("AC", "USB", "Wireless", "Dock")
#: Sensors whose value is a temperature, by their number. 6 to 8 are currents and voltages of the battery.
_SENSORS = {
    0: "CPU", 1: "GPU", 2: "battery", 3: "skin", 4: "USB port", 5: "power amplifier", 9: "NPU", 10: "TPU",
    11: "display", 12: "modem", 13: "SoC", 14: "Wi-Fi", 15: "camera", 16: "flash", 17: "speaker", 18: "ambient",
    19: "pogo",
}  # fmt: skip
_CPU_COOLING = 2
#: Outside of this it is no temperature of a phone: sensors that are off say -274, or thousandths.
_COLDEST, _HOTTEST = -60.0, 200.0
_ITEM = r"{mValue=(?P<value>[^,}]+), mType=(?P<type>-?\d+), mName=(?P<name>[^,}]*)"
_TEMPERATURE = re.compile("Temperature" + _ITEM)
_COOLING = re.compile("CoolingDevice" + _ITEM)
_WAKEFULNESS = re.compile(r"^\s*(?:m|get)?Wakefulness(?:Raw|Locked\(\))?=(\w+)", re.MULTILINE)
_SCREENS = {"Awake": "on", "Dreaming": "on", "Dozing": "dozing", "Asleep": "off"}
_SAVERS = (
    re.compile(r"^\s*mLowPowerModeEnabled=(true|false)", re.MULTILINE),
    re.compile(r"Battery saver state machine:\s*Enabled=(true|false)"),
    re.compile(r"^\s*mBatterySaverEnabled=(true|false)", re.MULTILINE),
)


def is_android(tree: Tree) -> bool:
    """Return whether a machine runs Android."""
    return tree.has(MARK)


def why_no_gpu() -> Optional[str]:
    """Return why this process cannot use the GPU of the phone that it runs on, None where it runs on none."""
    if not is_android(Tree()):
        return None
    return (
        "a phone's GPU driver needs Android's own C library, which this Python has not; "
        "use --engine benchmark_model --delegate gpu"
    )


def properties(ask: Ask) -> Dict[str, str]:
    """Return the system's properties by name. Raises Unreadable."""
    text = ask("getprop")
    found = dict(re.findall(r"^\[([^\]\n]+)\]: \[(.*?)\]$", text, re.MULTILINE | re.DOTALL))
    if not found:
        raise Unreadable("getprop: not understood: %s" % shown(text))
    return found


def model(told: Dict[str, str]) -> str:
    """Return the phone's name, such as ``Google Pixel 7``. Raises Unreadable."""
    maker, name = told.get("ro.product.manufacturer", "").strip(), told.get("ro.product.model", "").strip()
    if not name:
        raise Unreadable("getprop: has no ro.product.model")
    return name if name.lower().startswith(maker.lower()) else "%s %s" % (maker, name)


def chip(told: Dict[str, str]) -> str:
    """Return the system on chip, such as ``Google Tensor G2``; before Android 12 its platform. Raises Unreadable."""
    words = [told.get(name, "").strip() for name in ("ro.soc.manufacturer", "ro.soc.model")]
    named = " ".join(word for word in words if word and word.lower() != "unknown")
    platform = told.get("ro.board.platform", "").strip() or told.get("ro.hardware", "").strip()
    if not (named or platform):
        raise Unreadable("getprop: names no chip")
    return named or platform


def system(told: Dict[str, str]) -> str:
    """Return ``Android 14 (API 34), build AP1A.240505.004``. Raises Unreadable."""
    release = told.get("ro.build.version.release", "").strip()
    if not release:
        raise Unreadable("getprop: has no ro.build.version.release")
    level, build = told.get("ro.build.version.sdk", "").strip(), told.get("ro.build.id", "").strip()
    return "Android %s%s%s" % (release, " (API %s)" % level if level else "", ", build %s" % build if build else "")


def virtual_signs(told: Dict[str, str]) -> List[str]:
    """Return what shows that this is Android's emulator, or another virtual phone; empty where nothing does."""
    hardware = told.get("ro.hardware", "")
    signs = ["ro.hardware: %s" % hardware] if re.match(r"goldfish|ranchu|cutf|vsoc|redroid|waydroid", hardware) else []
    marks = ("ro.kernel.qemu", "ro.boot.qemu")
    return signs + ["%s: %s" % (name, told[name]) for name in marks if told.get(name, "0") not in ("", "0")]


class Thermal:
    """What ``dumpsys thermalservice`` tells; it is asked when the first of these is wanted. All raise Unreadable."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._text: Optional[str] = None

    def status(self) -> str:
        """Return how much the phone slows itself down for heat: one of :data:`THERMAL_STATUSES`."""
        text = self._told()
        if re.search(r"^\s*IsStatusOverride: true", text, re.MULTILINE):
            raise Unreadable("dumpsys thermalservice: the status was set by hand; cmd thermalservice reset ends that")
        found = re.search(r"^\s*Thermal Status: (-?\d+)", text, re.MULTILINE)
        if found is None or not 0 <= int(found.group(1)) < len(THERMAL_STATUSES):
            raise Unreadable("dumpsys thermalservice: tells no status: %s" % shown(text))
        return THERMAL_STATUSES[int(found.group(1))]

    def temperatures(self) -> Dict[str, Dict[str, Any]]:
        """Return type and temperature of each sensor, as :func:`.truth_clock.temperatures` has thermal zones."""
        found: Dict[str, Dict[str, Any]] = {}
        for sensor in self._items(_TEMPERATURE):
            kind, name, celsius = int(sensor["type"]), sensor["name"], _float(sensor["value"])
            if kind not in _SENSORS and kind >= 0:
                continue
            zone: Dict[str, Any] = {"type": _titled(name, _SENSORS.get(kind, ""))}
            if celsius is None or not _COLDEST <= celsius <= _HOTTEST:
                zone["unavailable"] = "dumpsys thermalservice: %s says %s" % (name, shown(sensor["value"]))
            else:
                zone["celsius"] = celsius
            found["android-%s" % name] = zone
        if not found:
            raise Unreadable("dumpsys thermalservice: has no sensor")
        return found

    def cooling(self) -> Dict[str, Dict[str, Any]]:
        """Return the cooling devices that slow the processor, as :func:`.truth_clock.cooling` has them."""
        found: Dict[str, Dict[str, Any]] = {}
        for device in self._items(_COOLING):
            state = _float(device["value"])
            if int(device["type"]) == _CPU_COOLING and state is not None and state >= 0:
                found["android-%s" % device["name"]] = {"type": device["name"], "state": int(state)}
        if not found:
            raise Unreadable("dumpsys thermalservice: no cooling device slows the processor")
        return found

    def _items(self, pattern: "re.Pattern[str]") -> List[Dict[str, str]]:
        """Return what the sensors say now; what Android remembers of them only where they are not asked."""
        cached, asked, now = self._told().partition("Current temperatures from HAL")
        found = [match.groupdict() for match in pattern.finditer(now)] if asked else []
        return found or [match.groupdict() for match in pattern.finditer(cached)]

    def _told(self) -> str:
        if self._text is None:
            self._text = self._ask("dumpsys", "thermalservice")
        return self._text


def battery(ask: Ask) -> Dict[str, Any]:
    """Return ``on_battery``, what the phone is ``powered_by``, and the battery's status, charge and temperature.

    The names are those of :func:`.truth_clock.power`. Raises Unreadable.
    """
    text = ask("dumpsys", "battery")
    if "UPDATES STOPPED" in text:
        raise Unreadable("dumpsys battery: its values were set by hand; dumpsys battery reset ends that")
    # What makers add comes after Android's own fields, and may call its own so, too.
    fields = dict(reversed(re.findall(r"^\s*([A-Za-z ]+): (.+?)\s*$", text, re.MULTILINE)))
    if not any(name + " powered" in fields for name in _SOURCES):
        raise Unreadable("dumpsys battery: not understood: %s" % shown(text))
    powered_by = [name for name in _SOURCES if fields.get(name + " powered") == "true"]
    found: Dict[str, Any] = {"on_battery": not powered_by, "powered_by": powered_by}
    status, level, scale, tenths = (_whole(fields, name) for name in ("status", "level", "scale", "temperature"))
    if status in _BATTERY_STATUSES:
        found["battery_status"] = _BATTERY_STATUSES[status]
    if level is not None and 0 <= level <= (scale or 100):
        found["battery_percent"] = round(100 * level / (scale or 100))
    if tenths is not None and _COLDEST <= tenths / 10 <= _HOTTEST:
        found["battery_celsius"] = tenths / 10
    return found


class Power:
    """What ``dumpsys power`` tells; it is asked when the first of these is wanted. All raise Unreadable."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._text: Optional[str] = None

    def screen(self) -> str:
        """Return ``on``, ``dozing`` or ``off``."""
        found = _WAKEFULNESS.search(self._told())
        if found is None or found.group(1) not in _SCREENS:
            raise Unreadable("dumpsys power: tells no state of the screen")
        return _SCREENS[found.group(1)]

    def saver(self) -> bool:
        """Return whether battery saver is on, which slows the processor down."""
        for pattern in _SAVERS:
            found = pattern.search(self._told())
            if found is not None:
                return found.group(1) == "true"
        raise Unreadable("dumpsys power: does not tell of battery saver")

    def _told(self) -> str:
        if self._text is None:
            self._text = self._ask("dumpsys", "power")
        return self._text


def _titled(name: str, kind: str) -> str:
    """Return a sensor's name with what it measures, unless it says so itself."""
    return "%s (%s)" % (name, kind) if kind and kind.lower() not in name.lower() else name


def _float(text: str) -> Optional[float]:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(fields: Dict[str, str], name: str) -> Optional[int]:
    text = fields.get(name, "")
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
