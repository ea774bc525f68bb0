"""Small files of a device's kernel, fetched at once by a shell there, as the readers of a machine's state take them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..worker.tree import Tree, Unreadable
from .remote_start import MARK

#: One program reads all of these, whatever their number; each line of its output is ``PATH:LINE``.
_FILES = (
    "/proc/stat /proc/meminfo /proc/vmstat /proc/loadavg /proc/cpuinfo /proc/self/status /proc/sys/kernel/arch",
    "/proc/sys/kernel/randomize_va_space /etc/os-release /usr/lib/os-release /sys/hypervisor/type",
    "/sys/devices/system/cpu/online /sys/devices/system/cpu/intel_pstate/no_turbo",
    "/sys/devices/system/cpu/cpufreq/boost",
    "/sys/devices/system/cpu/cpu[0-9]*/cpu_capacity /sys/devices/system/cpu/cpu[0-9]*/acpi_cppc/nominal_freq",
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/[bcs]*_freq* /sys/devices/system/cpu/cpu[0-9]*/cpufreq/*_governor",
    "/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*",
    "/sys/devices/system/clocksource/clocksource0/available_clocksource /sys/class/ptp/ptp0/clock_name",
    "/sys/devices/soc0/family /sys/devices/soc0/soc_id",
    "/sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/board_vendor",
    "/sys/block/*/device/name /sys/block/*/device/vendor /sys/block/*/device/model",
    "/sys/bus/usb/devices/*/manufacturer /sys/bus/mmc/devices/*/name",
    "/sys/class/hwmon/hwmon*/name /sys/class/hwmon/hwmon*/in0_lcrit_alarm",
    "/sys/class/power_supply/*/type /sys/class/power_supply/*/scope /sys/class/power_supply/*/online",
    "/sys/class/power_supply/*/status /sys/class/power_supply/*/capacity",
    "/sys/class/thermal/cooling_device*/type /sys/class/thermal/cooling_device*/cur_state",
    "/sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp",
    "/sys/class/thermal/thermal_zone*/trip_point_*_type /sys/class/thermal/thermal_zone*/trip_point_*_temp",
)
#: Of these lines end with a NUL, which makes a file no text to the program that reads the others.
_TREE = ("model", "compatible", "hypervisor/compatible")
#: Whose presence alone tells something.
_PRESENT = ("/system/bin/getprop",)
SCRIPT = "\n".join((
    f"echo; echo {MARK}",
    *(f'grep -H "" {patterns} 2>&1' for patterns in _FILES),
    *(
        f"[ -r /proc/device-tree/{name} ] && tr '\\000' '\\001' < /proc/device-tree/{name} | "
        f"sed 's|^|/proc/device-tree/{name}:|' && echo"
        for name in _TREE
    ),
    *(f"[ -e {path} ] && echo {path}:" for path in _PRESENT),
    "exit 0",
))  # fmt: skip
_LINE = re.compile(r"(/[^:*]+):(.*)")
#: What programs that read files say of one that they cannot read: the GNU, the toybox and the busybox form.
_REFUSED = re.compile(r"grep: (?P<path>/[^:*]+): (?P<why>.+)")


class CopiedTree(Tree):
    """The files as they were when they were fetched. Those that there are not, or could not be read, say why."""

    def __init__(self, texts: Mapping[str, str], refused: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = dict(texts)
        self._refused = dict(refused)

    def text(self, path: str) -> str:
        if path not in self._texts:
            raise Unreadable(f"{path}: {self._refused.get(path, 'No such file or directory')}")
        return self._texts[path]

    def has(self, path: str) -> bool:
        return any(known == path or known.startswith(f"{path}/") for known in (*self._texts, *self._refused))

    def names(self, folder: str, pattern: str) -> list[str]:
        start = f"{folder.rstrip('/')}/"
        known = {path[len(start) :].partition("/")[0] for path in self._texts if path.startswith(start)}
        found = [name for name in known if re.fullmatch(pattern, name)]
        if not found:
            raise Unreadable(f"{folder}: holds nothing of the kind that may be read")
        return sorted(found, key=lambda name: [int(part) if part.isdecimal() else part for part in _parts(name)])


def copied_tree(lines: list[str]) -> CopiedTree:
    """Return the files that the script's output, behind its mark, has."""
    texts: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for line in lines:
        if found := _REFUSED.fullmatch(line):
            refused[found["path"]] = found["why"]
        elif found := _LINE.fullmatch(line):
            texts.setdefault(found[1], []).append(found[2].replace("\1", "\0"))
    return CopiedTree({path: "\n".join(rows).strip("\0 \t\r\n") for path, rows in texts.items()}, refused)


def _parts(name: str) -> list[str]:
    return re.split(r"(\d+)", name)
