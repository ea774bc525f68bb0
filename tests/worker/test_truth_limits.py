from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.worker import truth_limits
from edgebench.worker.tree import Tree, Unreadable
from machine_trees import put

V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
)
GROUPS = "8:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/docker/abc"
V2_MOUNT = "34 25 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A container with version 1 groups: what it calls the top of the mount is its own group."""
    put(tmp_path, "/proc/self/mountinfo", V1_MOUNTS.format(root="/docker/abc"))
    put(tmp_path, "/proc/self/cgroup", GROUPS)
    put(tmp_path, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000")
    put(tmp_path, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
    put(tmp_path, "/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 90\nnr_throttled 4\nthrottled_time 123456789")
    put(tmp_path, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912")
    return tmp_path


def _tree(root: Path) -> Tree:
    return Tree(str(root))


def test_version_1_in_a_container(container: Path) -> None:
    assert truth_limits.cpu_quota(_tree(container)) == {"limited": True, "cores": 0.5}
    assert truth_limits.throttled(_tree(container)) == {"periods": 4, "time_ns": 123_456_789}
    assert truth_limits.memory_limit(_tree(container)) == {"limited": True, "limit_bytes": 536_870_912}


def test_version_1_without_limits(container: Path) -> None:
    put(container, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
    put(container, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    assert truth_limits.cpu_quota(_tree(container)) == {"limited": False}
    assert truth_limits.memory_limit(_tree(container)) == {"limited": False}


def test_version_1_on_the_host_looks_at_every_level(container: Path) -> None:
    put(container, "/proc/self/mountinfo", V1_MOUNTS.format(root="/"))
    put(container, "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "150000")
    put(container, "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000")
    put(container, "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 1")
    assert truth_limits.cpu_quota(_tree(container)) == {"limited": True, "cores": 0.5}
    assert truth_limits.throttled(_tree(container)) == {"periods": 6, "time_ns": 123_456_790}


def test_version_2_takes_the_tightest_level(tmp_path: Path) -> None:
    put(tmp_path, "/proc/self/mountinfo", V2_MOUNT)
    put(tmp_path, "/proc/self/cgroup", "0::/a/b")
    put(tmp_path, "/sys/fs/cgroup/a/cpu.max", "25000 100000")
    put(tmp_path, "/sys/fs/cgroup/a/b/cpu.max", "max 100000")
    put(tmp_path, "/sys/fs/cgroup/a/memory.max", "1000")
    put(tmp_path, "/sys/fs/cgroup/a/b/memory.max", "max")
    assert truth_limits.cpu_quota(_tree(tmp_path)) == {"limited": True, "cores": 0.25}
    assert truth_limits.memory_limit(_tree(tmp_path)) == {"limited": True, "limit_bytes": 1000}


def test_a_group_outside_the_mount_is_read_at_its_top(tmp_path: Path) -> None:
    put(tmp_path, "/proc/self/mountinfo", V2_MOUNT.replace(" / ", " /x ", 1))
    put(tmp_path, "/proc/self/cgroup", "0::/../../y")
    put(tmp_path, "/sys/fs/cgroup/cpu.max", "100000 100000")
    assert truth_limits.cpu_quota(_tree(tmp_path)) == {"limited": True, "cores": 1.0}


def test_no_groups_at_all_has_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "/proc/self/mountinfo", "25 1 179:2 / / rw - ext4 /dev/root rw")
    put(tmp_path, "/proc/self/cgroup", "0::/")
    for read in (truth_limits.cpu_quota, truth_limits.throttled, truth_limits.memory_limit):
        with pytest.raises(Unreadable, match="no control groups are mounted"):
            read(_tree(tmp_path))


@pytest.mark.parametrize(("text", "cpus"), [("0", [0]), ("0-3", [0, 1, 2, 3]), ("1,4-5", [1, 4, 5])])
def test_lists_of_cpus(tmp_path: Path, text: str, cpus: list[int]) -> None:
    put(tmp_path, "/sys/devices/system/cpu/online", text)
    assert truth_limits.cpus_online(_tree(tmp_path)) == cpus


@pytest.mark.parametrize("text", ["", "a-b", "0-99999999999", "1,,2"])
def test_a_list_that_is_none_has_its_reason(tmp_path: Path, text: str) -> None:
    put(tmp_path, "/sys/devices/system/cpu/online", text)
    with pytest.raises(Unreadable, match="/sys/devices/system/cpu/online"):
        truth_limits.cpus_online(_tree(tmp_path))


@pytest.mark.parametrize("text", ["", "fast", "100", "max", "1 0", "x 100000"])
def test_a_quota_that_is_garbage_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    put(tmp_path, "/proc/self/mountinfo", V2_MOUNT)
    put(tmp_path, "/proc/self/cgroup", "0::/a")
    put(tmp_path, "/sys/fs/cgroup/a/cpu.max", text)
    with pytest.raises(Unreadable, match=r"/sys/fs/cgroup/a/cpu\.max"):
        truth_limits.cpu_quota(_tree(tmp_path))


def test_garbage_elsewhere_is_not_taken_for_no_limit(container: Path) -> None:
    put(container, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-7")
    put(container, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "lots")
    put(container, "/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_throttled some")
    for read in (truth_limits.cpu_quota, truth_limits.throttled, truth_limits.memory_limit):
        with pytest.raises(Unreadable):
            read(_tree(container))
