from __future__ import annotations

from typing import Any

from edgebench.analysis.load_state import held_down, hottest_celsius, load_findings, why_untold, working_clock_hz
from edgebench.findings import Code


def state(**fields: Any) -> dict[str, Any]:
    return {"taken_ns": 0, "unavailable": {}, **fields}


def test_the_hottest_zone_of_the_processor_counts() -> None:
    zones = {
        "0": {"type": "battery", "celsius": 70.0},
        "1": {"type": "cpu-0", "celsius": 51.0},
        "2": {"type": "cpu-1", "celsius": 53.5},
        "3": {"type": "cpu-2", "unavailable": "off"},
    }
    assert hottest_celsius(state(temperatures=zones)) == 53.5
    assert hottest_celsius(state(temperatures={"0": zones["0"]})) == 70.0
    assert hottest_celsius(state()) is None


def test_the_clock_is_that_of_the_slowest_cpu_that_worked() -> None:
    clocks = {"0": {"current_hz": 600}, "1": {"current_hz": 1500}, "2": {"current_hz": 1800}, "3": {}}
    ticks = {"0": {"user": 0, "idle": 100}, "1": {"user": 90, "idle": 10}, "2": {"user": 95, "idle": 5}}
    before = state(cpu_jiffies={cpu: dict.fromkeys(found, 0) for cpu, found in ticks.items()})
    after = state(cpu_clocks=clocks, cpu_jiffies=ticks)
    assert working_clock_hz(before, after) == 1500
    assert working_clock_hz(state(), state(cpu_clocks=clocks)) == 1800
    assert working_clock_hz(before, state()) is None


def test_what_holds_the_clock_down() -> None:
    cool = state(cooling={"c0": {"type": "cpufreq", "state": 0}})
    slowed = state(cooling={"c0": {"type": "cpufreq", "state": 2}})
    assert held_down(cool, slowed) is True
    assert held_down(cool, cool) is False
    assert held_down(state(), state(under_voltage=True)) is True
    assert held_down(state(), state()) is None


def test_findings_are_about_holding_down_alone_the_worst_of_each() -> None:
    hot = state(temperatures={"0": {"type": "cpu", "celsius": 79.0}}, cooling={"c0": {"type": "cpufreq", "state": 1}})
    found = load_findings([state(), hot, hot, state(under_voltage=True)])
    assert [finding.code for finding in found] == [Code.THROTTLED, Code.UNDER_VOLTAGE]
    assert load_findings([state()]) == ()


def test_processor_time_that_others_took_is_told_of_the_whole_load() -> None:
    def at(seconds: int, wait_ns: int) -> dict[str, Any]:
        threads = {"1": {"run_ns": seconds * 600_000_000, "wait_ns": wait_ns}}
        return state(pid=1, threads=threads) | {"taken_ns": seconds * 1_000_000_000}

    assert [found.code for found in load_findings([at(0, 0), at(1, 0), at(2, 800_000_000)])] == [Code.PREEMPTED]
    assert load_findings([at(0, 0), at(1, 0), at(2, 0)]) == ()


def test_firmware_bits_noted_meanwhile_are_told() -> None:
    before = state(firmware_throttling={"raw": 0, "now": [], "since_boot": []})
    after = state(firmware_throttling={"raw": 0x40000, "now": [], "since_boot": ["throttled"]})
    assert [finding.code for finding in load_findings([before, after])] == [Code.THROTTLED]


def test_why_a_field_is_not_told() -> None:
    assert why_untold({"unavailable": {"temperatures": "no zones"}}, "temperatures") == "no zones"
    assert why_untold({}, "temperatures") == "the device does not tell"
