from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from edgebench.worker import truth
from machine_trees import lay_out, put

PID = 1234
MACHINES = ("raspberry-pi-4", "laptop")


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return lay_out("raspberry-pi-4", tmp_path)


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    return lay_out("laptop", tmp_path)


def _snapshot(root: Path) -> dict[str, Any]:
    return truth.snapshot(str(root), PID)


def test_the_boards_clock_and_governor(board: Path) -> None:
    clocks = _snapshot(board)["cpu_clocks"]
    assert list(clocks) == ["0", "1", "2", "3"]
    assert clocks["2"]["current_hz"] == clocks["2"]["hardware_max_hz"] == 1_500_000_000
    assert clocks["2"]["min_hz"] == 600_000_000
    assert clocks["2"]["governor"] == "ondemand"
    assert "base_frequency" in clocks["2"]["unavailable"]["base_hz"]


def test_the_boards_heat_and_supply(board: Path) -> None:
    found = _snapshot(board)
    assert found["temperatures"] == {"thermal_zone0": {"type": "cpu-thermal", "celsius": 48.199}}
    assert found["under_voltage"] is False
    assert set(found["unavailable"]) == {"cooling", "thermal_throttling", "power", "cgroup_throttled"}


def test_the_boards_lasting_facts(board: Path) -> None:
    found = truth.machine(str(board), "aarch64")
    assert found["board_model"] == "Raspberry Pi 4 Model B Rev 1.2"
    assert found["soc"] == "brcm,bcm2711"
    assert found["cpus_online"] == found["cpus_allowed"] == [0, 1, 2, 3]
    assert found["cpu_quota"] == found["memory_limit"] == {"limited": False}
    assert found["aslr"] == 2
    assert found["virtual"] == found["emulated"] == {"found": False, "signs": []}
    assert set(found["unavailable"]) == {"boost"}


def test_the_laptops_clock_heat_and_power(laptop: Path) -> None:
    found = _snapshot(laptop)
    assert found["cpu_clocks"]["0"]["base_hz"] == 2_500_000_000
    assert found["cpu_clocks"]["2"]["current_hz"] == 800_022_000
    zones = found["temperatures"]
    assert list(zones) == ["thermal_zone0", "thermal_zone1", "thermal_zone2", "thermal_zone10"]
    # A trip at 0 is switched off, and the critical one switches the machine off.
    assert zones["thermal_zone10"] == {"type": "x86_pkg_temp", "celsius": 52.0}
    assert "limit_celsius" not in zones["thermal_zone0"]
    assert "not a number" in zones["thermal_zone2"]["unavailable"]
    assert found["cooling"] == {
        "cooling_device0": {"type": "Processor", "state": 0},
        "cooling_device4": {"type": "intel_powerclamp", "state": 0},
    }
    assert found["thermal_throttling"] == {
        "core_events": 38,
        "core_time_ms": 124,
        "package_events": 31,
        "package_time_ms": 95,
    }
    # 76 % is the machine's own battery; the mouse's has 5 %.
    assert found["power"] == {"battery_status": "Discharging", "battery_percent": 76, "on_battery": True}


def test_the_laptops_load_and_memory(laptop: Path) -> None:
    found = _snapshot(laptop)
    assert found["cpu_jiffies"]["3"]["idle"] == 975_200
    assert found["cpu_jiffies"]["all"]["steal"] == 0
    assert found["load_average"] == {"1min": 1.92, "5min": 1.40, "15min": 0.98}
    assert found["memory_available_bytes"] == 1_902_144 * 1024
    assert found["swap_used_bytes"] == (8_388_604 - 7_864_316) * 1024
    assert (found["pages_swapped_in"], found["pages_swapped_out"]) == (10_412, 141_230)


def test_a_process_is_told_by_all_its_threads(laptop: Path) -> None:
    found = _snapshot(laptop)
    assert found["pid"] == PID
    # The name in /proc/PID/stat holds spaces and brackets.
    assert found["major_faults"] == 2
    assert set(found["threads"]) == {"1234", "1240"}
    assert found["threads"]["1240"] == {
        "run_ns": 310_000_000,
        "wait_ns": 900_000,
        "timeslices": 15,
        "voluntary_switches": 12,
        "involuntary_switches": 3,
        "unavailable": {},
    }


def test_switches_remain_where_the_kernel_keeps_no_waiting_times(laptop: Path) -> None:
    for tid in ("1234", "1240"):
        (laptop / f"proc/1234/task/{tid}/schedstat").unlink()
    thread = _snapshot(laptop)["threads"]["1240"]
    assert thread["involuntary_switches"] == 3
    assert "schedstat" in thread["unavailable"]["wait_ns"]


