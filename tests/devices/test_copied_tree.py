"""Files that a shell fetched, read as those of a machine are."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.copied_tree import copied_tree
from edgebench.devices.shell_truth import ShellTruth
from edgebench.worker import affinity, truth
from edgebench.worker.tree import Tree, Unreadable

from .local_transport import LocalTransport


@pytest.fixture
def here(tmp_path: Path) -> ShellTruth:
    return ShellTruth(LocalTransport(tmp_path, login="echo Welcome"))


def test_lines_are_files_again() -> None:
    tree = copied_tree([
        "/proc/stat:cpu  1 2 3 4", "/proc/stat:cpu0 1 2 3 4", "/proc/device-tree/compatible:a,b\1c,d\1",
        "/sys/class/thermal/thermal_zone10/type:cpu", "/sys/class/thermal/thermal_zone2/type:a: b",
        "grep: /sys/class/thermal/thermal_zone2/temp: Permission denied",
        "grep: /sys/block/*/device/name: No such file or directory", "something else",
    ])  # fmt: skip
    assert tree.text("/proc/stat") == "cpu  1 2 3 4\ncpu0 1 2 3 4"
    assert tree.text("/proc/device-tree/compatible").split("\0") == ["a,b", "c,d"]
    assert tree.names("/sys/class/thermal", r"thermal_zone\d+") == ["thermal_zone2", "thermal_zone10"]
    assert tree.text("/sys/class/thermal/thermal_zone2/type") == "a: b"
    with pytest.raises(Unreadable, match="thermal_zone2/temp: Permission denied"):
        tree.text("/sys/class/thermal/thermal_zone2/temp")
    with pytest.raises(Unreadable, match="/proc/uptime: No such file"):
        tree.text("/proc/uptime")
    with pytest.raises(Unreadable, match="/sys/block: holds nothing"):
        tree.names("/sys/block", r".*")
    assert tree.has("/sys/class/thermal")
    assert not tree.has("/sys/class/power_supply")


def test_a_shell_tells_of_this_machine_what_its_own_process_reads(here: ShellTruth) -> None:
    mine, told = truth.machine(), dict(here.machine())
    for name in ("cpu_quota", "memory_limit"):  # of the groups that a process is in
        mine.pop(name, None)
        told.pop(name, None)
    assert {name: told[name] for name in told if name != "unavailable"} == {
        name: mine[name] for name in mine if name != "unavailable"
    }


def test_its_state_is_the_same_too_but_for_what_a_process_has(here: ShellTruth) -> None:
    mine, told = truth.snapshot(), here.state()
    of_a_process = {"pid", "threads", "major_faults", "cgroup_throttled"}
    assert mine.keys() - of_a_process == told.keys() - of_a_process
    assert told["memory_total_bytes"] == mine["memory_total_bytes"]
    assert told["cpu_jiffies"].keys() == mine["cpu_jiffies"].keys()
    assert told["unavailable"]["threads"] == "what tells it there is another process than the one that is measured"
    assert told["taken_ns"] >= mine["taken_ns"]


def test_its_cpus(here: ShellTruth) -> None:
    assert here.able_cpus() == affinity.capacities(Tree())
    assert here.allowed_cpus() == truth.machine()["cpus_allowed"]


def test_what_it_is_is_asked_once(here: ShellTruth) -> None:
    found = here.environment()
    assert found.memory_total_bytes == truth.snapshot()["memory_total_bytes"]
    assert found.cpus_logical
    here.transport.close()
    assert here.environment() is found


def test_its_programs_are_asked(here: ShellTruth) -> None:
    assert here.firmware()["unavailable"]["firmware_throttling"].startswith("vcgencmd is not installed")
