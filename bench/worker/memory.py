"""Memory of this process from the kernel's own counters.

``VmHWM`` in ``/proc/self/status`` is the high-water mark of resident memory since this program was started by
``execve`` (proc(5)). ``getrusage().ru_maxrss`` is not used: a child starts with its parent's maximum (getrusage(2)),
so a worker started by a large controller would report the controller.

``/proc/self/smaps_rollup`` (Linux 4.14) sums what each mapping holds: ``Pss`` counts a page that n processes share
as 1/n, ``Private_Clean`` and ``Private_Dirty`` are the pages of this process alone, ``Anonymous`` those that no file
backs.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional, Tuple

_STATUS_FIELDS = {"rss_bytes": ("VmRSS",), "peak_rss_bytes": ("VmHWM",), "swap_bytes": ("VmSwap",)}
_ROLLUP_FIELDS = {
    "pss_bytes": ("Pss",),
    "uss_bytes": ("Private_Clean", "Private_Dirty"),
    "anonymous_bytes": ("Anonymous",),
}


def memory_snapshot(
    status_path: str = "/proc/self/status", rollup_path: str = "/proc/self/smaps_rollup"
) -> Dict[str, Any]:
    """Return ``rss_bytes``, ``peak_rss_bytes``, ``swap_bytes``, ``pss_bytes``, ``uss_bytes`` and ``anonymous_bytes``.

    What the kernel does not tell is absent, and ``unavailable`` maps its name to the reason. The peak is read before
    the longer file, so that a snapshot never reports what taking it needs.
    """
    found: Dict[str, Any] = {}
    missing: Dict[str, str] = {}
    _read(status_path, _STATUS_FIELDS, found, missing)
    _read(rollup_path, _ROLLUP_FIELDS, found, missing)
    if "rss_bytes" in missing:
        _ask_psutil(found, missing)
    if missing:
        found["unavailable"] = missing
    return found


def peak_rss_bytes(pid: str) -> Optional[int]:
    """Return the high-water mark of another process, ``self`` for this one; None where it cannot be read."""
    try:
        with open("/proc/%s/status" % pid, encoding="ascii", errors="replace") as file:
            found = re.search(r"^VmHWM:\s*(\d+) kB$", file.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def _read(path: str, fields: Mapping[str, Tuple[str, ...]], found: Dict[str, Any], missing: Dict[str, str]) -> None:
    """Add each field whose kernel counters are all in the file, as their sum in bytes; the others with the reason."""
    counters: Dict[str, int] = {}
    reason = "not in " + path
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                key, _, rest = line.partition(":")
                if any(key in keys for keys in fields.values()):
                    counters[key] = int(rest.split()[0]) * 1024
    except OSError as error:
        reason = "cannot read %s: %s" % (path, error.strerror)
    for name, keys in fields.items():
        if all(key in counters for key in keys):
            found[name] = sum(counters[key] for key in keys)
        else:
            missing[name] = reason


def _ask_psutil(found: Dict[str, Any], missing: Dict[str, str]) -> None:
    try:
        import psutil
    except ImportError:
        return
    found["rss_bytes"] = int(psutil.Process().memory_info().rss)
    missing.pop("rss_bytes", None)