def test_a_process_that_is_gone_has_its_reason(laptop: Path) -> None:
    found = truth.snapshot(str(laptop), 99)
    assert found["unavailable"]["threads"] == "/proc/99/task: No such file or directory"
    assert "/proc/99/stat" in found["unavailable"]["major_faults"]


def test_the_laptops_lasting_facts(laptop: Path) -> None:
    found = truth.machine(str(laptop), "x86_64")
    assert found["board_model"] == "LENOVO 20HRCTO1WW"
    assert found["boost"] == {"on": True, "file": "/sys/devices/system/cpu/intel_pstate/no_turbo"}
    assert found["cpu_quota"] == {"limited": True, "cores": 1.5}
    assert found["memory_limit"] == {"limited": True, "limit_bytes": 2**31}
    assert set(found["unavailable"]) == {"soc"}


def test_without_intels_driver_boost_is_told_by_the_general_file(laptop: Path) -> None:
    shutil.rmtree(laptop / "sys/devices/system/cpu/intel_pstate")
    put(laptop, "/sys/devices/system/cpu/cpufreq/boost", "0")
    assert truth.machine(str(laptop), "x86_64")["boost"] == {
        "on": False,
        "file": "/sys/devices/system/cpu/cpufreq/boost",
    }


def test_the_nominal_clock_stands_in_for_the_base_clock(laptop: Path) -> None:
    (laptop / "sys/devices/system/cpu/cpu0/cpufreq/base_frequency").unlink()
    put(laptop, "/sys/devices/system/cpu/cpu0/acpi_cppc/nominal_freq", "2500")
    assert _snapshot(laptop)["cpu_clocks"]["0"]["base_hz"] == 2_500_000_000


@pytest.mark.parametrize(
    ("mains", "status", "expected"),
    [("1", "Charging", False), ("0", "Discharging", True), ("1", "Not charging", False), ("1", "Unknown", False)],
)
def test_mains_and_battery(laptop: Path, mains: str, status: str, expected: bool) -> None:
    put(laptop, "/sys/class/power_supply/AC/online", mains)
    put(laptop, "/sys/class/power_supply/BAT0/status", status)
    assert _snapshot(laptop)["power"]["on_battery"] is expected


def test_a_pi_with_a_weak_supply(board: Path) -> None:
    put(board, "/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1")
    assert _snapshot(board)["under_voltage"] is True


@pytest.mark.parametrize("machine", MACHINES)
def test_each_missing_file_costs_no_more_than_its_own_values(machine: str, tmp_path: Path) -> None:
    root = lay_out(machine, tmp_path)
    whole = {**_snapshot(root), **truth.machine(str(root), "x")}
    for file in [path for path in root.rglob("*") if path.is_file()]:
        content = file.read_bytes()
        file.unlink()
        found = {**_snapshot(root), **truth.machine(str(root), "x")}
        json.dumps(found, allow_nan=False)
        file.write_bytes(content)
        lost = (set(whole) - set(found)) | set(found["unavailable"])
        assert lost <= set(whole) | set(whole["unavailable"]), file


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe\x00garbage", b"-1", b"nan", b"1 2 3 4 5 6\ncpu x\n: : :", b"\n" * 9]
)
@pytest.mark.parametrize("machine", MACHINES)
def test_garbage_gives_a_reason_and_never_an_error(machine: str, garbage: bytes, tmp_path: Path) -> None:
    root = lay_out(machine, tmp_path)
    for file in [path for path in root.rglob("*") if path.is_file()]:
        file.write_bytes(garbage)
    for found in (_snapshot(root), truth.machine(str(root), "x86_64")):
        json.dumps(found, allow_nan=False)
        assert found["unavailable"]
        assert all(why and "\n" not in why for why in found["unavailable"].values())


def test_a_single_garbage_file_costs_only_what_it_holds(board: Path) -> None:
    put(board, "/proc/stat", "cpu  1 2\ncpu0 1")
    found = _snapshot(board)
    assert found["unavailable"]["cpu_jiffies"] == "/proc/stat: a line is cut short: 'cpu  1 2'"
    assert "cpu_clocks" in found


def test_an_empty_root_has_a_reason_for_everything(tmp_path: Path) -> None:
    found = _snapshot(tmp_path)
    assert set(found) == {"taken_ns", "pid", "jiffies_per_second", "unavailable"}
    assert all(found["unavailable"].values())


def test_this_machine_can_be_read() -> None:
    found = truth.snapshot()
    assert found["pid"] == os.getpid()
    assert found["memory_available_bytes"] > 0
    assert found["cpu_jiffies"]["all"]["user"] > 0
    assert str(threading.get_native_id()) in found["threads"]
    assert truth.snapshot()["taken_ns"] >= found["taken_ns"]
    facts = truth.machine()
    assert facts["cpus_allowed"] == sorted(os.sched_getaffinity(0))
    json.dumps([found, facts], allow_nan=False)
