from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from edgebench.analysis.remedies import Remedy, remedy
from edgebench.analysis.surroundings import noise_finding, standing_findings
from edgebench.findings import Code, Finding, Severity
from edgebench.worker import truth
from machine_trees import lay_out

from .snapshots import Snapshot, quiet_pair

QUIET_MACHINE: dict[str, Any] = {"cpus_allowed": [0, 1], "cpu_quota": {"limited": False}, "aslr": 2}
CPUS = "/sys/devices/system/cpu"


def _codes(snapshot: Snapshot, machine: dict[str, Any]) -> list[str]:
    return [finding.code.value for finding in standing_findings(snapshot, machine)]


def _remedy(code: Code, snapshot: Snapshot, machine: dict[str, Any] | None = None) -> Remedy | None:
    return remedy(Finding(code, Severity.SUSPECT, "-", "-"), snapshot, machine or QUIET_MACHINE)


def test_a_quiet_machine_and_an_unreadable_one_have_no_findings() -> None:
    assert _codes(quiet_pair()[0], QUIET_MACHINE) == []
    assert _codes({"unavailable": {}}, {"unavailable": {}}) == []


def test_a_raspberry_pi_as_it_comes(tmp_path: Path) -> None:
    root = str(lay_out("raspberry-pi-4", tmp_path))
    found = standing_findings(truth.snapshot(root, 1234), truth.machine(root, "aarch64"))
    assert [item.code for item in found] == [Code.GOVERNOR]
    assert "ondemand on 4 CPUs" in found[0].reason


def test_a_laptop_on_battery(tmp_path: Path) -> None:
    root = str(lay_out("laptop", tmp_path))
    found = _codes(truth.snapshot(root, 1234), truth.machine(root, "x86_64"))
    assert found == ["battery", "governor", "swap-in-use", "cpu-quota", "boost"]


def test_an_emulator_makes_everything_invalid() -> None:
    machine = {**QUIET_MACHINE, "emulated": {"found": True, "signs": ["a", "b"]}}
    (finding,) = standing_findings(quiet_pair()[0], machine)
    assert finding.severity is Severity.INVALID
    assert finding.reason.endswith("a; b")


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("memory_available_bytes", 200_000_000, []),
        ("memory_available_bytes", 199_999_999, ["memory-low"]),
        ("swap_used_bytes", 99_999_999, []),
        ("swap_used_bytes", 100_000_000, ["swap-in-use"]),
    ],
)
def test_memory(field: str, value: int, found: list[str]) -> None:
    snapshot = quiet_pair()[0]
    snapshot[field] = value
    assert _codes(snapshot, QUIET_MACHINE) == found


@pytest.mark.parametrize(("cores", "found"), [(1.5, ["cpu-quota"]), (2.0, [])])
def test_a_quota_below_the_cpus(cores: float, found: list[str]) -> None:
    machine = {**QUIET_MACHINE, "cpu_quota": {"limited": True, "cores": cores}}
    assert _codes(quiet_pair()[0], machine) == found


def test_layouts_that_never_change() -> None:
    assert _codes(quiet_pair()[0], {**QUIET_MACHINE, "aslr": 0}) == ["aslr-off"]
    found = _remedy(Code.ASLR_OFF, quiet_pair()[0])
    assert found == Remedy("sudo sysctl -w kernel.randomize_va_space=2", "sudo sysctl -w kernel.randomize_va_space=0")


@pytest.mark.parametrize(("spread", "found"), [(0.099, False), (0.1, True)])
def test_noise(spread: float, found: bool) -> None:
    finding = noise_finding({"spread": spread, "count": 1000}, *quiet_pair())
    assert (finding is not None) is found
    if finding:
        assert "no other process was busy" in finding.reason


def test_noise_beside_others_blames_no_host() -> None:
    before, after = quiet_pair()
    after["cpu_jiffies"]["all"]["user"] += 900
    finding = noise_finding({"spread": 0.3, "count": 1000}, before, after)
    assert finding is not None
    assert "host" not in finding.reason


def test_the_governor_goes_back_to_what_it_was() -> None:
    snapshot = quiet_pair()[0]
    for clock in snapshot["cpu_clocks"].values():
        clock["governor"] = "schedutil"
    path = f"{CPUS}/cpu*/cpufreq/scaling_governor"
    expected = Remedy(f"echo performance | sudo tee {path}", f"echo schedutil | sudo tee {path}")
    assert _remedy(Code.GOVERNOR, snapshot) == expected


def test_unlike_cores_go_back_each_to_their_own() -> None:
    snapshot = quiet_pair()[0]
    snapshot["cpu_clocks"]["1"].update(hardware_max_hz=2_400_000_000, max_hz=1_800_000_000)
    assert _codes(snapshot, QUIET_MACHINE) == ["clock-capped"]
    found = _remedy(Code.CLOCK_CAPPED, snapshot)
    first, second = (f"{CPUS}/cpu{cpu}/cpufreq/scaling_max_freq" for cpu in (0, 1))
    assert found == Remedy(
        f"echo 1500000 | sudo tee {first} && echo 2400000 | sudo tee {second}",
        f"echo 1500000 | sudo tee {first} && echo 1800000 | sudo tee {second}",
    )


@pytest.mark.parametrize(("file", "off"), [("intel_pstate/no_turbo", "1"), ("cpufreq/boost", "0")])
def test_boost_is_switched_off_where_it_is_ruled(file: str, off: str) -> None:
    machine = {**QUIET_MACHINE, "boost": {"on": True, "file": f"{CPUS}/{file}"}}
    assert _codes(quiet_pair()[0], machine) == ["boost"]
    found = _remedy(Code.BOOST, quiet_pair()[0], machine)
    assert found is not None
    assert found.command == f"echo {off} | sudo tee {CPUS}/{file}"
    assert found.undo == f"echo {1 - int(off)} | sudo tee {CPUS}/{file}"


def test_swap_is_not_emptied_into_memory_that_is_not_there() -> None:
    snapshot = quiet_pair()[0]
    snapshot.update(swap_used_bytes=1_000_000_000, memory_available_bytes=2_000_000_000)
    assert _remedy(Code.SWAP_IN_USE, snapshot) == Remedy("sudo swapoff -a && sudo swapon -a")
    snapshot["memory_available_bytes"] = 1_999_999_999
    found = _remedy(Code.SWAP_IN_USE, snapshot)
    assert found is not None
    assert "swapoff" not in found.command


def test_commands_are_whole_shell_text(tmp_path: Path) -> None:
    root = str(lay_out("laptop", tmp_path))
    snapshot, machine = truth.snapshot(root, 1234), truth.machine(root, "x86_64")
    for code in Code:
        found = _remedy(code, snapshot, machine)
        for text in (found.command, found.undo or "true") if found else ():
            subprocess.run(["bash", "-n", "-c", text], check=True)


def test_no_command_cools_a_board() -> None:
    assert _remedy(Code.HOT, quiet_pair()[0]) is None
