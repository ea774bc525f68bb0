"""Who uses the processor and the memory, from procfs.

Sources: proc_stat(5), proc_pid_status(5), proc_pid_stat(5), proc_loadavg(5), proc_meminfo(5), proc_vmstat(5);
kernel documentation, scheduler/sched-stats (``schedstat``: time on the CPU, time waiting for one, time slices).
"""

from __future__ import annotations

import os
from typing import Any, Dict, List

from .tree import Tree, Unreadable, decimal, shown, whole

_JIFFIES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_SWITCHES = {"voluntary_ctxt_switches": "voluntary_switches", "nonvoluntary_ctxt_switches": "involuntary_switches"}
_SCHEDSTAT = ("run_ns", "wait_ns", "timeslices")


def cpu_jiffies(tree: Tree) -> Dict[str, Dict[str, int]]:
    """Return the ticks each CPU (by number, and ``all``) spent per state since boot; ``user`` includes ``guest``."""
    found: Dict[str, Dict[str, int]] = {}
    for line in tree.text("/proc/stat").splitlines():
        words = line.split()
        if words and words[0].startswith("cpu"):
            values = [whole(word, "/proc/stat") for word in words[1:]]
            if len(values) < 4:
                raise Unreadable("/proc/stat: a line is cut short: %s" % shown(line))
            found[words[0][3:] or "all"] = dict(zip(_JIFFIES, values))
    if "all" not in found:
        raise Unreadable("/proc/stat: has no line of the CPUs")
    return found


def jiffies_per_second(_tree: Tree) -> int:
    """Return how many ticks of ``/proc/stat`` make a second."""
    try:
        return os.sysconf("SC_CLK_TCK")
    except (ValueError, OSError, AttributeError) as error:
        raise Unreadable("this system does not tell its clock ticks: %s" % error) from error


def load_average(tree: Tree) -> Dict[str, float]:
    """Return the mean number of tasks that ran or waited, over 1, 5 and 15 minutes."""
    words = tree.text("/proc/loadavg").split()
    if len(words) < 3:
        raise Unreadable("/proc/loadavg: cut short: %s" % shown(" ".join(words)))
    return {name: decimal(word, "/proc/loadavg") for name, word in zip(("1min", "5min", "15min"), words)}


def memory_available_bytes(tree: Tree) -> int:
    """Return what new programs can take without swapping."""
    return _meminfo(tree, "MemAvailable")


def memory_total_bytes(tree: Tree) -> int:
    """Return the memory that the kernel manages."""
    return _meminfo(tree, "MemTotal")


def swap_used_bytes(tree: Tree) -> int:
    """Return how much lies in swap."""
    return _meminfo(tree, "SwapTotal") - _meminfo(tree, "SwapFree")


def pages_swapped_in(tree: Tree) -> int:
    """Return the pages read back from swap since boot."""
    return _field(tree, "/proc/vmstat", "pswpin")


def pages_swapped_out(tree: Tree) -> int:
    """Return the pages written to swap since boot."""
    return _field(tree, "/proc/vmstat", "pswpout")


def major_faults(tree: Tree, pid: int) -> int:
    """Return how often a process had to wait for a page from a disk."""
    path = "/proc/%d/stat" % pid
    # The program's name in brackets may hold spaces and brackets of its own: count from the last one.
    words = tree.text(path).rpartition(")")[2].split()
    if len(words) < 10:
        raise Unreadable("%s: cut short" % path)
    return whole(words[9], path)


def threads(tree: Tree, pid: int) -> Dict[str, Dict[str, Any]]:
    """Return for each thread of a process its time on a CPU, its time waiting for one, and its context switches.

    Per thread, because the process's own files tell about its first thread alone.
    """
    folder = "/proc/%d/task" % pid
    found: Dict[str, Dict[str, Any]] = {}
    for tid in tree.names(folder, r"\d+"):
        found[tid] = _thread(tree, "%s/%s/" % (folder, tid))
    if not any("run_ns" in thread or "involuntary_switches" in thread for thread in found.values()):
        raise Unreadable("; ".join(dict.fromkeys(found[next(iter(found))]["unavailable"].values())))
    return found


def _thread(tree: Tree, folder: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    unavailable: Dict[str, str] = {}
    try:
        words = tree.text(folder + "schedstat").split()
        if len(words) != len(_SCHEDSTAT):
            raise Unreadable("%sschedstat: not three numbers: %s" % (folder, shown(" ".join(words))))
        values = [whole(word, folder + "schedstat") for word in words]
        found.update(zip(_SCHEDSTAT, values))
    except Unreadable as error:  # a kernel without CONFIG_SCHED_INFO, or a thread that just ended
        unavailable["wait_ns"] = str(error)
    for key, name in _SWITCHES.items():
        try:
            found[name] = _field(tree, folder + "status", key + ":")
        except Unreadable as error:
            unavailable[name] = str(error)
    found["unavailable"] = unavailable
    return found


def _meminfo(tree: Tree, key: str) -> int:
    return _field(tree, "/proc/meminfo", key + ":") * 1024


def _field(tree: Tree, path: str, key: str) -> int:
    for line in tree.text(path).splitlines():
        words: List[str] = line.split()
        if len(words) >= 2 and words[0] == key:
            return whole(words[1], path)
    raise Unreadable("%s: has no line %s" % (path, key))
