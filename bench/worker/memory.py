"""Memory of this process from the kernel's own counters.

``VmHWM`` in ``/proc/self/status`` is the high-water mark of resident memory since this program was started by
``execve`` (proc(5)). ``getrusage().ru_maxrss`` is not used: a child starts with its parent's maximum (getrusage(2)),
so a worker started by a large controller would report the controller.
"""

from __future__ import annotations

from typing import Any, Dict

_FIELDS = {"VmRSS": "rss_bytes", "VmHWM": "peak_rss_bytes", "VmSwap": "swap_bytes"}


def memory_snapshot(status_path: str = "/proc/self/status") -> Dict[str, Any]:
    """Return ``rss_bytes``, ``peak_rss_bytes`` and ``swap_bytes`` as far as the kernel tells.

    What cannot be read is absent, and ``unavailable`` maps its name to the reason.
    """
    found: Dict[str, Any] = {}
    reason = "not in " + status_path
    try:
        with open(status_path, encoding="ascii", errors="replace") as status:
            for line in status:
                key, _, rest = line.partition(":")
                if key in _FIELDS:
                    found[_FIELDS[key]] = int(rest.split()[0]) * 1024
    except OSError as error:
        reason = "cannot read %s: %s" % (status_path, error.strerror)
    missing = {name: reason for name in _FIELDS.values() if name not in found}
    if "rss_bytes" in missing:
        _ask_psutil(found, missing)
    if missing:
        found["unavailable"] = missing
    return found


def _ask_psutil(found: Dict[str, Any], missing: Dict[str, str]) -> None:
    try:
        import psutil
    except ImportError:
        return
    found["rss_bytes"] = int(psutil.Process().memory_info().rss)
    missing.pop("rss_bytes", None)
