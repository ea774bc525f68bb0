"""What this process may use: CPUs, and the share and memory that its control groups allow.

Sources: cgroups(7), kernel documentation admin-guide/cgroup-v2 and admin-guide/cgroup-v1, scheduler/sched-bwc.
"""

from __future__ import annotations

import posixpath
from typing import Any, Dict, List, NamedTuple

from .tree import Tree, Unreadable, shown, whole

#: A v1 memory limit above this means none: the kernel writes the greatest multiple of its page size.
_NO_LIMIT_BYTES = 1 << 60


class Groups(NamedTuple):
    """The folders that limit a process for one controller, innermost first, and the cgroup version."""

    version: int
    folders: List[str]


def cpus_online(tree: Tree) -> List[int]:
    """Return the numbers of the CPUs that are switched on."""
    path = "/sys/devices/system/cpu/online"
    return _cpu_list(tree.text(path), path)


def cpus_allowed(tree: Tree) -> List[int]:
    """Return the numbers of the CPUs that this process may run on."""
    path = "/proc/self/status"
    for line in tree.text(path).splitlines():
        key, _, value = line.partition(":")
        if key == "Cpus_allowed_list":
            return _cpu_list(value.strip(), path)
    raise Unreadable("%s: has no line Cpus_allowed_list" % path)


def cpu_quota(tree: Tree) -> Dict[str, Any]:
    """Return ``limited`` and, where a control group limits it, the ``cores`` that the processor time amounts to."""
    groups = _groups(tree, "cpu")
    cores: List[float] = []
    for folder in groups.folders:
        cores.extend(_cores_v2(tree, folder) if groups.version == 2 else _cores_v1(tree, folder))
    return {"limited": True, "cores": min(cores)} if cores else {"limited": False}


def throttled(tree: Tree) -> Dict[str, int]:
    """Return how many ``periods`` the quota stopped this process's control groups in, and for how long (``time_ns``).

    Every level from the process's own group to the top counts, since each may have a quota.
    """
    groups = _groups(tree, "cpu")
    total = {"periods": 0, "time_ns": 0}
    known = False
    for folder in groups.folders:
        path = folder + "/cpu.stat"
        if not tree.has(path):
            continue
        fields = dict(line.split(None, 1) for line in tree.text(path).splitlines() if len(line.split(None, 1)) == 2)
        if "nr_throttled" not in fields:
            continue  # the top group of v2 has no quota and no such counters
        known = True
        total["periods"] += whole(fields["nr_throttled"], path)
        if "throttled_usec" in fields:
            total["time_ns"] += whole(fields["throttled_usec"], path) * 1000
        elif "throttled_time" in fields:
            total["time_ns"] += whole(fields["throttled_time"], path)
    if not known:
        raise Unreadable("%s/cpu.stat: no control group counts throttling here" % groups.folders[0])
    return total


def memory_limit(tree: Tree) -> Dict[str, Any]:
    """Return ``limited`` and, where a control group limits memory, the least ``limit_bytes`` of any level."""
    groups = _groups(tree, "memory")
    file = "memory.max" if groups.version == 2 else "memory.limit_in_bytes"
    limits: List[int] = []
    for folder in groups.folders:
        path = "%s/%s" % (folder, file)
        # The top group of v2 has no such file, nor have groups that the controller is not switched on for.
        if tree.has(path) and tree.text(path) != "max":
            limits.append(tree.number(path))
    real = [limit for limit in limits if limit < _NO_LIMIT_BYTES]
    return {"limited": True, "limit_bytes": min(real)} if real else {"limited": False}


def _cores_v2(tree: Tree, folder: str) -> List[float]:
    path = folder + "/cpu.max"
    if not tree.has(path):
        return []
    words = tree.text(path).split()
    if len(words) != 2:
        raise Unreadable("%s: not a quota and a period: %s" % (path, shown(" ".join(words))))
    return [] if words[0] == "max" else [whole(words[0], path) / whole(words[1], path, minimum=1)]


def _cores_v1(tree: Tree, folder: str) -> List[float]:
    path = folder + "/cpu.cfs_quota_us"
    quota = tree.number(path, minimum=-1) if tree.has(path) else -1
    return [] if quota < 0 else [quota / tree.number(folder + "/cpu.cfs_period_us", minimum=1)]


def _groups(tree: Tree, controller: str) -> Groups:
    """Find the folders of this process's groups for a controller: a v1 hierarchy if one has it, else v2's."""
    own = _own_groups(tree)
    for line in tree.text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        words, kinds = left.split(), right.split()
        if len(words) >= 5 and len(kinds) >= 3 and kinds[0] == "cgroup" and controller in kinds[2].split(","):
            return Groups(1, _chain(words[4], words[3], own.get(controller, "/")))
    for line in tree.text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        words, kinds = left.split(), right.split()
        if len(words) >= 5 and kinds[:1] == ["cgroup2"]:
            return Groups(2, _chain(words[4], words[3], own.get("", "/")))
    raise Unreadable("/proc/self/mountinfo: no control groups are mounted for %s" % controller)


def _own_groups(tree: Tree) -> Dict[str, str]:
    """Return this process's group by controller; v2's has the empty name."""
    own: Dict[str, str] = {}
    for line in tree.text("/proc/self/cgroup").splitlines():
        words = line.split(":", 2)
        if len(words) == 3:
            own.update(dict.fromkeys(words[1].split(","), words[2]))
    return own


def _chain(mount_point: str, mounted: str, group: str) -> List[str]:
    """Return the folders from the group up to the mount point; ``mounted`` is the group that the mount shows as top."""
    inside = posixpath.relpath(group, mounted) if group.startswith(mounted.rstrip("/") + "/") else "."
    folder = posixpath.normpath(posixpath.join(mount_point, inside))
    chain = [folder]
    while folder != mount_point and len(folder) > len(mount_point):
        folder = posixpath.dirname(folder)
        chain.append(folder)
    return chain


def _cpu_list(text: str, path: str) -> List[int]:
    """Return the numbers in the kernel's list format, such as ``0-3,8``."""
    numbers: List[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        first = whole(low, path)
        last = whole(high, path) if dash else first
        if last - first > 65_536:
            raise Unreadable("%s: not a list of CPUs: %s" % (path, shown(text)))
        numbers.extend(range(first, last + 1))
    return numbers
